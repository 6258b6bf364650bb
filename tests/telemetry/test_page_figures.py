"""Pages of pieces in metrics and access log: how many, what became of their includes, what is wrong with their markup."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import answer, ok

ESI = (b'Surrogate-Control: content="ESI/1.0"', b"Content-Type: text/html", b"Cache-Control: no-store")


def figures(gateway: GatewayProcess) -> dict[str, float]:
    """The metrics of assembly: name and labels → value."""
    text = gateway.ask(b"GET /_weft/metrics HTTP/1.1\r\nHost: weft.test\r\n\r\n").body.decode()
    found = re.findall(r"^weft_esi_(\w+?)_total(?:\{\w+=\"([\w-]+)\"\})? (\S+)$", text, re.MULTILINE)
    return {f"{name}{' ' if label else ''}{label}": float(value) for name, label, value in found}


def lines(gateway: GatewayProcess) -> dict[str, dict]:
    """The access log's lines once it has stopped: path → line."""
    gateway.signal(signal.SIGTERM)
    gateway.wait()
    found = [json.loads(line) for line in gateway.log().splitlines() if line.startswith('{"time"') and '"path"' in line]
    return {line["path"]: line for line in found}


@pytest.fixture
def page(origin, path) -> bytes:
    """A page with four includes: one comes, one by its alt, one by its own body, one not at all. The request for it."""
    origin.script(f"{path}/a", answer(ok(b"A")))
    for name in ("b", "c", "d"):
        origin.script(f"{path}/{name}", answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))
    body = (
        f'<esi:include src="{path}/a"/><esi:include src="{path}/b" alt="{path}/a"/><esi:include src="{path}/c">C</esi:include>'
        f'<esi:include src="{path}/d" onerror="continue"/>'
    )
    origin.script(path, answer(ok(body.encode(), *ESI)))
    return f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode()


def test_pages_and_includes_are_counted_by_what_they_came_to(start_gateway, page):
    gateway = start_gateway()
    assert figures(gateway) == {"pages": 0, "raw_tags": 0}
    assert gateway.ask(page).body == b"AAC"
    expected = {"pages": 1, "raw_tags": 0, "includes src": 1, "includes alt": 1, "includes fallback": 1, "includes nothing": 1}
    assert figures(gateway) == expected
    gateway.ask(page)
    assert figures(gateway) == {name: value * 2 for name, value in expected.items()}


def test_faults_of_a_page_and_raw_tags_are_counted(start_gateway, origin, path):
    origin.script(f"{path}/faulty", answer(ok(b"<esi:foo/>", *ESI[:2], b"Cache-Control: max-age=60")))
    origin.script(f"{path}/raw", answer(ok(b"<esi:include src='/a'/>", b"Content-Type: text/html", b"Cache-Control: max-age=60")))
    gateway = start_gateway()
    for name in ("faulty", "raw"):
        gateway.ask(f"GET {path}/{name} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
    assert figures(gateway) == {"pages": 1, "raw_tags": 1, "problems unknown-element": 1}


def test_a_log_line_says_how_many_includes_and_how_many_of_them_failed(start_gateway, page, path):
    gateway = start_gateway({"log.access": "json"})
    gateway.ask(page)
    gateway.ask(f"GET {path}/a HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
    told = lines(gateway)
    assert (told[path]["includes"], told[path]["includes_failed"]) == (4, 2)
    assert not {"includes", "includes_failed"} & told[f"{path}/a"].keys()
