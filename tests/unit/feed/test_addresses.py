"""Whom proxies tell of, and whom a client makes up."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.networks import parse_networks
from feed.addresses import FORWARDED_FIELDS, name_block, read_address, trace_client

PROXIES = parse_networks("10.0.0.0/8 fd00::/8")
PROXY = ip_address("10.0.0.1")


def traced(peer: str = "10.0.0.1", **fields: str) -> str:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return str(trace_client(ip_address(peer), headers, PROXIES))


@pytest.mark.parametrize(
    ("listed", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7", "198.51.100.7"),  # made up, and the peer of our proxy
        ("1.1.1.1, 10.9.9.9, 198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),  # two proxies in a row
        ("198.51.100.7,fd00::1 , 10.0.0.2", "198.51.100.7"),
        ("10.0.0.9", "10.0.0.9"),  # all are ours
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.7, 10.0.0.256", "10.0.0.1"),
        ("198.51.100.7 10.0.0.2", "10.0.0.1"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_clients(listed: str, client: str) -> None:
    assert client == traced(x_forwarded_for=listed)


@pytest.mark.parametrize(
    ("listed", "client"),
    [
        ("for=198.51.100.7", "198.51.100.7"),
        ('For="198.51.100.7:4711";proto=https;by=10.0.0.1', "198.51.100.7"),
        ('proto=https;for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for=1.1.1.1, for="[2001:db8::7]", for=10.0.0.2', "2001:db8::7"),
        ("for=198.51.100.7, for=_hidden", "10.0.0.1"),
        ("for=198.51.100.7, proto=https", "10.0.0.1"),
        ("for=198.51.100.7, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ('for="198.51.100.7, for=10.0.0.2', "10.0.0.1"),
    ],
)
def test_forwarded_tells_the_same(listed: str, client: str) -> None:
    assert client == traced(forwarded=listed)


def test_a_forwarded_that_a_proxy_passes_on_is_not_believed() -> None:
    assert "198.51.100.7" == traced(x_forwarded_for="198.51.100.7", forwarded="for=1.1.1.1")


@pytest.mark.parametrize("field", FORWARDED_FIELDS)
def test_nobody_else_is_believed(field: str) -> None:
    peer = ip_address("198.51.100.7")
    for value in ("1.1.1.1", "for=1.1.1.1"):
        assert peer == trace_client(peer, {field: value}, PROXIES)
        assert PROXY == trace_client(PROXY, {field: value}, ())


def test_a_row_of_proxies_is_followed_so_far_and_no_further() -> None:
    listed = ", ".join(["198.51.100.7", *(f"10.0.1.{n}" for n in range(30))])
    assert "10.0.1.10" == traced(x_forwarded_for=listed)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_field_is_too_odd(forwarded_for: str, forwarded: str) -> None:
    assert trace_client(PROXY, {"x-forwarded-for": forwarded_for}, PROXIES)
    assert trace_client(PROXY, {"forwarded": forwarded}, PROXIES)


@given(st.ip_addresses().filter(lambda address: not any(address in n for n in PROXIES)))
def test_what_a_client_writes_itself_changes_nothing(address: object) -> None:
    real = "198.51.100.7"
    assert real == traced(x_forwarded_for=f"{address}, {real}") == traced(x_forwarded_for=real)


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_address_is_limited_with_its_whole_64(text: str, block: str) -> None:
    address = read_address(text)
    assert address is not None
    assert block == name_block(address)


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "[::1]", "1.2.3.4:80"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert read_address(text) is None
