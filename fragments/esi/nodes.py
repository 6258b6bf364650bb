"""A page as a tree. Nodes hold what stands in the page: attributes are text after entity decoding, expressions in them are not yet read.

Every node has a span, from the `<` of its start tag to behind the `>` of its end tag. Remove and comment leave no node; `<!--esi … -->`
leaves its content in place.
"""

from __future__ import annotations

from typing import TypeAlias

from fragments.esi.errors import Span

__all__ = [
    "Assign",
    "Break",
    "Choose",
    "Eval",
    "Foreach",
    "Function",
    "Include",
    "Inline",
    "Node",
    "Return",
    "Text",
    "Try",
    "Vars",
    "Verbatim",
    "When",
]


class Text:
    """Octets that are none of ESI's; inside vars they are interpolated."""

    __slots__ = ("data", "span")

    def __init__(self, data: bytes, span: Span) -> None:
        self.data = data
        self.span = span


class Verbatim:
    """The content of esi:text: not looked at, not even inside vars."""

    __slots__ = ("data", "span")

    def __init__(self, data: bytes, span: Span) -> None:
        self.data = data
        self.span = span


class Include:
    """esi:include. attributes: the known ones that were given. body: what to show instead when it fails, None when there is nothing."""

    __slots__ = ("attributes", "body", "span")

    def __init__(self, attributes: dict[str, str], body: list[Node] | None, span: Span) -> None:
        self.attributes = attributes
        self.body = body
        self.span = span


class Eval:
    """esi:eval: the fragment is read as ESI with this page's variables."""

    __slots__ = ("attributes", "span")

    def __init__(self, attributes: dict[str, str], span: Span) -> None:
        self.attributes = attributes
        self.span = span


class Inline:
    """esi:inline: a fragment that stands in the page (name, fetchable)."""

    __slots__ = ("attributes", "body", "span")

    def __init__(self, attributes: dict[str, str], body: list[Node], span: Span) -> None:
        self.attributes = attributes
        self.body = body
        self.span = span


class Try:
    """esi:try: the attempt, or the exception when an include of the attempt fails."""

    __slots__ = ("attempt", "except_", "span")

    def __init__(self, attempt: list[Node], except_: list[Node], span: Span) -> None:
        self.attempt = attempt
        self.except_ = except_
        self.span = span


class When:
    """esi:when. matchname: the variable that takes the groups of a `matches` in the test."""

    __slots__ = ("body", "matchname", "span", "test")

    def __init__(self, test: str, matchname: str | None, body: list[Node], span: Span) -> None:
        self.test = test
        self.matchname = matchname
        self.body = body
        self.span = span


class Choose:
    """esi:choose: the first when whose test is true, or otherwise."""

    __slots__ = ("otherwise", "span", "whens")

    def __init__(self, whens: list[When], otherwise: list[Node] | None, span: Span) -> None:
        self.whens = whens
        self.otherwise = otherwise
        self.span = span


class Vars:
    """esi:vars: text in it is interpolated. expression: the name attribute of the short form `<esi:vars name="$(X)"/>`, shown before the body."""

    __slots__ = ("body", "expression", "span")

    def __init__(self, body: list[Node], expression: str | None, span: Span) -> None:
        self.body = body
        self.expression = expression
        self.span = span


class Assign:
    """esi:assign: a value attribute, or the long form with a body that is the text of an expression. name may have a `{key}`."""

    __slots__ = ("body", "name", "span", "value")

    def __init__(self, name: str, value: str | None, body: list[Node] | None, span: Span) -> None:
        self.name = name
        self.value = value
        self.body = body
        self.span = span


class Foreach:
    """esi:foreach: the body once for each element of the collection, which is an expression."""

    __slots__ = ("body", "collection", "item", "span")

    def __init__(self, item: str, collection: str, body: list[Node], span: Span) -> None:
        self.item = item
        self.collection = collection
        self.body = body
        self.span = span


class Break:
    """esi:break: leave the innermost foreach."""

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        self.span = span


class Function:
    """esi:function: a function of the page."""

    __slots__ = ("body", "name", "span")

    def __init__(self, name: str, body: list[Node], span: Span) -> None:
        self.name = name
        self.body = body
        self.span = span


class Return:
    """esi:return: leave the function with a value, which is an expression."""

    __slots__ = ("span", "value")

    def __init__(self, value: str, span: Span) -> None:
        self.value = value
        self.span = span


Node: TypeAlias = (
    Text | Verbatim | Include | Eval | Inline | Try | Choose | When | Vars | Assign | Foreach | Break | Function | Return
)
