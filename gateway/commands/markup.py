"""What a page's ESI holds, as plain values: includes, variables, problems. For `weft esi check` and `weft explain`; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fragments.esi import nodes as node
from fragments.esi.compiler import Compiler, context_of
from fragments.esi.parser import Parser

__all__ = ["BROKEN", "Found", "survey"]

Found = dict[str, Any]

BROKEN = "error"
"""The severity of what does not do what it was written for."""

_PERSONAL = frozenset({"cookie", "client", "*"})
_OF_THE_REQUEST = frozenset({"CSRF_TOKEN", "QUERY_STRING", "REMOTE_ADDR", "REQUEST_METHOD", "REQUEST_PATH"})
_ON_FAILURE = {"alt", "onerror", "required", "src", "name"}
"""Attributes that are told in words."""


def survey(page: bytes, media_type: str = "text/html") -> Found:
    """Read a page as the gateway would. Never raises for what a page says.

    elements    ESI elements and comments in it
    includes    what it may fetch, in document order; `where` names the elements around, `otherwise` what becomes of the place when it fails
    variables   of the request, that it may read; `personal`: one of them speaks of the visitor; `vary`: else, the request fields that they come from
    own         variables of its own, {name: whether the page sets it}
    problems    code, message, severity, line and column
    """
    parser = Parser()
    compiler = Compiler(parser, context_of(media_type), page)
    nodes = [*parser.feed(page), *parser.close()]
    program = compiler.finish(compiler.compile(nodes))
    walk = _Walk(page)
    walk.through(nodes, ())
    request = sorted(read for read in program.reads if _is_of_the_request(read[0]))
    fields = {_field(name, key) for name, key in request} - {""}
    own = sorted({name for name, _ in program.reads if not _is_of_the_request(name)})
    return {
        "elements": program.found,
        "includes": walk.includes,
        "variables": [_spelled(name, key) for name, key in request],
        "personal": not fields.isdisjoint(_PERSONAL),
        "vary": sorted(fields - _PERSONAL),
        "own": {name: name in walk.assigned for name in own},
        "problems": [
            {
                "code": problem.code,
                "message": problem.message,
                "severity": problem.severity,
                "line": problem.line,
                "column": problem.column,
            }
            for problem in program.problems
        ],
    }


def _is_of_the_request(name: str) -> bool:
    return name in _OF_THE_REQUEST or name.startswith("HTTP_")


def _field(name: str, key: str) -> str:
    """The request field that a variable comes from, as fragments.esi.environment notes it; "" for what is in the cache key."""
    if name == "REMOTE_ADDR":
        return "client"
    if name == "CSRF_TOKEN":
        return "cookie"
    if name == "HTTP_HEADER":
        return key.lower()
    return "" if name == "HTTP_HOST" or not name.startswith("HTTP_") else name[5:].replace("_", "-").lower()


def _spelled(name: str, key: str) -> str:
    return f"{name}{{{'…' if key == '*' else key}}}" if key else name


class _Walk:
    """Through a tree of nodes. assigned: names that get a value somewhere in it."""

    def __init__(self, page: bytes) -> None:
        self.includes: list[Found] = []
        self.assigned: set[str] = {"ARGS"}
        self._page = page

    def through(self, nodes: Sequence[node.Node], where: tuple[str, ...]) -> None:
        """where: the elements around, outermost first."""
        for each in nodes:
            match each:
                case node.Include():
                    self._include("include", each.attributes, each.span.start, where, has_body=each.body is not None)
                    self.through(each.body or (), (*where, "include"))
                case node.Eval():
                    self._include("eval", each.attributes, each.span.start, where, has_body=False)
                case node.Assign():
                    self.assigned.add(each.name.partition("{")[0].strip())
                case node.Foreach():
                    self.assigned.add(each.item or "item")
                    self.through(each.body, (*where, "foreach"))
                case node.Choose():
                    self.assigned.update(when.matchname for when in each.whens if when.matchname)
                    for body in (*(when.body for when in each.whens), each.otherwise or ()):
                        self.through(body, (*where, "choose"))
                case node.Try():
                    self.through(each.attempt, (*where, "attempt"))
                    self.through(each.except_, (*where, "except"))
                case node.Inline():
                    self.through(each.body, (*where, f"inline {each.attributes['name']}"))
                case node.Vars():
                    self.through(each.body, where)
                case node.Function():  # nothing is fetched there; its variables are its own
                    inner = _Walk(self._page)
                    inner.through(each.body, ())
                    self.assigned |= inner.assigned
                case _:
                    continue

    def _include(self, element: str, attributes: dict[str, str], at: int, where: tuple[str, ...], *, has_body: bool) -> None:
        page = self._page
        self.includes.append(
            {
                "element": element,
                "src": attributes["src"],
                "name": attributes.get("name", ""),
                "line": page.count(b"\n", 0, at) + 1,
                "column": at - page.rfind(b"\n", 0, at),
                "where": list(where),
                "attributes": {name: value for name, value in attributes.items() if name not in _ON_FAILURE},
                "otherwise": list(_rungs(attributes, where, has_body=has_body)),
            }
        )


def _rungs(attributes: dict[str, str], where: tuple[str, ...], *, has_body: bool) -> Iterator[str]:
    """What is tried after src, one after the other."""
    if "alt" in attributes:
        yield f"alt {attributes['alt']}"
    if has_body:
        yield "its own body"
    if attributes.get("onerror", "").strip().lower() == "continue":
        yield "nothing"
    elif "attempt" in where:
        yield "the try's except"
    elif attributes.get("required", "").strip().lower() in ("true", "yes"):
        yield "the page fails"
    else:
        yield "as esi.on_failure says"
