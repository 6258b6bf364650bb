"""A request and a response as values: what every step of the flow takes and gives.

Names of fields are lower-case bytes, values are bytes without surrounding blanks, in the order of the wire. Nothing here knows a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gateway.semantics.trace_context import TraceContext

__all__ = ["Fields", "Request", "Section", "first", "joined", "values"]

Fields: TypeAlias = list[tuple[bytes, bytes]]


class Section(dict[bytes, bytes]):
    """A header section for who has many questions: read once, then looked up. What `first` and `joined` say, without a walk for each name.

    As a dictionary: the value of the first field of each name. fields: the section itself, which must not change any more.
    memory: for a section that is kept, what the flow has made of it; belongs to the flow.
    """

    __slots__ = ("fields", "memory")

    def __init__(self, fields: Fields) -> None:
        super().__init__(reversed(fields))  # the last one set is the first one said
        self.fields = fields
        self.memory: dict[object, object] | None = None

    def joined(self, name: bytes) -> bytes | None:
        """All fields of that name as one list value (RFC 9110 §5.3), None when there is none."""
        value = self.get(name)
        if value is None or len(self) == len(self.fields):
            return value
        return joined(self.fields, name)


class Request:
    """One request as a client made it, framing removed.

    method      as sent, e.g. b"GET"
    scheme      b"http" or b"https", after the trusted proxies had their say
    host        the authority the client asked for, lower case, default port removed; b"" when HTTP/1.0 gave none
    target      origin-form request target (path and query) exactly as sent, or b"*"
    fields      all fields, names in lower case
    client      address of the client as text, after the trusted proxies had their say
    has_body    True when the framing announces content (even of length 0 by chunked coding)
    body        the content, or None; may be iterated once
    length      declared Content-Length, None when absent
    trailers    trailer fields, complete once the body has been read
    expect      the Expect field, None when absent
    interim     where the client can be sent 1xx responses, None where it can't
    trace       what it said of its trace when it is followed, None when nobody does; fields then hold a parent of ours
    """

    __slots__ = (
        "_section",
        "body",
        "client",
        "expect",
        "fields",
        "has_body",
        "host",
        "interim",
        "length",
        "method",
        "scheme",
        "target",
        "trace",
        "trailers",
        "version",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        host: bytes,
        fields: Fields,
        *,
        scheme: bytes = b"http",
        client: str = "",
        version: bytes = b"1.1",
        has_body: bool = False,
        body: AsyncIterator[bytes] | None = None,
        length: int | None = None,
        trailers: Fields | None = None,
        expect: bytes | None = None,
        interim: Callable[[int, Fields], None] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.host = host
        self.fields = fields
        self.scheme = scheme
        self.client = client
        self.version = version
        self.has_body = has_body
        self.body = body
        self.length = length
        self.trailers = trailers
        self.expect = expect
        self.interim = interim
        self.trace: TraceContext | None = None
        self._section: Section | None = None

    @property
    def section(self) -> Section:
        """The fields, for who has many questions."""
        section = self._section
        if section is None or section.fields is not self.fields:
            section = self._section = Section(self.fields)
        return section

    @section.setter
    def section(self, section: Section) -> None:
        self._section = section


def first(fields: Fields, name: bytes) -> bytes | None:
    """The value of the first field of that name, None when there is none."""
    for field, value in fields:
        if field == name:
            return value
    return None


def values(fields: Fields, name: bytes) -> list[bytes]:
    """The values of all fields of that name, in order."""
    return [value for field, value in fields if field == name]


def joined(fields: Fields, name: bytes) -> bytes | None:
    """All fields of that name as one list value (RFC 9110 §5.3), None when there is none."""
    found = None
    for field, value in fields:
        if field == name:
            found = value if found is None else found + b", " + value
    return found
