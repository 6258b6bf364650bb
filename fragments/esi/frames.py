"""An element that is open, and the node that it becomes when it is complete."""

from __future__ import annotations

from collections.abc import Iterable

from fragments.esi.elements import Element
from fragments.esi.errors import Span
from fragments.esi.lexer import TextToken
from fragments.esi.nodes import (
    Assign,
    Break,
    Choose,
    Eval,
    Foreach,
    Function,
    Include,
    Inline,
    Node,
    Return,
    Text,
    Try,
    Vars,
    Verbatim,
    When,
)
from fragments.esi.tags import Tag

__all__ = ["Frame", "merge_text", "node_of", "void_node"]


class Frame:
    """An element that is open.

    tag         its start tag; None for the page itself
    children    its nodes so far; pieces: text since the last one
    is_void     it will leave no node
    seen        names of the children that it may have once, as far as met
    ghosts      end tags to come whose start tags were dropped: name → how many
    nested      raw elements of the same name inside of it
    """

    __slots__ = (
        "attempt",
        "children",
        "element",
        "except_",
        "ghosts",
        "has_settled",
        "has_warned",
        "is_void",
        "name",
        "nested",
        "otherwise",
        "pieces",
        "seen",
        "tag",
        "text_end",
        "text_start",
        "whens",
    )

    def __init__(self, name: str, element: Element | None, tag: Tag | None, *, is_void: bool) -> None:
        self.name = name
        self.element = element
        self.tag = tag
        self.is_void = is_void
        self.children: list[Node] = []
        self.pieces: list[bytes] = []
        self.text_start = 0
        self.text_end = 0
        self.seen: set[str] = set()
        self.ghosts: dict[str, int] = {}
        self.nested = 0
        self.has_warned = False
        self.has_settled = False
        self.attempt: list[Node] = []
        self.except_: list[Node] = []
        self.whens: list[When] = []
        self.otherwise: list[Node] | None = None

    def add_text(self, token: TextToken) -> None:
        """Text that follows."""
        if not self.pieces:
            self.text_start = token.start
        self.pieces.append(token.data)
        self.text_end = token.start + len(token.data)

    def add(self, node: Node) -> None:
        """A node that follows."""
        self.end_text()
        self.children.append(node)

    def end_text(self) -> None:
        """What text there is becomes a node."""
        if self.pieces:
            self.children.append(Text(b"".join(self.pieces), Span(self.text_start, self.text_end)))
            self.pieces = []

    def body(self) -> list[Node]:
        """Its nodes, when it is complete."""
        self.end_text()
        return merge_text(self.children) if self.has_settled else self.children


def merge_text(nodes: Iterable[Node]) -> list[Node]:
    """The same nodes with adjacent Text in one."""
    merged: list[Node] = []
    run: list[Text] = []
    for node in nodes:
        if isinstance(node, Text):
            run.append(node)
            continue
        _end_run(run, merged)
        merged.append(node)
    _end_run(run, merged)
    return merged


def _end_run(run: list[Text], merged: list[Node]) -> None:
    if len(run) == 1:
        merged.append(run[0])
    elif run:
        merged.append(Text(b"".join(text.data for text in run), Span(run[0].span.start, run[-1].span.end)))
    run.clear()


def _is_blank(nodes: list[Node]) -> bool:
    return all(isinstance(node, Text) and not node.data.strip() for node in nodes)


def void_node(tag: Tag) -> Node | None:
    """The node of an element that is complete with its start tag; None for those that leave none."""
    span = Span(tag.place.offset, tag.end)
    match tag.name:
        case "include":
            return Include(tag.attributes, None, span)
        case "eval":
            return Eval(tag.attributes, span)
        case "assign":
            return Assign(tag.attributes["name"], tag.attributes["value"], None, span)
        case "break":
            return Break(span)
        case "return":
            return Return(tag.attributes["value"], span)
        case _:
            return None


def node_of(frame: Frame, end: int) -> Node | None:  # noqa: PLR0911 - one line for each element
    """The node of an element with content; None for those that leave none."""
    tag = frame.tag
    assert tag is not None
    attributes, span, body = tag.attributes, Span(tag.place.offset, end), frame.body()
    match frame.name:
        case "include":
            return Include(attributes, None if _is_blank(body) else body, span)
        case "inline":
            return Inline(attributes, body, span)
        case "try":
            return Try(frame.attempt, frame.except_, span)
        case "choose":
            return Choose(frame.whens, frame.otherwise, span)
        case "when":
            return When(attributes["test"], attributes.get("matchname"), body, span)
        case "vars":
            return Vars(body, attributes.get("name"), span) if body or "name" in attributes else None
        case "assign":
            return Assign(attributes["name"], None, body, span)
        case "foreach":
            return Foreach(attributes.get("item", "item"), attributes["collection"], body, span)
        case "function":
            return Function(attributes["name"], body, span)
        case "text":
            return Verbatim(b"".join(node.data for node in body if isinstance(node, Text)), span) if body else None
        case _:
            return None
