"""Django (5.2 or later) and Wagtail behind Weft: places in a page that are filled at the edge. docs/integrations/django.md says where to put this file.

A template tag leaves `<esi:include>` in the page, and the middleware tells the gateway to look for it. Without a gateway in front (no
`Surrogate-Capability` in the request) the same template shows the body of `{% esi %}`, or nothing.
"""

from urllib.parse import quote

from django import template
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.utils.safestring import mark_safe

register = template.Library()

_ATTRIBUTES = {"alt", "maxwait", "name", "onerror", "required", "ttl"}


def assembles(request):
    """Whether a gateway in front runs ESI. Edge Architecture Specification §3.1."""
    if request is None:
        return False
    request.weft_was_asked = True
    return "ESI/1." in request.headers.get("Surrogate-Capability", "")


def tag_response(request, *tags):
    """For views: what the response to this request shall be purged by."""
    known = request.__dict__.setdefault("weft_tags", {})
    known.update(dict.fromkeys(quote(str(tag), safe="-_.:~/@") for tag in tags))


class WeftMiddleware:
    """Says to the gateway what a page is: that it has places to be filled, and its tags. The first in MIDDLEWARE."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if getattr(request, "weft_has_places", False):
            _add(response, "Surrogate-Control", 'content="ESI/1.0"', ", ")
        if getattr(request, "weft_was_asked", False):
            patch_vary_headers(response, ["Surrogate-Capability"])
        if tags := getattr(request, "weft_tags", None):
            _add(response, "Surrogate-Key", " ".join(tags), " ")
        return response


def _add(response, name, value, separator):
    held = response.headers.get(name)
    response.headers[name] = value if not held else f"{held}{separator}{value}"


def _include(src, attributes, body=""):
    """The element. Every value is escaped; an attribute that ESI does not know is a mistake in the template."""
    if unknown := attributes.keys() - _ATTRIBUTES:
        raise template.TemplateSyntaxError(f"esi: unknown attribute {', '.join(sorted(unknown))}")
    pairs = "".join(format_html(' {}="{}"', name, value) for name, value in {"src": src, **attributes}.items())
    return mark_safe(f"<esi:include{pairs}>{body}</esi:include>" if body.strip() else f"<esi:include{pairs}/>")


@register.simple_tag(takes_context=True)
def weft_slot(context, src, **attributes):
    """`{% weft_slot "/cart" %}`: filled at the edge; empty when that fails, or when nobody fills it."""
    request = context.get("request")
    if not assembles(request):
        return ""
    request.weft_has_places = True
    return _include(src, {"onerror": "continue", **attributes})


@register.simple_block_tag(takes_context=True)
def esi(context, content, src, **attributes):
    """`{% esi "/recs" alt="/recs/plain" onerror="continue" %}what stands there meanwhile{% endesi %}`."""
    request = context.get("request")
    if not assembles(request):
        return content
    request.weft_has_places = True
    return _include(src, attributes, content)


@register.simple_tag(takes_context=True)
def weft_tags(context, *tags):
    """`{% weft_tags "products" product.pk %}`: what this page shall be purged by."""
    request = context.get("request")
    if request is not None:
        tag_response(request, *tags)
    return ""
