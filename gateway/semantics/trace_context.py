"""Trace context: which trace a request belongs to, and whether anybody writes it down. Pure. W3C Trace Context, levels 1 and 2.

    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01        tracestate: vendor=what it likes,other=…
                 version  trace id                        parent id       flags

What breaks the grammar is dropped, never repaired: a receiver would do the same, and two readers could take a repaired one for different traces.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.semantics.message import Fields, values

__all__ = ["TRACE_FIELDS", "TraceContext", "checked", "parse_parent", "parse_state", "trace_of", "with_trace", "without_trace"]

TRACE_FIELDS = frozenset({b"traceparent", b"tracestate"})

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SIMPLE_KEY = rb"[a-z][a-z0-9_\-*/]{0,255}"
_TENANT_KEY = rb"[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_MEMBER = re.compile(
    rb"(%b|%b)=([ -+\--<>-~]{0,255}[!-+\--<>-~])" % (_TENANT_KEY, _SIMPLE_KEY)
)  # neither , nor =; no blank at the end. §3.3.1.3
_MOST_MEMBERS = 32
_LONGEST_STATE = 512
"""Octets that everybody has to pass on; we pass on no more. §3.3.1.5"""
_LARGE_MEMBER = 128
"""Octets beyond which a member is the first to go. §3.3.1.5"""
_SAMPLED, _RANDOM = 0x01, 0x02
"""The flags that there are: the caller writes this trace down; its id is random. §3.2.2.5, level 2 §3.2.2.5.2."""


class TraceContext(NamedTuple):
    """trace_id, parent_id: 32 and 16 hexadecimal digits. flags: those that are known. state: `tracestate`, b"" without one."""

    trace_id: bytes
    parent_id: bytes
    flags: int = 0
    state: bytes = b""

    @property
    def is_sampled(self) -> bool:
        """Whether whoever sent it writes the trace down."""
        return bool(self.flags & _SAMPLED)

    def encode_parent(self) -> bytes:
        """`traceparent`, in the version that we know."""
        return b"00-%b-%b-%02x" % (self.trace_id, self.parent_id, self.flags)

    def encode(self) -> Fields:
        """Both fields."""
        parent = (b"traceparent", self.encode_parent())
        return [parent, (b"tracestate", self.state)] if self.state else [parent]


def parse_parent(value: bytes) -> TraceContext | None:
    """A `traceparent`, None for what is none: version ff, ids of zeros, capitals, another length. A later version may go on behind the flags. §3.2, §4.3."""
    found = _PARENT.fullmatch(value)
    if found is None:
        return None
    version, trace_id, parent_id, flags, rest = found.groups()
    if version == b"ff" or (version == b"00" and rest is not None) or not trace_id.strip(b"0") or not parent_id.strip(b"0"):
        return None
    return TraceContext(trace_id, parent_id, int(flags, 16) & (_SAMPLED | _RANDOM))


def parse_state(lines: list[bytes]) -> bytes:
    """`tracestate`, its lines joined, empty members left out, cut to what everybody passes on; b"" for what breaks the grammar. §3.3."""
    members = [member.strip(b" \t") for line in lines for member in line.split(b",")]
    members = [member for member in members if member]
    if not members or len(members) > _MOST_MEMBERS:
        return b""
    keys = set()
    for member in members:
        found = _MEMBER.fullmatch(member)
        if found is None:
            return b""
        keys.add(found[1])
    if len(keys) < len(members):
        return b""  # each key once. §3.3.1.3.1
    return b",".join(_cut(members))


def _cut(members: list[bytes]) -> list[bytes]:
    """Those that fit: the large ones go first, then the last, which are the oldest."""
    size = sum(len(member) + 1 for member in members) - 1
    while size > _LONGEST_STATE:
        large = [index for index, member in enumerate(members) if len(member) > _LARGE_MEMBER]
        gone = members.pop(large[-1] if large else -1)
        size -= len(gone) + 1
    return members


def trace_of(fields: Fields) -> TraceContext | None:
    """What a request says of its trace; None when it says nothing that holds. Two traceparents say nothing."""
    parents = values(fields, b"traceparent")
    context = parse_parent(parents[0]) if len(parents) == 1 else None
    if context is None:
        return None  # a state without a parent means nothing. §3.3
    return context._replace(state=parse_state(values(fields, b"tracestate")))


def without_trace(fields: Fields) -> Fields:
    """The other fields."""
    return [field for field in fields if field[0] not in TRACE_FIELDS]


def with_trace(fields: Fields, context: TraceContext) -> Fields:
    """The same fields, of that trace."""
    return without_trace(fields) + context.encode()


def checked(fields: Fields) -> Fields:
    """The same fields with what holds of their trace context, in one spelling."""
    context = trace_of(fields)
    return without_trace(fields) if context is None else with_trace(fields, context)
