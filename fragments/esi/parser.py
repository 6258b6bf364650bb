"""Tokens → nodes. A page may come in any cuts; nodes are handed out as soon as they are complete at the top level.

Nothing raises: what is wrong becomes a Problem, and the rest goes on in the way that shows least of what should not be seen:

    a tag that means nothing here     is dropped, its end tag too; its content stays
    an element that lacks something   is dropped with its content
    an element without an end tag     ends where the one around it does
    an include without an end tag     never had content: what follows it stands beside it. Pages often forget the slash, so that when
                                      more than MAX_OPEN_INCLUDES are open inside each other, the outermost is settled so at once
    attempt, except, when, otherwise  end where the next one begins

Linear in the input: a frame is opened and closed once, a node moves at most once more, the stack is bounded.
"""

from __future__ import annotations

from typing import NamedTuple

from fragments.esi.elements import ELEMENTS, KNOWN_ELSEWHERE, Element, Kind
from fragments.esi.errors import ERROR, UNSUPPORTED, WARNING, Problem, ProblemList, Span
from fragments.esi.frames import Frame, merge_text, node_of, void_node
from fragments.esi.lexer import Lexer, TextToken
from fragments.esi.nodes import Include, Node, When
from fragments.esi.tags import Tag

__all__ = ["DEFAULT_LIMITS", "MAX_OPEN_INCLUDES", "ParseLimits", "Parser", "parse"]

MAX_OPEN_INCLUDES = 4


class ParseLimits(NamedTuple):
    """max_tag_bytes, max_element_bytes (an outermost one, with its content) in octets; max_depth in elements inside each other, includes not counted."""

    max_tag_bytes: int = 32_768
    max_depth: int = 32
    max_problems: int = 100
    max_attributes: int = 64
    max_element_bytes: int = 4 * 2**20


DEFAULT_LIMITS = ParseLimits()


class Parser:
    """Octets in any cuts → nodes, as soon as they are complete at top level.

    problems    what is wrong so far, in the order in which it was met
    """

    __slots__ = ("_after_void", "_depth", "_includes", "_lexer", "_limits", "_problems", "_stack", "_too_long", "problems")

    def __init__(self, *, limits: ParseLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._problems = ProblemList(limits.max_problems)
        self.problems: list[Problem] = self._problems.problems
        self._lexer = Lexer(self._problems, max_tag_bytes=limits.max_tag_bytes, max_attributes=limits.max_attributes)
        self._stack = [Frame("", None, None, is_void=False)]
        self._depth = 0
        self._includes = 0
        self._after_void: str | None = None
        self._too_long = False  # the outermost element is, and the rest of it is left out

    @property
    def found(self) -> int:
        """How many ESI elements and ESI comments were met so far."""
        return self._lexer.found

    def feed(self, data: bytes) -> list[Node]:
        """More of the page; the nodes that have become final by it."""
        self._lexer.feed(data)
        return self._run(final=False)

    def close(self) -> list[Node]:
        """The page is over; the rest of its nodes."""
        nodes = self._run(final=True)
        self._close_above(0, self._lexer.place.offset)
        return nodes + self._drain()

    def _run(self, *, final: bool) -> list[Node]:
        for token in self._lexer.tokens(final=final):
            if isinstance(token, TextToken):
                self._on_text(token)
            elif token.is_end:
                self._on_end(token)
            else:
                self._on_start(token)
        return self._drain()

    def _drain(self) -> list[Node]:
        page = self._stack[0]
        page.end_text()
        nodes, page.children = page.children, []
        return nodes

    def _report(self, code: str, message: str, tag: Tag, severity: str = ERROR) -> None:
        self._problems.add(code, message, tag.place, tag.end, severity)

    # ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_text(self, token: TextToken) -> None:
        top = self._stack[-1]
        if self._after_void is not None and token.data.strip():
            self._after_void = None
        if top.element is None or top.element.children is None:
            if top.name != "remove" and not self._drops(token.start + len(token.data)):
                self._stack[-1].add_text(token)
        elif not top.has_warned and token.data.strip():
            top.has_warned = True
            assert top.tag is not None
            wanted = " and ".join(f"<esi:{name}>" for name in sorted(top.element.children))
            self._report(
                "misplaced-text", f"only {wanted} count in <esi:{top.name}>: the text in it is ignored", top.tag, WARNING
            )

    def _drops(self, end: int) -> bool:
        """Whether content up to end is left out: its element has become longer than what may be held back.

        Not shown instead, as if the element had ended: it may be for some visitors only.
        """
        if len(self._stack) == 1:
            self._too_long = False
            return False
        outermost = self._stack[1].tag
        assert outermost is not None
        if self._too_long or end - outermost.place.offset <= self._limits.max_element_bytes:
            return self._too_long
        while self._includes:  # these have no content, as it seems
            self._settle(next(index for index, each in enumerate(self._stack) if each.name == "include"))
        if len(self._stack) > 1:
            self._too_long = True
            limit = self._limits.max_element_bytes
            self._report(
                "element-too-long", f"<esi:{outermost.name}> holds more than {limit:,} octets: the rest is left out", outermost
            )
        return self._too_long

    # ── Start tags ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_start(self, tag: Tag) -> None:
        self._after_void = None
        top = self._stack[-1]
        if top.element is not None and top.element.kind is Kind.RAW:  # only remove inside remove comes here
            top.nested += not tag.is_closed
            return
        element = ELEMENTS.get(tag.name)
        if element is None:
            self._on_unknown(tag)
            return
        if element.parent is not None:
            self._end_sibling(element.parent, tag)
        top = self._stack[-1]
        if element.parent is not None and top.name != element.parent:
            self._report(
                "misplaced-element", f"<esi:{tag.name}> is expected directly in <esi:{element.parent}>: the tag is dropped", tag
            )
            self._expect_ghost(tag)
            return
        if element.inside is not None and all(frame.name != element.inside for frame in self._stack):
            self._report(
                "misplaced-element", f"<esi:{tag.name}> is expected inside of <esi:{element.inside}>: it is dropped", tag
            )
            self._end_void(tag)
            return
        is_void = not self._is_in_place(tag, element, top)
        is_void |= not self._has_required(tag, element)
        self._begin(tag, element, is_void=is_void)

    def _on_unknown(self, tag: Tag) -> None:
        house = KNOWN_ELSEWHERE.get(tag.name)
        if house is None:
            self._report("unknown-element", f"<esi:{tag.name}> is no element of ESI: the tag is dropped", tag)
        else:
            self._report("unsupported", f"<esi:{tag.name}> is {house}'s and not supported: the tag is dropped", tag, UNSUPPORTED)
        self._expect_ghost(tag)

    def _expect_ghost(self, tag: Tag) -> None:
        """The start tag is dropped: so will its end tag be."""
        if not tag.is_closed:
            ghosts = self._stack[-1].ghosts
            ghosts[tag.name] = ghosts.get(tag.name, 0) + 1

    def _end_sibling(self, parent: str, tag: Tag) -> None:
        """Before another branch of a try or choose: end the one that is still open, if only includes are open inside of it."""
        index = len(self._stack) - 1
        while self._stack[index].name == "include":
            index -= 1
        frame = self._stack[index]
        if index > 0 and frame.element is not None and frame.element.parent == parent and self._stack[index - 1].name == parent:
            self._close_above(index - 1, tag.place.offset)

    def _is_in_place(self, tag: Tag, element: Element, top: Frame) -> bool:
        """Whether it may stand directly in the element that is open, and is the first where there may be only one."""
        if top.element is None or top.element.children is None:
            return True
        if element.parent is None:
            self._report("misplaced-element", f"<esi:{tag.name}> directly in <esi:{top.name}> is ignored", tag, WARNING)
            return False
        if tag.name != "when" and tag.name in top.seen:
            self._report("duplicate-element", f"<esi:{top.name}> has more than one <esi:{tag.name}>: the first counts", tag)
            return False
        top.seen.add(tag.name)
        return True

    def _has_required(self, tag: Tag, element: Element) -> bool:
        missing = [name for name in element.required if name not in tag.attributes]
        if element.kind is Kind.ASSIGN and tag.is_closed and "value" not in tag.attributes:
            missing.append("value")
        if missing:
            self._report("missing-attribute", f"<esi:{tag.name}> needs {' and '.join(missing)}: it is dropped", tag)
        return not missing

    def _begin(self, tag: Tag, element: Element, *, is_void: bool) -> None:
        is_complete = tag.is_closed or element.kind is Kind.VOID
        if element.kind is Kind.ASSIGN:
            is_complete |= "value" in tag.attributes
        elif element.kind is Kind.INCLUDE:
            around = self._stack[-1].element
            is_complete |= around is not None and around.children is not None
        if is_complete and element.kind is not Kind.CONTAINER:
            if not (is_void or self._drops(tag.end)) and (node := void_node(tag)) is not None:
                self._stack[-1].add(node)
            self._end_void(tag)
            return
        frame = Frame(tag.name, element, tag, is_void=is_void or self._drops(tag.end))
        if is_complete:
            self._finish(frame, tag.end)
            return
        if element.kind is Kind.RAW:
            self._lexer.enter_raw(tag.name)
        elif element.kind is Kind.INCLUDE:
            self._includes += 1
        elif self._depth >= self._limits.max_depth:
            self._report("too-deep", f"elements nest at most {self._limits.max_depth} deep: <esi:{tag.name}> is dropped", tag)
            self._expect_ghost(tag)
            return
        else:
            self._depth += 1
        self._stack.append(frame)
        if self._includes > MAX_OPEN_INCLUDES:
            self._settle(next(index for index, each in enumerate(self._stack) if each.name == "include"))

    def _end_void(self, tag: Tag) -> None:
        """An end tag that comes next is harmless."""
        if not tag.is_closed:
            self._after_void = tag.name

    # ── End tags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_end(self, tag: Tag) -> None:
        awaited, self._after_void = self._after_void, None
        if tag.name == awaited:
            return
        for index in range(len(self._stack) - 1, -1, -1):
            frame = self._stack[index]
            if frame.ghosts.get(tag.name):
                frame.ghosts[tag.name] -= 1
                return
            if frame.name == tag.name and index > 0:
                if frame.nested:
                    frame.nested -= 1
                    return
                self._close_above(index, tag.place.offset)
                self._pop(tag.end)
                return
        self._report("stray-end-tag", f"</esi:{tag.name}> ends nothing: it is dropped", tag)

    def _close_above(self, index: int, end: int) -> None:
        """Close what is open inside of a frame: it has no end tags. Includes first: they never had content."""
        position = index + 1
        while position < len(self._stack):
            if self._stack[position].name == "include":
                self._settle(position)
            else:
                position += 1
        while len(self._stack) > index + 1:
            tag = self._stack[-1].tag
            assert tag is not None
            self._report("unclosed-element", f"<esi:{tag.name}> has no end: expected </esi:{tag.name}>", tag)
            self._pop(end)

    def _settle(self, index: int) -> None:
        """An include that is open had no content: put it, and what came after it, into the frame around it."""
        frame, around = self._stack.pop(index), self._stack[index - 1]
        self._includes -= 1
        tag = frame.tag
        assert tag is not None
        self._report(
            "unclosed-include", "<esi:include> has neither a slash nor an end tag: it is taken as complete", tag, WARNING
        )
        frame.end_text()
        around.end_text()
        if not frame.is_void:
            around.children.append(Include(tag.attributes, None, Span(tag.place.offset, tag.end)))
        around.children += frame.children
        around.has_settled = True
        for name, count in frame.ghosts.items():
            around.ghosts[name] = around.ghosts.get(name, 0) + count

    def _pop(self, end: int) -> None:
        """The innermost element is complete."""
        frame = self._stack.pop()
        assert frame.element is not None
        if frame.element.kind is Kind.RAW:
            self._lexer.leave_raw()
        elif frame.element.kind is Kind.INCLUDE:
            self._includes -= 1
        else:
            self._depth -= 1
        self._finish(frame, end)

    def _finish(self, frame: Frame, end: int) -> None:
        """Put a complete element's node where it belongs."""
        around = self._stack[-1]
        self._check_branches(frame)
        if frame.is_void:
            return
        match frame.name:
            case "when":
                node = node_of(frame, end)
                assert isinstance(node, When)
                around.whens.append(node)
            case "otherwise":
                around.otherwise = frame.body()
            case "attempt":
                around.attempt = frame.body()
            case "except":
                around.except_ = frame.body()
            case _:
                node = node_of(frame, end)
                if node is not None:
                    around.add(node)

    def _check_branches(self, frame: Frame) -> None:
        """A try has an attempt (and should have an except), a choose has a when."""
        if frame.name == "try" and "attempt" not in frame.seen:
            self._lacks_branch(frame, "attempt", ERROR)
            frame.is_void = True
        elif frame.name == "try" and "except" not in frame.seen:
            self._lacks_branch(frame, "except", WARNING)
        elif frame.name == "choose" and "when" not in frame.seen:
            self._lacks_branch(frame, "when", ERROR)
            frame.is_void = frame.otherwise is None

    def _lacks_branch(self, frame: Frame, name: str, severity: str) -> None:
        assert frame.tag is not None
        self._report("missing-element", f"<esi:{frame.name}> needs <esi:{name}>", frame.tag, severity)


def parse(page: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> tuple[list[Node], list[Problem]]:
    """A whole page: its nodes, adjacent text in one, and what is wrong with it. Never raises."""
    parser = Parser(limits=limits)
    nodes = parser.feed(page)
    nodes += parser.close()
    return merge_text(nodes), parser.problems
