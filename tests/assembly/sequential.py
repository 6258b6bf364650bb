"""A page as a small tree, the markup that says it, and an interpreter that does one thing after the other: what assembly has to agree with.

"text"                                     as it is
("say", name)                              $(name)
("set", name, number)                      assign
("include", n, alt | None, body | None, optional, required, variable)     of /f<n>, or of /f<n>-$(variable)
("try", attempt, except)
("choose", [(name, number, nodes), …], otherwise)         $(name)==number
("each", [number, …], nodes)               foreach, its item is i
("break",)
("eval", n, optional)                      of /e<n>, which is the n-th of the program's further pages
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from hypothesis import strategies as st

__all__ = ["Expected", "Program", "answers_of", "interpret", "markup_of", "programs"]

Nodes = list[Any]


class Program(NamedTuple):
    """A page, and further ones for eval."""

    page: Nodes
    further: list[Nodes]


class Expected(NamedTuple):
    """What a page comes to. text: when it failed, all before what failed."""

    text: str
    failed: bool


# ── Programs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_names = st.sampled_from(["a", "b", "i"])
_numbers = st.integers(0, 2)
_texts = st.text("xyz", min_size=1, max_size=3)
_places = st.integers(0, 9)


def _node(inner: st.SearchStrategy[Nodes]) -> st.SearchStrategy[Any]:
    own = inner.filter(lambda nodes: not nodes or any(node != ("break",) for node in nodes))  # else it may be none at all
    optional, required = st.sampled_from([False, False, True]), st.sampled_from([False, False, False, True])
    include = st.tuples(st.just("include"), _places, st.none() | _places, st.none() | own, optional, required, st.none() | _names)
    return st.one_of(
        include,
        include,
        st.tuples(st.just("try"), inner, inner),
        st.tuples(st.just("choose"), st.lists(st.tuples(_names, _numbers, inner), min_size=1, max_size=2), inner),
        st.tuples(st.just("each"), st.lists(_numbers, max_size=3), inner),
    )


_leaves = st.one_of(
    _texts,
    st.tuples(st.just("say"), _names),
    st.tuples(st.just("set"), _names, _numbers),
    st.tuples(
        st.just("include"), _places, st.none() | _places, st.none(), st.booleans(), st.just(value=False), st.none() | _names
    ),
    st.tuples(st.just("break")),
    st.tuples(st.just("eval"), st.integers(0, 2), st.booleans()),
)
_quiet_leaves = _leaves.filter(lambda leaf: leaf[0] != "eval")


def _nodes(leaves: st.SearchStrategy[Any], depth: int) -> st.SearchStrategy[Nodes]:
    if depth == 0:
        return st.lists(leaves, max_size=3)
    return st.lists(leaves | _node(_nodes(leaves, depth - 1)), max_size=4)


programs = st.builds(Program, _nodes(_leaves, 3), st.lists(_nodes(_quiet_leaves, 1), min_size=3, max_size=3))


# ── Markup ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def markup_of(nodes: Nodes) -> str:
    """The page in ESI."""
    return "".join(map(_markup, nodes))


def _markup(node: Any) -> str:
    match node:
        case str():
            return node
        case ("say", name):
            return f"<esi:vars>$({name})</esi:vars>"
        case ("set", name, number):
            return f'<esi:assign name="{name}" value="{number}"/>'
        case ("include", place, alt, body, optional, required, variable):
            suffix = f"-$({variable})" if variable else ""
            attributes = f'src="/f{place}{suffix}"'
            attributes += f' alt="/f{alt}"' if alt is not None else ""
            attributes += ' onerror="continue"' if optional else ""
            attributes += ' required="true"' if required else ""
            return f"<esi:include {attributes}>{markup_of(body)}</esi:include>" if body else f"<esi:include {attributes}/>"
        case ("try", attempt, otherwise):
            return f"<esi:try><esi:attempt>{markup_of(attempt)}</esi:attempt><esi:except>{markup_of(otherwise)}</esi:except></esi:try>"
        case ("choose", whens, otherwise):
            tests = [f'<esi:when test="$({name})=={number}">{markup_of(body)}</esi:when>' for name, number, body in whens]
            return f"<esi:choose>{''.join(tests)}<esi:otherwise>{markup_of(otherwise)}</esi:otherwise></esi:choose>"
        case ("each", items, body):
            return f'<esi:foreach item="i" collection="{items}">{markup_of(body)}</esi:foreach>'
        case ("break",):
            return "<esi:break/>"
        case ("eval", number, optional):
            return f'<esi:eval src="/e{number}"{" onerror=" + chr(34) + "continue" + chr(34) if optional else ""}/>'
    raise AssertionError(node)


def answers_of(program: Program, failing: frozenset[int]) -> Callable[[str], Any]:
    """What URLs bring: includes their own name, evals a further page. Of the places in failing nothing comes, whatever the variable."""

    def answer(url: str) -> str:
        if url.startswith("/e"):
            number = int(url[2:])
            return "!failed" if number + 7 in failing else _Page(program.further[number])
        return "!failed" if int(url[2:3]) in failing else f"[{url}]"

    return answer


class _Page(str):
    """The markup of a page, which the interpreter takes as it is."""

    __slots__ = ("nodes",)

    def __new__(cls, nodes: Nodes) -> Self:
        made = super().__new__(cls, markup_of(nodes))
        made.nodes = nodes
        return made


# ── One thing after the other ────────────────────────────────────────────────────────────────────────────────────────────────────


class _FailedError(Exception):
    pass


class _Run:
    def __init__(self, answer: Callable[[str], Any], *, lenient: bool) -> None:
        self.answer = answer
        self.lenient = lenient

    def nodes(self, nodes: Nodes, names: dict[str, int], out: list[str], *, caught: bool, loops: bool) -> bool:
        """Do them; False when a break ended them."""
        return all(self.node(node, names, out, caught=caught, loops=loops) for node in nodes)

    def node(self, node: Any, names: dict[str, int], out: list[str], *, caught: bool, loops: bool) -> bool:
        match node:
            case str():
                out.append(node)
            case ("say", name):
                out.append(str(names.get(name, "")))
            case ("set", name, number):
                names[name] = number
            case ("include", *_):
                out.append(self.include(node, names, caught=caught))
            case ("eval", number, optional):
                self.evaluate(number, names, out, optional=optional, caught=caught)
            case ("try", attempt, otherwise):
                return self.attempt(attempt, otherwise, names, out, caught=caught, loops=loops)
            case ("choose", whens, otherwise):
                for name, number, body in whens:
                    if names.get(name) == number:
                        return self.nodes(body, names, out, caught=caught, loops=loops)
                return self.nodes(otherwise, names, out, caught=caught, loops=loops)
            case ("each", items, body):
                for item in items:
                    names["i"] = item
                    if not self.nodes(body, names, out, caught=caught, loops=True):
                        break
            case ("break",):
                return not loops  # outside of a loop it is nothing
        return True

    def evaluate(self, number: int, names: dict[str, int], out: list[str], *, optional: bool, caught: bool) -> None:
        answer = self.answer(f"/e{number}")
        if not answer.startswith("!"):
            self.nodes(answer.nodes, names, out, caught=caught, loops=False)
        elif not (optional or (self.lenient and not caught)):
            raise _FailedError

    def include(self, node: Any, names: dict[str, int], *, caught: bool) -> str:
        _, place, alt, body, optional, required, variable = node
        answer = self.answer(f"/f{place}" + (f"-{names.get(variable, '')}" if variable else ""))
        if answer.startswith("!") and alt is not None:
            answer = self.answer(f"/f{alt}")
        if not answer.startswith("!"):
            return answer
        if body:
            out: list[str] = []
            try:
                self.nodes(body, dict(names), out, caught=caught, loops=False)
            except _FailedError:
                pass
            else:
                return "".join(out)
        if optional or (self.lenient and not required and not caught):
            return ""
        raise _FailedError

    def attempt(
        self, attempt: Nodes, otherwise: Nodes, names: dict[str, int], out: list[str], *, caught: bool, loops: bool
    ) -> bool:
        own, made = dict(names), []
        try:
            went_on = self.nodes(attempt, own, made, caught=True, loops=loops)
        except _FailedError:
            own, made = dict(names), []
            went_on = self.nodes(otherwise, own, made, caught=caught, loops=loops)
        names.clear()
        names.update(own)
        out += made
        return went_on


def interpret(nodes: Nodes, answer: Callable[[str], Any], *, lenient: bool) -> Expected:
    """What the page comes to."""
    out: list[str] = []
    try:
        _Run(answer, lenient=lenient).nodes(nodes, {}, out, caught=False, loops=False)
    except _FailedError:
        return Expected("".join(out), failed=True)
    return Expected("".join(out), failed=False)
