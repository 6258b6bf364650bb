"""`weft explain`: what it says is what the gateway does."""

from __future__ import annotations

import gzip
import json
import socket
from contextlib import closing

import pytest

from gateway.cache.policy import Reason
from tests.support.scripted_origin import answer, ok

HOST = "http://shop.test"


@pytest.fixture
def explain(weft, origin, path):
    """explain(*fields of the response, …) → what was found, for a page whose origin sends these fields."""

    def run(*lines: bytes, body: bytes = b"hello", arguments: tuple[str, ...] = (), script=None, target: str = "") -> dict:
        origin.script(path, script or answer(ok(body, *lines)))
        outcome = weft("explain", f"{HOST}{target or path}", "--upstream", origin.url, "--json", *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        return json.loads(outcome.out)

    return run


def test_a_fresh_page_is_stored_and_the_second_request_is_a_hit(explain, origin, path):
    found = explain(b"Cache-Control: max-age=60", b"Surrogate-Key: news front")
    assert found["key"]["text"] == f"{HOST}{path}"
    assert found["first"]["reason"] == "uri-miss"
    assert found["verdict"]["stored"] is True
    assert found["verdict"]["cache_status"].startswith("Weft; fwd=uri-miss")
    assert "stored" in found["verdict"]["cache_status"]
    assert found["second"]["plan"] == "reuse"
    assert found["tags"] == ["news", "front"]
    assert {rule["verdict"] for rule in found["rules"]} == {"pass"}
    assert len(origin.received_at(path)) == 1


def test_it_shows_what_the_origin_really_got(explain, origin, path):
    found = explain(b"Cache-Control: max-age=60", arguments=("-H", "X-Original-URL: /admin", "-H", "Accept-Language: de"))
    (received,) = origin.received_at(path)
    assert [(name.encode(), value.encode()) for name, value in found["asked"]["fields"]] == received.fields
    assert "x-original-url" not in dict(found["asked"]["fields"])


@pytest.mark.parametrize(
    ("reason", "section", "lines", "arguments"),
    [
        (Reason.NO_STORE, "RFC 9111 §5.2.2.5", [b"Cache-Control: no-store"], ()),
        (Reason.PRIVATE, "RFC 9111 §5.2.2.7", [b"Cache-Control: private, max-age=60"], ()),
        (Reason.REQUEST_NO_STORE, "RFC 9111 §5.2.1.5", [b"Cache-Control: max-age=60"], ("-H", "Cache-Control: no-store")),
        (Reason.AUTHORIZATION, "RFC 9111 §3.5", [b"Cache-Control: max-age=60"], ("-H", "Authorization: Basic eA==")),
        (Reason.VARY_STAR, "RFC 9111 §4.1", [b"Cache-Control: max-age=60", b"Vary: *"], ()),
        (Reason.SET_COOKIE, "RFC 9111 §7.3", [b"Cache-Control: max-age=60", b"Set-Cookie: a=b"], ("-H", "Cookie: c=d")),
        (Reason.TOO_LARGE, "cache.max_object_bytes", [b"Cache-Control: max-age=60"], ("--set", "cache.max_object_bytes=4")),
        (
            Reason.TAGS_TOO_LONG,
            "cache.tag_bytes",
            [b"Cache-Control: max-age=60", b"Cache-Tag: abc"],
            ("--set", "cache.tag_bytes=2"),
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_a_refusal_names_the_rule_that_stops_and_its_section(explain, reason, section, lines, arguments):
    found = explain(*lines, arguments=arguments)
    *before, last = found["rules"]
    assert {rule["verdict"] for rule in before} <= {"pass"}
    assert (last["verdict"], last["reason"]) == ("stop", reason.value)
    assert last["section"].startswith(section)
    assert found["verdict"]["stored"] is False
    assert found["verdict"]["reason"] == reason.value
    assert reason.value in found["verdict"]["cache_status"]
    assert found["second"] | {"held": 0} == found["first"]


def test_the_first_valid_targeted_field_governs_and_says_why_the_others_do_not(explain):
    found = explain(
        b"Cache-Control: no-store",
        b"CDN-Cache-Control: max-age=300",
        b"Weft-Cache-Control: max-age=a b",
        b"Surrogate-Control: max-age=9",
    )
    verdicts = {field["field"]: field["verdict"] for field in found["governing"]}
    assert verdicts["weft-cache-control"].startswith("passed over")
    assert verdicts["cdn-cache-control"] == "governs"
    assert verdicts["surrogate-control"].startswith("not looked at")
    assert verdicts["cache-control"].startswith("not looked at")
    assert found["freshness"]["lifetime"] == 300
    assert "cdn-cache-control" in found["freshness"]["lifetime_from"]


@pytest.mark.parametrize(
    ("lines", "lifetime", "source"),
    [
        ([b"Cache-Control: max-age=60, s-maxage=90"], 90, "s-maxage"),
        ([b"Date: Tue, 25 Nov 2025 04:00:00 GMT", b"Expires: Tue, 25 Nov 2025 04:02:00 GMT", b'ETag: "a"'], 120, "Expires"),
        (
            [b"Date: Tue, 25 Nov 2025 04:00:00 GMT", b"Last-Modified: Tue, 25 Nov 2025 03:00:00 GMT"],
            360,
            "10% of the time since Last-Modified",
        ),
        ([b'ETag: "a"'], 0, "cache.default_ttl"),
    ],
    ids=["s-maxage", "expires", "heuristic", "default"],
)
def test_it_says_where_the_lifetime_comes_from(explain, lines, lifetime, source):
    found = explain(*lines)
    assert found["freshness"]["lifetime"] == lifetime
    assert source in found["freshness"]["lifetime_from"]


def test_it_says_where_stale_windows_come_from(explain):
    found = explain(b"Cache-Control: max-age=60, stale-while-revalidate=30")
    assert found["freshness"]["stale_while_revalidate"] == 30
    assert "RFC 5861 §3" in found["freshness"]["stale_while_revalidate_from"]
    assert found["freshness"]["stale_if_error_from"] == "cache.stale_if_error"
    found = explain(b"Cache-Control: max-age=60, must-revalidate")
    assert found["freshness"]["stale_if_error"] == 0
    assert "must-revalidate" in found["freshness"]["stale_if_error_from"]


def test_age_counts(explain):
    found = explain(b"Cache-Control: max-age=60", b"Age: 45")
    assert 45 <= found["freshness"]["age"] < 60
    assert "Age 45" in found["freshness"]["age_from"]
    assert 0 < found["second"]["ttl"] <= 15


def test_vary_is_shown_with_the_values_that_were_sent(explain):
    found = explain(
        b"Cache-Control: max-age=60", b"Vary: Accept-Language, X-Plan", arguments=("-H", "Accept-Language: DE , en;q=0.5")
    )
    values = {one["field"]: one["value"] for one in found["vary"]}
    assert values["x-plan"] is None
    assert values["accept-language"].startswith("de")


def test_compression_is_decided_as_when_serving(explain):
    page = (b"Cache-Control: max-age=60", b"Content-Type: text/html")
    found = explain(*page, body=b"x" * 5000, arguments=("-H", "Accept-Encoding: gzip"))
    assert found["compression"]["for_this_request"] == "gzip"
    assert "min_bytes" in explain(*page)["compression"]["why_not"]
    assert "type" in explain(page[0], b"Content-Type: image/png", body=b"x" * 5000)["compression"]["why_not"]
    assert "no-transform" in explain(page[0] + b", no-transform", page[1], body=b"x" * 5000)["compression"]["why_not"]


def test_a_validator_without_freshness_is_stored_and_asked_about(explain):
    found = explain(b"Cache-Control: no-cache", b'ETag: "a"')
    assert found["verdict"]["stored"] is True
    assert "validated before each use" in found["verdict"]["text"]
    assert (found["second"]["plan"], found["second"]["reason"]) == ("forward", "stale")
    assert "a 304 renews it" in found["second"]["text"]


def test_the_query_is_brought_to_the_form_that_counts(explain, path):
    arguments = ("--set", "query.mode=drop", "--set", "query.names=utm_*", "--set", "query.sort=true")
    found = explain(b"Cache-Control: max-age=60", target=f"{path}?utm_source=x&b=1&a=2", arguments=arguments)
    assert found["key"]["target"] == f"{path}?a=2&b=1"
    assert found["asked"]["target"] == f"{path}?a=2&b=1"
    assert "query.mode drop" in found["key"]["query"]


def test_wishes_have_their_sections(explain):
    wishes = "Cache-Control: no-cache, max-age=5, max-stale, min-fresh=1"
    found = explain(b"Cache-Control: max-age=60", arguments=("-H", wishes, "-H", "Cookie: a=b", "-H", "Range: bytes=0-1"))
    told = {wish["wish"]: wish["section"] for wish in found["wishes"]}
    assert told["no-cache"] == "RFC 9111 §5.2.1.4"
    assert told["max-age=5"] == "RFC 9111 §5.2.1.1"
    assert told["max-stale"] == "RFC 9111 §5.2.1.2"
    assert told["min-fresh=1"] == "RFC 9111 §5.2.1.3"
    assert {"Cookie", "Range"} <= told.keys()
    assert found["second"]["reason"] == "request"


def test_only_if_cached_asks_nobody(explain, origin, path):
    found = explain(arguments=("-H", "Cache-Control: only-if-cached"))
    assert found["first"]["plan"] == "refuse"
    assert "asked" not in found
    assert not origin.received_at(path)


def test_no_fetch_asks_nobody(explain, origin, path):
    found = explain(arguments=("--no-fetch",))
    assert "verdict" not in found
    assert not origin.received_at(path)


def test_a_method_that_could_change_something_is_not_sent(explain, origin, path):
    found = explain(arguments=("--method", "POST"))
    assert "RFC 9111 §4.4" in found["first"]["text"]
    assert "unasked" in found
    assert not origin.received_at(path)


def test_an_origin_that_hangs_in_the_middle_does_not_hang_us(weft, origin, path):
    """The content does not come: what the head says is explained all the same."""
    origin.script(path, answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nCache-Control: max-age=60\r\n\r\nhalf", then="close"))
    outcome = weft("explain", f"{HOST}{path}", "--upstream", origin.url, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["verdict"]["reason"] == "not-whole"
    assert found["second"]["plan"] == "forward"


# ── Pages of pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ESI = (b'Surrogate-Control: content="ESI/1.0"', b"Content-Type: text/html", b"Cache-Control: max-age=60")


class TestPieces:
    def test_a_page_of_pieces_says_what_it_includes_where_that_goes_and_what_memory_has(self, explain, origin, path):
        origin.script(f"{path}/kept", answer(ok(b"K", b"Cache-Control: max-age=30")))
        origin.script(f"{path}/loose", answer(ok(b"L", b"Cache-Control: no-store")))
        body = f'<p>\n<esi:include src="{path}/kept"/><esi:include src="{path}/loose"/>'.encode()
        told = explain(*ESI, body=body)["assembly"]
        assert (told["assembled"], told["why_not"]) == (True, "")
        assert [place["line"] for place in told["markup"]["includes"]] == [2, 2]
        kept, loose = sorted(told["includes"], key=lambda include: include["url"])
        assert (kept["cache"], kept["status"], kept["octets"], kept["outcome"]) == ("uri-miss", 200, 1, "src")
        assert kept["goes"] == f"to {HOST}{path}/kept, by route default"
        assert kept["now"] == "is answered from memory: fresh for another 30 s"
        assert loose["now"] == "goes to the origin: nothing is stored under this key"
        assert told["response"]["cache-control"] == "private, no-store"

    def test_the_page_is_what_the_origin_was_asked_for_first_and_not_its_includes(self, explain, origin, path):
        origin.script(f"{path}/a", answer(ok(b"A", b"Cache-Control: max-age=30")))
        found = explain(*ESI, body=f'<esi:include src="{path}/a"/>'.encode())
        assert found["asked"]["target"] == path
        assert ["surrogate-control", 'content="ESI/1.0"'] in found["answered"]["fields"]
        assert found["second"]["plan"] == "reuse"

    def test_what_failed_says_why_and_what_came_in_its_place(self, explain, origin, path):
        origin.script(f"{path}/bad", answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))
        body = f'<esi:include src="{path}/bad">B</esi:include><esi:include src="http://other.test/" onerror="continue"/>'
        told = explain(*ESI, body=body.encode())["assembly"]
        bad, foreign = sorted(told["includes"], key=lambda include: include["url"])
        assert (foreign["reason"], foreign["outcome"]) == ("host_not_allowed", "nothing")
        assert foreign["goes"].startswith("nowhere: ")
        assert (bad["reason"], bad["outcome"]) == ("status_500", "fallback")

    def test_includes_of_includes_are_told(self, explain, origin, path):
        origin.script(f"{path}/b", answer(ok(b"B", b"Cache-Control: max-age=30")))
        origin.script(f"{path}/a", answer(ok(f'<esi:include src="{path}/b"/>'.encode(), *ESI)))
        (outer,) = explain(*ESI, body=f'<esi:include src="{path}/a"/>'.encode())["assembly"]["includes"]
        assert [inner["url"] for inner in outer["includes"]] == [f"{path}/b"]

    def test_a_page_that_can_not_be_had_is_explained_all_the_same(self, explain, origin, path):
        origin.script(f"{path}/bad", answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))
        found = explain(*ESI, body=f'<esi:include src="{path}/bad"/>'.encode())
        assert found["verdict"]["status"] == 502
        assert [include["reason"] for include in found["assembly"]["includes"]] == ["status_500"]

    def test_problems_have_their_places_and_variables_what_follows_from_them(self, explain):
        told = explain(*ESI, body=b"<p>\n <esi:foo/><esi:vars>$(HTTP_ACCEPT_LANGUAGE{de})</esi:vars>")["assembly"]
        (problem,) = told["markup"]["problems"]
        assert (problem["code"], problem["line"], problem["column"]) == ("unknown-element", 2, 2)
        assert told["markup"]["variables"] == ["HTTP_ACCEPT_LANGUAGE{de}"]

    @pytest.mark.parametrize(
        ("lines", "arguments", "why"),
        [
            (ESI[1:], (), "Surrogate-Control"),
            (ESI, ("--set", "esi.mode=off"), "esi.mode is off"),
            ((ESI[0], b"Content-Type: image/svg+xml", ESI[2]), (), "esi.types"),
        ],
        ids=["does-not-ask", "off", "type"],
    )
    def test_markup_that_is_not_run_says_why(self, explain, lines, arguments, why):
        told = explain(*lines, body=b"<esi:include src='/a'/>", arguments=arguments)["assembly"]
        assert told["assembled"] is False
        assert why in told["why_not"]
        assert told["markup"]["elements"] == 1
        assert not told["includes"]

    def test_a_page_that_varies_by_our_own_abilities_is_the_same_for_all(self, explain):
        """Sites that also work without a gateway say so, as HTTP asks them to."""
        found = explain(*ESI, b"Vary: Surrogate-Capability", body=b"<esi:remove>x</esi:remove>")
        assert found["second"]["plan"] == "reuse"

    def test_a_compressed_page_is_read(self, explain):
        told = explain(*ESI, b"Content-Encoding: gzip", body=gzip.compress(b"<esi:foo/>"))["assembly"]
        assert [problem["code"] for problem in told["markup"]["problems"]] == ["unknown-element"]

    def test_the_text_has_the_tree(self, weft, origin, path):
        origin.script(f"{path}/a", answer(ok(b"A", b"Cache-Control: max-age=30")))
        origin.script(path, answer(ok(f'<esi:include src="{path}/a"/>'.encode(), *ESI)))
        told = weft("explain", f"{origin.url}{path}").out
        section = told.partition("what it is made of (ESI)\n")[2].partition("\n\n")[0]
        *lines, says = section.splitlines()
        assert lines == [
            "  it is assembled: 1 ESI element",
            f"  include {path}/a: uri-miss, 200, 1 octets",
            f"    goes to {origin.url}{path}/a, by route default",
            "    the next one is answered from memory: fresh for another 30 s",
        ]
        assert says.startswith("  so the page says Cache-Control: max-age=")

    def test_a_page_without_esi_is_not_bothered_with_it(self, weft, origin, path):
        origin.script(path, answer(ok(b"plain", b"Content-Type: text/html")))
        assert "ESI)" not in weft("explain", f"{origin.url}{path}").out


# ── Routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def config(tmp_path, origin):
    file = tmp_path / "weft.toml"
    file.write_text(f"""
[origins.main]
url = "{origin.url}"

[[routes]]
name = "shop"
host = "shop.test"
origin = "main"

[[routes]]
name = "account"
host = "shop.test"
path = "/account"
origin = "main"
cache.mode = "bypass"
""")
    return str(file)


def test_it_says_which_route_and_why(weft, config, origin):
    outcome = weft("explain", f"{HOST}/account/orders", "--config", config, "--json")
    found = json.loads(outcome.out)
    assert (found["route"]["name"], found["route"]["bypass"], found["route"]["url"]) == ("account", True, origin.url)
    assert found["route"]["why"] == "the most specific of 2 routes that take it: account, shop"
    assert found["verdict"] | {"text": ""} == {
        "stored": False,
        "reason": "bypass",
        "text": "",
        "status": 200,
        "cache_status": "Weft; fwd=bypass; detail=route-bypass",
    }


def test_no_route_is_the_askers_fault(weft, config):
    outcome = weft("explain", "http://other.test/", "--config", config)
    assert outcome.code == 2
    assert outcome.err == "weft explain: http://other.test/: no route takes this host and path\n"


# ── What can go wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("shop.test/p",), "expected http://HOST/PATH"),
        (("ftp://shop.test/",), "expected http://HOST/PATH"),
        (("http://",), "expected http://HOST/PATH"),
        (("http://shop.test:x/",), "ort"),
        (("http://a b/",), "Host is not a host"),
        (("http://user:word@shop.test/",), "credentials"),
        (("http://shop.test/", "-H", "nonsense"), "-H expects 'Name: value'"),
        (("http://shop.test/", "-H", "A: b\r\nC: d"), "-H expects 'Name: value'"),
        (("http://shop.test/", "-X", "GE T"), "expected a method"),
    ],
)
def test_a_wrong_question_is_one_line_and_exit_2(weft, arguments, wanted):
    outcome = weft("explain", *arguments)
    assert outcome.code == 2
    assert wanted in outcome.err
    assert outcome.err.startswith("weft explain: ")
    assert outcome.err.count("\n") == 1


def test_an_origin_that_is_down_is_exit_1_and_says_so(weft):
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        outcome = weft("explain", f"{url}/page")
    assert outcome.code == 1
    assert f"the origin {url} could not be asked" in outcome.err
    assert "a client gets 502 Bad Gateway, reason connection_refused" in outcome.out


def test_faults_in_the_settings_are_all_said(weft):
    outcome = weft("explain", "http://shop.test/", "--set", "cache.default_ttl=-1", "--set", "nonsense=1")
    assert outcome.code == 1
    assert "2 problems in the settings" in outcome.err


# ── For people ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_text_reads_from_key_to_verdict(weft, origin, path):
    origin.script(path, answer(ok(b"x", b"Cache-Control: private")))
    told = weft("explain", f"{origin.url}{path}").out
    titles = [line for line in told.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        f"GET {origin.url}{path}",
        "key",
        "what the request wishes",
        "what is done with it",
        "what the origin was asked",
        "what it answered",
        "which field governs",
        "may it be stored: each of these must hold",
        "verdict",
        "the same request again",
    ]
    assert "FAILS  the response does not say private" in told
    assert "Not stored: private (RFC 9111 §5.2.2.7)." in told


def test_without_settings_the_urls_own_server_is_asked(weft, origin, path):
    outcome = weft("explain", f"{origin.url}{path}", "--json")
    assert json.loads(outcome.out)["route"]["url"] == origin.url
    assert len(origin.received_at(path)) == 1


class TestLive:
    def test_a_running_gateway_says_what_it_has(self, weft, start_gateway, origin, path):
        origin.script(path, answer(ok(b"x", b"Cache-Control: max-age=60", b"Surrogate-Key: news")))
        gateway = start_gateway({"debug.tokens": "sesame-sesame-sesame"})
        live = ("--live", f"http://127.0.0.1:{gateway.port}", "--json")
        weft("explain", f"{HOST}{path}", *live)
        stranger = json.loads(weft("explain", f"{HOST}{path}", *live).out)
        friend = json.loads(weft("explain", f"{HOST}{path}", *live, "--token", "sesame-sesame-sesame").out)
        assert "; hit" in stranger["fields"]["cache-status"]
        assert stranger["debug"] == {}
        assert friend["debug"]["key"] == f"{HOST}{path}"
        assert friend["debug"]["tags"] == "news"
        assert len(origin.received_at(path)) == 1

    def test_a_running_gateway_names_the_faults_of_a_page_and_its_trace(self, weft, start_gateway, origin, path):
        origin.script(f"{path}/a", answer(ok(b"A", b"Cache-Control: max-age=60")))
        origin.script(path, answer(ok(f'\n<esi:foo/><esi:include src="{path}/a"/><esi:bar/>'.encode(), *ESI)))
        gateway = start_gateway({"debug.tokens": "sesame-sesame-sesame"})
        live = ("--live", f"http://127.0.0.1:{gateway.port}", "--json", "--token", "sesame-sesame-sesame")
        for _ in range(2):  # from the origin, from memory
            found = json.loads(weft("explain", f"{HOST}{path}", *live).out)
        assert found["debug"]["problems"].startswith("2 unknown-element@2:1,unknown-element@2:")
        assert f"{path}/a" in found["fields"]["weft-includes"]
        assert found["fields"]["weft-trace"].startswith("/_weft/trace/")

    def test_a_gateway_that_is_not_there_is_exit_1(self, weft):
        with closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            outcome = weft("explain", "http://a.test/", "--live", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert outcome.code == 1
        assert outcome.err.count("\n") == 1
