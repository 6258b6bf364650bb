"""Who asks for what, and what the origin is told of it. Pure.

Nothing a client sends that is not in the key may change a stored response. So what reaches the origin is rebuilt here: fields of one
connection go, fields by which frameworks let a client override host, path or method go, and what says who we are is ours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.cache.key import Crowd, Key
from gateway.cache.plan import Ask, parse_ask
from gateway.cache.variant import NominatedValues, VaryNames, nominated_values
from gateway.flow.assembly.inclusion import Inclusion, Tally
from gateway.flow.assembly.rules import CAPABILITY
from gateway.flow.routes import Route
from gateway.semantics.conditional import CONDITIONAL
from gateway.semantics.fields import connection_options, end_to_end
from gateway.semantics.message import Fields, Request, Section, joined
from gateway.semantics.negotiation import normal_encodings, normal_languages
from gateway.semantics.trace_context import TRACE_FIELDS, checked
from gateway.telemetry.trace import TraceNode

if TYPE_CHECKING:
    from gateway.flow.assembly.csrf import Csrf
    from gateway.flow.assembly.fetching import Foreseen

__all__ = ["OVERRIDES", "Identity", "Visit", "has_looped", "origin_fields", "selecting_values", "wants_upgrade"]

OVERRIDES = frozenset(
    {
        # host and path, as seen by frameworks behind other proxies
        b"x-forwarded-host", b"x-forwarded-server", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-scheme", b"x-forwarded-ssl",
        b"x-forwarded-path", b"x-forwarded-uri", b"x-host", b"x-original-host", b"x-original-url", b"x-original-uri", b"x-rewrite-url",
        b"x-http-host-override", b"x-wap-profile", b"x-url-scheme", b"front-end-https", b"x-script-name", b"base-url", b"request-uri",
        # method
        b"x-http-method-override", b"x-http-method", b"x-method-override",
        # who asks: said anew below
        b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip", b"forwarded", b"true-client-ip", b"x-client-ip", b"x-cluster-client-ip",
        b"x-forwarded-by", b"x-forwarded", b"forwarded-for", b"client-ip",
        # who assembles: ours to say, or a client could have pages sent with their markup
        b"surrogate-capability",
    }
)  # fmt: skip
"""Request fields that never come from a client. CWE-444, CWE-525; list gathered from web-cache-poisoning reports."""

_FRAMING = frozenset({b"host", b"content-length", b"x-request-id", b"weft-debug"})
_NOT_OF_CLIENTS = OVERRIDES | _FRAMING
_ROUTES_REMEMBERED = 8
_OURS_TO_SAY = CONDITIONAL | {b"range"}


class Identity:
    """What we say of ourselves to origins. via: our pseudonym (RFC 9110 §7.6.3); forwarded: whether to tell who asked."""

    __slots__ = ("forwarded", "request_id_field", "via")

    def __init__(self, via: str = "weft", *, forwarded: bool = True, request_id_field: str = "x-request-id") -> None:
        self.via = via.encode("ascii")
        self.forwarded = forwarded
        self.request_id_field = request_id_field.lower().encode("ascii")


class Visit:
    """A request that has found its route: what every later step works on.

    overtaken: while the origin was asked, a purge hit what it is about; so its answer may be of before. inclusion: it is made for a page.
    foreseen: what its page is likely to include, asked for already. set_cookies: of includes that may set some, for the head. tally: includes that its page may still make. csrf: the token of the page, once it was asked for. trace: where it is noted how the answer came to be, for who may see it. whole: a part would be of no use, whatever the client asks for. spare: no origin is to be asked for it: there is too much to do. raised: what answers it has just come from level 2.
    """

    __slots__ = (
        "ask",
        "csrf",
        "foreseen",
        "inclusion",
        "interim",
        "key",
        "overtaken",
        "raised",
        "request",
        "request_id",
        "route",
        "set_cookies",
        "spare",
        "started",
        "tally",
        "trace",
        "whole",
    )

    def __init__(self, request: Request, route: Route, target: bytes, started: float, request_id: str) -> None:
        self.request = request
        self.route = route
        self.key: Key = (request.scheme, request.host, target)
        self.ask: Ask = parse_ask(request.section, obey=route.policy.request_directives)
        self.interim = request.interim
        self.started = started
        self.request_id = request_id
        self.overtaken = False
        self.raised = False
        self.inclusion: Inclusion | None = None
        self.whole = False
        self.spare = False
        self.trace: TraceNode | None = None
        self.foreseen: Foreseen | None = None
        self.csrf: Csrf | None = None
        self.tally: Tally | None = None
        self.set_cookies: list[bytes] | None = None

    @property
    def crowd(self) -> Crowd:
        """What is remembered of uncacheable answers is remembered for these."""
        ask = self.ask
        return self.key, ask.authorized or ask.no_store or b"cookie" in self.request.section


def selecting_values(names: VaryNames, request: Request, route: Route) -> NominatedValues:
    """What the request says on the fields that a `Vary` names, as the origin would be told."""
    if not names:
        return ()
    relevant = [field for field in request.fields if field[0] in names and field[0] not in OVERRIDES]
    return nominated_values(names, _normalised(relevant, route))


def origin_fields(visit: Visit, identity: Identity, *, shared: bool, conditions: Fields = ()) -> Fields:  # type: ignore[assignment]
    """The request fields for the origin.

    shared: the response may be stored and given to others: preconditions and ranges are then ours to set (`conditions`), and what is negotiated is
    brought to one spelling. Otherwise the client's own go through.
    """
    request, route = visit.request, visit.route
    fields, via = _shared_fields(request.section, route, identity) if shared else _own_fields(visit, identity)
    host = route.host_header or request.host or route.authority  # HTTP/1.0 may have none
    own = request.version + b" " + identity.via
    fields = [(b"host", host), *fields, *conditions, (b"via", own if via is None else via + b", " + own)]
    if identity.request_id_field:
        fields.append((identity.request_id_field, visit.request_id.encode("ascii")))
    if identity.forwarded and route.tells_client:
        fields += _forwarded(request.client, request.host, request.scheme)
    if route.esi.mode != "off":
        fields.append(CAPABILITY)
    return fields


def _shared_fields(section: Section, route: Route, identity: Identity) -> tuple[Fields, bytes | None]:
    """What of the client's fields goes into a request whose response may be given to others, Via apart; and Via. Remembered where the section is."""
    memory = section.memory
    if memory is not None and (known := memory.get(route)) is not None:
        return known  # type: ignore[return-value]  # set below
    fields = [field for field in _normalised(_of_client(section), route) if field[0] not in _OURS_TO_SAY]
    made = _without_ours(fields, identity), joined(fields, b"via")
    if memory is not None and len(memory) < _ROUTES_REMEMBERED:
        memory[route] = made
    return made


def _own_fields(visit: Visit, identity: Identity) -> tuple[Fields, bytes | None]:
    """The same for a response that is this client's alone."""
    fields = _of_client(visit.request.section)
    if visit.whole:
        fields = [field for field in fields if field[0] not in _OURS_TO_SAY]
    if visit.request.method in (b"OPTIONS", b"TRACE"):
        fields = [(name, _one_less(value) if name == b"max-forwards" else value) for name, value in fields]
    return _without_ours(fields, identity), joined(fields, b"via")


def _of_client(section: Section) -> Fields:
    kept = [field for field in end_to_end(section.fields) if field[0] not in _NOT_OF_CLIENTS]
    return kept if TRACE_FIELDS.isdisjoint(section) else checked(kept)


def _without_ours(fields: Fields, identity: Identity) -> Fields:
    """Without what is said anew of each request."""
    return [field for field in fields if field[0] != b"via" and field[0] != identity.request_id_field]


def _normalised(fields: Fields, route: Route) -> Fields:
    """Fields of negotiation in one spelling, so that equal wishes give equal variants."""
    accept_encoding = accept_language = None
    rest = []
    for field in fields:
        if field[0] == b"accept-encoding":
            accept_encoding = field[1] if accept_encoding is None else accept_encoding + b", " + field[1]
        elif field[0] == b"accept-language":
            accept_language = field[1] if accept_language is None else accept_language + b", " + field[1]
        else:
            rest.append(field)
    # With compression on we compress ourselves, once for all: the origin is asked for the plain form.
    rest.append(
        (b"accept-encoding", b"identity" if route.compression.codings else normal_encodings(accept_encoding, (b"br", b"gzip")))
    )
    if (language := normal_languages(accept_language, route.languages)) is not None:
        rest.append((b"accept-language", language))
    return rest


@lru_cache(maxsize=4_096)
def _forwarded(chain: str, host: bytes, scheme: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """RFC 7239, and the older fields that most frameworks read. chain: of addresses that we trust, the client first."""
    nodes = [node.strip() for node in chain.split(",") if node.strip()]
    elements = []
    for index, node in enumerate(nodes):
        text = f'"[{node}]"' if ":" in node else node
        element = f"for={text}"
        if index == len(nodes) - 1:
            element += f";host={_quoted(host)};proto={scheme.decode('ascii')}"
        elements.append(element)
    return (
        (b"x-forwarded-for", chain.encode("latin-1")),
        (b"x-forwarded-proto", scheme),
        (b"x-forwarded-host", host),
        (b"forwarded", ", ".join(elements).encode("latin-1")),
    )


def _one_less(value: bytes) -> bytes:
    """Max-Forwards for the next recipient. RFC 9110 §7.6.2."""
    return b"%d" % (int(value) - 1) if value.isdigit() and int(value) else value


def _quoted(host: bytes) -> str:
    text = host.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if not text.replace("-", "a").replace(".", "a").isalnum() else text


def has_looped(request: Request, identity: Identity, limit: int = 5) -> bool:
    """The request has come through here limit times before: an origin points back at us. RFC 9110 §7.6.3."""
    via = request.section.joined(b"via")
    return via is not None and via.count(b" " + identity.via) >= limit


def wants_upgrade(request: Request) -> bool:
    """The client would like another protocol on this connection, and not HTTP/2 (which is ours to refuse by going on in HTTP/1.1). RFC 9110 §7.8."""
    protocol = request.section.get(b"upgrade")
    if protocol is None or request.version != b"1.1" or protocol.lower().startswith(b"h2c"):
        return False
    return b"upgrade" in connection_options(request.fields)
