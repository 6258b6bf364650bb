"""Plays a page through fragments.assembly: the answers are a table, the order in which they arrive and the cuts in which the page comes are the test's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fragments.assembly import DEFAULT_BUDGET, Assembler, Budget, Fragment, Hole, Output
from fragments.esi.compiler import Compiler, compile_page
from fragments.esi.environment import Environment
from fragments.esi.parser import Parser
from fragments.esi.program import Static

__all__ = ["NOON", "Came", "Choose", "Clerk", "Play", "environment_of", "in_turn", "last_come", "play", "text_of"]

NOON = 1_800_000_000.0

Choose = Callable[[int], int]
"""Which of so many open holes is answered next."""

Clerk = Callable[[str], "str | None"]
"""Content for a URL; text that begins with ! is why there is none, None: there is no such thing."""


class Came(NamedTuple):
    """What a page came to. text: all that was drained, up to the failure when there is one."""

    text: str
    failure: str
    asked: tuple[str, ...]
    outcomes: tuple[str, ...]
    dropped: tuple[str, ...]
    problems: tuple[str, ...]


def environment_of(target: str = "/page", fields: Mapping[str, str] | None = None) -> Environment:
    """A request for target."""
    given = [(name.lower().encode(), value.encode()) for name, value in (fields or {}).items()]
    return Environment("GET", "shop.test", target, given, now=NOON, random=lambda: 0.5, address="192.0.2.7")


def in_turn(_open: int) -> int:
    """The first that was asked for."""
    return 0


def last_come(count: int) -> int:
    """The last that was asked for."""
    return count - 1


def text_of(outputs: Iterable[Output]) -> str:
    """Pieces of a page as text."""
    parts = []
    for output in outputs:
        if isinstance(output, bytes):
            parts.append(output)
        else:
            parts.append(output.data if isinstance(output, Static) else output.body)
    return b"".join(parts).decode("utf-8", "surrogateescape")


class Play:
    """One page under way."""

    def __init__(
        self,
        clerk: Clerk,
        *,
        environment: Environment | None = None,
        lenient: bool = False,
        budget: Budget = DEFAULT_BUDGET,
    ) -> None:
        self.clerk = clerk
        self.assembler = Assembler(environment or environment_of(), lenient=lenient, budget=budget)
        self.open: list[Hole] = []
        self.asked: list[str] = []
        self.dropped: list[str] = []
        self.text = ""
        self._parser = Parser()
        self._compiler = Compiler(self._parser)

    def feed(self, data: bytes) -> None:
        """More of the page."""
        self._extend(self._compiler.compile(self._parser.feed(data)))

    def close(self) -> None:
        """The page's end."""
        self._extend(self._compiler.compile(self._parser.close()))
        self.assembler.close()

    def _extend(self, steps) -> None:
        self.assembler.functions.update(self._compiler.functions)
        self.assembler.inlines.update(self._compiler.inlines)
        self.assembler.extend(steps)

    def look(self) -> None:
        """Take what is handed out: needs, dropped holes, content."""
        for hole in self.assembler.needs():
            assert hole.is_open, "a hole that waits for nothing was handed out"
            assert hole not in self.open, f"{hole.url} was handed out twice"
            self.open.append(hole)
            self.asked.append(hole.url)
        for hole in self.assembler.dropped:
            self.dropped.append(hole.url)
            if hole in self.open:
                self.open.remove(hole)
        self.assembler.dropped.clear()
        self.text += text_of(self.assembler.drain())

    def supply(self, which: int) -> None:
        """An answer arrives."""
        hole = self.open.pop(which)
        content = self.clerk(hole.url)
        if content is None:
            fragment = Fragment.failed("no_such_fragment")
        elif content.startswith("!"):
            fragment = Fragment.failed(content[1:])
        else:
            fragment = Fragment(content.encode("utf-8", "surrogateescape"))
        self.assembler.supply(hole, fragment)

    def play_out(self, choose: Choose) -> Came:
        """Answer whatever is open until the page is there, or is not to be."""
        self.look()
        while self.open and not self.assembler.failure:
            self.supply(choose(len(self.open)))
            self.look()
        if not self.assembler.failure:
            assert self.assembler.finished, "nothing is open, and the page has no end"
        return self.came()

    def came(self) -> Came:
        """What there is so far."""
        assembler = self.assembler
        return Came(
            self.text,
            assembler.failure,
            tuple(self.asked),
            tuple(hole.outcome for hole in assembler.holes),
            tuple(self.dropped),
            tuple(assembler.problems),
        )


def play(
    page: str | bytes,
    answers: Mapping[str, str] | Clerk,
    *,
    choose: Choose = in_turn,
    environment: Environment | None = None,
    lenient: bool = False,
    budget: Budget = DEFAULT_BUDGET,
) -> Came:
    """A whole page, compiled at once."""
    clerk = answers.get if isinstance(answers, Mapping) else answers
    player = Play(clerk, environment=environment, lenient=lenient, budget=budget)
    octets = page.encode("utf-8", "surrogateescape") if isinstance(page, str) else page
    player.assembler.run(compile_page(octets))
    return player.play_out(choose)
