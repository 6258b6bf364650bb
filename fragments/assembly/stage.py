"""Where a page runs: sections that stand or fall as one, threads with their frames and variables, and the trial of an attempt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from fragments.assembly.pieces import Fragment, Hole
from fragments.esi.expressions import Expression, match_groups
from fragments.esi.program import Attempt, Fetch, Function, InlineFragment, Static, Steps
from fragments.esi.values import Value, subscript

if TYPE_CHECKING:
    from fragments.assembly.assembler import Assembler

__all__ = [
    "BadReferenceError",
    "Frame",
    "Item",
    "Names",
    "Returned",
    "Section",
    "Sink",
    "Thread",
    "Trial",
    "groups_of",
    "inline_at",
    "steps_in",
]


class Section:
    """A part of the page that stands or falls as one: the page, an attempt, an except, an element's own body.

    open: threads that run in it, holes that are open, trials that are not settled. done: called once, with "" or why it failed.
    """

    __slots__ = ("depth", "done", "holes", "is_attempt", "open", "out", "parent", "sections", "state")

    def __init__(
        self, parent: Section | None, done: Callable[[str], None], out: Sink | None = None, *, is_attempt: bool = False
    ) -> None:
        self.parent = parent
        self.done = done
        self.out: Sink = [] if out is None else out
        self.is_attempt = is_attempt
        self.open = 0
        self.state = "open"
        self.holes: list[Hole] = []
        self.sections: list[Section] = []
        self.depth = 0
        if parent is not None:
            self.depth = parent.depth + 1
            parent.sections.append(self)

    def is_caught(self) -> bool:
        """A failure in it is somebody's to handle: an attempt is around it."""
        section: Section | None = self
        while section is not None:
            if section.is_attempt:
                return True
            section = section.parent
        return False


class Trial:
    """A try, and its place in the output: the attempt's content, or that of except."""

    __slots__ = ("_around", "_assembler", "_parent", "_ran", "_step", "_thread", "_variables", "out", "settled")

    def __init__(self, assembler: Assembler, thread: Thread, step: Attempt) -> None:
        self._assembler = assembler
        self._thread = thread
        self._parent = thread.section
        self._step = step
        self._around = thread.frames[-1]
        self._variables = thread.variables
        self._ran: Thread | None = None
        self.out: Sink = []
        self.settled = False

    def begin(self) -> None:
        """Run the attempt."""
        self._parent.open += 1
        self._thread.waiting = self._step.blocks
        self._run(Section(self._parent, self._attempted, is_attempt=True), self._step.steps)

    def _run(self, section: Section, steps: Steps) -> None:
        self._ran = Thread(self._assembler, section, steps, self._variables, self._around)
        self.out = section.out
        section.open += 1
        self._assembler.advance(self._ran)

    def _attempted(self, reason: str) -> None:
        if reason:
            self._run(Section(self._parent, self._excepted), self._step.otherwise)
        else:
            self._settle()

    def _excepted(self, reason: str) -> None:
        if reason:
            self._assembler.fail(self._parent, reason)
        else:
            self._settle()

    def _settle(self) -> None:
        self.settled = True
        if self._step.blocks:
            assert self._ran is not None
            self._thread.variables = self._ran.variables
            self._thread.waiting = False
            if self._ran.has_broken:
                self._thread.leave_loop()
            self._assembler.advance(self._thread)
        self._assembler.settle_one(self._parent)


Item: TypeAlias = "Static | bytes | Fragment | Hole | Trial"
Sink: TypeAlias = "list[Item] | deque[Item]"


class Names:
    """What a stretch of text can call and include by name: that of its own page. What an eval brings sees the page's functions beside its own."""

    __slots__ = ("functions", "inlines")

    def __init__(self, functions: dict[str, Function], inlines: dict[str, InlineFragment]) -> None:
        self.functions = functions
        self.inlines = inlines


class Frame:
    """Steps under way.

    items       what a loop has still to go through
    counted     its text may be written many times, so that it counts as written
    in_script   what was compiled for HTML stands in a script here
    """

    __slots__ = ("counted", "in_script", "index", "item", "items", "names", "steps")

    def __init__(self, steps: Steps, around: Frame | None, names: Names) -> None:
        self.steps = steps
        self.names = names
        self.counted: bool = around is not None and around.counted
        self.in_script: bool = around is not None and around.in_script
        self.index = 0
        self.item = ""
        self.items: Any = None

    def become_loop(self, item: str, items: Any) -> None:
        """Go through the steps once for each of items; the first is still to come."""
        self.item = item
        self.items = items
        self.counted = True
        self.index = len(self.steps)

    def become_inline(self, fetch: Fetch) -> None:
        """Its steps are an inline fragment's, in the place of fetch."""
        self.counted = True
        self.in_script |= fetch.in_script


class Thread:
    """One run through steps, with its variables. It is the Scope of the expressions in them.

    around: the frame in whose place it runs. has_broken: it ended by a break, which leaves a loop around it.
    """

    __slots__ = (
        "_assembler",
        "base",
        "frames",
        "has_broken",
        "is_call",
        "now",
        "random",
        "running",
        "section",
        "variables",
        "waiting",
    )

    def __init__(
        self,
        assembler: Assembler,
        section: Section,
        steps: Steps,
        variables: Mapping[str, Value],
        around: Frame,
        *,
        is_call: bool = False,
    ) -> None:
        self._assembler = assembler
        self.section = section
        self.base = Frame(steps, around, around.names)
        self.frames = [self.base]
        self.variables = variables  # never changed, always replaced: who keeps a reference has a snapshot
        self.waiting = False  # for an eval, or a try that assigns
        self.running = False
        self.has_broken = False
        self.is_call = is_call
        self.now = assembler.environment.now
        self.random = assembler.environment.random

    def enter(self, steps: Steps) -> Frame:
        """Go on with these steps, and then with what comes after."""
        top = self.frames[-1]
        self.frames.append(frame := Frame(steps, top, top.names))
        return frame

    def leave_loop(self) -> None:
        """A break: out of the innermost loop, or out of the thread when the loop is around it."""
        frames = self.frames
        while frames:
            if frames.pop().items is not None:
                return
        self.has_broken = True

    def variable(self, name: str) -> Value:
        """An assigned variable, or one of the request. See Scope."""
        found = self.variables.get(name)
        if found is not None or name in self.variables:
            return found
        return self._assembler.environment.variable(name)

    def item(self, name: str, key: str) -> Value:
        """An item of one. See Scope."""
        if name not in self.variables:
            return self._assembler.environment.item(name, key)
        return subscript(self.variables[name], key)

    def call(self, name: str, arguments: list[Value]) -> Value:
        """A function of the page. See Scope."""
        return self._assembler.call(name, arguments, self)

    def spend(self, steps: int) -> None:
        """Take steps off the page's budget. See Scope."""
        self._assembler.spend(steps)

    def assign(self, name: str, value: Value) -> None:
        """A variable has this value from here on."""
        self.spend(1 + len(self.variables) // 8)
        self.variables = {**self.variables, name: value}


class BadReferenceError(Exception):
    """Text of the request would make another address of a reference than its author meant."""


class Returned(Exception):
    """How `return` leaves the loops around it, with its value."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


def steps_in(url: str) -> int:
    """Segments `.` and `..` in the path of a reference, as origins may read it that undo percent-encoding first. RFC 3986 §3.3."""
    path = unquote(url.partition("?")[0].partition("#")[0], errors="surrogateescape")
    return sum(segment in (".", "..") for segment in path.replace("\\", "/").split("/"))


def inline_at(frame: Frame, fetch: Fetch, url: str) -> InlineFragment | None:
    """The inline fragment of that name, when it was defined above the element: so it makes no difference how much of the page is there."""
    inline = frame.names.inlines.get(url)
    return inline if inline is not None and inline.number < fetch.inlines_above else None


def groups_of(test: Expression, thread: Thread) -> Value:
    """What the last `matches` of a test found: the whole and its groups."""
    if test.match is None:
        return None
    found = match_groups(test.match.pattern(thread), test.match.subject(thread), ignore_case=test.match.ignore_case)
    return list(found) if found is not None else None
