"""What is made anew for each response though everybody shares the page: CSP nonces, CSRF tokens."""

from __future__ import annotations

import re

import pytest

MARK = "nonce-of-the-site-4711"
NONCE = re.compile(rb"[A-Za-z0-9_-]{22}")


@pytest.fixture
def nonces(start_gateway):
    return start_gateway({"esi.nonce": MARK})


def policy(mark=MARK):
    return f"Content-Security-Policy: script-src 'nonce-{mark}'".encode()


def test_a_nonce_is_made_anew_in_header_page_and_fragment_alike(nonces, site, ask):
    page = site.page("/", f'<script nonce="{MARK}">1</script><esi:include src="{{}}/part"/>'.encode(), policy())
    site.page("/part", f'<script nonce="{MARK}">2</script>'.encode(), esi=False)
    seen = set()
    for _ in range(3):
        answer = ask(nonces, page)
        said = re.fullmatch(rb"script-src 'nonce-([A-Za-z0-9_-]{22})'", answer.value(b"content-security-policy"))
        assert answer.body == b'<script nonce="%b">1</script><script nonce="%b">2</script>' % (said[1], said[1])
        assert answer.value(b"cache-control") == b"private, no-store"
        assert answer.value(b"etag") is None
        seen.add(said[1])
    assert len(seen) == 3
    assert len(site.asked("/")) == len(site.asked("/part")) == 1


def test_a_page_with_a_nonce_never_answers_304(nonces, site, ask):
    page = site.page(
        "/",
        f'<script nonce="{MARK}">1</script>'.encode(),
        policy(),
        b'ETag: "v1"',
        b"Last-Modified: Tue, 24 Nov 2026 08:00:00 GMT",
    )
    for line in (b'If-None-Match: "v1"', b"If-None-Match: *", b"If-Modified-Since: Wed, 25 Nov 2026 08:00:00 GMT"):
        ask(nonces, page)
        assert ask(nonces, page, line).status == 200


def test_the_mark_is_found_wherever_the_origins_chunks_cut_it(nonces, site, ask):
    whole = f'<p>a</p><script nonce="{MARK}">1</script><p>b</p>'.encode()
    head = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nSurrogate-Control: content="ESI/1.0"\r\nContent-Length: %d\r\n\r\n'
    for cut in range(20, len(whole) - 15, 3):

        def script(peer, _, cut=cut):
            peer.send(head % len(whole) + whole[:cut], whole[cut:])

        site.origin.script(f"{site.path}/cut{cut}", script)
        body = ask(nonces, f"{site.path}/cut{cut}").body
        assert re.fullmatch(rb'<p>a</p><script nonce="[A-Za-z0-9_-]{22}">1</script><p>b</p>', body), cut


def test_a_nonce_gives_no_power_to_markup_that_nobody_asked_to_run(nonces, site, ask):
    page = site.page("/", f'<script nonce="{MARK}">1</script><esi:include src="{{}}/part"/>'.encode(), policy(), esi=False)
    body = ask(nonces, page).body
    assert b"<esi:include" in body
    assert MARK.encode() not in body
    assert not site.asked("/part")


def test_a_page_without_the_mark_is_cached_as_ever(nonces, site, ask):
    page = site.page("/", b"<p>plain</p>")
    ask(nonces, page)
    answer = ask(nonces, page)
    assert answer.value(b"cache-control").startswith(b"max-age=")
    assert ask(nonces, page, b"If-None-Match: " + answer.value(b"etag")).status == 304


@pytest.fixture
def tokens(start_gateway):
    return start_gateway({"esi.csrf_cookie": "csrftoken"})


FORM = b'<form><esi:vars><input name="csrf" value="$(CSRF_TOKEN)"></esi:vars></form>'


def test_a_visitor_without_a_token_gets_one_in_form_and_cookie(tokens, site, ask):
    page = site.page("/", FORM)
    seen = set()
    for _ in range(3):
        answer = ask(tokens, page)
        token = re.search(rb'value="([A-Za-z0-9]{32})"', answer.body)[1]
        assert answer.value(b"set-cookie") == b"csrftoken=%b; Path=/; SameSite=Lax" % token
        assert answer.value(b"cache-control") == b"private, no-store"
        seen.add(token)
    assert len(seen) == 3
    assert len(site.asked("/")) == 1


def test_a_visitor_with_a_token_keeps_it(tokens, site, ask):
    page = site.page("/", FORM)
    for _ in range(2):
        answer = ask(tokens, page, b"Cookie: a=b; csrftoken=0123456789abcdefghij")
        assert b'value="0123456789abcdefghij"' in answer.body
        assert answer.values(b"set-cookie") == []


@pytest.mark.parametrize("token", [b"short", b'"><script>alert(1)</script>aaaaaaaa', b"x" * 200])
def test_a_cookie_that_is_no_token_is_replaced(tokens, site, ask, token):
    answer = ask(tokens, site.page("/", FORM), b"Cookie: csrftoken=" + token)
    assert re.search(rb'value="[A-Za-z0-9]{32}"', answer.body)
    assert answer.value(b"set-cookie").startswith(b"csrftoken=")


def test_a_page_and_what_it_includes_have_one_token(tokens, site, ask):
    page = site.page("/", FORM + b'<esi:include src="{}/part"/>')
    site.page("/part", FORM)
    for _ in range(2):
        answer = ask(tokens, page)
        found = re.findall(rb'value="([A-Za-z0-9]{32})"', answer.body)
        assert len(found) == 2
        assert len(set(found)) == 1
        assert found[0] in answer.value(b"set-cookie")


def test_without_the_setting_there_is_no_token(gateway, site, ask):
    answer = ask(gateway, site.page("/", FORM))
    assert b'value=""' in answer.body
    assert answer.values(b"set-cookie") == []
