"""Who may use the control paths that change something: the holder of a token."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["refuse"]


def refuse(request: Request, may: Callable[[str], bool] | None, setting: str, own_field: str, off: str) -> Response | None:
    """The refusal of a request without one of the tokens of setting; None when it may go on.

    may: whether a token is one of them; None while there are none, which off tells in words. own_field: where a token may stand besides Authorization.
    """
    if may is None:
        return JSONResponse({"error": f"{off}: {setting} is empty"}, 403)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else request.headers.get(own_field, "")
    if not token or not may(token):
        error = f"expected Authorization: Bearer with one of {setting}"
        return JSONResponse({"error": error}, 401, {"www-authenticate": "Bearer"})
    return None
