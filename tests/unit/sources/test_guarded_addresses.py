"""Which addresses a stranger's link may lead to."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.guarded_addresses import is_public_address

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "8.8.8.8.",
    "8.8.8",
    "0x08080808",
    "1.1.1.1/32",
]
NO_ADDRESSES = ["", " 1.1.1.1", "1.1.1.1 "]
OPEN = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.32.0.1",
        "2606:4700:4700::1111", "2a00:1450:4001:800::200e"]  # fmt: skip


@pytest.mark.parametrize("address", [*CLOSED, *NO_ADDRESSES])
def test_special_address_is_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", OPEN)
def test_ordinary_address_is_public(address: str) -> None:
    assert is_public_address(address)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_knows_as_special(
    address: IPv4Address | IPv6Address,
) -> None:
    special = address.is_private or address.is_multicast or address.is_reserved
    if special or address.is_loopback or address.is_link_local or address.is_unspecified:
        assert not is_public_address(str(address))


@given(st.ip_addresses(v=4))
def test_no_form_of_ipv6_smuggles_an_ipv4_address_in(address: IPv4Address) -> None:
    number = int(address)
    for embedded in (
        number, 0xFFFF << 32 | number, 0xFFFF << 48 | number, 0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80, 0x2001 << 112 | number,
    ):  # fmt: skip
        assert not is_public_address(str(IPv6Address(embedded)))
