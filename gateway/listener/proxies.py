"""Whom we believe when it says who is asking: proxies in front of us, by address (RFC 7239 §8.1: anyone can write these fields)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Literal

from gateway.semantics.message import Fields, first, joined

__all__ = ["TrustedProxies"]

_FOR = re.compile(rb'for="?(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)', re.IGNORECASE)  # RFC 7239 §4, §6; a port is left out
_PROTO = re.compile(rb'proto="?(https?)', re.IGNORECASE)


class TrustedProxies:
    """Networks whose X-Forwarded-For and X-Forwarded-Proto count. Nobody by default, not even this machine. traces: whose word counts on the trace of a request."""

    def __init__(self, networks: Sequence[str] = (), *, traces: Literal["all", "trusted", "none"] = "all") -> None:
        self._traces = traces
        self._networks = [ip_network(network, strict=False) for network in networks]
        self.trusts = lru_cache(maxsize=4_096)(self._trusts) if self._networks else _trusts_nobody

    def may_trace(self, address: str) -> bool:
        """Whether the trace context of a peer's requests is taken up."""
        return self._traces == "all" or (self._traces == "trusted" and self.trusts(address))

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def told(self, peer: str, scheme: bytes, fields: Fields) -> tuple[str, bytes]:
        """(client chain, scheme) as a trusted peer tells them: by X-Forwarded-*, or by Forwarded (RFC 7239) where there is none.

        The chain is read from the right while its addresses are trusted, and ends with the first that is not: what stands left of that one was written by a
        stranger. The client comes first, the peer last.
        """
        chain = [peer]
        told = joined(fields, b"x-forwarded-for")
        forwarded = joined(fields, b"forwarded") if told is None else None
        nodes = [found[1] for found in _FOR.finditer(forwarded)] if forwarded is not None else (told or b"").split(b",")
        for node in reversed(nodes):
            address = node.decode("latin-1").strip().strip("[]")
            try:
                ip_address(address)
            except ValueError:
                break
            chain.insert(0, address)
            if not self.trusts(address):
                break
        proto = (first(fields, b"x-forwarded-proto") or b"").strip().lower()
        if not proto and forwarded is not None and (found := _PROTO.search(forwarded)) is not None:
            proto = found[1].lower()
        return ", ".join(chain), proto if proto in (b"http", b"https") else scheme


def _trusts_nobody(address: str) -> bool:  # noqa: ARG001 - the same question
    return False
