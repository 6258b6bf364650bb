"""docs/integrations/weft_django.py in a Django site: what it leaves in a page is what the gateway reads; without a gateway the page stands by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fragments.esi.nodes import Include
from fragments.esi.parser import parse
from gateway.flow.assembly.rules import CAPABILITY

FOLDER = Path(__file__).parents[2] / "docs/integrations"

pytestmark = pytest.mark.cms


@pytest.fixture(scope="module")
def site():
    """Django with the settings of docs/integrations/django.md, in this process."""
    import django  # noqa: PLC0415 - only there with the extra cms
    from django.conf import settings  # noqa: PLC0415

    sys.path.insert(0, str(FOLDER))
    settings.configure(
        MIDDLEWARE=["weft_django.WeftMiddleware"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "libraries": {"weft": "weft_django"},
                },
            }
        ],
    )
    django.setup()
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture
def render(site):
    """render(template, gateway=True, **variables) → the response, through the middleware."""
    from django.http import HttpResponse  # noqa: PLC0415
    from django.template import engines  # noqa: PLC0415
    from django.test import RequestFactory  # noqa: PLC0415
    from weft_django import WeftMiddleware  # noqa: PLC0415

    def run(text: str, *, gateway: bool = True, fields=(), **variables) -> HttpResponse:
        headers = {"Surrogate-Capability": CAPABILITY[1].decode()} if gateway else {}
        template = engines["django"].from_string("{% load weft %}" + text)

        def view(request):
            return HttpResponse(template.render(variables, request), headers=dict(fields))

        return WeftMiddleware(view)(RequestFactory().get("/", headers=headers))

    return run


def included(response) -> list[dict[str, str]]:
    nodes, problems = parse(response.content)
    assert not problems
    return [node.attributes for node in nodes if isinstance(node, Include)]


def test_a_slot_is_an_include_that_may_fail(render):
    response = render('<p>{% weft_slot "/cart?a=1&b=2" maxwait=300 %}</p>')
    assert included(response) == [{"src": "/cart?a=1&b=2", "onerror": "continue", "maxwait": "300"}]
    assert response["Surrogate-Control"] == 'content="ESI/1.0"'
    assert response["Vary"] == "Surrogate-Capability"


def test_a_block_keeps_its_body_for_the_time_when_the_fragment_fails(render):
    response = render('{% esi src alt="/recs/plain" %}<b>{{ src }}</b>{% endesi %}', src="/recs/a&b")
    assert response.content.decode() == '<esi:include src="/recs/a&amp;b" alt="/recs/plain"><b>/recs/a&amp;b</b></esi:include>'
    assert included(response) == [{"src": "/recs/a&b", "alt": "/recs/plain"}]


def test_without_a_gateway_the_body_stands_and_a_slot_is_empty(render):
    response = render('{% weft_slot "/cart" %}{% esi "/recs" %}<b>B</b>{% endesi %}', gateway=False)
    assert response.content == b"<b>B</b>"
    assert "Surrogate-Control" not in response
    assert response["Vary"] == "Surrogate-Capability"


def test_a_page_without_places_says_nothing(render):
    response = render("plain")
    assert not {"Surrogate-Control", "Surrogate-Key", "Vary"} & set(response.headers)


def test_what_a_view_says_stays_and_tags_are_collected_each_once(render):
    said = {"Surrogate-Control": "max-age=600", "Surrogate-Key": "home", "Vary": "Accept-Language"}
    response = render('{% weft_slot "/a" %}{% weft_tags "product-7" "list of" %}{% weft_tags "product-7" %}', fields=said)
    assert response["Surrogate-Control"] == 'max-age=600, content="ESI/1.0"'
    assert response["Surrogate-Key"] == "home product-7 list%20of"
    assert response["Vary"] == "Accept-Language, Surrogate-Capability"


def test_what_a_visitor_has_written_can_not_end_the_element(render):
    hostile = '"/><esi:include src="/evil"/></esi:include>'
    (only,) = included(render('{% esi src alt="/x" %}{{ src }}{% endesi %}', src=hostile))
    assert only == {"src": hostile, "alt": "/x"}


def test_an_attribute_that_esi_does_not_know_is_a_mistake_in_the_template(render):
    from django.template import TemplateSyntaxError  # noqa: PLC0415

    with pytest.raises(TemplateSyntaxError, match="unknown attribute oneror"):
        render('{% esi "/a" oneror="continue" %}{% endesi %}')
