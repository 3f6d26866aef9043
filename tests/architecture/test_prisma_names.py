"""Existing readers know a token by the names of the Prisma model TokenDiscovery."""

import re

import pytest

from domain.token import FIELDS, Token
from domain.values import Mint, UnixSeconds
from feed.wire import LIVE_KEYS, make_item
from tests.architecture.repository import ROOT

PRISMA_NAMES = (
    "mint",
    "symbol",
    "name",
    "logoURI",
    "description",
    "imageUrl",
    "twitter",
    "telegram",
    "website",
    "state",
    "previousState",
    "bondingCurveProgress",
    "bondingCurveKey",
    "poolAddress",
    "poolType",
    "poolCreatedAt",
    "liquidityUsd",
    "marketCapUsd",
    "volume24h",
    "volumeChange24h",
    "priceUsd",
    "priceChange24h",
    "txCount24h",
    "holderCount",
    "decimals",
    "totalSupply",
    "lastTradeTs",
    "volume24hSol",
    "buys24h",
    "sells24h",
    "uniqueTraders24h",
    "solRaised",
    "solToGraduate",
    "creatorWallet",
    "freezeRevoked",
    "mintRenounced",
    "hotScore",
    "watcherCount",
    "status",
    "firstSeenAt",
    "lastUpdatedAt",
    "stateChangedAt",
)

ITEM = make_item(Token(mint=Mint("mint"), first_seen_at=UnixSeconds(1.0)))


# What the model has and no client is told: this service knows it of no token, or by another name.
ONLY_IN_THE_VIEW = {
    "id",
    "ath",
    "priceImpact1Pct",
    "creatorVerified",
    "top1HolderPct",
    "top5HolderPct",
    "mintAuthorityRevoked",
    "sellable",
    "tradeFailRate",
}


def columns_of_the_view() -> list[str]:
    """The output names of the view, as the newest migration that makes it says."""
    migrations = sorted((ROOT / "store" / "postgres" / "migrations").glob("*.sql"))
    texts = [path.read_text(encoding="utf-8") for path in migrations]
    view = [text.split("$columns$")[1] for text in texts if "$columns$" in text][-1]
    items = _split_outside_brackets(re.sub(r"--.*", "", view))
    return [re.findall(r"\w+", item)[-1] for item in items]


def _split_outside_brackets(text: str) -> list[str]:
    items, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            items.append("")
        else:
            items[-1] += character
    return items


@pytest.mark.parametrize("name", PRISMA_NAMES)
def test_every_prisma_name_is_on_the_wire(name: str) -> None:
    assert name in ITEM


@pytest.mark.parametrize("name", [*PRISMA_NAMES, *sorted(ONLY_IN_THE_VIEW)])
def test_every_prisma_name_is_in_the_view(name: str) -> None:
    assert name in columns_of_the_view()


def test_wire_and_view_say_the_same_names() -> None:
    assert set(columns_of_the_view()) - ONLY_IN_THE_VIEW == set(ITEM) - LIVE_KEYS


def test_every_field_that_is_shown_is_on_the_wire() -> None:
    shown = {rule.wire for rule in FIELDS.values() if rule.wire is not None}
    assert set(ITEM) == shown | {"state"} | LIVE_KEYS
