"""The grammar of expressions, read from text straight into closures. Nothing is evaluated here.

    or          and ( ("|" | "||") and )*
    and         not ( ("&" | "&&") not )*
    not         "!" not  |  comparison
    comparison  sum [ ("==" | "!=" | "<" | ">" | "<=" | ">=" | "has" | "has_i" | "matches" | "matches_i") sum ]
    sum         product ( ("+" | "-") product )*
    product     unary ( ("*" | "/" | "%") unary )*
    unary       "-" unary  |  primary
    primary     "(" or ")"  |  literal  |  "[" … "]"  |  "[" sum ".." sum "]"  |  "{" key ":" value, … "}"
                |  "$(" name ( "{" key "}" )* [ "|" default ] ")"  |  "$" name "(" arguments ")"

ESI 1.0 §5 has variables, literals in quotes, comparison and the logical operators; the rest is Akamai's. Literals without quotes are in ESI 1.0's
examples: a word that is no keyword stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from fragments.esi import operators
from fragments.esi.errors import EsiError
from fragments.esi.functions import FUNCTIONS, UNSUPPORTED_FUNCTIONS
from fragments.esi.operators import Evaluate
from fragments.esi.patterns import require_pattern
from fragments.esi.values import MAX_INTEGER, Value, number_of

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "ExpressionParser", "Match", "Operand"]

MAX_LENGTH = 16_384
"""Characters of an expression."""
MAX_DEPTH = 64
"""Parentheses, calls, keys, signs inside each other."""

_SPACE = re.compile(r"\s*")
_TEXT = {
    "'": re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
}
_TRIPLE = re.compile(r"'''(.*?)'''", re.DOTALL)
_ESCAPE = re.compile(r"\\(['\"\\])")
_WORD = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*|\d+(?:\.\d+)+(?![\w-])|\d+[A-Za-z_][\w-]*(?:\.[\w-]+)*")
"""A word that stands for itself, a decimal or a version, or what begins with a digit and goes on as a word."""
_INTEGER = re.compile(r"\d+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARISON = re.compile(r"==|!=|<=|>=|<|>|(?:has_i|has|matches_i|matches)(?![\w-])")
_BARE_KEY = re.compile(r"[^{}'\"$()|\\]+")
_BARE_DEFAULT = re.compile(r"[^)'\"$\\]*")
_SIMPLE_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_OPERATOR_WORDS = frozenset({"has", "has_i", "matches", "matches_i"})
_WORDS: dict[str, Value] = {"true": True, "false": False}


class Operand(NamedTuple):
    """A part of an expression. literal: its value, when `is_literal`; at: where it begins."""

    evaluate: Evaluate
    at: int
    is_literal: bool = False
    literal: Value = None


class Match(NamedTuple):
    """A comparison with `matches`: what its groups can be found from once more."""

    subject: Evaluate
    pattern: Evaluate
    ignore_case: bool


class ExpressionParser:
    """Reads one expression, or one variable or call, from text[start:]. Collects what it reads of the scope.

    functions   names of functions that the page defines; they go before the library's
    opened      after an error: where the variables and calls begin that were not complete
    """

    __slots__ = ("at", "depth", "end", "functions", "is_pure", "items", "match", "names", "opened", "text", "whole")

    def __init__(self, text: str, functions: Collection[str], start: int = 0) -> None:
        self.text = text
        self.functions = functions
        self.at = start
        self.end = min(len(text), start + MAX_LENGTH)
        self.depth = 0
        self.names: set[str] = set()
        self.whole: set[str] = set()
        self.items: set[tuple[str, str]] = set()
        self.is_pure = True
        self.opened: list[int] = []
        self.match: Match | None = None

    # ── Where we are ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def skip_space(self) -> None:
        """To the next character that is none."""
        match = _SPACE.match(self.text, self.at, self.end)
        assert match is not None
        self.at = match.end()

    def _next_is(self, word: str) -> bool:
        """Whether this is what comes next, after white space."""
        self.skip_space()
        return self.text.startswith(word, self.at, self.end)

    def _take(self, word: str) -> bool:
        if self._next_is(word):
            self.at += len(word)
            return True
        return False

    def _require(self, word: str) -> None:
        if not self._take(word):
            raise self.wrong(f"'{word}'")

    def wrong(self, expected: str) -> EsiError:
        """The error that something else was expected here."""
        if self.at >= self.end:
            found = "end of expression" if self.end == len(self.text) else f"more than {MAX_LENGTH:,} characters"
        else:
            found = repr(self.text[self.at : min(self.at + 12, self.end)])
        return EsiError("bad-expression", f"expected {expected} at character {self.at + 1}, got {found}", self.at)

    def _descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EsiError(
                "bad-expression", f"the expression nests more than {MAX_DEPTH} deep at character {self.at + 1}", self.at
            )

    # ── Operators ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def parse_whole(self) -> Operand:
        """An expression, up to the end of the text. Raises EsiError."""
        if len(self.text) > MAX_LENGTH:
            message = f"an expression has at most {MAX_LENGTH:,} characters, this one has {len(self.text):,}"
            raise EsiError("bad-expression", message, MAX_LENGTH)
        operand = self._or()
        self.skip_space()
        if self.at < self.end:
            if self.text[self.at] == "=":
                raise EsiError("bad-expression", f"'=' at character {self.at + 1} is no operator: write '=='", self.at)
            raise self.wrong("an operator or the end")
        return operand

    def _or(self) -> Operand:
        first = self._and()
        if not self._next_is("|"):
            return first
        operands = [first.evaluate]
        while self._take("||") or self._take("|"):
            operands.append(self._and().evaluate)
        return Operand(operators.any_of(operands), first.at)

    def _and(self) -> Operand:
        first = self._not()
        if not self._next_is("&"):
            return first
        operands = [first.evaluate]
        while self._take("&&") or self._take("&"):
            operands.append(self._not().evaluate)
        return Operand(operators.all_of(operands), first.at)

    def _not(self) -> Operand:
        self.skip_space()
        start, negations = self.at, 0
        while not self._next_is("!=") and self._take("!"):
            negations += 1
        operand = self._comparison()
        if not negations:
            return operand
        evaluate = operators.negation(operand.evaluate)
        return Operand(evaluate if negations % 2 else operators.negation(evaluate), start)

    def _comparison(self) -> Operand:
        left = self._sum()
        self.skip_space()
        match = _COMPARISON.match(self.text, self.at, self.end)
        if match is None:
            return left
        self.at = match.end()
        operator = match[0]
        right = self._sum()
        if operator.startswith("matches"):
            if right.is_literal and isinstance(right.literal, str):
                require_pattern(right.literal, right.at)
            self.match = Match(left.evaluate, right.evaluate, operator == "matches_i")
        self.skip_space()
        if _COMPARISON.match(self.text, self.at, self.end):
            message = f"a comparison can't be compared at character {self.at + 1}: use parentheses, or & between two comparisons"
            raise EsiError("bad-expression", message, self.at)
        return Operand(operators.comparison(operator, left.evaluate, right.evaluate), left.at)

    def _sum(self) -> Operand:
        first = self._product()
        rest: list[tuple[str, Evaluate]] = []
        while (operator := self._operator("+-")) is not None:
            rest.append((operator, self._product().evaluate))
        return Operand(operators.arithmetic(first.evaluate, rest), first.at) if rest else first

    def _product(self) -> Operand:
        first = self._unary()
        rest: list[tuple[str, Evaluate]] = []
        factors = [first]
        while (operator := self._operator("*/%")) is not None:
            factors.append(self._unary())
            rest.append((operator, factors[-1].evaluate))
        if not rest:
            return first
        for factor in factors:
            if factor.is_literal and number_of(factor.literal) is None:
                message = f"'*', '/' and '%' take numbers, and what is at character {factor.at + 1} is none"
                raise EsiError("bad-expression", message, factor.at)
        return Operand(operators.arithmetic(first.evaluate, rest), first.at)

    def _operator(self, among: str) -> str | None:
        self.skip_space()
        if self.at < self.end and self.text[self.at] in among:
            self.at += 1
            return self.text[self.at - 1]
        return None

    def _unary(self) -> Operand:
        self.skip_space()
        start, signs = self.at, 0
        while self._take("-"):
            signs += 1
        operand = self._primary()
        if not signs:
            return operand
        if operand.is_literal and isinstance(operand.literal, int) and not isinstance(operand.literal, bool):
            number = -operand.literal if signs % 2 else operand.literal
            return Operand(operators.constant(number), start, is_literal=True, literal=number)
        evaluate = operators.negative(operand.evaluate)
        return Operand(evaluate if signs % 2 else operators.negative(evaluate), start)

    # ── Primaries ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _primary(self) -> Operand:
        self.skip_space()
        start = self.at
        first = self.text[start : start + 1] if start < self.end else ""
        if first == "$":
            return Operand(self.reference(), start)
        if first and first in "'\"":
            return self._literal(start, self._quoted())
        if first and first in "([{":
            self._descend()
            self.at += 1
            operand = self._group(start) if first == "(" else self._list(start) if first == "[" else self._dictionary(start)
            self.depth -= 1
            return operand
        return self._bare(start)

    def _literal(self, start: int, value: Value) -> Operand:
        return Operand(operators.constant(value), start, is_literal=True, literal=value)

    def _bare(self, start: int) -> Operand:
        """A word or an integer."""
        word = _WORD.match(self.text, start, self.end)
        if word is not None and word[0] not in _OPERATOR_WORDS:
            self.at = word.end()
            return self._literal(start, _WORDS.get(word[0], word[0]))
        digits = None if word else _INTEGER.match(self.text, start, self.end)
        if digits is None:
            raise self.wrong("a value")
        if len(digits[0]) > 19 or int(digits[0]) > MAX_INTEGER:
            raise EsiError("bad-expression", f"the integer at character {start + 1} is beyond 64 bits", start)
        self.at = digits.end()
        return self._literal(start, int(digits[0]))

    def _quoted(self) -> str:
        if self.text.startswith("'''", self.at, self.end):
            match = _TRIPLE.match(self.text, self.at, self.end)
            if match is None:
                raise EsiError(
                    "bad-expression", f"the text that begins at character {self.at + 1} has no end: expected \"'''\"", self.at
                )
            self.at = match.end()
            return match[1]
        quote = self.text[self.at]
        match = _TEXT[quote].match(self.text, self.at, self.end)
        if match is None:
            raise EsiError(
                "bad-expression", f"the text that begins at character {self.at + 1} has no end: expected {quote}", self.at
            )
        self.at = match.end()
        return _ESCAPE.sub(r"\1", match[1]) if "\\" in match[1] else match[1]

    def _group(self, start: int) -> Operand:
        inner = self._or()
        self._require(")")
        return Operand(inner.evaluate, start, inner.is_literal, inner.literal)

    def _list(self, start: int) -> Operand:
        members: list[Evaluate] = []
        while not self._take("]"):
            if members:
                self._require(",")
                if self._take("]"):
                    break
            members.append(self._or().evaluate)
            if len(members) == 1 and self._take(".."):
                last = self._sum().evaluate
                self._require("]")
                return Operand(operators.integer_range(members[0], last), start)
        return Operand(operators.list_of(members), start)

    def _dictionary(self, start: int) -> Operand:
        entries: list[tuple[Evaluate, Evaluate]] = []
        while not self._take("}"):
            if entries:
                self._require(",")
                if self._take("}"):
                    break
            key = self._sum().evaluate
            self._require(":")
            entries.append((key, self._or().evaluate))
        return Operand(operators.dictionary(entries), start)

    # ── Variables and calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def reference(self) -> Evaluate:
        """$(NAME…) or $name(…), from the dollar sign on. Raises EsiError."""
        start = self.at
        self.opened.append(start)
        self._descend()
        self.at += 1
        if self.text.startswith("(", self.at, self.end):
            self.at += 1
            evaluate = self._variable()
        else:
            name = _NAME.match(self.text, self.at, self.end)
            if name is None or not self.text.startswith("(", name.end(), self.end):
                raise self.wrong("'(' and a variable's name, or a function's name and '('")
            self.at = name.end() + 1
            evaluate = self._call(name[0], start)
        self.depth -= 1
        self.opened.pop()
        return evaluate

    def _variable(self) -> Evaluate:
        self.skip_space()
        match = _NAME.match(self.text, self.at, self.end)
        if match is None:
            raise self.wrong("a variable's name")
        self.at = match.end()
        name = match[0]
        self.names.add(name)
        self.is_pure = False
        if self._take("{"):
            key = self._key()
            self.items.add((name, key if isinstance(key, str) else "*"))
            evaluate = operators.item(name, key)
            while self._take("{"):
                evaluate = operators.part(evaluate, self._key())
        else:
            self.whole.add(name)
            evaluate = operators.variable(name)
        if self._take("|"):
            evaluate = operators.with_default(evaluate, self._default())
        self._require(")")
        return evaluate

    def _key(self) -> Evaluate | str:
        """A key and the brace after it: in quotes, computed, or any characters that mean nothing else."""
        self.skip_space()
        first = self.text[self.at : self.at + 1] if self.at < self.end else ""
        key: Evaluate | str
        if first and first in "'\"":
            key = self._quoted()
        elif first == "$":
            key = self._sum().evaluate
        else:
            match = _BARE_KEY.match(self.text, self.at, self.end)
            if match is None:
                raise self.wrong("a key")
            self.at = match.end()
            key = match[0].strip()
        self._require("}")
        return key

    def _default(self) -> Evaluate:
        """What comes after `|`: in quotes, computed, or all up to the closing parenthesis."""
        self.skip_space()
        first = self.text[self.at : self.at + 1] if self.at < self.end else ""
        if first and first in "'\"$":
            return self._sum().evaluate
        match = _BARE_DEFAULT.match(self.text, self.at, self.end)
        assert match is not None
        self.at = match.end()
        word = match[0].strip()
        return operators.constant(int(word) if _SIMPLE_INTEGER.fullmatch(word) else word)

    def _call(self, name: str, start: int) -> Evaluate:
        """A function's arguments, and the call."""
        built_in = None if name in self.functions else FUNCTIONS.get(name)
        if built_in is None and name not in self.functions:
            if name in UNSUPPORTED_FUNCTIONS:
                raise EsiError("unsupported", f"${name} is not supported: {UNSUPPORTED_FUNCTIONS[name]}", start)
            raise EsiError("unknown-function", f"there is no function ${name} (character {start + 1})", start)
        arguments: list[Evaluate] = []
        while not self._take(")"):
            if arguments:
                self._require(",")
            arguments.append(self._or().evaluate)
        if built_in is None:
            self.is_pure = False
            return operators.page_call(name, arguments)
        if not built_in.minimum <= len(arguments) <= built_in.maximum:
            least, most = built_in.minimum, built_in.maximum
            wanted = str(least) if least == most else f"{least} to {most}"
            message = (
                f"${name} at character {start + 1} takes {wanted} argument{'' if wanted == '1' else 's'}, got {len(arguments)}"
            )
            raise EsiError("bad-expression", message, start)
        self.is_pure &= built_in.pure
        return operators.built_in_call(built_in, arguments)
