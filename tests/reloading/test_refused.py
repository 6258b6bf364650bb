"""What can't be built is refused with all its faults, and nothing has changed."""

from __future__ import annotations

import pytest

from gateway.errors import SettingsError

FAULTY = """
[upstream]
tls_ca_file = "TMP/none.pem"
[origins.blog]
url = "https://127.0.0.1:1"
tls_ca_file = "TMP/no.pem"
[templates]
directory = "TMP"
[slots.hero]
template = "bad.html"
[slots.gone]
template = "gone.html"
"""


def test_every_fault_of_the_files_that_settings_name_is_told_at_once(run, tmp_path):
    (tmp_path / "bad.html").write_text("<p>\n{% if %}", "utf-8")
    (tmp_path / "no.pem").write_text("nothing of a certificate", "utf-8")

    async def test(site):
        site.page("/p")
        await site.get("/p")
        before = site.gateway.site
        with pytest.raises(SettingsError) as caught:
            await site.reload(
                FAULTY.replace("TMP", str(tmp_path)),
                upstream__url="https://127.0.0.1:1",
                log__access="json",
                log__file=str(tmp_path / "nowhere" / "access.log"),
            )
        places = [problem.partition(": ")[0] for problem in caught.value.problems]
        assert sorted(places) == [
            "log.file",
            "origins.blog.tls_ca_file",
            "slots.gone.template",
            "slots.hero.template",
            "upstream.tls_ca_file",
        ]
        assert f"upstream.tls_ca_file: can't be used: {tmp_path / 'none.pem'}: No such file or directory" in caught.value.problems
        assert site.gateway.site is before
        assert (await site.get("/p")).outcome == "hit"

    run(test)


def test_afterwards_the_next_one_is_taken(run, tmp_path):
    async def test(site):
        site.page("/p")
        for _ in range(3):
            with pytest.raises(SettingsError):
                await site.setup.reload({"log.access": "text", "log.file": str(tmp_path)})
        await site.reload(cache__mode="bypass")
        assert (await site.get("/p")).outcome == "bypass"

    run(test)


def test_requests_do_not_notice_that_settings_were_refused(run, tmp_path):
    async def test(site):
        async def refused():
            for _ in range(20):
                with pytest.raises(SettingsError):
                    await site.setup.reload({"log.access": "text", "log.file": str(tmp_path)})

        assert set(await site.under_load(refused)) == {(200, "stored"), (200, "passed")}

    run(test)
