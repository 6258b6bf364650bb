"""A trace stays with the worker that made it, and any worker shows it."""

from __future__ import annotations

import json
import os
import signal

TOKEN = b"a-debug-token"


def ask(gateway, path: str, *lines: bytes):
    head = [b"GET " + path.encode() + b" HTTP/1.1", b"Host: traces.test", b"Connection: close", b"Weft-Debug: " + TOKEN, *lines]
    return gateway.ask(b"\r\n".join(head) + b"\r\n\r\n")


def test_whoever_is_asked_shows_it(serve, path: str) -> None:
    gateway = serve(2, {"debug.tokens": [TOKEN.decode()]})
    made = ask(gateway, path).value(b"weft-trace").decode()
    for _ in range(8):
        shown = ask(gateway, made)
        assert (shown.status, shown.value(b"content-type")) == (200, b"application/json")
        assert json.loads(shown.body)["id"] == made.rpartition("/")[2]
        page = ask(gateway, made, b"Accept: text/html")
        assert page.status == 200
        assert b"style-src 'nonce-" in page.value(b"content-security-policy")


def test_the_list_is_of_all(serve, path: str) -> None:
    gateway = serve(2, {"debug.tokens": [TOKEN.decode()]})
    made = {ask(gateway, f"{path}?{number}").value(b"weft-trace").decode().rpartition("/")[2] for number in range(12)}
    for _ in range(4):
        listed = json.loads(ask(gateway, "/_weft/trace/").body)["traces"]
        assert {each["id"] for each in listed} == made
        assert [each["at"] for each in listed] == sorted((each["at"] for each in listed), reverse=True)


def test_what_nobody_has_is_not_found(serve) -> None:
    gateway = serve(2, {"debug.tokens": [TOKEN.decode()]})
    assert ask(gateway, "/_weft/trace/AAAAAAAAAAAAAAAAAAAAAA").status == 404


def test_one_that_does_not_answer_does_not_hold_up_the_list(serve, path: str) -> None:
    gateway = serve(2, {"debug.tokens": [TOKEN.decode()], "server.watchdog": 0})
    ask(gateway, path)
    stopped = gateway.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        assert ask(gateway, "/_weft/trace/").status == 200
    finally:
        os.kill(stopped, signal.SIGCONT)
