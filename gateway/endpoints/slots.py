"""`/_weft/slots/NAME`: a slot by itself, for browsers and for whoever assembles elsewhere. What an include of the same address brings, with the same words on it."""

from __future__ import annotations

from collections.abc import Iterable
from secrets import token_urlsafe

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fragments.catalogue import SlotFailed
from gateway.clock import Clock
from gateway.endpoints.asgi_request import Incoming, request_of
from gateway.errors import BadRequest
from gateway.flow.assembly.inclusion import Destination, NotIncluded
from gateway.flow.assembly.slots import Slots
from gateway.listener.proxies import TrustedProxies
from gateway.semantics.conditional import is_weak_match
from gateway.semantics.message import joined

__all__ = ["SlotsEndpoint"]

_NOT_KEPT = {"cache-control": "no-store"}


class SlotsEndpoint:
    """proxies: who may say what scheme and host the client used. marks: what stands for a CSP nonce in pages; nobody may see them."""

    def __init__(self, slots: Slots, clock: Clock, proxies: TrustedProxies, marks: Iterable[bytes] = ()) -> None:
        self.slots = slots
        self.marks = tuple(marks)
        self.clock = clock
        self.proxies = proxies

    async def get(self, request: Request) -> Response:
        """GET and HEAD. 404 for a name that there is not, 503 for a template that failed, each with its reason."""
        now = self.clock()
        try:
            asked = await request_of(request.scope, Incoming(request.receive), self.proxies)
            place = Destination(asked.scheme, asked.host, asked.target, guest=False)
            entry = self.slots.answer(place, asked.fields, now)
        except BadRequest as error:
            return _refused(error.status, str(error), error.reason)
        except NotIncluded as error:
            return _refused(404 if error.reason == "no_such_fragment" else 400, str(error), error.reason)
        except SlotFailed as error:
            return _refused(503, "the template of this slot failed", error.reason)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in entry.fields()}
        if entry.queue is not None:
            headers["age"] = str(entry.age(now))
        body = entry.body
        for mark in self.marks:
            if mark in body:
                body = body.replace(mark, token_urlsafe(16).encode("ascii"))
                headers |= _NOT_KEPT
                headers.pop("etag", None)
        if "etag" not in headers:
            return Response(body, 200, headers)
        condition = joined(asked.fields, b"if-none-match")
        if condition is not None and is_weak_match(condition, entry.etag):
            del headers["content-type"]
            return Response(None, 304, headers)
        return Response(body, 200, headers)


def _refused(status: int, error: str, reason: str) -> Response:
    return JSONResponse({"error": error, "reason": reason}, status, _NOT_KEPT)
