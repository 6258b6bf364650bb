"""Which addresses a foreign host may stand for: one table of verdicts, and a second opinion from the standard library."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.upstream.private_addresses import AddressGuard, is_public

PUBLIC = """
    1.1.1.1  8.8.8.8  9.255.255.255  11.0.0.0  93.184.216.34  100.63.255.255  100.128.0.0  126.255.255.255  128.0.0.1  168.63.129.15
    168.63.129.17  169.253.255.255  169.255.0.0  172.15.255.255  172.32.0.0  191.255.255.255  192.0.1.0  192.167.255.255  192.169.0.0
    198.17.255.255  198.20.0.0  223.255.255.255
    2000::1  2001:200::1  2001:4860:4860::8888  2606:4700:4700::1111  2a00:1450::1  2001:db7:ffff::1  2001:db9::1  2003::1  3ffe::1
    64:ff9b::1.1.1.1  64:ff9b::808:808
"""

PRIVATE = {
    "this network": "0.0.0.0 0.0.0.1 0.255.255.255",
    "loopback": "127.0.0.1 127.0.0.2 127.255.255.255 ::1",
    "RFC 1918": "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255",
    "RFC 4193": "fc00:: fd00::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "link-local": "169.254.0.0 169.254.0.1 169.254.255.255 fe80:: fe80::1 febf:ffff::1",
    "site-local": "fec0::1 feff::1",
    "metadata": "169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254",
    "carriers' NAT": "100.64.0.0 100.127.255.255",
    "protocol assignments": "192.0.0.0 192.0.0.8 192.0.0.171 192.0.0.255 2001:: 2001:1::1 2001:20::1 2001:1ff:ffff::1",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 3fff:fff:ffff::1",
    "benchmark": "198.18.0.0 198.19.255.255 2001:2::1",
    "multicast": "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    "reserved": "240.0.0.0 254.255.255.255 255.255.255.255 ::2 100::1 200::1 4000::1 5f00::1 8000::1 e000::1",
    "unspecified": "::",
    "IPv4-mapped": "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1 ::ffff:8.8.8.8",
    "IPv4-compatible": "::127.0.0.1 ::8.8.8.8",
    "IPv4-translated": "::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8",
    "NAT64": "64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b::0.0.0.0 64:ff9b::224.0.0.1",
    "NAT64 beside its prefix": "64:ff9b:0:0:0:1:808:808 64:ff9b:1::8.8.8.8 64:ff9b:1:ffff::1 64:ff9a::8.8.8.8",
    "6to4": "2002:7f00:1::1 2002:a00:1:: 2002:c0a8:1:: 2002:808:808::1 192.88.99.1",
    "Teredo": "2001:0:4136:e378:8000:63bf:f5ff:fffe 2001:0:a00:1::1 2001:0:808:808::1",
}

NO_ADDRESS = [
    "", " ", "localhost", "127.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "127.0.0.1.", " 8.8.8.8", "8.8.8.8\n", "8.8.8.8/32",
    "08.8.8.8", "8.8.8", "8.8.8.8.8", "[2606:4700::1]", "2606:4700::1%lo", "2606:4700::1%1", "fe80::1%eth0", "8.8.8.8:80", "8.8.8.８", "1.1.1.1\0",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_globally_routable_address_may_be_dialled(address: str) -> None:
    assert AddressGuard().permits(address)


@pytest.mark.parametrize(
    "address", [pytest.param(each, id=f"{kind}: {each}") for kind, addresses in PRIVATE.items() for each in addresses.split()]
)
def test_anything_else_may_not(address: str) -> None:
    """RFC 6890, and the ways to write an IPv4 address into an IPv6 one."""
    assert not AddressGuard().permits(address)
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_would_be_looked_up_again_may_not_be_dialled(text: str) -> None:
    """The resolver's answer is dialled as it is: were it a name, a second lookup could answer otherwise."""
    everything = AddressGuard([ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert not everything.permits(text)


def test_networks_that_the_operator_lists_pass_and_no_others() -> None:
    guard = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"), ip_network("127.0.0.1/32")])
    allowed = ["10.1.0.0", "10.1.255.255", "fd00:1::9", "127.0.0.1", "8.8.8.8", "64:ff9b::10.1.2.3"]
    refused = [
        "10.0.255.255",
        "10.2.0.0",
        "fd00:2::9",
        "127.0.0.2",
        "::1",
        "64:ff9b::10.2.0.0",
        "::ffff:10.1.2.3",
        "2002:a01:203::",
    ]
    assert [each for each in allowed if not guard.permits(each)] == []
    assert [each for each in refused if guard.permits(each)] == []


def test_a_mapped_address_passes_only_when_it_is_listed_as_such() -> None:
    assert AddressGuard([ip_network("::ffff:10.1.0.0/112")]).permits("::ffff:10.1.2.3")


@given(
    st.one_of(
        st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(network="2000::/3"), st.ip_addresses(network="2001::/16")
    )
)
@example(IPv4Address("8.8.8.8"))
@example(IPv6Address("64:ff9b::808:808"))
def test_we_are_nowhere_laxer_than_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    if AddressGuard().permits(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_loopback
