"""What a page is compiled to: a list of steps, run by `fragments.assembly` for each request. Nothing here is changed once it is made.

    Static ─ text as it is          Fetch, Evaluate ─ a hole, filled from outside        Branch, Loop, Attempt ─ steps within steps
    Write ─ text with variables     Assign, Break, Return                                (the rest is hoisted: functions, inline fragments)

A page whose holes have fixed addresses and that asks nothing of the visitor is `flat`: text, hole, text, …, the shape of the hot lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from fragments.esi.errors import Problem, Span
from fragments.esi.expressions import Expression
from fragments.esi.values import Context

__all__ = [
    "Assign",
    "Attempt",
    "Branch",
    "Break",
    "Evaluate",
    "Fetch",
    "Function",
    "InlineFragment",
    "Loop",
    "Program",
    "Return",
    "Static",
    "Step",
    "Steps",
    "Text",
    "Write",
]


class Static:
    """Text that is the same for everybody. packed: its compressed form, left here by whoever delivers it; belongs to the gateway."""

    __slots__ = ("data", "packed")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.packed: Any = None


class Text:
    """Text with expressions in it: an attribute's value. constant: the text when there are none. contexts: how each part is escaped in a URL."""

    __slots__ = ("constant", "contexts", "parts")

    def __init__(self, parts: tuple[str | Expression, ...]) -> None:
        self.parts = parts
        self.contexts = _url_contexts(parts)
        self.constant = "".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]


def _url_contexts(parts: tuple[str | Expression, ...]) -> tuple[Context, ...]:
    """The whole query string behind a `?`, and the whole path at the beginning, hand a request on; all else is one value."""
    contexts: list[Context] = []
    has_query = False
    for part in parts:
        context = Context.URL
        if isinstance(part, str):
            has_query |= "?" in part
        elif not part.items and part.whole == {"QUERY_STRING"} and has_query:
            context = Context.QUERY
        elif not part.items and part.whole == {"REQUEST_PATH"} and not contexts:
            context = Context.PATH
        contexts.append(context)
    return tuple(contexts)


class Write:
    """Text with variables, escaped for where it stands. In a script after all, when an inline fragment is included there: assembly knows."""

    __slots__ = ("context", "parts")

    def __init__(self, parts: tuple[bytes | Expression, ...], context: Context) -> None:
        self.parts = parts
        self.context = context


class Fetch:
    """An include: where from, and what becomes of the page without it.

    src, alt        URL references
    fallback        steps of the element's own body; None when it has none
    optional        onerror="continue"
    required        the page fails without it, whatever the route says
    maxwait         seconds it may take at most; None: what the page has
    ttl             seconds for which it may be kept where its response does not forbid that; None: as the response says
    no_store        it is asked for each time and not kept
    esi             dca="esi": what comes is processed though its response does not ask for it
    inlines_above   inline fragments that stand above it in its page: those it can include
    in_script       it stands in a script
    is_flow         it stands where elements may stand, so that its content may follow later
    method, entity  GET or POST, and what a POST carries
    set_fields      (name, value) that replace request fields; add_fields are added, drop_fields left out
    """

    __slots__ = (
        "add_fields",
        "alt",
        "drop_fields",
        "entity",
        "esi",
        "fallback",
        "in_script",
        "inlines_above",
        "is_flow",
        "maxwait",
        "method",
        "no_store",
        "optional",
        "required",
        "set_fields",
        "span",
        "src",
        "ttl",
    )

    def __init__(self, src: Text, span: Span) -> None:
        self.src = src
        self.span = span
        self.alt: Text | None = None
        self.fallback: Steps | None = None
        self.optional = False
        self.required = False
        self.maxwait: float | None = None
        self.ttl: float | None = None
        self.no_store = False
        self.esi = False
        self.in_script = False
        self.inlines_above = 0
        self.is_flow = False
        self.method = "GET"
        self.entity: Text | None = None
        self.set_fields: tuple[tuple[str, Text], ...] = ()
        self.add_fields: tuple[tuple[str, Text], ...] = ()
        self.drop_fields: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """A GET with nothing of its own: whoever asks for the URL gets the same."""
        own = self.no_store or self.esi or self.ttl is not None or self.set_fields or self.add_fields or self.drop_fields
        return self.method == "GET" and not own


class Evaluate:
    """An eval: what comes is run as part of this page, with its variables; what follows waits for it."""

    __slots__ = ("fetch",)

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch


class Attempt:
    """try: `otherwise` runs when something in `steps` fails. blocks: variables are assigned within, or a loop around it is left, so what follows waits."""

    __slots__ = ("blocks", "otherwise", "steps")

    def __init__(self, steps: Steps, otherwise: Steps, *, blocks: bool) -> None:
        self.steps = steps
        self.otherwise = otherwise
        self.blocks = blocks


class Branch:
    """choose: the first of (test, name for what it matched, steps) whose test is true; else `otherwise`."""

    __slots__ = ("otherwise", "whens")

    def __init__(self, whens: tuple[tuple[Expression, str | None, Steps], ...], otherwise: Steps) -> None:
        self.whens = whens
        self.otherwise = otherwise


class Assign:
    """name, or an item of it, is the value of an expression, or the text of `body` (the long form)."""

    __slots__ = ("key", "name", "value")

    def __init__(self, name: str, key: Expression | None, value: Expression) -> None:
        self.name = name
        self.key = key
        self.value = value


class Loop:
    """foreach: steps once for each item of a collection; of a dictionary: [key, value]."""

    __slots__ = ("collection", "item", "steps")

    def __init__(self, item: str, collection: Expression, steps: Steps) -> None:
        self.item = item
        self.collection = collection
        self.steps = steps


class Break:
    """Leave the innermost loop."""

    __slots__ = ()


class Return:
    """Leave the function with a value."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


Step: TypeAlias = Static | Write | Fetch | Evaluate | Attempt | Branch | Assign | Loop | Break | Return
Steps: TypeAlias = tuple[Step, ...]


class Function:
    """A function that the page defines. Its arguments are in ARGS."""

    __slots__ = ("name", "steps")

    def __init__(self, name: str, steps: Steps) -> None:
        self.name = name
        self.steps = steps


class InlineFragment:
    """A fragment that stands in the page itself, for includes of its name below it.

    number      of the page's, from 0
    fetchable   it may also be asked for by that URL
    """

    __slots__ = ("fetchable", "name", "number", "span", "steps", "text")

    def __init__(self, name: str, number: int, steps: Steps, text: bytes, span: Span, *, fetchable: bool) -> None:
        self.name = name
        self.number = number
        self.steps = steps
        self.text = text
        self.span = span
        self.fetchable = fetchable


class Program:
    """A page, compiled.

    problems    what is wrong with it or not supported
    flat        (texts, fetches): one text more than there are fetches; None when the page is not that simple
    reads       (variable, key) that it may read, key "" for the whole variable and "*" for a computed one
    is_text     it was not parsed: nobody asked for that
    found       ESI elements met: 0 says that the page was not marked up at all
    size        octets it takes beside the page itself, roughly
    """

    __slots__ = ("flat", "found", "functions", "inlines", "is_text", "problems", "reads", "size", "steps")

    def __init__(
        self,
        steps: Steps,
        *,
        functions: Mapping[str, Function],
        inlines: Mapping[str, InlineFragment],
        problems: tuple[Problem, ...],
        reads: frozenset[tuple[str, str]],
        found: int,
        size: int,
    ) -> None:
        self.steps = steps
        self.functions = functions
        self.inlines = inlines
        self.problems = problems
        self.reads = reads
        self.found = found
        self.size = size
        self.flat = None if inlines else _flatten(steps)
        self.is_text = False

    @classmethod
    def of_text(cls, text: bytes) -> Program:
        """A page whose markup, if it has any, is not to be run."""
        program = cls((Static(text),), functions={}, inlines={}, problems=(), reads=frozenset(), found=0, size=len(text))
        program.is_text = True
        return program


def _flatten(steps: Steps) -> tuple[tuple[Static, ...], tuple[Fetch, ...]] | None:
    texts, fetches = [Static(b"")], []
    for step in steps:
        if isinstance(step, Static):
            texts[-1] = Static(texts[-1].data + step.data) if texts[-1].data else step
        elif isinstance(step, Fetch) and step.is_plain and step.src.constant is not None:
            fetches.append(step)
            texts.append(Static(b""))
        else:
            return None
    return tuple(texts), tuple(fetches)
