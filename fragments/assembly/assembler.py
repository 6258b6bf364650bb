"""Runs a compiled page without I/O: hands out needs, takes answers, gives content in document order.

    extend(steps) ─▶ needs() ─▶ supply(hole, fragment) ─▶ drain() ─▶ … ─▶ finished, or failure
                      every include that can be reached now, at once

A page runs ahead of its holes: only `eval`, and a `try` that assigns variables, make what follows wait. A `try` is settled when the last answer
within arrives, not when output reaches it. Each hole walks its ladder: what came → alt → the element's own body → nothing, where the element or
the route allows that → the section fails: an attempt gives way to its except, the page ends.
"""

from __future__ import annotations

from collections import deque

from fragments.assembly.pieces import DEFAULT_BUDGET, Budget, Fragment, Hole, Output
from fragments.assembly.stage import (
    BadReferenceError,
    Frame,
    Item,
    Names,
    Returned,
    Section,
    Sink,
    Thread,
    Trial,
    groups_of,
    inline_at,
    steps_in,
)
from fragments.esi.compiler import compile_page
from fragments.esi.environment import Environment
from fragments.esi.errors import EsiLimit
from fragments.esi.expressions import Expression
from fragments.esi.functions.builtin import size_of
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
from fragments.esi.values import (
    Context,
    Encoded,
    Tainted,
    Value,
    bounded,
    escape,
    is_true,
    number_of,
    text_of,
)

__all__ = ["Assembler"]


_OCTETS_PER_STEP = 8
"""Of text that an eval brings: dense markup takes about 1.5 µs an octet to compile."""
_PROGRAMS = 4

_MAX_SECTIONS = 64
"""Attempts and elements' own bodies inside each other. Markup nests half as deep; inline fragments and evals bring more."""


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
        self._out: deque[Item] = deque()
        self._needs: list[Hole] = []
        self._late: list[Hole] = []
        self._root = Section(None, self._end_page, self._out)
        self._root.open = 1
        self._main = Thread(self, self._root, (), {}, Frame((), None, Names(self.functions, self.inlines)))

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
            elif isinstance(item, Trial):
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
    def is_drained(self) -> bool:
        """Nothing of the page waits for something before it."""
        return not self._out

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

    def settle_one(self, section: Section) -> None:
        """A thread, a hole or a trial of the section is over."""
        section.open -= 1
        if section.open == 0 and section.state == "open":
            section.state = "done"
            section.done("")

    def fail(self, section: Section, reason: str) -> None:
        """Something in the section can't be had: none of it is wanted any more."""
        if section.state == "open":
            section.state = "failed"
            self._drop(section)
            section.done(reason)

    def _drop(self, section: Section) -> None:
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
            except BadReferenceError:
                hole.reasons.append("bad_url")
            else:
                inline = inline_at(hole.around, fetch, hole.url)
                if inline is None or hole.waits:
                    self._needs.append(hole)
                elif not self._run_instead(hole, inline.steps, "alt"):
                    self._own_body(hole)
                return
        self._own_body(hole)

    def _own_body(self, hole: Hole) -> None:
        fallback = hole.fetch.fallback
        if fallback is None or hole.waits or not self._run_instead(hole, fallback, "fallback"):
            self._give_up(hole)

    def _run_instead(self, hole: Hole, steps: Steps, outcome: str) -> bool:
        """Run steps in the place of what did not come. False: they would be too deep."""
        if hole.section.depth >= _MAX_SECTIONS:
            hole.reasons.append("too_deep")
            return False
        hole.stage = "fallback"
        section = Section(hole.section, lambda reason: self._after_instead(hole, section.out, outcome, reason))
        section.open += 1
        thread = Thread(self, section, steps, hole.variables, hole.around)
        if outcome == "alt":
            thread.base.become_inline(hole.fetch)
        self.advance(thread)
        return True

    def _after_instead(self, hole: Hole, out: Sink, outcome: str, reason: str) -> None:
        if reason:
            hole.reasons.append(reason)
            if outcome == "alt":
                self._own_body(hole)
            else:
                self._give_up(hole)
            return
        hole.out = out
        hole.stage = "done"
        hole.outcome = outcome
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
            around = thread.frames[-1]
            names = around.names
            in_script = (around.in_script or hole.fetch.in_script) and self.context is Context.HTML
            context = Context.SCRIPT if in_script else self.context
            try:
                program = self._compiled(fragment, context, names)
            except EsiLimit as limit:
                self._over_budget(thread, limit)
                self.advance(thread)
                return
            self.problems += [f"{hole.label}: line {problem.line}: {problem.message}" for problem in program.problems]
            own = Names({**names.functions, **program.functions}, dict(program.inlines))
            thread.frames.append(Frame(program.steps, around, own))
        self.advance(thread)

    def _compiled(self, fragment: Fragment, context: Context, names: Names) -> Program:
        """What an eval brought, as a program. Kept with the fragment: it is often the same for the next page. Raises EsiLimit."""
        self.spend(1 + len(fragment.body) // _OCTETS_PER_STEP)
        known = (context, frozenset(names.functions))
        program = fragment.programs.get(known) if fragment.programs is not None else None
        if program is None:
            program = compile_page(fragment.body, context, functions=names.functions)
            if fragment.programs is None or len(fragment.programs) >= _PROGRAMS:
                fragment.programs = {}
            fragment.programs[known] = program
        return program

    def _at(self, hole: Hole) -> Thread:
        """The place of the hole, to evaluate something there: with the variables as they were."""
        return Thread(self, hole.section, (), hole.variables, hole.around)

    # ---------------------------------------------------------------- running

    def spend(self, steps: int) -> None:
        """Raises EsiLimit when the page has cost what it may."""
        self._steps_left -= steps
        if self._steps_left < 0:
            raise EsiLimit(f"the page takes more than {self._budget.steps} steps")

    def advance(self, thread: Thread) -> None:
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
                if type(step) is Static and not frame.counted:
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

    def _over_budget(self, thread: Thread, limit: EsiLimit) -> None:
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

    def _next_item(self, thread: Thread, frame: Frame) -> bool:
        try:
            value = next(frame.items)
        except StopIteration:
            return False
        self.spend(2)
        thread.assign(frame.item, value)
        frame.index = 0
        return True

    def _do(self, thread: Thread, step: Step) -> None:
        if self._exhausted:
            if isinstance(step, Static):
                self._write(thread, step.data)
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
                thread.enter(self._choose(thread, step))
            case Attempt():
                self._try(thread, step)
            case Assign():
                self._assign(thread, step)
            case Loop():
                self._loop(thread, step)
            case Break():
                thread.leave_loop()
            case Return():
                raise Returned(step.value.evaluate(thread))

    def _try(self, thread: Thread, step: Attempt) -> None:
        if thread.section.depth >= _MAX_SECTIONS:
            raise EsiLimit(f"more than {_MAX_SECTIONS} attempts inside each other")
        trial = Trial(self, thread, step)
        thread.section.out.append(trial)
        trial.begin()

    def _write(self, thread: Thread, data: bytes) -> None:
        if not data:
            return
        self._octets_left -= len(data)
        if self._octets_left < 0:
            raise EsiLimit(f"variables and loops write more than {self._budget.octets} octets")
        thread.section.out.append(data)

    def _written(self, step: Write, thread: Thread) -> bytes:
        context = step.context
        if context is Context.TEXT:
            context = self.context  # it may stand in a page of another kind
        if context is Context.HTML and thread.frames[-1].in_script:
            context = Context.SCRIPT
        return b"".join(
            [
                part if isinstance(part, bytes) else escape(self._said(part, thread), context).encode("utf-8", "surrogateescape")
                for part in step.parts
            ]
        )

    def _text(self, text: Text, thread: Thread) -> str:
        """A URL: request text in it is escaped for where it stands. Raises BadReferenceError for one whose path such text leads elsewhere."""
        if text.constant is not None:
            return text.constant
        made, own = [], []
        for part, context in zip(text.parts, text.contexts, strict=True):
            value = part if isinstance(part, str) else self._said(part, thread)
            escaped = escape(value, context)
            made.append(escaped)
            own.append("x" if isinstance(value, Tainted | Encoded) else escaped)
        url = "".join(made)
        if made != own and steps_in(url) > steps_in("".join(own)):
            raise BadReferenceError
        return url

    def plain_text(self, text: Text, hole: Hole) -> str:
        """Another attribute of the element, not escaped: a field's value, a POST's content. Raises EsiLimit."""
        if text.constant is not None:
            return text.constant
        thread = self._at(hole)
        return "".join([part if isinstance(part, str) else self._said(part, thread) for part in text.parts])

    def _said(self, expression: Expression, thread: Thread) -> str:
        """The text of its value. A long list costs what it takes to write it out."""
        value = expression.evaluate(thread)
        if not isinstance(value, str):
            self.spend(size_of(value) // 1024)
        return text_of(value)

    def _open_hole(self, thread: Thread, fetch: Fetch, *, waits: bool) -> None:
        reason = ""
        try:
            url = self._text(fetch.src, thread)
        except BadReferenceError:
            url, reason = "", "bad_url"
        inline = inline_at(thread.frames[-1], fetch, url)
        if inline is not None and not waits:
            self.spend(10)
            thread.enter(inline.steps).become_inline(fetch)
            return
        section = thread.section
        hole = Hole(fetch, url, thread, waits=waits)
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
        elif reason:
            hole.reasons.append(reason)
            self._next_rung(hole)
        else:
            self._needs.append(hole)

    def _choose(self, thread: Thread, step: Branch) -> Steps:
        for test, name, steps in step.whens:
            if is_true(test.evaluate(thread)):
                if name is not None:
                    thread.assign(name, groups_of(test, thread))
                return steps
        return step.otherwise

    def _assign(self, thread: Thread, step: Assign) -> None:
        value = step.value.evaluate(thread)
        if step.key is None:
            thread.assign(step.name, value)
            return
        key, held = step.key.evaluate(thread), thread.variables.get(step.name)
        self.spend(1 + (size_of(key) + size_of(held) + size_of(value)) // 1024)
        if isinstance(held, list):
            place = number_of(key)
            if isinstance(place, int) and 0 <= place <= len(held):
                thread.assign(step.name, bounded([*held[:place], value, *held[place + 1 :]]))
            return
        thread.assign(step.name, bounded({**(held if isinstance(held, dict) else {}), text_of(key): value}))

    def _loop(self, thread: Thread, step: Loop) -> None:
        collection = step.collection.evaluate(thread)
        items: list[Value]
        if isinstance(collection, dict):
            self.spend(size_of(collection) // 1024)
            items = [[key, value] for key, value in collection.items()]
        elif isinstance(collection, list):
            items = collection
        else:
            items = [] if collection is None else [collection]
        thread.enter(step.steps).become_loop(step.item, iter(items))

    def call(self, name: str, arguments: list[Value], caller: Thread) -> Value:
        """A function that the page defines; None when it returns nothing. Raises KeyError when there is none, EsiLimit."""
        around = caller.frames[-1]
        function = around.names.functions[name]
        if self._depth >= self._budget.functions:
            raise EsiLimit(f"more than {self._budget.functions} functions inside each other")
        self._depth += 1
        section = Section(None, lambda _: None)  # what it writes goes nowhere: its value is what it returns
        section.open = 1
        try:
            self.advance(Thread(self, section, function.steps, {**caller.variables, "ARGS": arguments}, around, is_call=True))
        except Returned as returned:
            return returned.value
        finally:
            self._depth -= 1
        return None
