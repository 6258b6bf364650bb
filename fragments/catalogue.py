"""Named fragments of the gateway's own: which there are, what each may know, who else may see what comes of it, and the templates that make them.

    Catalogue(slots, directory) ─▶ every template read and compiled, all faults at once      (the only I/O is here)
    render(name, data)          ─▶ Rendered, or SlotFailed with a reason

A template sees what its slot declares and nothing else, so who may share its output follows from the declaration: `objections` has the rules. Pure
after it is built; one rendering never waits, and costs no more than its budget (`sandbox`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeAlias

from jinja2 import FunctionLoader, StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.utils import missing

from fragments.sandbox import Meter, SlotEnvironment, TooCostly, metered

__all__ = [
    "DIMENSIONS",
    "NEEDS",
    "Catalogue",
    "CatalogueError",
    "Objection",
    "Rendered",
    "Scope",
    "Slot",
    "SlotFailed",
    "TemplateFault",
    "objections",
]

Scope: TypeAlias = Literal["public", "audience", "visitor"]
"""public: for everybody, caches behind us included · audience: for all who are alike in the audience · visitor: for the one who asks."""

NEEDS = ("language", "query", "host", "path")
"""What a template may ask for. `data`, the constants of its settings, is always there."""
DIMENSIONS = frozenset({"language"})
"""Needs that say something of the visitor. The others are parts of the fragment's own URL."""

STEPS = 100_000
"""Of one rendering: some tens of ms."""
MAX_SOURCE = 256 * 2**10
"""Octets of one template file."""
_MAX_FILES = 1_000


_KINDS = frozenset({"str", "str object", "dict", "dict object", "list", "list object", "tuple", "int", "int object", "float"})
"""Of values, in jinja2's words."""


class Slot(NamedTuple):
    """A named fragment.

    template    file name below the directory
    needs       of NEEDS; the template sees no others
    lifetime    seconds for which what was rendered may be kept
    audience    of DIMENSIONS: those that tell apart who may share it
    tags        surrogate keys
    data        constants, the template's `data`
    """

    name: str
    template: str
    needs: tuple[str, ...] = ()
    lifetime: float = 0.0
    scope: Scope = "public"
    audience: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] = {}


class Rendered(NamedTuple):
    """What a slot came to, and who may have it: as the slot says."""

    body: bytes
    lifetime: float
    scope: Scope
    audience: tuple[str, ...]
    tags: tuple[str, ...]


class TemplateFault(NamedTuple):
    """One fault of a template. slots: whose it is; line: 0 for the whole file."""

    slots: tuple[str, ...]
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{'slot' if len(self.slots) == 1 else 'slots'} {', '.join(self.slots)}: {place}: {self.message}"


class CatalogueError(Exception):
    """Templates that can't be used; `faults` has all of them."""

    def __init__(self, faults: list[TemplateFault]) -> None:
        count = len(faults)
        heading = f"{count} problem{'' if count == 1 else 's'} in the templates:"
        super().__init__("\n".join([heading, *(f"  {fault}" for fault in faults)]))
        self.faults = tuple(faults)


class SlotFailed(Exception):
    """A slot could not be rendered. reason: a word; place: where in the templates, "" when that is not known. Nothing in it comes from the request."""

    def __init__(self, slot: str, reason: str, place: str, words: str) -> None:
        super().__init__(f"slot {slot}: {place}{': ' if place else ''}{words}")
        self.reason = reason
        self.place = place


class Objection(NamedTuple):
    """Something in a slot's declaration that can't be. name: the setting to change; wish: what it should be; other: the setting it goes against."""

    name: str
    wish: str
    because: str
    other: str


def objections(*, scope: Scope, lifetime: float, needs: Sequence[str], audience: Sequence[str]) -> Iterator[Objection]:
    """What speaks against a declaration. What was made with knowledge of a visitor is shared only along the dimensions that are declared."""
    told = [need for need in needs if need in DIMENSIONS]
    unnamed = [need for need in told if need not in audience]
    if scope == "visitor":
        if lifetime:
            yield Objection("lifetime", "0.0 seconds", "what is for one visitor is not kept", "scope")
        if audience:
            yield Objection("audience", "nothing", "what is for one visitor is shared with nobody", "scope")
        return
    if unnamed:
        wish = f"{unnamed[0]!r} among them" if len(unnamed) == 1 else f"{', '.join(map(repr, unnamed))} among them"
        because = f"needs names what differs from visitor to visitor, and scope is {scope}: others would be shown it"
        yield Objection("audience", wish, because, "needs")
    if scope == "audience" and not audience:
        yield Objection("audience", "at least one dimension", "scope is audience", "scope")


class _Missing(StrictUndefined):
    """A name that nobody set. Says so when it is one that the slot would have to declare."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if self._undefined_hint:
            return self._undefined_hint
        if not isinstance(name, str):
            return "a list has no element there"
        if self._undefined_obj is missing and name in NEEDS:
            return f"the template asks for {name!r}, which is not among the needs of the slot"
        if isinstance(self._undefined_obj, dict):
            return f"there is no {name!r} in this table"
        return str(super()._undefined_message)


class Catalogue:
    """All slots, their templates compiled. directory: what they may be read from; nothing outside it is. max_bytes: octets of one fragment.

    Raises CatalogueError.
    """

    def __init__(self, slots: Iterable[Slot], directory: Path, *, max_bytes: int = 2**20) -> None:
        self.slots: Mapping[str, Slot] = {slot.name: slot for slot in slots}
        self.max_bytes = max_bytes
        self._environment = SlotEnvironment(_Missing)
        reading = _Reading(self._environment, directory)
        for slot in self.slots.values():
            for objection in objections(scope=slot.scope, lifetime=slot.lifetime, needs=slot.needs, audience=slot.audience):
                reading.blame(
                    slot.template, 0, f"{objection.name}: expected {objection.wish}: {objection.because}", only=slot.name
                )
            reading.want(slot.template, slot.name, "", 0)
        reading.run()
        self._sources: Mapping[str, str] = reading.sources
        self._files = frozenset(reading.sources)
        self._environment.loader = FunctionLoader(
            lambda name: (reading.sources[name], name, None) if name in reading.sources else None
        )
        for name in () if reading.faults() else reading.sources:
            try:
                self._environment.get_template(name)
            except TemplateSyntaxError as error:
                reading.blame(error.name or name, error.lineno, error.message or "not a template")
            except (RecursionError, SyntaxError, MemoryError):
                reading.blame(name, 0, "expected less nesting")
        if faults := reading.faults():
            raise CatalogueError(faults)

    def __contains__(self, name: object) -> bool:
        return name in self.slots

    def render(self, name: str, data: Mapping[str, Any]) -> Rendered:
        """The slot of that name. data: a value for each of its needs at least. Raises KeyError for an unknown name, SlotFailed."""
        slot = self.slots[name]
        values = {need: data[need] for need in slot.needs} | {"data": slot.data}
        try:
            body = self._run(slot.template, values)
        except Exception as error:  # whatever a template can bring about: its slot fails, nothing else does
            reason, words = self._told(error)
            raise SlotFailed(name, reason, _place(error.__traceback__, self._files), words) from error
        return Rendered(body, slot.lifetime, slot.scope, slot.audience, slot.tags)

    def _run(self, template: str, values: dict[str, Any]) -> bytes:
        meter = Meter(STEPS, 4 * self.max_bytes, self.max_bytes)
        pieces, octets = [], 0
        with metered(meter):
            for piece in self._environment.get_template(template).generate(values):
                encoded = piece.encode("utf-8")
                octets += len(encoded)
                if octets > self.max_bytes:
                    raise TooCostly(f"a fragment of more than {self.max_bytes} octets", "slot_too_large")
                pieces.append(encoded)
        return b"".join(pieces)

    def _told(self, error: Exception) -> tuple[str, str]:
        """(reason, what went wrong in words)."""
        match error:
            case TooCostly():
                return error.reason, str(error)
            case RecursionError():
                return "slot_too_costly", "macros or includes inside each other without end"
            case UndefinedError() | SecurityError():
                reason = "slot_undefined" if isinstance(error, UndefinedError) else "slot_forbidden"
                words = str(error)[:500]
                names = re.findall(r"'([^']*)'", words)
                if any(not self._says(name) for name in names):
                    return reason, "a name that the templates don't have: it comes from the request"
                return reason, words
        return "slot_error", type(error).__name__  # its words may hold values

    def _says(self, name: str) -> bool:
        """Whether some template has it, or it is the name of a kind of value."""
        return name in _KINDS or any(name in source for source in self._sources.values())


def _place(trace: TracebackType | None, files: frozenset[str]) -> str:
    """`hero.html, line 3`, the innermost; jinja2 has put the templates' own lines into the traceback."""
    found = ""
    for _ in range(2_000):
        if trace is None:
            break
        if trace.tb_frame.f_code.co_filename in files:
            found = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


class _Reading:
    """The files that slots' templates lead to, each once, and what is wrong with them."""

    def __init__(self, environment: SlotEnvironment, directory: Path) -> None:
        self.sources: dict[str, str] = {}
        self._environment = environment
        self._directory = directory.resolve()
        self._users: dict[str, list[str]] = {}
        self._waiting: list[tuple[str, str, str, int]] = []
        self._faults: dict[
            tuple[str, str, int, str], str
        ] = {}  # (whose, file, line, message) → the one slot it is about, "" for all

    def want(self, name: str, slot: str, file: str, line: int) -> None:
        """slot needs the file `name`; file, line: where that is said, "" for its settings."""
        users = self._users.setdefault(name, [])
        if slot not in users:
            users.append(slot)
            self._waiting.append((name, slot, file, line))

    def blame(self, name: str, line: int, message: str, *, file: str = "", only: str = "") -> None:
        """A fault of the file `name`, or of how `file` names it. only: the slot that it is about."""
        self._faults.setdefault((name, file or name, line, message), only)

    def faults(self) -> list[TemplateFault]:
        """All of them, each with the slots that it concerns."""
        return [
            TemplateFault((only,) if only else tuple(self._users.get(name, ())), file, line, message)
            for (name, file, line, message), only in self._faults.items()
        ]

    def run(self) -> None:
        """Read all of them."""
        leads: dict[str, list[tuple[str, int]]] = {}
        while self._waiting:
            name, slot, file, line = self._waiting.pop(0)
            if name not in leads:
                why, source = self._read(name) if len(leads) < _MAX_FILES else (f"expected at most {_MAX_FILES} files", "")
                leads[name] = []
                if why:
                    self.blame(name, line, why, file=file)
                    continue
                self.sources[name] = source
                leads[name] = self._checked(name, source)
            for other, at in leads[name]:
                self.want(other, slot, name, at)

    def _read(self, name: str) -> tuple[str, str]:
        """(why not, content)."""
        parts = name.split("/")
        path = self._directory.joinpath(*parts)
        if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts) or not _lies_in(path, self._directory):
            return f"expected a file inside the templates' directory, got {name!r}", ""
        try:
            with path.open("rb") as file:
                octets = file.read(MAX_SOURCE + 1)
            if len(octets) > MAX_SOURCE:
                return f"expected at most {MAX_SOURCE} octets", ""
            return "", octets.decode("utf-8-sig")
        except OSError as error:
            return f"expected a file that can be read, got {name!r}: {error.strerror or error}", ""
        except UnicodeDecodeError as error:
            return f"expected UTF-8 in {name!r}, and byte {error.start} is none", ""

    def _checked(self, name: str, source: str) -> list[tuple[str, int]]:
        """The files that it names, with the line."""
        try:
            tree = self._environment.read(source, name)
            for modifier in tree.find_all(nodes.EvalContextModifier):
                self.blame(name, modifier.lineno, "expected no `autoescape`: it is always on")
            return [(other, at) for node in _naming(tree) for other, at in self._names(name, node)]
        except TemplateSyntaxError as error:
            self.blame(name, error.lineno, error.message or "not a template")
        except RecursionError:
            self.blame(name, 0, "expected less nesting")
        return []

    def _names(self, name: str, node: Any) -> Iterator[tuple[str, int]]:
        """Those in one statement. A fault unless they are all known, and needed, at the start."""
        if getattr(node, "ignore_missing", False):
            self.blame(name, node.lineno, "expected no `ignore missing`: all templates are read at the start")
            return
        for other in _constant_names(node.template):
            if other is None:
                self.blame(name, node.lineno, "expected a file's name in quotes: all templates are read at the start")
            else:
                yield other, node.lineno


def _lies_in(path: Path, directory: Path) -> bool:
    """Wherever links lead."""
    try:
        return path.resolve().is_relative_to(directory)
    except (OSError, ValueError, RuntimeError):
        return False


def _naming(tree: nodes.Template) -> Iterator[Any]:
    """The statements that name other files."""
    return tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport))


def _constant_names(node: nodes.Expr) -> list[str | None]:
    """File names; None for what is known only when the template runs."""
    if isinstance(node, nodes.List | nodes.Tuple):
        return [name for item in node.items for name in _constant_names(item)]
    if isinstance(node, nodes.Const):
        values = node.value if isinstance(node.value, list | tuple) else [node.value]
        return [value if isinstance(value, str) else None for value in values]
    return [None]
