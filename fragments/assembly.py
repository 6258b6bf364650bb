"""Runs a compiled page without I/O: hands out needs, takes answers, gives content in document order.

    extend(steps) ─▶ needs() ─▶ supply(hole, fragment) ─▶ drain() ─▶ … ─▶ finished, or failure
                      every include that can be reached now, at once

A page runs ahead of its holes: only `eval`, and a `try` that assigns variables, make what follows wait. A `try` is settled when the last answer
within arrives, not when output reaches it. Each hole walks its ladder: what came → alt → the element's own body → nothing, where the element or
the route allows that → the section fails: an attempt gives way to its except, the page ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from fragments.esi.compiler import compile_page
from fragments.esi.environment import Environment
from fragments.esi.errors import EsiLimit
from fragments.esi.expressions import Expression, match_groups
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
from fragments.esi.values import Context, Value, escape, is_true, text_of

__all__ = ["DEFAULT_BUDGET", "Assembler", "Budget", "Fragment", "Hole", "Output"]


class Budget(NamedTuple):
    """What one page may cost.

    steps       of programs and expressions (a loop that appends a letter takes about five); some tens of ms
    holes       includes and evals
    octets      written by variables and loops, the page's own text outside loops apart
    functions   calls inside each other
    """

    steps: int = 100_000
    holes: int = 256  # Fastly, Akamai: 256 and less
    octets: int = 8 * 2**20
    functions: int = 32


DEFAULT_BUDGET = Budget()


class Fragment:
    """What came for a hole. reason: why nothing did; then body is empty. source: the caller's own."""

    __slots__ = ("body", "reason", "source")

    def __init__(self, body: bytes, source: Any = None, reason: str = "") -> None:
        self.body = body
        self.source = source
        self.reason = reason

    @classmethod
    def failed(cls, reason: str, source: Any = None) -> Fragment:
        """Nothing came."""
        return cls(b"", source, reason)


Output: TypeAlias = "Static | bytes | Fragment"
"""A piece of the page: the same for all, made for this request, or fetched."""


class Hole:
    """A place in the page whose content comes from elsewhere.

    url         reference to ask for now, as the page has it
    waits       it is an eval: what follows waits for it
    stage       what is tried now: "src", "alt", "fallback"; "done"; "dropped" (its attempt failed)
    outcome     what it came to: "src", "alt", "fallback", "nothing", "failed", "dropped"
    reasons     why src and alt brought nothing
    fragment    what came
    note        the caller's own
    """

    __slots__ = (
        "fetch",
        "fragment",
        "note",
        "out",
        "outcome",
        "reasons",
        "section",
        "stage",
        "thread",
        "url",
        "variables",
        "waits",
    )

    def __init__(
        self, fetch: Fetch, url: str, section: _Section, thread: _Thread, variables: Mapping[str, Value], *, waits: bool
    ) -> None:
        self.fetch = fetch
        self.url = url
        self.section = section
        self.thread = thread
        self.variables = variables
        self.waits = waits
        self.stage = "src"
        self.outcome = ""
        self.reasons: list[str] = []
        self.fragment: Fragment | None = None
        self.out: _Sink = []
        self.note: Any = None

    @property
    def is_open(self) -> bool:
        """It waits for a fragment."""
        return self.stage in ("src", "alt")


class _Section:
    """A part of the page that stands or falls as one: the page, an attempt, an except, an element's own body.

    open: threads that run in it, holes that are open, trials that are not settled. done: called once, with "" or why it failed.
    """

    __slots__ = ("done", "holes", "is_attempt", "open", "out", "parent", "sections", "state")

    def __init__(
        self, parent: _Section | None, done: Callable[[str], None], out: _Sink | None = None, *, is_attempt: bool = False
    ) -> None:
        self.parent = parent
        self.done = done
        self.out: _Sink = [] if out is None else out
        self.is_attempt = is_attempt
        self.open = 0
        self.state = "open"
        self.holes: list[Hole] = []
        self.sections: list[_Section] = []
        if parent is not None:
            parent.sections.append(self)

    def is_caught(self) -> bool:
        """A failure in it is somebody's to handle: an attempt is around it."""
        section: _Section | None = self
        while section is not None:
            if section.is_attempt:
                return True
            section = section.parent
        return False


class _Trial:
    """A try, and its place in the output: the attempt's content, or that of except."""

    __slots__ = ("_assembler", "_parent", "_ran", "_step", "_thread", "_variables", "out", "settled")

    def __init__(self, assembler: Assembler, thread: _Thread, step: Attempt) -> None:
        self._assembler = assembler
        self._thread = thread
        self._parent = thread.section
        self._step = step
        self._variables = thread.variables
        self._ran: _Thread | None = None
        self.out: _Sink = []
        self.settled = False

    def begin(self) -> None:
        """Run the attempt."""
        self._parent.open += 1
        self._thread.waiting = self._step.blocks
        self._run(_Section(self._parent, self._attempted, is_attempt=True), self._step.steps)

    def _run(self, section: _Section, steps: Steps) -> None:
        self._ran = _Thread(self._assembler, section, steps, self._variables)
        self.out = section.out
        section.open += 1
        self._assembler.advance(self._ran)

    def _attempted(self, reason: str) -> None:
        if reason:
            self._run(_Section(self._parent, self._excepted), self._step.otherwise)
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
            self._assembler.advance(self._thread)
        self._assembler.settle_one(self._parent)


_Item: TypeAlias = "Static | bytes | Fragment | Hole | _Trial"
_Sink: TypeAlias = "list[_Item] | deque[_Item]"


class _Frame:
    """Steps under way. items: what a loop has still to go through."""

    __slots__ = ("index", "item", "items", "steps")

    def __init__(self, steps: Steps, item: str = "", items: Any = None) -> None:
        self.steps = steps
        self.index = 0
        self.item = item
        self.items = items


class _Thread:
    """One run through steps, with its variables. It is the Scope of the expressions in them."""

    __slots__ = ("_assembler", "base", "frames", "is_call", "now", "random", "running", "section", "variables", "waiting")

    def __init__(
        self, assembler: Assembler, section: _Section, steps: Steps, variables: Mapping[str, Value], *, is_call: bool = False
    ) -> None:
        self._assembler = assembler
        self.section = section
        self.base = _Frame(steps)
        self.frames = [self.base]
        self.variables = variables  # never changed, always replaced: who keeps a reference has a snapshot
        self.waiting = False  # for an eval, or a try that assigns
        self.running = False
        self.is_call = is_call
        self.now = assembler.environment.now
        self.random = assembler.environment.random

    def variable(self, name: str) -> Value:
        found = self.variables.get(name)
        if found is not None or name in self.variables:
            return found
        return self._assembler.environment.variable(name)

    def item(self, name: str, key: str) -> Value:
        if name not in self.variables:
            return self._assembler.environment.item(name, key)
        value = self.variables[name]
        if isinstance(value, dict):
            return value.get(key)
        if isinstance(value, list) and key.lstrip("-").isdigit() and -len(value) <= int(key) < len(value):
            return value[int(key)]
        return None

    def call(self, name: str, arguments: list[Value]) -> Value:
        return self._assembler.call(name, arguments, self.variables)

    def spend(self, steps: int) -> None:
        self._assembler.spend(steps)

    def assign(self, name: str, value: Value) -> None:
        self.spend(1 + len(self.variables) // 8)
        self.variables = {**self.variables, name: value}


class _Returned(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


class Assembler:
    """One response.

    lenient     a page goes out without what can't be had, unless the element is `required`; else it fails (ESI 1.0 §3.1)
    context     how request text is escaped in what an eval brings
    failure     why the page can't be; "" while it can
    problems    met while it ran; those of its text are the program's
    holes       all that were met, in the order in which they were met
    dropped     open ones whose answer nobody wants any more; the caller takes them out
    """

    def __init__(
        self,
        environment: Environment,
        *,
        lenient: bool = False,
        context: Context = Context.HTML,
        budget: Budget = DEFAULT_BUDGET,
    ) -> None:
        self.environment = environment
        self.lenient = lenient
        self.context = context
        self.functions: dict[str, Function] = {}
        self.inlines: dict[str, InlineFragment] = {}
        self.failure = ""
        self.problems: list[str] = []
        self.holes: list[Hole] = []
        self.dropped: list[Hole] = []
        self._budget = budget
        self._steps_left = budget.steps
        self._octets_left = budget.octets
        self._exhausted = False
        self._depth = 0
        self._closed = False
        self._out: deque[_Item] = deque()
        self._needs: list[Hole] = []
        self._late: list[Hole] = []
        self._root = _Section(None, self._end_page, self._out)
        self._root.open = 1
        self._main = _Thread(self, self._root, (), {})

    # ---------------------------------------------------------------- from outside

    def run(self, program: Program) -> None:
        """A whole page."""
        self.functions.update(program.functions)
        self.inlines.update(program.inlines)
        self.extend(program.steps)
        self.close()

    def extend(self, steps: Steps) -> None:
        """More of the page."""
        base = self._main.base
        base.steps = base.steps[base.index :] + steps if base.index < len(base.steps) else steps
        base.index = 0
        self.advance(self._main)

    def close(self) -> None:
        """That was all of it."""
        self._closed = True
        self.advance(self._main)

    def needs(self) -> list[Hole]:
        """Holes to be filled that were not handed out before: every one that can be reached now."""
        found = [hole for hole in self._needs if hole.is_open]
        self._needs = []
        return found

    def supply(self, hole: Hole, fragment: Fragment) -> None:
        """What came for a hole."""
        if not hole.is_open or self.failure:
            return
        if fragment.reason:
            hole.reasons.append(fragment.reason)
            self._next_rung(hole)
            return
        hole.fragment = fragment
        hole.outcome = hole.stage
        hole.stage = "done"
        if hole.waits:
            self._continue_with(hole, fragment)
        self.settle_one(hole.section)

    def drain(self) -> list[Output]:
        """What is next in document order, and ready."""
        ready: list[Output] = []
        out = self._out
        while out:
            item = out[0]
            if isinstance(item, Hole):
                if item.stage != "done":
                    break
                out.popleft()
                if item.out:
                    out.extendleft(reversed(item.out))
                elif item.fragment is not None:
                    ready.append(item.fragment)
            elif isinstance(item, _Trial):
                if not item.settled:
                    break
                out.popleft()
                out.extendleft(reversed(item.out))
            else:
                ready.append(item)
                out.popleft()
        return ready

    def stands_in_the_way(self) -> Hole | None:
        """The open hole that the rest of the page waits for, when its content may follow later; None when there is none such."""
        if not self._out:
            return None
        hole = self._out[0]
        if isinstance(hole, Hole) and hole.stage != "done" and hole.fetch.is_flow and hole.section is self._root:
            return hole
        return None

    def defer(self, hole: Hole, meanwhile: bytes) -> None:
        """Let the page go on past the hole that stands in the way; meanwhile takes its place. `late` will give its content."""
        self._out[0] = meanwhile
        self._late.append(hole)

    def late(self) -> list[tuple[Hole, list[Output]]]:
        """Holes that were deferred and are filled by now, with their content, once each; not before all else has been drained."""
        if self._out or not self._main_is_over:
            return []
        ready = []
        for hole in list(self._late):
            if hole.stage != "done":
                continue
            self._out.extend(hole.out or ([hole.fragment] if hole.fragment is not None else []))
            content = self.drain()
            if self._out:  # a hole in the element's own body is open: it was not done
                raise AssertionError("a filled hole has an open one in it")
            self._late.remove(hole)
            ready.append((hole, content))
        return ready

    @property
    def _main_is_over(self) -> bool:
        return not self._main.frames

    @property
    def settled(self) -> bool:
        """Nothing is waited for: what is left can be drained at once."""
        return self._root.state == "done"

    @property
    def finished(self) -> bool:
        """All of the page has been drained."""
        return self._root.state == "done" and not self._out and not self._late

    # ---------------------------------------------------------------- sections

    def _end_page(self, reason: str) -> None:
        self.failure = reason
        if reason:
            self._out.clear()

    def settle_one(self, section: _Section) -> None:
        """A thread, a hole or a trial of the section is over."""
        section.open -= 1
        if section.open == 0 and section.state == "open":
            section.state = "done"
            section.done("")

    def fail(self, section: _Section, reason: str) -> None:
        """Something in the section can't be had: none of it is wanted any more."""
        if section.state == "open":
            section.state = "failed"
            self._drop(section)
            section.done(reason)

    def _drop(self, section: _Section) -> None:
        for hole in section.holes:
            if hole.is_open:
                self.dropped.append(hole)
            if hole.outcome != "failed":
                hole.outcome = "dropped"
            hole.stage = "dropped"
        for inner in section.sections:
            if inner.state != "failed":
                inner.state = "failed"
                self._drop(inner)

    # ---------------------------------------------------------------- the ladder

    def _next_rung(self, hole: Hole) -> None:
        fetch = hole.fetch
        if hole.stage == "src" and fetch.alt is not None:
            hole.stage = "alt"
            try:
                hole.url = self._text(fetch.alt, self._at(hole))
            except EsiLimit as limit:
                hole.reasons.append(str(limit))
            else:
                self._needs.append(hole)
                return
        if fetch.fallback is not None and not hole.waits:
            hole.stage = "fallback"
            section = _Section(hole.section, lambda reason: self._after_fallback(hole, section.out, reason))
            section.open += 1
            self.advance(_Thread(self, section, fetch.fallback, hole.variables))
            return
        self._give_up(hole)

    def _after_fallback(self, hole: Hole, out: _Sink, reason: str) -> None:
        if reason:
            hole.reasons.append(reason)
            self._give_up(hole)
            return
        hole.out = out
        hole.stage = "done"
        hole.outcome = "fallback"
        self.settle_one(hole.section)

    def _give_up(self, hole: Hole) -> None:
        fetch = hole.fetch
        if fetch.optional or (self.lenient and not fetch.required and not hole.section.is_caught()):
            hole.stage = "done"
            hole.outcome = "nothing"
            if hole.waits:
                self._continue_with(hole, None)
            self.settle_one(hole.section)
        else:
            hole.stage = "dropped"
            hole.outcome = "failed"
            self.fail(hole.section, hole.reasons[-1])

    def _continue_with(self, hole: Hole, fragment: Fragment | None) -> None:
        """An eval has its text, or does without: run it in the place of the element, with the variables of the page."""
        thread = hole.thread
        thread.waiting = False
        if fragment is not None:
            program = compile_page(fragment.body, self.context)
            self.functions.update(program.functions)
            self.inlines.update(program.inlines)
            self.problems += [f"{hole.url}: line {problem.line}: {problem.message}" for problem in program.problems]
            thread.frames.append(_Frame(program.steps))
        self.advance(thread)

    def _at(self, hole: Hole) -> _Thread:
        """The place of the hole, to evaluate something there: with the variables as they were."""
        return _Thread(self, hole.section, (), hole.variables)

    # ---------------------------------------------------------------- running

    def spend(self, steps: int) -> None:
        """Raises EsiLimit when the page has cost what it may."""
        self._steps_left -= steps
        if self._steps_left < 0:
            raise EsiLimit(f"the page takes more than {self._budget.steps} steps")

    def advance(self, thread: _Thread) -> None:
        """Run until the end, or until something has to come first."""
        if thread.running:
            return  # it will see by itself that nothing holds it up any more
        thread.running = True
        section, frames = thread.section, thread.frames
        while frames and not thread.waiting and section.state == "open":
            frame = frames[-1]
            try:
                if frame.index == len(frame.steps):
                    if frame.items is not None and self._next_item(thread, frame):
                        continue
                    if frame is self._main.base and not self._closed:
                        break
                    frames.pop()
                    continue
                step = frame.steps[frame.index]
                frame.index += 1
                if type(step) is Static and frame.items is None:
                    section.out.append(step)
                else:
                    self._do(thread, step)
            except RecursionError:
                self._over_budget(thread, EsiLimit("expressions and functions inside each other"))
            except EsiLimit as limit:
                self._over_budget(thread, limit)
        thread.running = False
        if not frames and not thread.waiting and section.state == "open":
            self.settle_one(section)

    def _over_budget(self, thread: _Thread, limit: EsiLimit) -> None:
        """The section fails; a page that is lenient goes on with its plain text and plain includes."""
        if thread.is_call:
            raise limit
        if not self._exhausted:
            self.problems.append(str(limit))
        if not self.lenient or thread.section.is_caught():
            self.fail(thread.section, "budget_spent")
            return
        self._exhausted = True
        while any(frame.items is not None for frame in thread.frames):
            thread.frames.pop()

    def _next_item(self, thread: _Thread, frame: _Frame) -> bool:
        try:
            value = next(frame.items)
        except StopIteration:
            return False
        self.spend(2)
        thread.assign(frame.item, value)
        frame.index = 0
        return True

    def _do(self, thread: _Thread, step: Step) -> None:
        if self._exhausted:
            if isinstance(step, Static):
                thread.section.out.append(step)
            elif isinstance(step, Fetch) and step.src.constant is not None:
                self._open_hole(thread, step, waits=False)
            return
        self.spend(1)
        match step:
            case Static():
                self._write(thread, step.data)
            case Write():
                self._write(thread, self._written(step, thread))
            case Fetch():
                self._open_hole(thread, step, waits=False)
            case Evaluate():
                self._open_hole(thread, step.fetch, waits=True)
            case Branch():
                thread.frames.append(_Frame(self._choose(thread, step)))
            case Attempt():
                trial = _Trial(self, thread, step)
                thread.section.out.append(trial)
                trial.begin()
            case Assign():
                self._assign(thread, step)
            case Loop():
                self._loop(thread, step)
            case Break():
                self._break(thread)
            case Return():
                raise _Returned(step.value.evaluate(thread))

    def _write(self, thread: _Thread, data: bytes) -> None:
        if not data:
            return
        self._octets_left -= len(data)
        if self._octets_left < 0:
            raise EsiLimit(f"variables and loops write more than {self._budget.octets} octets")
        thread.section.out.append(data)

    def _written(self, step: Write, thread: _Thread) -> bytes:
        return b"".join(
            [
                part
                if isinstance(part, bytes)
                else escape(text_of(part.evaluate(thread)), step.context).encode("utf-8", "surrogateescape")
                for part in step.parts
            ]
        )

    def _text(self, text: Text, thread: _Thread) -> str:
        """An attribute's value: request text in it is escaped as a part of a URL."""
        if text.constant is not None:
            return text.constant
        return "".join(
            [part if isinstance(part, str) else escape(text_of(part.evaluate(thread)), Context.URL) for part in text.parts]
        )

    def plain_text(self, text: Text, hole: Hole) -> str:
        """Another attribute of the element, not escaped: a field's value, a POST's content. Raises EsiLimit."""
        if text.constant is not None:
            return text.constant
        thread = self._at(hole)
        return "".join([part if isinstance(part, str) else text_of(part.evaluate(thread)) for part in text.parts])

    def _open_hole(self, thread: _Thread, fetch: Fetch, *, waits: bool) -> None:
        url = self._text(fetch.src, thread)
        inline = self.inlines.get(url)
        if inline is not None and not waits:
            self.spend(10)  # they may include each other
            thread.frames.append(_Frame(inline.steps))
            return
        section = thread.section
        hole = Hole(fetch, url, section, thread, thread.variables, waits=waits)
        self.holes.append(hole)
        section.holes.append(hole)
        section.open += 1
        if waits:
            thread.waiting = True
        else:
            section.out.append(hole)
        if len(self.holes) > self._budget.holes:
            hole.reasons.append("too_many_includes")
            hole.stage = "alt"  # which would be one more
            self._next_rung(hole)
        else:
            self._needs.append(hole)

    def _choose(self, thread: _Thread, step: Branch) -> Steps:
        for test, name, steps in step.whens:
            if is_true(test.evaluate(thread)):
                if name is not None:
                    thread.assign(name, _groups(test, thread))
                return steps
        return step.otherwise

    def _assign(self, thread: _Thread, step: Assign) -> None:
        value = step.value.evaluate(thread)
        if step.key is None:
            thread.assign(step.name, value)
            return
        key, held = step.key.evaluate(thread), thread.variables.get(step.name)
        self.spend(1 + (len(held) // 16 if isinstance(held, dict | list) else 0))
        if isinstance(held, list):
            place = int(key) if isinstance(key, int) or (isinstance(key, str) and key.isdigit()) else -1
            if 0 <= place < len(held):
                thread.assign(step.name, [*held[:place], value, *held[place + 1 :]])
            elif place == len(held):
                thread.assign(step.name, [*held, value])
            return
        thread.assign(step.name, {**(held if isinstance(held, dict) else {}), text_of(key): value})

    def _loop(self, thread: _Thread, step: Loop) -> None:
        collection = step.collection.evaluate(thread)
        items: list[Value]
        if isinstance(collection, dict):
            items = [[key, value] for key, value in collection.items()]
        elif isinstance(collection, list):
            items = collection
        else:
            items = [] if collection is None else [collection]
        frame = _Frame(step.steps, step.item, iter(items))
        frame.index = len(frame.steps)  # at the end of the turn before the first
        thread.frames.append(frame)

    def _break(self, thread: _Thread) -> None:
        while thread.frames:
            if thread.frames.pop().items is not None:
                return

    def call(self, name: str, arguments: list[Value], variables: Mapping[str, Value]) -> Value:
        """A function that the page defines; None when it returns nothing. Raises KeyError when there is none, EsiLimit."""
        function = self.functions[name]
        if self._depth >= self._budget.functions:
            raise EsiLimit(f"more than {self._budget.functions} functions inside each other")
        self._depth += 1
        section = _Section(None, lambda _: None)  # what it writes goes nowhere: its value is what it returns
        section.open = 1
        try:
            self.advance(_Thread(self, section, function.steps, {**variables, "ARGS": arguments}, is_call=True))
        except _Returned as returned:
            return returned.value
        finally:
            self._depth -= 1
        return None


def _groups(test: Expression, thread: _Thread) -> Value:
    """What the last `matches` of a test found: the whole and its groups."""
    if test.match is None:
        return None
    found = match_groups(test.match.pattern(thread), test.match.subject(thread), ignore_case=test.match.ignore_case)
    return list(found) if found is not None else None
