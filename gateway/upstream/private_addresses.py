"""Which IP addresses a host that is not ours may stand for: globally routable unicast, and what the operator has listed.

It judges one address as text, right before it is dialled (dialer.py); it resolves nothing and knows no names (guests.py does). The tables are
ours, from IANA's special-purpose registries (RFC 6890, as of 2025), and do not lean on `ipaddress.is_global`: that changed between patch releases
of Python 3.11 and takes 6to4, NAT64, multicast and 192.0.0.192 (Oracle's metadata service) for global in some of them.

    an address ─▶ has a zone, or is no address: no
               ─▶ in a listed network: yes
               ─▶ NAT64, 64:ff9b::/96: judged by the IPv4 address that it leads to (DNS64 makes these of every IPv4 host)
               ─▶ else by the tables

What no table can know: a NAT64 prefix of the network's own (RFC 6052 §2.2), and public addresses that only the inside can reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["AddressGuard", "is_public"]

# Blocks that the registry holds to be reachable in part (192.0.0.9, 2001:1::1, 2001:20::/28 …) are refused whole: no web server lives there.
_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself. RFC 791 §3.2
            "10.0.0.0/8",  # private. RFC 1918
            "100.64.0.0/10",  # carriers' NAT, and Alibaba's metadata service. RFC 6598
            "127.0.0.0/8",  # loopback. RFC 1122 §3.2.1.3
            "168.63.129.16/32",  # public by its number, but Azure's platform answers there, inside each virtual network
            "169.254.0.0/16",  # link-local, and most clouds' metadata services. RFC 3927
            "172.16.0.0/12",  # private. RFC 1918
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata service. RFC 6890 §2.1
            "192.0.2.0/24",  # documentation. RFC 5737
            "192.88.99.0/24",  # relays of 6to4, withdrawn. RFC 7526
            "192.168.0.0/16",  # private. RFC 1918
            "198.18.0.0/15",  # benchmarks. RFC 2544
            "198.51.100.0/24",  # documentation. RFC 5737
            "203.0.113.0/24",  # documentation. RFC 5737
            "224.0.0.0/4",  # multicast. RFC 5771
            "240.0.0.0/4",  # reserved, and broadcast. RFC 1112 §4
        ),
    )
)

# All global unicast that was ever given out. It leaves out ::, ::1, IPv4-mapped and -compatible, fc00::/7, fe80::/10, fec0::/10, ff00::/8,
# 100::/64 (discard), 64:ff9b:1::/48 (local NAT64, RFC 8215) and 5f00::/16 (SRv6).
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID. RFC 2928
            "2001:db8::/32",  # documentation. RFC 3849
            "2002::/16",  # 6to4: a relay would send it on to the IPv4 address inside. RFC 3056
            "3fff::/20",  # documentation. RFC 9637
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return True for globally routable unicast, a translated (NAT64) address being what it is translated to."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address in _NAT64:
        return is_public(_translated(address))
    return address in _UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)


class AddressGuard:
    """The tables, and the networks that the operator lets pass all the same."""

    __slots__ = ("_allowed",)

    def __init__(self, allow_private: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._allowed = tuple(allow_private)

    def permits(self, address: str) -> bool:
        """Return True when address may be dialled. Never raises: what is no plain address, so would be looked up again, may not."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address):
            if parsed.scope_id is not None:
                return False  # only local addresses have zones. RFC 4007 §6
            if parsed in _NAT64 and self._lists(_translated(parsed)):
                return True
        return self._lists(parsed) or is_public(parsed)

    def _lists(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._allowed)


def _translated(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)
