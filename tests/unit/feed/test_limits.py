"""What one address may have and do, on any clock."""

from typing import Any

import attrs
import pytest

from domain.errors import RequestRefused
from feed import limits
from feed.http import HttpRequest
from feed.limits import AddressLimits
from tests.unit.feed.worlds import SETTINGS

A, B = "198.51.100.7", "198.51.100.8"


def make_limits(**changes: Any) -> AddressLimits:
    return AddressLimits(attrs.evolve(SETTINGS, **changes))


def make_request(peer: str, **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method="GET", path="/", query="", headers=named, peer=peer)


def test_an_address_holds_so_many_connections_and_not_one_more() -> None:
    many = make_limits(clients_per_address=2)
    assert [True, True, False, True] == [many.try_hold(block) for block in (A, A, A, B)]
    many.release(A)
    assert many.try_hold(A)
    for block in (A, A, B):
        many.release(block)
    assert {} == many._connections  # nothing is kept of who has left


def test_zero_means_no_limit() -> None:
    none = make_limits(clients_per_address=0, requests_per_second_per_address=0.0)
    assert all(none.try_hold(A) for _ in range(1000))
    for _ in range(1000):
        none.charge_request(A, 0.0)
    assert () == none.describe_limits(A, 0.0)
    assert 1 == none.seconds_until_request(A, 0.0)


def refuses(many: AddressLimits, block: str | None, now: float) -> bool:
    try:
        many.charge_request(block, now)
    except RequestRefused:
        return True
    return False


def test_an_address_asks_ten_seconds_worth_at_once_and_then_at_the_rate() -> None:
    many = make_limits(requests_per_second_per_address=2.0)
    assert [False] * 20 + [True] == [refuses(many, A, 0.0) for _ in range(21)]
    assert not refuses(many, B, 0.0)
    assert not any(refuses(many, None, 0.0) for _ in range(100))
    assert [False, True] == [refuses(many, A, 0.5) for _ in range(2)]


def test_fields_tell_what_is_left_and_when_there_is_more() -> None:
    many = make_limits(requests_per_second_per_address=0.25, clients_per_address=3)
    many.try_hold(A)
    policy = '"requests";q=2;w=10, "connections";q=3;qu="concurrent-requests"'

    def told(now: float) -> tuple[str, str]:
        (first, shown), (second, left) = many.describe_limits(A, now)
        assert ("RateLimit-Policy", "RateLimit") == (first, second)
        return shown, left

    assert (policy, '"requests";r=2;t=0, "connections";r=2') == told(0.0)
    many.charge_request(A, 0.0)
    assert (policy, '"requests";r=1;t=4, "connections";r=2') == told(0.0)
    many.charge_request(A, 0.0)
    assert (policy, '"requests";r=0;t=2, "connections";r=2') == told(0.0)
    assert 2 == many.seconds_until_request(A, 0.0)
    assert () == many.describe_limits(None, 0.0)


def test_so_many_addresses_are_remembered_and_the_one_that_rests_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_BLOCKS", 3)
    many = make_limits(requests_per_second_per_address=0.1)  # one in ten seconds
    for block in ("a", "b", "c", "a"):
        refuses(many, block, 0.0)
    assert not refuses(many, "d", 0.0)  # for which b is forgotten
    assert ["c", "a", "d"] == list(many._allowances)
    assert [True, False, True] == [refuses(many, block, 0.0) for block in ("a", "b", "d")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "block"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "127.0.0.1", "198.51.100.7"),  # believed from proxies alone
        ("10.0.0.1", "", None),  # private, and the proxy itself
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::/64"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "192.168.0.7", None),  # private, behind the proxy
        ("192.168.0.7", "198.51.100.7", None),  # private, and no proxy
        ("203.0.113.1", "", None),  # a proxy with a public address
        ("203.0.113.1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", None),  # gone already
    ],
)
def test_a_request_counts_for_whom_a_trusted_proxy_tells_of(
    peer: str, forwarded_for: str, block: str | None
) -> None:
    many = make_limits(trusted_proxies="10.0.0.0/24 203.0.113.1")
    headers = {"x_forwarded_for": forwarded_for} if forwarded_for else {}
    assert block == many.find_client(make_request(peer, **headers))


@pytest.mark.parametrize(
    ("peer", "headers", "is_unnamed"),
    [
        ("192.168.0.7", {"x_forwarded_for": "198.51.100.7"}, True),
        ("127.0.0.1", {"forwarded": "for=198.51.100.7"}, True),
        ("192.168.0.7", {}, False),
        ("10.0.0.1", {"x_forwarded_for": "198.51.100.7"}, False),  # trusted
        ("198.51.100.7", {"x_forwarded_for": "1.1.1.1"}, False),  # anybody can write that
        ("", {"x_forwarded_for": "1.1.1.1"}, False),
    ],
)
def test_a_proxy_that_nobody_named_is_known_by_its_field(
    peer: str, headers: dict[str, str], is_unnamed: bool
) -> None:
    many = make_limits(trusted_proxies="10.0.0.1")
    assert is_unnamed == many.is_unnamed_proxy(make_request(peer, **headers))


# Keys of integrators.

KEYS = "acme:0123456789abcdef:5:2 free:fedcba9876543210:0:0"
ACME, FREE = "0123456789abcdef", "fedcba9876543210"


def test_a_key_has_limits_of_its_own_from_wherever_it_is_shown() -> None:
    many = make_limits(api_keys=KEYS, clients_per_address=9)
    for peer in (A, B, "127.0.0.1"):
        assert "key acme" == many.find_client(make_request(peer, x_api_key=ACME))
    block = "key acme"
    assert [True, True, False] == [many.try_hold(block) for _ in range(3)]
    assert [False] * 50 + [True] == [refuses(many, block, 0.0) for _ in range(51)]
    assert not refuses(many, A, 0.0)
    told = dict(many.describe_limits(block, 0.0))
    assert (
        '"requests";q=50;w=10, "connections";q=2;qu="concurrent-requests"'
        == (told["RateLimit-Policy"])
    )


def test_a_key_without_limits_is_not_limited() -> None:
    many = make_limits(api_keys=KEYS)
    block = many.find_client(make_request(A, x_api_key=FREE))
    assert block is not None
    assert () == many.describe_limits(block, 0.0)
    assert all(many.try_hold(block) for _ in range(1000))


@pytest.mark.parametrize("key", ["", "x", ACME[:-1], "acme", "é" * 16])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    many = make_limits(api_keys=KEYS)
    with pytest.raises(RequestRefused) as refusal:
        many.find_client(make_request(A, x_api_key=key))
    assert (401, "unknown_key") == (refusal.value.status, refusal.value.code)
