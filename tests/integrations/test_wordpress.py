"""docs/integrations/weft.php, run by PHP with as much of WordPress around it as it asks for (wordpress.php)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from fragments.esi.nodes import Include
from fragments.esi.parser import parse
from gateway.flow.assembly.rules import CAPABILITY

PLUGIN = Path(__file__).parents[2] / "docs/integrations/weft.php"
STAGE = Path(__file__).with_name("wordpress.php")

PAGE = Path(__file__).parents[2] / "docs/integrations/wordpress.md"


def test_php_on_the_page_is_php():
    blocks = re.findall(r"^```php\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        text = block if block.startswith("<?php") else f"<?php\n{block}"
        done = subprocess.run(["php", "-l"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def run(*, gateway: bool = True, **given) -> tuple[str, list[str], list]:
    """The page, its header section, and what was sent to the gateway."""
    if gateway:
        given["capability"] = CAPABILITY[1].decode()
    command = ["php", "-d", "display_errors=stderr", "-d", "error_reporting=-1", str(STAGE), str(PLUGIN)]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    return told["html"], told["fields"], told["sent"]


def included(html: str) -> list[dict[str, str]]:
    nodes, problems = parse(html.encode())
    assert not problems
    return [node.attributes for node in nodes if isinstance(node, Include)]


def test_a_slot_is_an_include_that_may_fail():
    html, fields, _ = run(text='<p>[weft_slot src="/cart?a=1&b=2" maxwait="300" class="x"]</p>')
    assert included(html) == [{"src": "/cart?a=1&b=2", "maxwait": "300", "onerror": "continue"}]
    assert fields == ['Surrogate-Control: content="ESI/1.0"', "Vary: Surrogate-Capability"]


def test_a_template_may_have_slots_too():
    html, _, _ = run(template="weft_slot( '/cart', array( 'alt' => '/none', 'name' => 'cart' ) );")
    assert html == '<esi:include src="/cart" alt="/none" name="cart" onerror="continue"/>'


def test_a_block_keeps_its_body_for_the_time_when_the_fragment_fails():
    html, _, _ = run(text='[esi src="/recs" alt="/none"]<b>B</b>[/esi]')
    assert html == '<esi:include src="/recs" alt="/none"><b>B</b></esi:include>'
    assert included(html) == [{"src": "/recs", "alt": "/none"}]


def test_without_a_gateway_the_body_stands_and_a_slot_is_empty():
    html, fields, _ = run(gateway=False, text='[weft_slot src="/cart"][esi src="/recs"]<b>B</b>[/esi]')
    assert html == "<b>B</b>"
    assert fields == ["Vary: Surrogate-Capability"]


def test_posts_are_tags_and_a_list_of_them_is_one_too():
    _, fields, _ = run(posts=[7, 9, 7], singular=False)
    assert fields == ["Surrogate-Key: lists post-7 post-9"]
    _, fields, _ = run(posts=[7], template="weft_tags( 'a b' );")
    assert fields == ["Surrogate-Key: post-7 a%20b"]


def test_pages_of_somebody_who_is_logged_in_are_private():
    assert "Cache-Control: private, no-store" in run(user=True)[1]


@pytest.mark.parametrize(
    ("new", "old", "purges"),
    [("publish", "draft", True), ("trash", "publish", True), ("publish", "publish", True), ("draft", "draft", False)],
)
def test_what_is_published_or_taken_back_is_purged(new, old, purges):
    _, _, sent = run(changes=[[new, old, 7]])
    assert len(sent) == purges
    if purges:
        (url, options) = sent[0]
        assert url == "http://gateway.test/_weft/purge"
        assert options["headers"]["Authorization"] == "Bearer sesame"
        assert json.loads(options["body"]) == {"tags": ["post-7", "lists"], "hard": True}
