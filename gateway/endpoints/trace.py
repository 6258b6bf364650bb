"""`/_weft/trace/`: how pages came to be, as a waterfall. For who holds one of `debug.tokens`: in `Weft-Debug`, or as the password of HTTP Basic.

HTML where a browser asks, JSON for everybody else. Nothing is kept of it anywhere, no script runs in it, nothing is loaded from elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fragments.render import render
from gateway.processes.outcome import Parent
from gateway.semantics.negotiation import weighted
from gateway.telemetry.traces import MAX_TRACES, Row, Trace, Traces

__all__ = ["TraceEndpoint", "show", "summaries"]

_PRIVATE = {"cache-control": "private, no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
_CHALLENGE = {"www-authenticate": 'Basic realm="Weft traces", charset="UTF-8"'}
_AXIS = 1000.0
"""Units of the drawings' width."""
_LEAST = 6.0
"""Units of the shortest bar: what took no time must be seen too."""
_DEEPEST = 6
"""Steps of indentation; what is deeper stands as far in."""


class _Axis(NamedTuple):
    """Time from left to right. end: seconds; ticks: in words, one for each equal part."""

    end: float
    ticks: tuple[str, ...]

    def at(self, seconds: float) -> float:
        return round(min(_AXIS, max(0.0, seconds / self.end * _AXIS)), 1)


class TraceEndpoint:
    """may_see: whether a token opens it; None while there are none. parent: who can ask the other workers, each of which has the traces of its own requests."""

    def __init__(
        self, traces: Traces, may_see: Callable[[bytes], bool] | None, parent: Callable[[], Parent | None] = lambda: None
    ) -> None:
        self.traces = traces
        self.may_see = may_see
        self.parent = parent

    def routes(self) -> list[BaseRoute]:
        """To mount anywhere."""
        return [Route("/", self.all), Route("/{name}", self.one)]

    async def without_slash(self, request: Request) -> Response:
        """GET /_weft/trace."""
        return RedirectResponse(f"{request.scope['raw_path'].decode('latin-1')}/", 308)

    async def all(self, request: Request) -> Response:
        """GET /_weft/trace/: the last ones."""
        return self._refuse(request) or await self._list(request)

    async def one(self, request: Request) -> Response:
        """GET /_weft/trace/ID."""
        if (refused := self._refuse(request)) is not None:
            return refused
        name, page, here = request.path_params["name"], _wants_page(request), _here(request)
        shown = show(self.traces, name, here, page=page)
        if shown is None:
            replies = await self._others("trace", name=name, here=here, page=page)
            shown = next((reply["shown"] for reply in replies if reply["shown"] is not None), None)
        if shown is None:
            return await self._list(request, missing=True)
        headers, text = shown
        return Response(text, headers=headers)

    async def _list(self, request: Request, *, missing: bool = False) -> Response:
        status, recent = 404 if missing else 200, summaries(self.traces)
        for reply in await self._others("traces"):
            recent += reply["summaries"]
        recent = sorted(recent, key=lambda summary: str(summary["at"]), reverse=True)[:MAX_TRACES]
        if not _wants_page(request):
            if missing:
                return _json({"error": f"no such trace: the last {MAX_TRACES} are kept"}, status)
            return _json({"traces": recent})
        return _page(_here(request), "traces.html", status, traces=recent, missing=missing, most=MAX_TRACES)

    async def _others(self, what: Literal["trace", "traces"], **words: object) -> list[dict[str, Any]]:
        parent = self.parent()
        try:
            return [] if parent is None else await parent.others(what, **words)
        except ConnectionError:
            return []

    def _refuse(self, request: Request) -> Response | None:
        if self.may_see is None:
            return JSONResponse({"error": "there are no traces: debug.tokens is empty"}, 403, _PRIVATE)
        if not self.may_see(_token_of(request)):
            return JSONResponse(
                {"error": "expected one of debug.tokens, in Weft-Debug or as the password"}, 401, _PRIVATE | _CHALLENGE
            )
        return None


def show(traces: Traces, name: str, here: str, *, page: bool) -> tuple[dict[str, str], str] | None:
    """(header fields, content) of one trace, None when it is not here. here: the path that links begin with; page: HTML instead of JSON."""
    trace = traces.find(name)
    if trace is None:
        return None
    response = _page(here, "trace.html", **_drawn(trace)) if page else _json(_told(trace))
    return dict(response.headers), bytes(response.body).decode()


def summaries(traces: Traces) -> list[dict[str, Any]]:
    """The last ones, in few words each."""
    return [_summary(trace) for trace in traces.recent]


def _here(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/"


def _token_of(request: Request) -> bytes:
    """What the client gives as a token, b"" for nothing."""
    given = request.headers.get("weft-debug")
    if given is not None:
        return given.encode("latin-1")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _wants_page(request: Request) -> bool:
    weights = dict(weighted(request.headers.get("accept", "").encode("latin-1")))
    html = weights.get(b"text/html", 0.0)
    return bool(html) and html >= weights.get(b"application/json", 0.0)


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_INDENT_2), status, _PRIVATE, "application/json")


def _page(here: str, template: str, status: int = 200, **values: object) -> Response:
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return Response(
        render(template, nonce=nonce, here=here, **values), status, _PRIVATE | {"content-security-policy": policy}, "text/html"
    )


# ---------------------------------------------------------------- in words and numbers


def _summary(trace: Trace) -> dict[str, Any]:
    page, *includes = trace.rows
    return {
        "id": trace.id,
        "at": datetime.fromtimestamp(trace.at, UTC).isoformat(timespec="milliseconds"),
        "method": trace.method,
        "url": page.url,
        "state": _state_of(trace),
        "status": page.status,
        "cache": page.cache,
        "detail": page.detail or page.reason,
        "octets": page.octets,
        "head_ms": None if trace.head is None else _ms(trace.head),
        "ms": _ms(page.seconds),
        "includes": len(includes) + trace.left_out,
        "without": sum(1 for row in includes if _tone(row) in ("bad", "poor")),
        "problems": len(trace.problems),
    }


def _state_of(trace: Trace) -> str:
    if trace.is_open:
        return "under way"
    return "complete" if trace.complete else "cut short"


def _told(trace: Trace) -> dict[str, Any]:
    """The whole of it, as a tree."""
    tree: list[dict[str, Any]] = []
    path: list[dict[str, Any]] = []
    for row in trace.rows:
        node = {
            "url": row.url,
            "rung": row.rung,
            "outcome": row.outcome,
            "cache": row.cache,
            "detail": row.detail,
            "reason": row.reason,
            "status": row.status,
            "octets": row.octets,
            "start_ms": _ms(row.start),
            "ms": _ms(row.seconds),
            "open": row.is_open,
            "late": row.is_late,
            "includes": [],
        }
        del path[row.depth :]
        (path[-1]["includes"] if path else tree).append(node)
        path.append(node)
    problems = [{"url": url, "problem": problem} for url, problem in trace.problems]
    return _summary(trace) | {"left_out": trace.left_out, "problems": problems, "tree": tree[0]}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


# ---------------------------------------------------------------- as a drawing


def _drawn(trace: Trace) -> dict[str, Any]:
    """The values of trace.html."""
    rows = trace.rows
    axis = _axis(max(row.start + row.seconds for row in rows))
    return {
        "trace": _summary(trace),
        "rows": [_bar(row, axis) for row in rows],
        "axis": axis,
        "parts": len(axis.ticks),
        "grid": [axis.at(axis.end * part / len(axis.ticks)) for part in range(1, len(axis.ticks))],
        "head": None if trace.head is None else axis.at(trace.head),
        "head_words": "" if trace.head is None else _duration(trace.head),
        "took": _duration(rows[0].seconds),
        "size": _size(rows[0].octets),
        "problems": trace.problems,
        "left_out": trace.left_out,
    }


def _axis(seconds: float) -> _Axis:
    """From 0 to a round number of three to six equal parts."""
    seconds = max(seconds, 0.0001)
    steps = (factor * 10.0**power for power in range(-5, 6) for factor in (1, 2, 5))
    step = next((step for step in steps if seconds / step <= 6), 1e6)
    parts = max(3, -int(-seconds // step))
    return _Axis(step * parts, tuple(_duration(step * part) if part else "0" for part in range(parts)))


def _bar(row: Row, axis: _Axis) -> dict[str, Any]:
    start, end = axis.at(row.start), axis.at(row.start + row.seconds)
    width = max(_LEAST, round(end - start, 1))
    return {
        "row": row,
        "indent": min(row.depth, _DEEPEST),
        "tone": _tone(row),
        "x": min(start, _AXIS - width),
        "width": width,
        "took": "still open" if row.is_open else "in memory" if row.cache == "memory" else _duration(row.seconds),
        "size": _size(row.octets) if row.octets or row.status else "",
        "why": _why(row),
        "fate": _fate(row),
    }


def _tone(row: Row) -> str:
    """The colour of its bar; the words say the same. poor: the page did without, or with something in its place."""
    if row.is_open:
        return "open"
    if row.outcome == "failed" or (row.depth == 0 and row.reason):
        return "bad"
    if row.outcome == "dropped":
        return "plain"
    if row.reason or row.outcome in ("nothing", "fallback"):
        return "poor"
    if row.depth == 0:
        return "page"
    return "good" if row.cache in ("memory", "hit") else "cost"


def _why(row: Row) -> str:
    """Why it brought nothing; of what came, a status that is not the usual one."""
    status = f"status {row.status}" if row.status not in (0, 200) else ""
    if row.reason.startswith("status_"):
        return status
    if row.outcome == "dropped":
        return ""  # told as its fate
    return ", ".join(filter(None, (row.reason.replace("_", " "), status)))


def _fate(row: Row) -> str:
    """What became of its place in the page, where that is not what was asked for."""
    words = {
        "alt": "its alt stands there" if row.rung == "alt" else "",
        "fallback": "its own body stands there",
        "nothing": "left out",
        "failed": "it was needed where it stands",
        "dropped": "not wanted any more",
        "": "its alt was asked for" if row.reason and row.depth and not row.is_open else "",
    }
    found = [words.get(row.outcome, "")] + ["at the end of the page, late"] * row.is_late
    return "; ".join(filter(None, found))


def _duration(seconds: float) -> str:
    """In words: three figures at most."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        number = seconds * factor
        if number < 999.5:
            return f"{_figures(number)} {unit}"
    return f"{_figures(seconds)} s"


def _figures(number: float) -> str:
    text = f"{number:.0f}" if number >= 99.95 else f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _size(octets: int) -> str:
    number = float(octets)
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{_figures(number) if unit != 'B' else octets} {unit}"
        number /= 1024
    return f"{_figures(number)} GB"
