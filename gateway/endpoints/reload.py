"""`POST /_weft/reload`: the settings are read anew and put into force in all workers, or refused with all their faults.

    POST /_weft/reload              in place: no request is dropped, the cache stays
    POST /_weft/reload?dry_run=1    reads, checks, compares, and has one worker build it; nothing is put into force
    POST /_weft/reload?restart=1    by new workers, one after the other; the answer comes when the first of them serves

200 with what has changed · 409 another one is under way · 422 with the faults, and the old settings go on. No secret is in any of them.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.endpoints.bearer import refuse
from gateway.processes.outcome import Outcome, Parent

__all__ = ["ReloadEndpoint"]

_STATUS = {"done": 200, "unchanged": 200, "refused": 422, "failed": 422, "busy": 409}
_PARAMETERS = ("dry_run", "restart")
_ROW = ("path", "old", "new", "effect")


class ReloadEndpoint:
    """parent: who reads the settings; None where nobody does. may_reload: whether a bearer token is one of the configured; None while there are none."""

    def __init__(self, parent: Callable[[], Parent | None], may_reload: Callable[[str], bool] | None) -> None:
        self.parent = parent
        self.may_reload = may_reload

    async def post(self, request: Request) -> Response:
        """POST /_weft/reload."""
        refused = refuse(request, self.may_reload, "admin.tokens", "weft-admin-token", "reloading over HTTP is off")
        if refused is not None:
            return refused
        try:
            wishes = {name: _is_set(request, name) for name in _PARAMETERS}
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        if all(wishes.values()):
            return JSONResponse({"error": "dry_run and restart: expected one of them"}, 400)
        parent = self.parent()
        if parent is None:
            return JSONResponse({"error": "nobody here can read the settings anew: this is no process of weft serve"}, 501)
        try:
            outcome = await parent.reload(**wishes)
        except ConnectionError:
            return JSONResponse({"error": "the parent process is gone"}, 503)
        return JSONResponse(_told(outcome), _STATUS[outcome.status], {"cache-control": "no-store"})


def _is_set(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "0")
    if value not in {"0", "1"}:
        raise ValueError(f"{name}: expected 0 or 1, got {value[:40]!r}")
    return value == "1"


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "status": outcome.status,
        "generation": outcome.generation,
        "changes": [dict(zip(_ROW, row, strict=True)) for row in outcome.changes],
        "faults": outcome.faults,
        "restarted": outcome.restarted,
    }
