"""docs/integrations/weft_jinja.py: what it leaves in a page is what the gateway reads; without a gateway the page stands by itself."""

from __future__ import annotations

import pytest
from jinja2 import TemplateSyntaxError

from fragments.esi.nodes import Include
from fragments.esi.parser import parse
from gateway.flow.assembly.rules import asks_for_esi
from gateway.semantics.message import Section


def included(html: str) -> list[dict[str, str]]:
    nodes, problems = parse(html.encode())
    assert not problems
    return [node.attributes for node in nodes if isinstance(node, Include)]


def test_a_slot_is_an_include_that_may_fail(render):
    html, fields = render('<p>{{ weft.slot("/cart?a=1&b=2", maxwait=300) }}</p>')
    assert included(html) == [{"src": "/cart?a=1&b=2", "onerror": "continue", "maxwait": "300"}]
    assert fields == {"Surrogate-Control": 'content="ESI/1.0"', "Vary": "Surrogate-Capability"}
    assert asks_for_esi(Section([(b"surrogate-control", fields["Surrogate-Control"].encode())]))


def test_a_block_keeps_its_body_for_the_time_when_the_fragment_fails(render):
    html, _ = render('{% esi "/recs/" ~ name, alt="/recs/plain" %}<b>{{ name }}</b>{% endesi %}', name="a&b")
    assert html == '<esi:include src="/recs/a&amp;b" alt="/recs/plain"><b>a&amp;b</b></esi:include>'
    assert included(html) == [{"src": "/recs/a&b", "alt": "/recs/plain"}]


def test_a_block_without_a_body_is_an_empty_element(render):
    html, _ = render('{% esi "/foot" %} {% endesi %}')
    assert html == '<esi:include src="/foot"/>'


@pytest.mark.parametrize("asynchronous", [False, True])
def test_without_a_gateway_the_body_stands_and_a_slot_is_empty(render, asynchronous):
    text = '{{ weft.slot("/cart") }}{% esi "/recs" %}<b>{{ name }}</b>{% endesi %}'
    html, fields = render(text, gateway=False, asynchronous=asynchronous, name="<")
    assert html == "<b>&lt;</b>"
    assert fields == {"Vary": "Surrogate-Capability"}


def test_a_page_without_places_says_nothing(render):
    assert render("<p>plain</p>") == ("<p>plain</p>", {})


def test_tags_are_collected_each_once_and_hold_no_blank(render):
    html, fields = render('{{ weft.tag("product-7", "list of") }}{{ weft.tag("product-7") }}x')
    assert html == "x"
    assert fields == {"Surrogate-Key": "product-7 list%20of"}


def test_what_a_visitor_has_written_can_not_end_the_element(render):
    html, _ = render('{% esi src, alt="/x" %}{{ src }}{% endesi %}', src='"/><esi:include src="/evil"/></esi:include>')
    (only,) = included(html)
    assert only == {"src": '"/><esi:include src="/evil"/></esi:include>', "alt": "/x"}


def test_an_attribute_that_esi_does_not_know_is_a_mistake_in_the_template(render):
    with pytest.raises(TemplateSyntaxError, match="unknown attribute oneror"):
        render('{% esi "/a", oneror="continue" %}{% endesi %}')
