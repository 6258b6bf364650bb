"""Every malformed request through the real process, fed whole, octet by octet, and cut at random places: refused, closed, and the origin never hears of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.framing.requests import HOST, MALFORMED, Malformed
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import Closed, RawClient, Response
from tests.support.scripted_origin import ScriptedOrigin

_BYTEWISE_UP_TO = 1500  # above it, each octet by a packet of its own tells nothing new


def feedings(case: Malformed) -> Iterator[tuple[str, list[bytes]]]:
    sent = case.sent
    yield "whole", [sent]
    if len(sent) <= _BYTEWISE_UP_TO:
        yield "octet by octet", [sent[at : at + 1] for at in range(len(sent))]
    dice = random.Random(case.id)
    for _ in range(3):
        cuts = sorted(dice.sample(range(1, len(sent)), min(len(sent) - 1, 4)))
        yield f"cut at {cuts}", [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


def refusal(client: RawClient, case: Malformed, pieces: list[bytes]) -> Response | None:
    """The answer to a case; None when the connection was closed without one."""
    if client.send_what_is_taken(pieces) and case.eof:
        client.half_close()
    try:
        return client.response(b"HEAD" if case.sent.startswith(b"HEAD ") else b"GET")
    except Closed:
        return None


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.id)
def test_a_malformed_request_is_refused_and_the_connection_closed(
    gateway: GatewayProcess, origin: ScriptedOrigin, case: Malformed
) -> None:
    before = len(origin.received)
    for how, pieces in feedings(case):
        with gateway.connect() as client:
            response = refusal(client, case, pieces)
            if response is None:
                assert case.eof, f"{how}: closed without an answer"
            else:
                assert response.status in case.status, how
                assert response.says_close, how
                assert response.value(b"x-request-id"), how
            assert client.is_closed(), f"{how}: octets after the refusal, or still open"
    reached = origin.received[before:]
    assert case.reaches or not reached
    assert not any(request.complete or request.path == "/hidden" for request in reached)
    assert gateway.is_well()


@pytest.mark.parametrize(
    "case", [one for one in MALFORMED if one.sent.endswith(b"\r\n" + HOST + b"\r\n")], ids=lambda case: case.id
)
def test_a_bad_request_line_is_refused_before_a_header_section_that_was_read_already(
    gateway: GatewayProcess, origin: ScriptedOrigin, case: Malformed
) -> None:
    """Header sections are known by their octets (docs/decisions/0002-lanes.md); what stands before them is not."""
    with gateway.connect() as client:
        for _ in range(2):
            client.send(b"GET /known HTTP/1.1\r\n" + HOST + b"\r\n")
            assert client.response().status == 200
        before = len(origin.received)
        response = refusal(client, case, [case.sent])
        assert response is not None
        assert response.status in case.status
        assert client.is_closed()
    assert case.reaches or len(origin.received) == before


@pytest.mark.parametrize("hot", [True, False], ids=["behind-a-hit", "behind-a-miss"])
@pytest.mark.parametrize("case", [one for one in MALFORMED if len(one.sent) < 1000 and not one.eof], ids=lambda case: case.id)
def test_what_came_before_a_malformed_request_is_answered_first(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, case: Malformed, hot: bool
) -> None:
    """RFC 9112 §9.3.2: answers in the order of the requests; then the refusal; then the end."""
    if hot:
        origin.script(
            path, lambda peer, _: peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nfirst")
        )
    first = b"GET %s HTTP/1.1\r\nHost: first.test\r\n\r\n" % path.encode()
    if hot:
        gateway.ask(first)
    before = len(origin.received)
    with gateway.connect() as client:
        client.send_what_is_taken([first + case.sent])
        assert client.response().status == 200
        # Behind another request in one packet, noise and an unknown method look the same to llhttp's caller.
        assert client.response().status in (case.status | {400, 501} if case.status & {400, 501} else case.status)
        assert client.is_closed()
    reached = [request for request in origin.received[before:] if request.path != path]
    assert case.reaches or not reached
    assert not any(request.complete or request.path == "/hidden" for request in reached)
