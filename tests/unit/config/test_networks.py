"""Addresses and networks in one setting."""

from ipaddress import ip_network

import pytest

from config.networks import parse_networks
from tests.unit.config.test_settings import load, problems


def test_networks_are_separated_by_white_space() -> None:
    networks = parse_networks(" 203.0.113.7\t10.0.0.0/8\n::1 fd00::/8 ")
    wanted = ("203.0.113.7/32", "10.0.0.0/8", "::1/128", "fd00::/8")
    assert tuple(map(ip_network, wanted)) == networks
    assert () == parse_networks("")


@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "UNLIMITED_ADDRESSES"])
@pytest.mark.parametrize(
    "text",
    ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "127.0.0.1:80", "[::1]", "s3cret", "*", "::1 ,"],
)
def test_what_is_no_network_is_refused_without_repeating_it(name: str, text: str) -> None:
    [problem] = problems(None, **{f"TOKEN_DISCOVERY__GATEWAY__{name}": text})
    setting = f"gateway.{name.lower()}"
    assert problem.startswith(f"{setting}: must be addresses or networks such as 203.0.113.7, ")
    assert text.rsplit(maxsplit=1)[-1] not in problem.partition("such as")[0]
    assert f"number {len(text.split())} is none" in problem


def test_by_default_this_machine_and_private_networks_are_not_limited() -> None:
    gateway = load().gateway
    assert () == parse_networks(gateway.trusted_proxies)
    unlimited = parse_networks(gateway.unlimited_addresses)
    assert all(network.is_private or str(network) == "100.64.0.0/10" for network in unlimited)
