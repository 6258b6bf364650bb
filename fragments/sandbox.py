"""Jinja2 for templates that need not be trusted with the process: what they may touch is listed here, and all that they do costs.

    written text ─▶ finalize ─▶ letters          each loop, macro, block, call, filter, test, operator ─▶ steps

jinja2's own sandbox keeps templates from Python's insides; it does not bound work (its documentation says so). So ours lists filters, tests and
methods instead of excluding some, and the tree is rewritten before it is compiled: every value that is written, literal text too, passes `finalize`;
every body begins by paying for its length; what compares, cuts or builds values pays for their size. Values that nest are counted as trees, so
that none can be exponentially larger than it looks. Nothing here reads a file or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS, do_round, do_tojson
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, soft_str

__all__ = ["MAX_ITEMS", "Meter", "SlotEnvironment", "TooCostly", "metered"]

MAX_ITEMS = 10_000
"""Values in one list or table, those inside them included; numbers in a range."""
_MAX_BITS = 64
"""Of a whole number."""
_LETTERS_A_STEP = 64
_NODES_A_STEP = 16


class TooCostly(Exception):
    """A template has cost what it may. reason: "slot_too_costly", "slot_too_large"."""

    def __init__(self, message: str, reason: str = "slot_too_costly") -> None:
        super().__init__(message)
        self.reason = reason


class Meter:
    """What one rendering may still cost.

    steps       loops' rounds, calls, filters; long texts count as several
    letters     that may be written, those into variables and macros included
    longest     letters of one text
    """

    __slots__ = ("_letters", "_steps", "longest", "steps")

    def __init__(self, steps: int, letters: int, longest: int) -> None:
        self.steps = steps
        self.longest = longest
        self._steps = steps
        self._letters = letters

    def spend(self, steps: int) -> None:
        """Raises TooCostly when there are no more."""
        self._steps -= steps
        if self._steps < 0:
            raise TooCostly(f"the template takes more than {self.steps} steps")

    def write(self, letters: int) -> None:
        """So many are about to be written. Raises TooCostly."""
        self._letters -= letters
        self._steps -= letters // _LETTERS_A_STEP
        if self._letters < 0:
            raise TooCostly("the template writes too much", "slot_too_large")
        self.spend(0)

    def allow(self, letters: int) -> None:
        """A text of that length is about to be made. Raises TooCostly."""
        if letters > self.longest:
            raise TooCostly(f"a text of more than {self.longest} letters", "slot_too_large")

    def weigh(self, value: object) -> None:
        """Pay for looking at value, all of it. Raises TooCostly, SecurityError for a list that holds what is no value."""
        if isinstance(value, str):
            self.allow(len(value))
            self.spend(1 + len(value) // _LETTERS_A_STEP)
        elif isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise TooCostly(f"a whole number of more than {_MAX_BITS} bits")
            self.spend(1)
        elif isinstance(value, range):
            self.spend(1 + len(value))
        elif isinstance(value, list | tuple | dict):
            self._weigh_tree(value)
        else:
            self.spend(1)

    def _weigh_tree(self, tree: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> None:
        left, items = [tree], 0
        while left:
            found = left.pop()
            inner = [*found, *found.values()] if isinstance(found, dict) else found
            items += len(inner)
            if items > MAX_ITEMS:
                raise TooCostly(f"a list or table of more than {MAX_ITEMS} values")
            self.spend(1)
            for value in inner:
                if isinstance(value, list | tuple | dict):
                    left.append(value)
                elif isinstance(value, str | int | float | None):
                    self.weigh(value)
                else:
                    raise SecurityError("only texts, numbers, lists and tables can stand in a list or table")


_METER: ContextVar[Meter] = ContextVar("weft_slot_meter")


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """What is rendered inside pays to meter."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


# ── What templates may use ───────────────────────────────────────────────────────────────────────────────────────────────────────

_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat", "first", "float", "groupby", "int", "items",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "string", "sum",
    "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
)  # fmt: skip
"""Taken from jinja2 as they are. Not `safe`: whatever comes from a request or the settings is escaped where it is written. Not those that pad by a number."""
_TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "==", "even", "false", "float", "ge", ">=", "greaterthan", "gt", ">", "in", "integer",
    "iterable", "le", "<=", "lessthan", "lower", "lt", "<", "mapping", "ne", "!=", "none", "number", "odd", "sequence", "string", "true",
    "undefined", "upper",
)  # fmt: skip

_LOOP = frozenset(
    {
        "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex", "revindex0",
    }
)  # fmt: skip
_TABLE = frozenset({"get", "items", "keys", "values"})
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (
        str,
        frozenset(
            {
                "capitalize", "count", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip", "partition", "rpartition", "rsplit",
                "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
            }
        ),
    ),
    (dict, _TABLE),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index", "grouper", "list"})),  # grouper and list: of what groupby makes
    (LoopContext, _LOOP),
    (BlockReference, frozenset({"super"})),
)  # fmt: skip


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that pays for what it is given and what it makes. Never run when a template is compiled: it wants the context."""
    wants = str(getattr(function, "jinja_pass_arg", ""))

    @pass_context
    def charged(context: Context, *given: Any, **named: Any) -> Any:
        meter = _METER.get()
        for value in (*given, *named.values()):
            meter.weigh(value)
        if wants.endswith("eval_context"):
            made = function(context.eval_ctx, *given, **named)
        elif wants.endswith("environment"):
            made = function(context.environment, *given, **named)
        elif wants.endswith("context"):
            made = function(context, *given, **named)
        else:
            made = function(*given, **named)
        meter.weigh(made)
        return made

    return charged


@pass_context
def _replace(context: Context, text: str, old: str, new: str, count: int | None = None) -> str:
    """As jinja2's, when it is sure that what comes out is not too long: made of text it is text, with markup among the three it is markup."""
    del context
    meter = _METER.get()
    meter.weigh([text, old, new])
    given = [soft_str(value) for value in (text, old, new)]
    if any(isinstance(value, Markup) for value in given):
        given = [Markup.escape(value) for value in given]
    whole, before, after = given
    found = whole.count(before)
    times = found if count is None or count < 0 else min(count, found)
    meter.allow(len(whole) + times * max(0, len(after) - len(before)))
    made = whole.replace(before, after, times)
    meter.weigh(made)
    return made


@pass_context
def _join(context: Context, values: Iterable[Any], between: str = "", attribute: str | None = None) -> str:
    """As jinja2's, when it is sure that what comes out is not too long."""
    del context
    meter = _METER.get()
    meter.weigh(values)
    items = [*_rounds(values)]
    if attribute is not None:
        items = [_lookup(item, attribute) for item in items]
    return _joined([part for item in items for part in (between, item)][1:], meter)


def _lookup(item: Any, path: str) -> Any:
    for name in str(path).split("."):
        if not isinstance(item, dict) or name not in item:
            raise SecurityError(f"join takes tables that have {path!r}")
        item = item[name]
    return item


def _joined(values: Iterable[Any], meter: Meter) -> Markup:
    """All of them, escaped where they are no markup."""
    parts = []
    letters = 0
    for given in values:
        value = str(given) if isinstance(given, Undefined) else given  # raises, but for `x if y` without else
        if not isinstance(value, str | int | float):
            raise SecurityError(f"expected a text or a number, got {_kind(value)}")
        meter.weigh(value)
        part = Markup.escape(value)
        letters += len(part)
        meter.allow(letters)
        parts.append(part)
    return Markup("").join(parts)


@pass_context
def _concat(context: Context, values: list[Any]) -> str:
    """`a ~ b`."""
    del context
    return _joined(values, _METER.get())


@pass_context
def _round(context: Context, value: float, precision: int = 0, method: Any = "common") -> float:
    del context
    if not -15 <= precision <= 15:
        raise SecurityError("round takes a precision from -15 to 15")
    _METER.get().weigh(value)
    return do_round(value, precision, method)


@pass_context
def _tojson(context: Context, value: Any) -> Markup:
    meter = _METER.get()
    meter.weigh(value)
    made = do_tojson(context.eval_ctx, value)
    meter.weigh(made)
    return made


@pass_context
def _items(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """What a loop goes through: each round pays."""
    del context
    return _rounds(values)


def _rounds(values: Iterable[Any]) -> Iterator[Any]:
    meter = _METER.get()
    for value in values:
        meter.spend(1)
        yield value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """value, paid for."""
    del context
    _METER.get().weigh(value)
    return value


@pass_context
def _spend(context: Context, steps: int) -> str:
    del context
    _METER.get().spend(steps)
    return ""


def _range(*numbers: int) -> range:
    found = range(*numbers)
    if len(found) > MAX_ITEMS:
        raise TooCostly(f"a range of more than {MAX_ITEMS} numbers")
    return found


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """Everything that is written comes through here, and only what has one plain form."""
    del context
    if isinstance(value, str):
        _METER.get().write(len(value))
        return value
    if isinstance(value, int | float):
        meter = _METER.get()
        meter.weigh(value)
        meter.write(24)
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises, but for `x if y` without else, which is nothing
    raise SecurityError(f"expected a text or a number to write, got {_kind(value)}")


def _kind(value: object) -> str:
    names = ((type(None), "nothing"), (dict, "a table"), (list | tuple, "a list"), (Macro, "a macro"))
    return next((name for kind, name in names if isinstance(value, kind)), "something else")


class SlotEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and runs slots' templates. Rendering happens inside `metered`. undefined: what a name is that nobody set."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, undefined: type[StrictUndefined] = StrictUndefined) -> None:
        super().__init__(
            autoescape=True,
            undefined=undefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        own = {
            "join": _join, "replace": _replace, "round": _round, "tojson": _tojson,
            "_concat": _concat, "_items": _items, "_spend": _spend, "_weighed": _weighed,
        }  # fmt: skip
        filters: Mapping[str, Any] = FILTERS
        tests: Mapping[str, Any] = TESTS
        self.filters = {**{name: _charged(filters[name]) for name in _FILTERS}, **own}
        self.tests = {name: _charged(tests[name]) for name in _TESTS}
        self.globals = {"range": _range, "namespace": Namespace}

    def read(self, source: str, name: str) -> nodes.Template:
        """The template as it stands, not rewritten. Raises TemplateSyntaxError, RecursionError."""
        return Parser(self, source, name, name).parse()

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        rewritten = _Rewriter().visit(tree)
        assert isinstance(rewritten, nodes.Template)
        rewritten.set_environment(self)
        return rewritten

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A table's members go before those of its methods that may not be called anyway: `data.copy` is what the settings say."""
        if isinstance(obj, dict) and attribute in obj and attribute not in _TABLE:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Any:  # noqa: A002 - jinja2's name
        """An include costs too."""
        if (meter := _METER.get(None)) is not None:
            meter.spend(10)
        return super().get_template(name, parent, globals)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - jinja2's signature
        """Only what is listed."""
        if attr.startswith("_"):
            return False
        if isinstance(obj, Namespace | TemplateModule):  # TemplateModule: a template that was imported, for its macros
            return True
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS)

    def is_safe_callable(self, obj: Any) -> bool:
        """Macros, blocks, loops, the globals, and the methods that are listed."""
        if isinstance(obj, Macro | LoopContext | BlockReference | Undefined) or obj is _range or obj is Namespace:
            return True
        if not isinstance(obj, BuiltinMethodType | MethodType):
            return False
        return any(isinstance(obj.__self__, kind) and obj.__name__ in names for kind, names in _METHODS)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call pays for its arguments and what it returns."""
        if not self.is_safe_callable(obj):
            raise SecurityError(f"{getattr(obj, '__name__', _kind(obj))!r} may not be called here")
        meter = _METER.get()
        meter.spend(1)
        for value in (*args, *kwargs.values()):
            meter.weigh(value)
        if isinstance(obj, BuiltinMethodType | MethodType):
            meter.weigh(obj.__self__)
        if isinstance(obj, LoopContext):
            args = (_rounds(args[0]), *args[1:]) if args else args
        made = super().call(context, obj, *args, **kwargs)
        meter.weigh(made)
        return made

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Nothing grows beyond the bounds, not even on the way."""
        meter = _METER.get()
        meter.weigh(left)
        meter.weigh(right)
        if operator == "%" and isinstance(left, str):
            raise SecurityError("texts are put together with ~, not with %")
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            meter.allow(len(left) + len(right))
        if operator == "*":
            _allow_product(meter, left, right)
        if (
            operator == "**"
            and isinstance(left, int)
            and isinstance(right, int)
            and left.bit_length() * abs(right) > 4 * _MAX_BITS
        ):
            raise TooCostly(f"a whole number of more than {_MAX_BITS} bits")
        made = super().call_binop(context, operator, left, right)
        meter.weigh(made)
        return made


def _allow_product(meter: Meter, left: Any, right: Any) -> None:
    for many, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(many, str | list | tuple):
            letters = len(many) * max(0, times)
            if isinstance(many, str):
                meter.allow(letters)
            elif letters > MAX_ITEMS:
                raise TooCostly(f"a list or table of more than {MAX_ITEMS} values")


# ── The tree ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Rewriter(NodeTransformer):
    """Makes a template pay."""

    def visit_Template(self, node: nodes.Template) -> nodes.Node:  # noqa: N802 - the visitor's names
        return self._paying(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        return self._paying(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._paying(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._paying(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self._paying(node)
        node.iter = _through(node.iter, "_items")
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        """Literal text as a value, so that it passes `finalize` like every other."""
        self.generic_visit(node)
        node.nodes = [
            nodes.Const(Markup(child.data), lineno=child.lineno) if isinstance(child, nodes.TemplateData) else child  # noqa: S704
            for child in node.nodes
        ]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(nodes.List(node.nodes, lineno=node.lineno), "_concat")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _through(node.expr, "_weighed")
        for operand in node.ops:
            operand.expr = _through(operand.expr, "_weighed")
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _through(node.node, "_weighed")
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(node, "_weighed")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(node, "_weighed")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(node, "_weighed") if node.ctx == "load" else node

    def visit_Include(self, node: nodes.Include) -> nodes.Node:  # noqa: N802
        return node  # a name, or a list of names: the catalogue has seen that they are constant

    def visit_Import(self, node: nodes.Import) -> nodes.Node:  # noqa: N802
        """Anew each time: a module that is kept could remember one visitor for the next."""
        node.with_context = True
        return node

    def visit_FromImport(self, node: nodes.FromImport) -> nodes.Node:  # noqa: N802
        node.with_context = True
        return node

    def _paying(self, node: Any) -> nodes.Node:
        """With a body that begins by paying for its length."""
        weight = 1 + sum(1 for _ in node.find_all(nodes.Node)) // _NODES_A_STEP
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_through(nodes.Const(weight, lineno=node.lineno), "_spend"), lineno=node.lineno))
        return node  # type: ignore[no-any-return]


def _through(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
