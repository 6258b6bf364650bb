"""Mark 10 of issue 2: a real CMS behind the gateway. Anonymous pages come from the cache, editors get their work done, and nothing private is stored.

One long session, as a site has it, with the site as `wagtail start` made it and with weft_cache.py of docs/wagtail.md. Printed as a transcript: who, what,
status, Cache-Status.
"""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import ExitStack

import httpx
import pytest

from tests.cms.conftest import PASSWORD, USER, Person, Site, read_forms
from tests.support.chromium import Chromium, find_chromium

pytestmark = pytest.mark.cms


def is_hit(response: httpx.Response) -> bool:
    return "; hit" in response.headers["cache-status"]


def is_stored(response: httpx.Response) -> bool:
    return "stored" in response.headers["cache-status"]


def touches_the_store(response: httpx.Response) -> bool:
    return is_hit(response) or is_stored(response)


def address_of(response: httpx.Response) -> str:
    return response.request.url.raw_path.decode()


class Day:
    """A day at a site: the scenes in order, each with those who take part."""

    def __init__(self, site: Site, transcript: list[str]) -> None:
        self.site = site
        self.transcript = transcript
        self.people = ExitStack()
        self.anna, self.ben, self.penelope, self.stranger = (
            self.people.enter_context(Person(name, site, transcript)) for name in ("anna", "ben", "penelope", "stranger")
        )
        self.about = 0
        transcript.append(f"── {'with weft_cache.py' if site.tells else 'as wagtail start made it'} ──")

    def scene(self, what: str) -> None:
        self.transcript.append(f"\n{what}")

    def visitors_share_pages(self) -> None:
        self.scene("Visitors without cookies share one copy of each page.")
        for page in ("/", "/about/", "/about/wool/", "/about/linen/"):
            first, second = self.anna.get(page), self.ben.get(page)
            assert is_stored(first), page
            assert is_hit(second), page
            assert first.text == second.text
        assert is_hit(self.ben.get("/?utm_source=letter"))

    def an_editor_logs_in(self) -> None:
        self.scene("An editor logs in; the form has a CSRF token.")
        answer = self.penelope.submit(self.penelope.get("/admin/login/"), username=USER, password=PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (302, "/admin/"), answer.text[:2000]
        assert USER in self.penelope.get("/admin/").text
        self.scene("She looks at the site: her own pages, with the user bar, each time from the site.")
        for _ in range(2):
            page = self.penelope.get("/about/")
            assert "wagtail-userbar" in page.text
            assert not touches_the_store(page)
        (self.about,) = set(re.findall(r"/admin/pages/(\d+)/edit/", page.text))

    def she_edits_and_previews(self) -> None:
        self.scene("She edits a page, saves a draft, and looks at a preview.")
        penelope, address = self.penelope, f"/admin/pages/{self.about}"
        form = penelope.get(f"{address}/edit/")
        assert penelope.submit(form, "/edit/", title="About our new looms").status_code == 302
        fields = next(form.fields for form in read_forms(form.text) if form.action.endswith("/edit/"))
        sent = penelope.post(f"{address}/edit/preview/", data=fields | {"title": "A preview nobody else sees"})
        assert sent.json()["is_valid"]
        assert "A preview nobody else sees" in penelope.get(f"{address}/edit/preview/?mode=").text
        assert "About our new looms" in penelope.get(f"{address}/view_draft/").text
        self.scene("Meanwhile visitors see what is published.")
        page = self.anna.get("/about/")
        assert is_hit(page)
        assert "About our looms" in page.text

    def she_publishes(self) -> None:
        self.scene("She publishes.")
        form = self.penelope.get(f"/admin/pages/{self.about}/edit/")
        publish = {"title": "About our new looms", "action-publish": "action-publish"}
        assert self.penelope.submit(form, "/edit/", **publish).status_code == 302
        if not self.site.tells:
            assert "About our looms" in self.anna.get("/about/").text, "nobody has told the gateway"
            told = self.site.weft("purge", "--url", f"{self.site.base}/about/", "--hard")
            self.transcript += ["$ weft purge --url …/about/ --hard", told.strip()]
            assert told == "Purged, hard: 1 stored response.\n"
        new, again = self.anna.get("/about/"), self.ben.get("/about/")
        assert "About our new looms" in new.text
        assert is_stored(new)
        assert is_hit(again)
        assert new.text == again.text
        assert is_hit(self.ben.get("/about/wool/")), "other pages have stayed"

    def she_uploads_a_picture(self) -> None:
        self.scene("She uploads a picture; visitors get it, octet for octet.")
        picture = png()
        form = self.penelope.get("/admin/images/add/")
        answer = self.penelope.submit(form, "/images/add/", files={"file": ("loom.png", picture, "image/png")}, title="A loom")
        assert answer.status_code == 302, answer.text[:2000]
        assert "A loom" in self.penelope.get("/admin/images/").text
        for visitor in (self.anna, self.ben):
            assert visitor.get("/media/original_images/loom.png").content == picture

    def a_page_has_a_password(self) -> None:
        self.scene("A page behind a password: its form has a CSRF token too, and the page is for those who know the word.")
        door = self.anna.get("/members/")
        assert "Password required" in door.text
        assert self.anna.submit(door, password="please").status_code == 200
        answer = self.anna.submit(door, password="open sesame")
        assert answer.status_code == 302
        assert answer.headers["location"] in ("/members/", f"{self.site.base}/members/")
        for _ in range(2):
            page = self.anna.get("/members/")
            assert "Members of the guild" in page.text
            assert not read_forms(page.text)
        assert "Password required" in self.ben.get("/members/").text, "ben gets the form, not the page"
        self.scene("A form without its token is refused by the site, through the gateway as well.")
        assert self.ben.post("/admin/login/", data={"username": USER, "password": PASSWORD}).status_code == 403

    def she_logs_out(self) -> None:
        self.scene("She logs out.")
        (form, *_) = read_forms(self.penelope.get("/admin/account/").text)
        assert self.penelope.post("/admin/logout/", data=form.fields).status_code == 302
        assert self.penelope.get("/admin/").status_code == 302

    def nothing_private_was_stored(self) -> None:
        seen = [*self.anna.seen, *self.ben.seen, *self.penelope.seen]
        private = [
            response
            for response in seen
            if response in self.penelope.seen or response.request.method == "POST" or response.url.path == "/members/"
        ]
        assert len(private) > 20
        assert not [f"{response.url}: {response.headers['cache-status']}" for response in private if touches_the_store(response)]

        self.scene("Afterwards a stranger asks for every address that was asked for: no word of theirs in what he gets.")
        secrets = self.penelope.secrets() | self.anna.secrets()
        assert len(secrets) > 10
        stranger = self.stranger
        for address in sorted({address_of(response) for response in seen if response.request.method == "GET"}):
            stranger.client.cookies.clear()
            page = stranger.get(address)
            assert not [word for word in secrets if word in page.text], address
            assert "wagtail-userbar" not in page.text, address
            assert not re.search(r"(?i)log out", page.text), address

        self.scene("What is stored is what visitors were given from the store, and nothing else.")
        public = self.anna.seen + self.ben.seen + stranger.seen
        shared = {address_of(response).partition("?utm_")[0] for response in public if touches_the_store(response)}
        self.transcript.append(f"weft_cache_objects {self.site.stored()}: {' '.join(sorted(shared))}")
        assert self.site.stored() == len(shared)


def test_a_day_at_a_site(site: Site, transcript: list[str]):
    day = Day(site, transcript)
    with day.people:
        day.visitors_share_pages()
        day.an_editor_logs_in()
        day.she_edits_and_previews()
        day.she_publishes()
        day.she_uploads_a_picture()
        day.a_page_has_a_password()
        day.she_logs_out()
        day.nothing_private_was_stored()


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium here")
def test_the_editor_works_in_a_real_browser(site: Site, tmp_path):
    """Its scripts, styles and translations come through; logging in and publishing by hand."""
    with Chromium(tmp_path / "profile") as browser:
        page = browser.open(f"{site.base}/admin/login/")
        page.wait("document.querySelector('[name=password]')")
        page.value(f"document.querySelector('[name=username]').value = {USER!r}")
        page.value(f"document.querySelector('[name=password]').value = {PASSWORD!r}")
        page.value("document.querySelector('[name=password]').form.submit()")
        page.wait("location.pathname === '/admin/'")
        page.ask("Page.navigate", {"url": f"{site.base}/admin/pages/3/edit/"})
        page.wait("document.readyState === 'complete' && document.querySelector('#id_title')")
        page.value("document.querySelector('#id_title').value = 'Woven by hand'")
        page.value("document.querySelector('[name=action-publish]').click()")
        page.wait("location.pathname === '/admin/pages/1/' && document.readyState === 'complete'")
        # Wagtail looks for news of itself and for a picture of the editor elsewhere; tests reach nobody.
        assert [one for one in page.complaints if "https://" not in one] == []
    site.weft("purge", "--everything", "--hard")
    assert "Woven by hand" in httpx.get(f"{site.base}/", trust_env=False).text


def png(side: int = 64) -> bytes:
    """A picture that Pillow accepts: grey stripes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(250 * ((x + y) % 2) for x in range(side)) for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
