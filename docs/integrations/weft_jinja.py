"""Jinja2 behind Weft, in any framework: places in a page that are filled at the edge. docs/integrations/jinja.md says how it is used.

    environment = Environment(autoescape=True, extensions=[WeftExtension])
    page = WeftPage(request.headers.get("surrogate-capability"))
    html = template.render(weft=page)
    response.headers |= page.fields()

Without a gateway in front (no `Surrogate-Capability` in the request) the same template shows the body of `{% esi %}`, or nothing.
"""

from urllib.parse import quote

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension
from markupsafe import Markup

_ATTRIBUTES = {"alt", "maxwait", "name", "onerror", "required", "ttl"}


class WeftPage:
    """One page for one request: whether somebody assembles it, and what has to be said to him. Handed to the template as `weft`."""

    def __init__(self, capability):
        self.assembles = "ESI/1." in (capability or "")
        self._has_places = False
        self._was_asked = False
        self._tags = {}

    def tag(self, *tags):
        """What this page shall be purged by; in templates `{{ weft.tag("product-7") }}`."""
        self._tags.update(dict.fromkeys(quote(str(tag), safe="-_.:~/@") for tag in tags))
        return ""

    def slot(self, src, **attributes):
        """`{{ weft.slot("/cart") }}`: filled at the edge; empty when that fails, or when nobody fills it."""
        return self.include(src, {"onerror": "continue", **attributes}, "") if self.asks() else Markup()

    def asks(self):
        """Whether somebody assembles this page; that the answer depends on it is noted."""
        self._was_asked = True
        return self.assembles

    def include(self, src, attributes, body):
        """The element. Every value is escaped, the body is rendered already."""
        self._has_places = True
        pairs = Markup().join(Markup(' {}="{}"').format(name, value) for name, value in {"src": src, **attributes}.items())
        return Markup("<esi:include{}>{}</esi:include>" if body.strip() else "<esi:include{}/>").format(pairs, Markup(body))

    def fields(self):
        """For the response's header section, once the template is rendered. `Vary` is to be joined with what is there."""
        found = {}
        if self._has_places:
            found["Surrogate-Control"] = 'content="ESI/1.0"'
        if self._was_asked:
            found["Vary"] = "Surrogate-Capability"
        if self._tags:
            found["Surrogate-Key"] = " ".join(self._tags)
        return found


class WeftExtension(Extension):
    """`{% esi "/recs", alt="/recs/plain", onerror="continue" %}what stands there meanwhile{% endesi %}`."""

    tags = frozenset({"esi"})

    def parse(self, parser):
        line = next(parser.stream).lineno
        src, attributes = parser.parse_expression(), []
        while parser.stream.skip_if("comma"):
            name = parser.stream.expect("name")
            if name.value not in _ATTRIBUTES:
                raise TemplateSyntaxError(f"esi: unknown attribute {name.value}", name.lineno, parser.name, parser.filename)
            parser.stream.expect("assign")
            attributes.append(nodes.Pair(nodes.Const(name.value), parser.parse_expression()))
        body = parser.parse_statements(("name:endesi",), drop_needle=True)
        call = self.call_method("_render", [nodes.Name("weft", "load"), src, nodes.Dict(attributes)])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _render(self, page, src, attributes, caller):
        body = caller()
        return page.include(src, attributes, body) if page and page.asks() else body
