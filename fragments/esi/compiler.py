"""Nodes → steps. Here expressions are read, texts are joined, and what can't work is reported instead of run.

A page may come in pieces: `compile` may be called for one batch of nodes after the other, `finish` makes the program of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar, assert_never

from fragments.esi import nodes as node
from fragments.esi.errors import EsiError, Place, ProblemList, Span
from fragments.esi.expressions import Expression, Interpolation, parse_expression, parse_interpolation
from fragments.esi.html_place import HtmlPlace
from fragments.esi.parser import DEFAULT_LIMITS, ParseLimits, Parser
from fragments.esi.program import (
    Assign,
    Attempt,
    Branch,
    Break,
    Evaluate,
    Fetch,
    Function,
    InlineFragment,
    Loop,
    Program,
    Return,
    Static,
    Step,
    Steps,
    Text,
    Write,
)
from fragments.esi.values import Context

__all__ = ["Compiler", "compile_page", "context_of"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ITEM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\{(.+)\}", re.DOTALL)
_SECONDS = re.compile(r"\s*(\d{1,9})\s*(s|m|h|d|ms)?\s*")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")

# Fields that the page's author may not set: framing, routing, and who the visitor is.
_UNTOUCHABLE = frozenset(
    {
        "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection",
        "cookie", "authorization", "proxy-authorization", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via",
        "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "expect", "surrogate-capability",
    }
)  # fmt: skip

T = TypeVar("T", Expression, Interpolation)


def context_of(media_type: str) -> Context:
    """How text from a request is to be escaped in a page of that media type."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind in ("application/json", "application/ld+json") or kind.endswith("+json"):
        return Context.JSON
    if "javascript" in kind or "ecmascript" in kind:
        return Context.SCRIPT
    if kind in ("text/plain", "text/csv"):
        return Context.TEXT
    if kind.endswith(("/xml", "+xml")) and kind != "application/xhtml+xml":
        return Context.XML
    return Context.HTML


class Compiler:
    """One page.

    context     how request text is escaped in it
    page        its octets, for the lines of problems; b"" when they are not at hand
    functions   names of those that it may call beside its own
    """

    def __init__(
        self, parser: Parser, context: Context = Context.HTML, page: bytes = b"", *, functions: Collection[str] = ()
    ) -> None:
        self.parser = parser
        self.context = context
        self.page = page
        self._problems = ProblemList(DEFAULT_LIMITS.max_problems)
        self.functions: dict[str, Function] = {}
        self.inlines: dict[str, InlineFragment] = {}
        self.reads: set[tuple[str, str]] = set()
        self.size = 0
        self._known = set(functions)
        self._place = HtmlPlace()
        self._in_function = False
        self._in_inline = False
        self._assigning: set[str] = set()  # inline fragments after which a variable may be another one
        self._loops = 0

    def compile(self, nodes: Iterable[node.Node]) -> Steps:
        """The steps of some top-level nodes, in order. Never raises for what a page says."""
        return self._steps(nodes, interpolate=False)

    def finish(self, steps: Steps) -> Program:
        """The program of all steps that were compiled."""
        return Program(
            steps,
            functions=self.functions,
            inlines=self.inlines,
            problems=tuple(sorted([*self.parser.problems, *self._problems.problems], key=lambda problem: problem.span)),
            reads=frozenset(self.reads),
            found=self.parser.found,
            size=self.size,
        )

    # ---------------------------------------------------------------- nodes

    def _steps(self, nodes: Iterable[node.Node], *, interpolate: bool) -> Steps:
        steps: list[Step] = []
        texts: list[Static] = []  # that stand beside each other
        for item in nodes:
            step = self._step(item, interpolate=interpolate)
            if step is None:
                continue
            for one in step if isinstance(step, tuple) else (step,):
                if isinstance(one, Static):
                    texts.append(one)
                else:
                    _join(texts, steps)
                    steps.append(one)
        _join(texts, steps)
        self.size += 120 * len(steps)
        return tuple(steps)

    def _step(self, item: node.Node, *, interpolate: bool) -> Step | Steps | None:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
        match item:
            case node.Text():
                return self._text(item.data, item.span, interpolate=interpolate)
            case node.Verbatim():
                return self._text(item.data, item.span, interpolate=False)
            case node.Vars():
                if item.expression is not None:
                    return self._text(item.expression.encode("utf-8", "surrogateescape"), item.span, interpolate=True)
                return self._steps(item.body, interpolate=True)
            case node.Include():
                return self._include(item, interpolate=interpolate)
            case node.Eval():
                return self._eval(item)
            case node.Inline():
                self._inline(item)
                return None
            case node.Try():
                return self._try(item, interpolate=interpolate)
            case node.Choose():
                return self._choose(item, interpolate=interpolate)
            case node.Assign():
                return self._assign(item)
            case node.Foreach():
                return self._foreach(item, interpolate=interpolate)
            case node.Break():
                if not self._loops:
                    self._report(
                        "misplaced-element",
                        "break stands outside foreach, or in an include's own body or an inline fragment within it",
                        item.span,
                    )
                    return None
                return Break()
            case node.Function():
                self._function(item)
                return None
            case node.Return():
                if not self._in_function:
                    self._report("misplaced-element", "return stands outside function", item.span)
                    return None
                value = self._expression(item.value, item.span)
                return Return(value) if value is not None else None
            case node.When():
                return None  # stands in its choose
        assert_never(item)

    def _text(self, data: bytes, span: Span, *, interpolate: bool) -> Steps:
        self.size += len(data)
        found = None
        if interpolate and b"$" in data:
            text = data.decode("utf-8", "surrogateescape")
            found = self._read(lambda: parse_interpolation(text, functions=self._known), span)
        if found is None:
            self._pass(data)
            return (Static(data),)
        steps: list[Step] = []
        parts: list[bytes | Expression] = []
        context = self.context
        for part in found.parts:
            if isinstance(part, str):
                parts.append(octets := part.encode("utf-8", "surrogateescape"))
                self._pass(octets)
                continue
            here = self._context_here()
            if here is not context and parts:
                steps.append(_write(parts, context))
                parts = []
            context = here
            parts.append(part)
            self._place.pass_unknown()
        if parts:
            steps.append(_write(parts, context))
        return tuple(steps)

    def _context_here(self) -> Context:
        """How request text is escaped where we are."""
        if self.context is not Context.HTML:
            return self.context
        if self._place.in_script:
            return Context.SCRIPT
        return Context.URL if self._place.in_bare_value else Context.HTML  # no quotes: a blank would begin another attribute

    def _pass(self, data: bytes) -> None:
        """Text goes by: note where we are behind it."""
        if self.context is Context.HTML:
            self._place.feed(data)

    def _include(self, item: node.Include, *, interpolate: bool) -> Step | None:
        if self._in_function:
            self._report("misplaced-element", "include stands inside function, where nothing can be fetched", item.span)
            return None
        fetch = self._fetch(item.attributes, item.span)
        if fetch is None:
            return None
        fetch.is_flow = self.context is Context.HTML and self._place.is_flow and not self._in_inline
        if item.body is not None:
            loops, self._loops = self._loops, 0  # the loops around it have gone on when it runs
            fetch.fallback = self._steps(item.body, interpolate=interpolate)
            self._loops = loops
        return fetch

    def _eval(self, item: node.Eval) -> Step | None:
        if self._in_function:
            self._report("misplaced-element", "eval stands inside function, where nothing can be fetched", item.span)
            return None
        fetch = self._fetch(item.attributes, item.span)
        return Evaluate(fetch) if fetch is not None else None

    def _fetch(self, attributes: dict[str, str], span: Span) -> Fetch | None:
        src = self._attribute(attributes["src"], span)
        if src is None:
            return None
        fetch = Fetch(src, span)
        fetch.inlines_above = len(self.inlines)
        fetch.in_script = self._place.in_script
        if "alt" in attributes:
            fetch.alt = self._attribute(attributes["alt"], span)
        fetch.optional = self._choice(attributes, "onerror", ("continue",), span) == "continue"
        fetch.required = self._choice(attributes, "required", ("true", "yes", "false", "no"), span) in ("true", "yes")
        fetch.no_store = self._choice(attributes, "no-store", ("on", "true", "yes", "off", "false", "no"), span) in (
            "on",
            "true",
            "yes",
        )
        fetch.esi = self._choice(attributes, "dca", ("esi", "none"), span) == "esi"
        fetch.ttl = self._seconds(attributes, "ttl", 1.0, span)
        fetch.maxwait = self._seconds(attributes, "maxwait", 0.001, span)
        method = self._choice(attributes, "method", ("GET", "POST"), span)
        fetch.method = method or "GET"
        if "entity" in attributes:
            if fetch.method != "POST":
                self._report("unknown-attribute", "entity belongs to method='POST'", span, severity="warning")
            else:
                fetch.entity = self._attribute(attributes["entity"], span)
        fetch.set_fields = self._header(attributes, "setheader", span)
        fetch.add_fields = self._header(attributes, "appendheader", span)
        if (dropped := attributes.get("removeheader")) is not None and self._is_ours_to_set(
            dropped.strip(), "removeheader", span
        ):
            fetch.drop_fields = (dropped.strip().lower(),)
        self.size += 300
        return fetch

    def _header(self, attributes: dict[str, str], name: str, span: Span) -> tuple[tuple[str, Text], ...]:
        """`Name: value`, or `Name=value`, as Akamai has both."""
        given = attributes.get(name)
        if given is None:
            return ()
        found = re.match(r"([^:=\s]+)\s*[:=]\s*", given)
        if found is None or not self._is_ours_to_set(found[1], name, span):
            if found is None:
                self._report("bad-attribute", f"{name}: expected 'Name: value', got {given[:80]!r}", span)
            return ()
        value = self._attribute(given[found.end() :], span)
        return ((found[1].lower(), value),) if value is not None else ()

    def _is_ours_to_set(self, field: str, attribute: str, span: Span) -> bool:
        if _FIELD_NAME.fullmatch(field) is not None and field.lower() not in _UNTOUCHABLE:
            return True
        self._report("unsupported", f"{attribute} may not touch the field {field[:80]!r}", span, severity="unsupported")
        return False

    def _choice(self, attributes: dict[str, str], name: str, allowed: tuple[str, ...], span: Span) -> str | None:
        given = attributes.get(name)
        if given is None:
            return None
        for word in allowed:
            if given.strip().lower() == word.lower():
                return word
        self._report("bad-attribute", f"{name}: expected {' or '.join(allowed)}, got {given[:80]!r}", span)
        return None

    def _seconds(self, attributes: dict[str, str], name: str, unit: float, span: Span) -> float | None:
        """A length of time: digits with s, m, h, d or ms; without a unit, `unit` seconds each (maxwait counts milliseconds)."""
        given = attributes.get(name)
        if given is None:
            return None
        found = _SECONDS.fullmatch(given)
        if found is None:
            self._report("bad-attribute", f"{name}: expected a number with s, m, h, d or ms, got {given[:80]!r}", span)
            return None
        return int(found[1]) * (_UNITS[found[2]] if found[2] else unit)

    def _inline(self, item: node.Inline) -> None:
        fetchable = self._choice(item.attributes, "fetchable", ("yes", "no"), item.span) == "yes"
        name = item.attributes["name"]
        before = self._place, self._in_function, self._in_inline, self._loops
        self._place, self._in_function, self._in_inline, self._loops = (
            HtmlPlace(),
            False,
            True,
            0,
        )  # nobody knows where it will stand
        steps = self._steps(item.body, interpolate=False)
        self._place, self._in_function, self._in_inline, self._loops = before
        if name in self.inlines:
            self._report(
                "duplicate-element", f"there is an inline {name[:80]!r} already: the first counts", item.span, severity="warning"
            )
            return
        text = b"".join(step.data for step in steps if isinstance(step, Static))
        if fetchable and not all(isinstance(step, Static) for step in steps):
            self._report("unsupported", "inline fetchable='yes' holds other ESI elements: only this page can use it", item.span)
            fetchable = False
        if self._assigns(steps):
            self._assigning.add(name)
        self.inlines[name] = InlineFragment(name, len(self.inlines), steps, text, item.span, fetchable=fetchable)

    def _try(self, item: node.Try, *, interpolate: bool) -> Step:
        attempt = self._steps(item.attempt, interpolate=interpolate)
        otherwise = self._steps(item.except_, interpolate=interpolate)
        return Attempt(attempt, otherwise, blocks=self._assigns(attempt) or self._assigns(otherwise))

    def _choose(self, item: node.Choose, *, interpolate: bool) -> Step:
        whens = []
        for when in item.whens:
            test = self._expression(when.test, when.span)
            steps = self._steps(when.body, interpolate=interpolate)
            if test is not None:  # a test that can't be read is false: the page goes on with the next
                whens.append((test, when.matchname or ("MATCHES" if test.match is not None else None), steps))
        return Branch(tuple(whens), self._steps(item.otherwise or (), interpolate=interpolate))

    def _assign(self, item: node.Assign) -> Step | None:
        name, key = item.name.strip(), None
        if (found := _ITEM.fullmatch(name)) is not None:
            name = found[1]
            key = self._expression(found[2], item.span)
            if key is None:
                return None
        if _NAME.fullmatch(name) is None:
            self._report("bad-attribute", f"assign: expected a name of letters, digits and _, got {name[:80]!r}", item.span)
            return None
        text = item.value
        if text is None:
            text = b"".join(part.data for part in item.body or () if isinstance(part, node.Text | node.Verbatim)).decode(
                "utf-8", "surrogateescape"
            )
        value = self._expression(text.strip(), item.span)
        return Assign(name, key, value) if value is not None else None

    def _foreach(self, item: node.Foreach, *, interpolate: bool) -> Step | None:
        collection = self._expression(item.collection, item.span)
        self._loops += 1
        steps = self._steps(item.body, interpolate=interpolate)
        self._loops -= 1
        return Loop(item.item or "item", collection, steps) if collection is not None else None

    def _function(self, item: node.Function) -> None:
        if self._in_function:
            self._report("misplaced-element", "function stands inside function", item.span)
            return
        self._known.add(item.name)  # before its body: it may call itself
        before = self._place, self._loops
        self._in_function, self._place, self._loops = True, HtmlPlace(), 0
        steps = self._steps(item.body, interpolate=False)
        self._in_function = False
        self._place, self._loops = before
        if item.name in self.functions:
            message = f"there is a function {item.name[:80]!r} already: the first counts"
            self._report("duplicate-element", message, item.span, severity="warning")
            return
        self.functions[item.name] = Function(item.name, steps)

    def _assigns(self, steps: Steps) -> bool:
        """Whether a variable may be another one after them, or they may leave a loop that is around them."""
        for step in steps:
            match step:
                case Assign() | Evaluate() | Break() | Loop():  # a loop's item stays behind
                    return True
                case Branch():
                    if self._assigns(step.otherwise) or any(name or self._assigns(body) for _, name, body in step.whens):
                        return True
                case Attempt():
                    if step.blocks:
                        return True
                case Fetch():
                    constant = step.src.constant
                    if self._assigning and (constant is None or constant in self._assigning):
                        return True
                case _:
                    continue
        return False

    # ---------------------------------------------------------------- expressions

    def _expression(self, text: str, span: Span) -> Expression | None:
        return self._read(lambda: parse_expression(text, functions=self._known), span)

    def _attribute(self, text: str, span: Span) -> Text | None:
        found = self._read(lambda: parse_interpolation(text, functions=self._known), span)
        return Text(found.parts) if found is not None else None

    def _read(self, parse: Callable[[], T], span: Span) -> T | None:
        try:
            found = parse()
        except EsiError as error:
            self._report(error.code, error.message, span, severity="unsupported" if error.code == "unsupported" else "error")
            return None
        self.reads.update(found.items)
        self.reads.update((name, "") for name in found.whole)
        self.size += 200
        return found

    def _report(self, code: str, message: str, span: Span, *, severity: str = "error") -> None:
        if not self._problems.is_full:
            self._problems.add(code, message, self._place_of(span.start), span.end, severity)

    def _place_of(self, offset: int) -> Place:
        """Line and column 0 while the page streams: nobody reads them then."""
        if not self.page:
            return Place(offset, 0, 0)
        return Place(offset, self.page.count(b"\n", 0, offset) + 1, offset - self.page.rfind(b"\n", 0, offset))


def compile_page(
    page: bytes,
    context: Context = Context.HTML,
    limits: ParseLimits = DEFAULT_LIMITS,
    *,
    functions: Collection[str] = (),
) -> Program:
    """A page at hand, as a program. functions: names of those that it may call beside its own. Never raises."""
    parser = Parser(limits=limits)
    compiler = Compiler(parser, context, page, functions=functions)
    nodes = [*parser.feed(page), *parser.close()]
    return compiler.finish(compiler.compile(nodes))


def _join(texts: list[Static], steps: list[Step]) -> None:
    """Texts beside each other are one."""
    if texts:
        steps.append(texts[0] if len(texts) == 1 else Static(b"".join([text.data for text in texts])))
        texts.clear()


def _write(parts: list[bytes | Expression], context: Context) -> Step:
    """Text with variables; plain text when there are none."""
    texts = [part for part in parts if isinstance(part, bytes)]
    return Static(b"".join(texts)) if len(texts) == len(parts) else Write(tuple(parts), context)
