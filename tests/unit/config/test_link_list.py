"""Links to other sites about a token: named, of https, with the place of its mint."""

import pytest

from config.link_list import MOST_LINKS, parse_links
from config.loading import load_settings
from domain.errors import SettingsInvalid

ENVIRONMENT = {"DATABASE_URL": "postgresql://nowhere/test", "REDIS_URL": "redis://nowhere"}
LINKS = "TOKEN_DISCOVERY__GATEWAY__LINKS"


def test_links_keep_their_order() -> None:
    links = parse_links("B=https://b.example/{mint}  A=https://a.example/?coin={mint}&x=1\n")
    assert [("B", "https://b.example/{mint}"), ("A", "https://a.example/?coin={mint}&x=1")] == links


def test_an_empty_setting_is_no_link() -> None:
    assert [] == parse_links(" ")


def test_links_by_default_are_those_that_traders_ask_for() -> None:
    names = [name for name, _ in parse_links(load_settings(None, ENVIRONMENT).gateway.links)]
    assert ["pump.fun", "DexScreener", "Solscan", "Axiom", "Photon"] == names


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/{mint}",
        "A=http://a.example/{mint}",
        "A=javascript:alert({mint})",
        "A=https://a.example/",
        "A=https://a.example/{mint}/{mint}",
        "A=https://{mint}.example/",
        "=https://a.example/{mint}",
        "A=",
        " ".join(f"A{number}=https://a.example/{{mint}}" for number in range(MOST_LINKS + 1)),
    ],
)
def test_what_is_no_link_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"gateway\.links"):
        load_settings(None, ENVIRONMENT | {LINKS: text})
