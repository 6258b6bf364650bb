"""Includes from hosts that are not ours: who is listed is asked, nobody behind our back is.

127.0.0.1 is made to pass for a public address by `allow_private`; a second server, on 127.0.0.2, is what must never be reached.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.breaker import BreakerSettings
from gateway.errors import UpstreamError, UpstreamRefused, UpstreamUnavailable
from gateway.upstream.addresses import OriginAddress
from gateway.upstream.guests import GuestOrigins, HostPatterns, NotAllowed, parse_authority
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, content, get, until

AS_PUBLIC = [ip_network("127.0.0.1/32")]
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

# Asked again for each connection.
FORGETFUL = OriginLimits(dns_ttl=1e-9)


class Dns:
    """Answers in turn, the last one again and again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Victim:
    """A service that listens where only the gateway can reach it."""

    connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@asynccontextmanager
async def victim_on(port: int) -> AsyncIterator[Victim]:
    victim = Victim()
    async with await asyncio.start_server(victim.accept, "127.0.0.2", port):
        yield victim


def guests(*patterns: str, dns: Dns | None = None, limits: OriginLimits | None = None, **more: Any) -> GuestOrigins:
    more.setdefault("allow_private", AS_PUBLIC)
    return GuestOrigins(HostPatterns(patterns), limits, resolve=dns or Dns(["127.0.0.1"]), **more)


async def reason_of(origin: Any) -> str:
    with pytest.raises(UpstreamError) as caught:
        await origin.exchange(get())
    return caught.value.reason


# ── Which hosts ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

LISTED = HostPatterns(
    [
        "widgets.example",
        "Ported.Example.:8080",
        "*.cdn.example",
        "*.ported-cdn.example:8443",
        "xn--bcher-kva.example",
        "8.8.8.8",
        "[2606:4700::1111]",
        "[2606:4700::1112]:8080",
    ]
)


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("http", "widgets.example", 80),
        ("https", "widgets.example", 443),
        ("https", "WIDGETS.Example", 443),
        ("https", "widgets.example.", 443),
        ("http", "ported.example", 8080),
        ("https", "ported.example", 8080),
        ("https", "a.cdn.example", 443),
        ("http", "a.b.CDN.example.", 80),
        ("https", "a.ported-cdn.example", 8443),
        ("https", "xn--bcher-kva.example", 443),
        ("https", "xn--bcher-kva.cdn.example", 443),
        ("http", "127.cdn.example", 80),
        ("http", "8.8.8.8", 80),
        ("https", "2606:4700::1111", 443),
        ("https", "2606:4700:0:0::1111", 443),
        ("https", "2606:4700::1112", 8080),
    ],
)
def test_a_listed_host_is_allowed(scheme: str, host: str, port: int) -> None:
    assert LISTED.allows(scheme, host, port)


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("https", "example", 443),
        ("https", "other.example", 443),
        ("https", "www.widgets.example", 443),
        ("https", "evilwidgets.example", 443),
        ("https", "widgets.example.evil.example", 443),
        ("https", "cdn.example", 443),  # the apex is not below itself
        ("https", "evilcdn.example", 443),
        ("https", ".cdn.example", 443),
        ("https", "*.cdn.example", 443),
        ("http", "widgets.example", 443),  # each scheme has its own default port
        ("https", "widgets.example", 80),
        ("https", "widgets.example", 8080),
        ("http", "ported.example", 80),
        ("https", "a.ported-cdn.example", 443),
        ("ftp", "widgets.example", 21),
        ("file", "widgets.example", 80),
        ("", "widgets.example", 80),
        ("https", "8.8.4.4", 443),
        ("https", "8.8.8.8", 8080),
        ("https", "134744072", 443),
        ("https", "010.8.8.8", 443),
        ("https", "8.8.8.8.", 443),
        ("https", "::ffff:8.8.8.8", 443),
        ("https", "2606:4700::1110", 443),
        ("https", "2606:4700::1112", 443),
        ("https", "[2606:4700::1111]", 443),
    ],
)
def test_any_other_host_scheme_or_port_is_not(scheme: str, host: str, port: int) -> None:
    assert not LISTED.allows(scheme, host, port)


def test_without_patterns_nobody_is_allowed() -> None:
    assert not HostPatterns([]).allows("https", "widgets.example", 443)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "*", "*.", "**.example", "a.*.example", "*widgets.example", "*.*.example", "https://widgets.example", "widgets.example/", "widgets.example:",
        "widgets.example:0", "widgets.example:65536", "widgets.example:080", "widgets.example:*", "me@widgets.example", "widgets..example", "-widgets",
        "a" * 64 + ".example", "widgets .example", "widgets.example\n", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "*.0.0.1", "*.8.8.8.8",
        "2606:4700::1111", "[::1%lo]", "[8.8.8.8]", "*.[::1]", "bücher.example",
    ],
)  # fmt: skip
def test_a_pattern_that_could_mean_anything_else_is_refused_at_start(pattern: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        HostPatterns([pattern])


def test_all_faulty_patterns_are_named_at_once_and_the_remedy_for_names_beyond_ascii() -> None:
    with pytest.raises(ValueError, match=r"got '127\.1'; .*xn-- form, got 'bücher\.example'"):
        HostPatterns(["127.1", "widgets.example", "bücher.example"])


# ── Which spellings ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scheme", "authority", "expected", "host_field"),
    [
        (b"https", b"widgets.example", OriginAddress("https", "widgets.example", 443), "widgets.example"),
        (b"HTTPS", b"Widgets.EXAMPLE.", OriginAddress("https", "widgets.example", 443), "widgets.example"),
        (b"https", b"widgets.example:443", OriginAddress("https", "widgets.example", 443), "widgets.example"),
        (b"http", b"widgets.example.:8080", OriginAddress("http", "widgets.example", 8080), "widgets.example:8080"),
        (b"http", b"8.8.8.8", OriginAddress("http", "8.8.8.8", 80), "8.8.8.8"),
        (b"http", b"[2606:4700:0::1111]", OriginAddress("http", "2606:4700::1111", 80), "[2606:4700::1111]"),
        (b"http", b"[2606:4700::A]:8080", OriginAddress("http", "2606:4700::a", 8080), "[2606:4700::a]:8080"),
    ],
)
def test_an_authority_is_read_into_its_one_spelling(
    scheme: bytes, authority: bytes, expected: OriginAddress, host_field: str
) -> None:
    address = parse_authority(scheme, authority)
    assert address == expected
    assert address.authority == host_field


HOSTILE = [
    # user-info, and what other readers take for its end
    b"me@widgets.example", b"me:secret@widgets.example", b"widgets.example@127.0.0.1", b"widgets.example:80@127.0.0.1", b"@widgets.example",
    b"127.0.0.1#@widgets.example", b"127.0.0.1?@widgets.example", b"127.0.0.1/@widgets.example", b"widgets.example#.cdn.example",
    # backslashes, percent signs, controls, blanks
    b"127.0.0.1\\@widgets.example", b"widgets.example\\", b"widgets.example\\.cdn.example", b"widgets%2eexample", b"%77idgets.example",
    b"127.0.0.1%00.cdn.example", b"127.0.0.1\0.cdn.example", b"widgets.example\r\n", b"widgets.example\n", b"widgets.example\r\nX-Evil: 1", b" widgets.example",
    b"widgets.example ", b"wid\tgets.example", b"widgets.example\x7f", b"wid\xadgets.example",
    # beyond ASCII: not in IDNA's A-label form, or folded into ASCII by some readers
    "bücher.example".encode(), "bücher.example".encode("latin-1"), "widgets。example".encode(), "ｗidgets.example".encode(),
    "①②⑦.⓪.⓪.①".encode(), "\u212awidgets.example".encode(), "widget\u017f.example".encode(), b"\xff\xfe",
    # IPv4 as inet_aton would read it
    b"127.1", b"127.0.1", b"2130706433", b"017700000001", b"0x7f000001", b"0x7F.0.0.1", b"0x7f.1", b"0177.0.0.1", b"127.0.0.01", b"127.0.0.0x1", b"0",
    b"127.0.0.1.", b"127.0.0.1.0", b"256.0.0.1", b"1.2.3.4.5", b"widgets.example.0x", b"cdn.example.1", b"0x", b"00000000000000000000177.1",
    # IPv6
    b"::1", b"[::1", b"::1]", b"[]", b"[:]", b"[::1%25lo]", b"[::1%lo]", b"[fe80::1%eth0]", b"[8.8.8.8]", b"[widgets.example]", b"[v1.x]", b"[::1]x",
    b"[[::1]]", b"[::1]:", b"[::g]", b"[1::2::3]", b"widgets.example[::1]", b"2606:4700::1111",
    # names and ports
    b"", b".", b"..", b".widgets.example", b"widgets..example", b"widgets.example..", b"-widgets.example", b"widgets-.example", b"a" * 64 + b".example",
    b"a." * 127 + b"aa", b"*.cdn.example", b"wid,gets.example", b"widgets.example:", b":80", b"widgets.example:0", b"widgets.example:00080",
    b"widgets.example:65536", b"widgets.example:99999999999", b"widgets.example:80:80", b"widgets.example:+80", b"widgets.example:-1", b"widgets.example:8e1",
    b"widgets.example:80 ", "widgets.example:８０".encode(), b"widgets.example:80,cdn.example", b"widgets.example/", b"//widgets.example",
    b"http://widgets.example",
]  # fmt: skip


@pytest.mark.parametrize("authority", HOSTILE)
def test_a_spelling_that_somebody_could_read_otherwise_is_refused(authority: bytes) -> None:
    with pytest.raises(NotAllowed) as caught:
        parse_authority(b"http", authority)
    assert (caught.value.reason, caught.value.retryable, caught.value.status) == ("host_not_allowed", False, 502)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("authority", HOSTILE)
def test_the_patterns_alone_refuse_it_too(authority: bytes) -> None:
    everything = HostPatterns(["widgets.example", "*.example", "*.cdn.example", "*.com"])
    assert not any(everything.allows("http", authority.decode("latin-1"), port) for port in (80, 443))


@pytest.mark.parametrize(
    "scheme", [b"ftp", b"file", b"gopher", b"ws", b"javascript", b"", b"http:", b"https\0", b"\xff", b"httpS "]
)
def test_schemes_other_than_http_and_https_are_refused(scheme: bytes) -> None:
    with pytest.raises(NotAllowed):
        parse_authority(scheme, b"widgets.example")


@given(st.one_of(st.binary(max_size=40), st.from_regex(rb"\A[a-z0-9x.:\[\]@%-]{1,30}\Z")))
def test_whatever_is_read_reads_the_same_again(authority: bytes) -> None:
    """Never another exception, and what passes is a fixed point: no second reader of ours can see another host."""
    try:
        address = parse_authority(b"http", authority)
    except NotAllowed:
        return
    assert parse_authority(b"http", address.authority.encode()) == address
    assert OriginAddress.parse(str(address)) == address


NUMBERISH = r"(0[xX][0-9a-fA-F]{0,8}|[0-9]{1,11}|[a-f]{1,2})"


@given(st.from_regex(rf"\A{NUMBERISH}(\.{NUMBERISH}){{0,3}}\.?\Z"))
def test_no_name_is_an_ipv4_address_to_the_resolver(host: str) -> None:
    """getaddrinfo takes for an address what inet_aton does."""
    try:
        address = parse_authority(b"http", host.encode())
    except NotAllowed:
        return
    try:
        packed = socket.inet_aton(address.host)
    except OSError:
        return
    assert address.host == socket.inet_ntoa(packed)


# ── Which addresses ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_listed_host_is_asked_by_its_name_and_its_connection_kept(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server:
            dns = Dns(["127.0.0.1"])
            origins = guests(f"*.example:{server.port}", dns=dns)
            for spelling in (b"widgets.example:%d", b"WIDGETS.example.:%d"):
                assert await ask(origins.origin_for(b"http", spelling % server.port)) == (200, b"ok")
            assert dns.asked == [("widgets.example", server.port)]
            assert (server.connections, len(origins)) == (1, 1)
            await origins.aclose()

    run(scenario())


def test_a_private_address_is_refused_unless_its_network_is_listed(run: Run) -> None:
    """RFC 9209 §2.3.5."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server:
            for pattern in ("widgets.example", "127.0.0.1"):
                authority = f"{pattern}:{server.port}"
                closed = guests(authority, allow_private=[ip_network("10.0.0.0/8")])
                with pytest.raises(NotAllowed) as caught:
                    await closed.origin_for(b"http", authority.encode()).exchange(get())
                assert (caught.value.reason, caught.value.retryable) == ("destination_ip_prohibited", False)
                assert server.connections == 0
                await closed.aclose()
            opened = guests(authority, allow_private=[ip_network("127.0.0.0/8")])
            assert await ask(opened.origin_for(b"http", authority.encode())) == (200, b"ok")
            await opened.aclose()

    run(scenario())


def test_a_name_that_changes_to_a_private_address_gains_nothing(run: Run) -> None:
    """DNS rebinding: the address is judged each time a connection is made, and dialled as it was judged."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(CLOSING, then_close=True)) as server, victim_on(server.port) as victim:
            dns = Dns(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"])
            origins = guests(f"widgets.example:{server.port}", dns=dns, limits=FORGETFUL)
            origin = origins.origin_for(b"http", b"widgets.example:%d" % server.port)
            assert await ask(origin) == (200, b"ok")
            assert await reason_of(origin) == "destination_ip_prohibited"
            assert await ask(origin) == (200, b"ok")
            assert (victim.connections, len(dns.asked)) == (0, 3)
            await origins.aclose()

    run(scenario())


def test_the_one_retry_asks_the_guard_too(run: Run) -> None:
    """A kept connection that closes as we write is replaced by a new one, to wherever the name leads by then."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()  # and close without an answer

    async def scenario() -> None:
        async with ScriptedOrigin(script) as server, victim_on(server.port) as victim:
            origins = guests(f"widgets.example:{server.port}")
            origin = origins.origin_for(b"http", b"widgets.example:%d" % server.port)
            assert await ask(origin) == (200, b"ok")
            client = origin.origin
            assert isinstance(client, Http1Origin)
            client._dialer.book._addresses = ("127.0.0.2",)
            assert await reason_of(origin) == "destination_ip_prohibited"
            assert (client.retries, victim.connections) == (1, 0)
            await origins.aclose()

    run(scenario())


def test_of_a_mixed_answer_the_private_addresses_are_skipped(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server, victim_on(server.port) as victim:
            mixed = ["127.0.0.2", "169.254.169.254", "::1", "::ffff:127.0.0.1", "localhost", "127.0.0.1", "10.0.0.1"]
            origins = guests(f"widgets.example:{server.port}", dns=Dns(mixed))
            assert await ask(origins.origin_for(b"http", b"widgets.example:%d" % server.port)) == (200, b"ok")
            assert victim.connections == 0
            await origins.aclose()

    run(scenario())


def test_an_origin_that_the_operator_has_named_may_be_anywhere(run: Run) -> None:
    """No guard: configured origins live in private networks."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server:
            client = Http1Origin(f"http://cms:{server.port}", resolve=Dns(["127.0.0.1"]))
            assert await ask(client) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_redirect_is_an_answer_like_others(run: Run) -> None:
    async def scenario() -> None:
        redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n"
        async with ScriptedOrigin(answering(redirect)) as server, victim_on(server.port) as victim:
            origins = guests(f"widgets.example:{server.port}")
            assert await ask(origins.origin_for(b"http", b"widgets.example:%d" % server.port)) == (302, b"")
            assert (len(server.heads), victim.connections) == (1, 0)
            await origins.aclose()

    run(scenario())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_certificate_is_checked_against_the_name_not_the_address(run: Run, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=DNS:widgets.example"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK), context) as server:
            origins = guests(f"widgets.example:{server.port}", f"other.example:{server.port}", tls_ca_file=str(certificate))
            assert await ask(origins.origin_for(b"https", b"Widgets.example.:%d" % server.port)) == (200, b"ok")
            assert await reason_of(origins.origin_for(b"https", b"other.example:%d" % server.port)) == "tls_certificate_error"
            await origins.aclose()

    run(scenario())


# ── The origins kept ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_host_that_is_not_listed_gets_no_origin_and_is_counted(run: Run) -> None:
    async def scenario() -> None:
        dns = Dns(["127.0.0.1"])
        origins = guests("widgets.example", dns=dns)
        for scheme, authority in ((b"https", b"evil.example"), (b"ftp", b"widgets.example"), (b"http", b"widgets.example@evil")):
            with pytest.raises(NotAllowed) as caught:
                origins.origin_for(scheme, authority)
            assert isinstance(caught.value, UpstreamRefused)
            assert caught.value.reason == "host_not_allowed"
        assert (len(origins), dns.asked) == (0, [])
        assert origins.counters()["failure_host_not_allowed"] == 3
        await origins.aclose()

    run(scenario())


def test_scheme_and_port_make_origins_of_their_own(run: Run) -> None:
    async def scenario() -> None:
        origins = guests("widgets.example", "widgets.example:8080")
        urls = [(b"http", b""), (b"https", b""), (b"http", b":8080"), (b"https", b":8080"), (b"http", b":80")]
        found = [origins.origin_for(scheme, b"widgets.example" + port) for scheme, port in urls]
        assert len({id(each) for each in found}) == 4
        assert found[0] is found[4]
        assert [each.name for each in found[:2]] == ["http://widgets.example", "https://widgets.example"]
        await origins.aclose()

    run(scenario())


def test_the_origin_not_used_for_longest_makes_room(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server:
            origins = guests(f"*.example:{server.port}", max_origins=2)

            def of(name: bytes) -> Any:
                return origins.origin_for(b"http", name + b".example:%d" % server.port)

            first, second = of(b"a"), of(b"b")
            for origin in (first, second):
                assert await ask(origin) == (200, b"ok")
            assert of(b"a") is first  # used again: b is the older one now
            third = of(b"c")
            assert (len(origins), of(b"a"), of(b"c")) == (2, first, third)
            await until(lambda: second.counters()["connections_open"] == 0)
            assert await reason_of(second) == "destination_unavailable"
            counters = origins.counters()
            assert (counters["evicted"], counters["members"], counters["available"]) == (1, 2, 2)
            assert (counters["exchanges"], counters["connections_open"]) == (2, 1)  # what b counted stays, what it held is gone
            assert "state" not in counters
            await origins.aclose()

    run(scenario())


def test_two_hundred_and_fifty_six_are_kept_however_many_are_asked_for(run: Run) -> None:
    async def scenario() -> None:
        origins = guests("*.example")
        for number in range(300):
            origins.origin_for(b"https", b"w%d.example" % number)
        assert (len(origins), origins.evicted) == (256, 44)
        await origins.aclose()
        assert not origins._closing

    run(scenario())


def test_an_origin_with_a_body_under_way_makes_no_room(run: Run) -> None:
    proceed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await proceed.wait()
        await peer.send(b"k")
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as server:
            origins = guests(f"*.example:{server.port}", max_origins=1)
            busy, other = b"busy.example:%d" % server.port, b"other.example:%d" % server.port
            response = await origins.origin_for(b"http", busy).exchange(get())
            with pytest.raises(UpstreamUnavailable) as caught:
                origins.origin_for(b"http", other)
            assert caught.value.reason == "connection_limit_reached"
            proceed.set()
            assert await content(response) == b"ok"
            origins.origin_for(b"http", other)
            assert (len(origins), origins.evicted) == (1, 1)
            await origins.aclose()

    run(scenario())


def test_each_host_has_a_breaker_of_its_own(run: Run) -> None:
    """A host without a public address is left alone like one that is away, and the others go on."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as server:
            clock = 1000.0
            dns = Dns(["10.0.0.1"])
            origins = guests(
                f"*.example:{server.port}", f"127.0.0.1:{server.port}", dns=dns, limits=FORGETFUL,
                breaker=BreakerSettings(failures=3), clock=lambda: clock,
            )  # fmt: skip
            inside = origins.origin_for(b"http", b"inside.example:%d" % server.port)
            assert [await reason_of(inside) for _ in range(4)] == ["destination_ip_prohibited"] * 3 + ["destination_unavailable"]
            assert (inside.state, len(dns.asked)) == ("open", 3)
            assert await ask(origins.origin_for(b"http", b"127.0.0.1:%d" % server.port)) == (200, b"ok")
            counters = origins.counters()
            assert (counters["failure_destination_ip_prohibited"], counters["rejected_unhealthy"], counters["opened"]) == (
                3,
                1,
                1,
            )
            assert (counters["members"], counters["available"]) == (2, 1)
            dns.answers = [["127.0.0.1"]]
            clock += 1
            assert await ask(inside) == (200, b"ok")
            assert inside.state == "closed"
            await origins.aclose()

    run(scenario())


def test_server_errors_count_when_told_so(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")) as server:
            breaker = BreakerSettings(failures=1)
            origins = guests(f"widgets.example:{server.port}", breaker=breaker, server_errors=True)
            origin = origins.origin_for(b"http", b"widgets.example:%d" % server.port)
            assert await ask(origin) == (500, b"")
            assert await reason_of(origin) == "destination_unavailable"
            await origins.aclose()

    run(scenario())


def test_closing_closes_all_and_lets_bodies_end(run: Run) -> None:
    proceed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await proceed.wait()
        await peer.send(b"k")
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as server:
            origins = guests(f"*.example:{server.port}")
            origin = origins.origin_for(b"http", b"a.example:%d" % server.port)
            response = await origin.exchange(get())
            await origins.aclose()
            await origins.aclose()
            with pytest.raises(UpstreamUnavailable):
                origins.origin_for(b"http", b"b.example:%d" % server.port)
            assert await reason_of(origin) == "destination_unavailable"
            proceed.set()
            assert await content(response) == b"ok"
            await until(lambda: origins.counters()["connections_open"] == 0)

    run(scenario())


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="max_origins: expected >= 1, got 0"):
        GuestOrigins(HostPatterns([]), max_origins=0)
    with pytest.raises(OSError, match="No such file"):
        GuestOrigins(HostPatterns([]), tls_ca_file="nowhere.pem")
