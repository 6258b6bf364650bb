"""URLs of origins, and what the DNS says about them: asked again, remembered, never trusted to be up."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.errors import UpstreamRefused, UpstreamTimeout
from gateway.upstream.addresses import AddressBook, OriginAddress
from gateway.upstream.connection import Connection
from gateway.upstream.dialer import Dialer
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, until


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("http://cms", OriginAddress("http", "cms", 80), "cms"),
        ("http://cms/", OriginAddress("http", "cms", 80), "cms"),
        ("https://cms.example", OriginAddress("https", "cms.example", 443), "cms.example"),
        ("http://CMS.example:8080", OriginAddress("http", "cms.example", 8080), "cms.example:8080"),
        ("https://cms:80", OriginAddress("https", "cms", 80), "cms:80"),
        ("http://127.0.0.1:8000", OriginAddress("http", "127.0.0.1", 8000), "127.0.0.1:8000"),
        ("http://[::1]:8000", OriginAddress("http", "::1", 8000), "[::1]:8000"),
        ("http://my_service:9", OriginAddress("http", "my_service", 9), "my_service:9"),
    ],
)
def test_a_url_is_read(url: str, expected: OriginAddress, authority: str) -> None:
    address = OriginAddress.parse(url)
    assert address == expected
    assert address.authority == authority
    assert OriginAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "expected http://host"),
        ("cms", "expected http://host"),
        ("cms:8080", "expected http://host"),
        ("ftp://cms", "expected http://host"),
        ("http://", "expected http://host"),
        ("http://:80", "expected http://host"),
        (" http://cms", "expected http://host"),
        ("http://cms/shop", "without path"),
        ("http://cms?x=1", "without path"),
        ("http://cms#x", "without path"),
        ("http://cms:0", "port from 1 to 65535"),
        ("http://cms:65536", "port from 1 to 65535"),
        ("http://cms:http", "port from 1 to 65535"),
        ("http://cms shop", "host name"),
        ("http://-cms", "host name"),
        ("http://" + "a" * 64, "host name"),
        ("http://cms..example", "host name"),
    ],
)
def test_a_wrong_url_is_told_what_was_expected(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OriginAddress.parse(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="password") as caught:
        OriginAddress.parse("http://me:secret@cms")
    assert "secret" not in str(caught.value)


class Resolver:
    """A DNS turned by hand: answers in turn; an exception is raised; the last one again and again."""

    def __init__(self, *answers: list[str] | OSError | asyncio.Event) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.now = 0.0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return ["10.9.9.9"]
        if isinstance(answer, OSError):
            raise answer
        await asyncio.sleep(0)
        return answer

    def book(self, **limits: float) -> AddressBook:
        return AddressBook(OriginAddress("http", "cms", 80), OriginLimits(**limits), self, lambda: self.now)


DOWN = socket.gaierror(socket.EAI_AGAIN, "try again")


def test_an_answer_is_used_for_30_seconds_then_asked_again(run: Run) -> None:
    """B14: a new address is used within 30 s."""

    async def scenario() -> None:
        dns = Resolver(["10.0.0.1"], ["10.0.0.2"])
        book = dns.book()
        for dns.now in (0, 10, 29.9):
            assert await book.addresses() == ("10.0.0.1",)
        assert dns.asked == 1
        dns.now = 30
        assert await book.addresses() == ("10.0.0.2",)
        assert book.lists("10.0.0.2")
        assert not book.lists("10.0.0.1")

    run(scenario())


def test_the_last_good_answer_serves_for_hours_while_the_dns_is_down(run: Run) -> None:
    """B14: kept for at least an hour; asked again every few seconds, not for each connection."""

    async def scenario() -> None:
        dns = Resolver(["10.0.0.1"], DOWN)
        book = dns.book()
        for dns.now in range(4000):
            assert await book.addresses() == ("10.0.0.1",)
        assert book.failures > 100
        assert dns.asked < 1000
        dns.now = 4000 + 24 * 3600
        with pytest.raises(UpstreamRefused) as caught:
            await book.addresses()
        assert caught.value.reason == "dns_error"

    run(scenario())


def test_it_recovers_when_the_dns_does(run: Run) -> None:
    async def scenario() -> None:
        dns = Resolver(["10.0.0.1"], DOWN, ["10.0.0.2"])
        book = dns.book()
        for dns.now in (0, 30):
            assert await book.addresses() == ("10.0.0.1",)
        dns.now = 35
        assert await book.addresses() == ("10.0.0.2",)

    run(scenario())


def test_without_any_answer_it_is_an_error_and_asked_again_at_once(run: Run) -> None:
    async def scenario() -> None:
        dns = Resolver(DOWN, DOWN, ["10.0.0.1"])
        book = dns.book()
        for _ in range(2):
            with pytest.raises(UpstreamRefused) as caught:
                await book.addresses()
            assert (caught.value.reason, caught.value.retryable) == ("dns_error", True)
        assert await book.addresses() == ("10.0.0.1",)

    run(scenario())


def test_a_resolver_that_hangs_delays_no_more_than_its_time(run: Run) -> None:
    async def scenario() -> None:
        hang = asyncio.Event()
        dns = Resolver(["10.0.0.1"], hang)
        book = dns.book(dns_timeout=0.02)
        await book.addresses()
        dns.now = 30
        assert await book.addresses() == ("10.0.0.1",)
        await book.aclose()
        nothing_known = Resolver(hang).book(dns_timeout=0.02)
        with pytest.raises(UpstreamTimeout) as caught:
            await nothing_known.addresses()
        assert caught.value.reason == "dns_timeout"
        await nothing_known.aclose()

    run(scenario())


def test_who_comes_while_a_lookup_is_under_way_waits_for_the_same_one(run: Run) -> None:
    async def scenario() -> None:
        dns = Resolver(["10.0.0.1", "10.0.0.2", "10.0.0.1"])
        book = dns.book()
        assert set(await asyncio.gather(*(book.addresses() for _ in range(50)))) == {("10.0.0.1", "10.0.0.2")}
        assert dns.asked == 1

    run(scenario())


def test_a_cancelled_asker_does_not_cancel_the_lookup_of_others(run: Run) -> None:
    async def scenario() -> None:
        answer = asyncio.Event()
        book = Resolver(answer).book()
        askers = [asyncio.create_task(book.addresses()) for _ in range(2)]
        await asyncio.sleep(0)
        askers[0].cancel()
        await asyncio.sleep(0)
        answer.set()
        assert await askers[1] == ("10.9.9.9",)

    run(scenario())


def test_the_address_that_answered_goes_first_also_after_the_next_lookup(run: Run) -> None:
    async def scenario() -> None:
        dns = Resolver(["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"], ["10.0.0.3", "10.0.0.1"])
        book = dns.book()
        await book.addresses()
        book.prefer("10.0.0.2")
        for dns.now in (0, 30):
            assert (await book.addresses())[0] == "10.0.0.2"
        dns.now = 60
        assert await book.addresses() == ("10.0.0.3", "10.0.0.1")

    run(scenario())


def test_traffic_that_never_connects_still_learns_of_a_new_address(run: Run) -> None:
    """A pool whose connections never idle asks `lists` for each that comes back."""

    async def scenario() -> None:
        dns = Resolver(["10.0.0.1"], ["10.0.0.2"])
        book = dns.book()
        await book.addresses()
        dns.now = 31
        assert book.lists("10.0.0.1")
        await until(lambda: not book.lists("10.0.0.1"))
        assert dns.asked == 2

    run(scenario())


def test_an_ip_address_is_never_looked_up(run: Run) -> None:
    async def scenario() -> None:
        book = AddressBook(OriginAddress.parse("http://[::1]:80"), OriginLimits(), Resolver(DOWN))
        assert await book.addresses() == ("::1",)
        assert book.lists("::1")

    run(scenario())


def test_a_connection_to_an_address_that_is_gone_is_not_kept(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = Http1Origin(f"http://localhost:{origin.port}")
            await ask(client)
            assert client.counters()["connections_idle"] == 1
            client._dialer.book._addresses = ("10.0.0.1",)
            assert await ask(client) == (200, b"ok")
            assert client.counters()["connections_idle"] == 0
            await client.aclose()

    run(scenario())


def test_addresses_are_tried_in_turn(run: Run) -> None:
    """`localhost` is ::1 first on many machines, where our origin doesn't listen."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = Http1Origin(f"http://localhost:{origin.port}")
            client._dialer.book._addresses = ("::1", "127.0.0.2", "127.0.0.1")
            client._dialer.book._asked_again_at = float("inf")
            assert await ask(client) == (200, b"ok")
            assert (await client._dialer.book.addresses())[0] == "127.0.0.1"
            await client.aclose()

    run(scenario())


class Nobody:
    def freed(self, connection: Connection) -> None: ...
    def lost(self, connection: Connection) -> None: ...


def test_a_refused_connection_says_so(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            port = origin.port
        with pytest.raises(UpstreamRefused) as caught:
            await Dialer(OriginAddress("http", "127.0.0.1", port), OriginLimits(), None).dial(Nobody())
        assert (caught.value.reason, caught.value.retryable, caught.value.status) == ("connection_refused", True, 502)

    run(scenario())


def test_a_connect_that_hangs_is_given_up(run: Run) -> None:
    """A full backlog: the kernel drops our SYN."""

    async def scenario() -> None:
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        try:
            dialer = Dialer(OriginAddress("http", "127.0.0.1", full.getsockname()[1]), OriginLimits(connect_timeout=0.2), None)
            with pytest.raises(UpstreamTimeout) as caught:
                await dialer.dial(Nobody())
            assert (caught.value.reason, caught.value.status) == ("connection_timeout", 504)
        finally:
            for each in (full, *fillers):
                each.close()

    run(scenario())


def test_a_cancelled_connect_leaves_nothing_behind(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=1)
            for turns in range(12):  # cancelled at each step on the way
                task = asyncio.create_task(client._pool.acquire())
                for _ in range(turns):
                    await asyncio.sleep(0)
                if task.cancel():
                    with pytest.raises(asyncio.CancelledError):
                        await task
                else:
                    (await task).close()
                assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_limits_that_make_no_sense_are_all_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"connect_timeout: expected > 0, got -1; max_connections: expected > 0, got 0"):
        OriginLimits(connect_timeout=-1, max_connections=0)
    OriginLimits(first_byte_timeout=0, idle_timeout=0, total_timeout=0)
