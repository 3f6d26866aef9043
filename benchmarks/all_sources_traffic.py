"""An hour of the real rates, as the sources of before told of it and as all of them do.

    seed, which sources are on  ->  Traffic  ->  births, and the updates of each five minutes

Births are functions of their number, so that the same coins are born whoever tells of them. How
long a coin is traded is log-normal (half of them four minutes, a sixth half an hour); trades of
one coin within a flush's interval make one row, so that their number does not matter here.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from math import exp
from random import Random
from typing import Any

import base58
from attrs import define, evolve, field, frozen

from commands.storm.trace import HOUR_SECONDS, Population, moment
from domain.lifecycle import CURVE_SOL_AT_COMPLETION, CURVE_TOKENS_AT_BIRTH
from domain.token import Status, Token
from domain.values import WRAPPED_SOL, Mint, Sol, UnixSeconds, Value

INTERVAL_SECONDS = 300
CREATES_AN_HOUR = 1700
ACTIVE_TOKENS = 500  # that jobs choose among, older than any birth here
MARKET_TOKENS, SCORED_TOKENS, HOLDER_TOKENS, WATCHED_TOKENS = 500, 500, 100, 25
STREAMED_TOKENS = 1000  # the newest, whose trades a paid PumpPortal key streamed
MEDIAN_LIFE_SECONDS, LIFE_SIGMA = 240.0, 2.0
GRADUATING_SHARE = 0.02
GRADUATES = round(CREATES_AN_HOUR * GRADUATING_SHARE * 72)  # that are on the feed
DESCRIBED_SHARE = 0.95  # of births whose metadata can be had
FIRST_STREAM_IS_POOR = 1 / 3  # a PumpPortal frame comes first, and richer ones after its commit
SENTENCE = (
    "the first coin of its kind on solana fair launch no team tokens community owned meme cat dog "
    "frog moon ticker dev based official join us made with love for everyone who missed it"
)
WORDS = tuple(SENTENCE.split())

PART_NAMES = ("births", "metadata", "audit", "pools", "figures", "trades")
Updates = dict[Mint, dict[str, Value]]


@frozen(kw_only=True)
class Birth:
    """A coin, what its first stream says, and what the others add after its commit."""

    at_seconds: float
    token: Token
    later: Mapping[str, Value]
    metadata: Mapping[str, Value]
    life_seconds: float
    graduates: bool

    def is_traded(self, start_seconds: float) -> bool:
        """Whether somebody trades it in the five minutes from then on."""
        born, end = self.at_seconds, self.at_seconds + self.life_seconds
        return born < start_seconds + INTERVAL_SECONDS and end >= start_seconds


@define
class Traffic:
    """What is told with some parts on: a subset of `PART_NAMES`."""

    seed: int
    parts: frozenset[str]
    born: list[Birth] = field(factory=list, init=False)
    active: list[Token] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.active = list(Population(self.seed, ACTIVE_TOKENS, youngest_seconds=2 * 3600.0))

    def graduates(self) -> list[Token]:
        """What left its curve within the last three days, with what is told of a migration."""
        before = Population(self.seed + 1, GRADUATES, youngest_seconds=2 * 3600.0)
        return [
            evolve(
                token,
                status=Status.BONDED,
                pool_type="pumpswap",
                pool_created_at=UnixSeconds(token.first_seen_at + 200),
                pool_address=_address(token.mint),
            )
            for token in before
        ]

    # Births.

    def births_within(self, start_seconds: float) -> Iterator[Birth]:
        """Those of five minutes, in order."""
        a_window = CREATES_AN_HOUR * INTERVAL_SECONDS / HOUR_SECONDS
        first, last = (round(a_window * (start_seconds / INTERVAL_SECONDS + n)) for n in (0, 1))
        for number in range(first, last):
            at_seconds = start_seconds + INTERVAL_SECONDS * (number - first) / (last - first)
            birth = self._birth(number, at_seconds)
            self.born.append(birth)
            yield birth

    def _birth(self, number: int, at_seconds: float) -> Birth:
        random = Random(f"{self.seed}/birth/{number}")
        token = Population(self.seed, ACTIVE_TOKENS).born(number, at_seconds)
        told: dict[str, Any] = {
            "decimals": 6, "total_supply": "1000000000",
            "freeze_revoked": True, "mint_renounced": True,
        }  # fmt: skip
        token = evolve(token, decimals=None, total_supply=None)  # no frame of PumpPortal has these
        is_poor = random.random() < FIRST_STREAM_IS_POOR
        later: dict[str, Value] = {}
        if "births" in self.parts:
            buy = Sol(float(f"{random.lognormvariate(-1.5, 1.5):.6g}"))
            token = evolve(token, quote_mint=WRAPPED_SOL, launchpad="pumpfun", initial_buy_sol=buy)
            if is_poor:
                later = told
            else:
                token = evolve(token, **told)
        return Birth(
            at_seconds=at_seconds,
            token=token,
            later=later,
            metadata=_metadata(random) if random.random() < DESCRIBED_SHARE else {},
            life_seconds=MEDIAN_LIFE_SECONDS * exp(LIFE_SIGMA * random.gauss(0, 1)),
            graduates=random.random() < GRADUATING_SHARE,
        )

    # Updates.

    def updates_within(self, start_seconds: float) -> Updates:
        """All that sync is told within five minutes, the last value of each field."""
        random = Random(f"{self.seed}/window/{start_seconds}")
        updates: Updates = {}
        for source in (self._trades, self._jobs, self._profiles):
            for mint, values in source(random, start_seconds):
                updates.setdefault(mint, {}).update(values)
        return updates

    def _traded(self, start_seconds: float) -> list[Birth]:
        streamed = self.born if "trades" in self.parts else self.born[-STREAMED_TOKENS:]
        return [birth for birth in streamed if birth.is_traded(start_seconds)]

    def _trades(self, random: Random, start: float) -> Iterator[tuple[Mint, dict[str, Value]]]:
        traded = [birth.token.mint for birth in self._traded(start)]
        for mint in traded:
            sold = random.betavariate(1, 6)
            raised = sold * (CURVE_SOL_AT_COMPLETION - 30)
            yield (
                mint,
                {
                    "last_trade_at": float(moment(start + random.randrange(INTERVAL_SECONDS))),
                    "silent": False,
                    "status": int(Status.NEW),
                    "bonding_curve_progress": round(sold * 100, 2),
                    "sol_raised": round(raised, 6),
                    "sol_to_graduate": round(CURVE_SOL_AT_COMPLETION - 30 - raised, 6),
                    "market_cap_sol": (30 + raised) ** 2 / 30 / CURVE_TOKENS_AT_BIRTH * 1e9,
                },
            )
        # Coins that have left their curve, of which no key of PumpPortal streamed a trade.
        for token in self.active if "trades" in self.parts else ():
            values: dict[str, Value] = {
                "last_trade_at": float(moment(start + random.randrange(INTERVAL_SECONDS))),
                "silent": False,
                "market_cap_sol": random.lognormvariate(5.0, 1.0),
            }
            yield token.mint, values

    def _jobs(self, random: Random, start: float) -> Iterator[tuple[Mint, dict[str, Value]]]:
        """Market data each time, scores each third, holders each second."""
        newest = [birth.token.mint for birth in self._traded(start)]
        chosen = [*(token.mint for token in self.active), *newest]
        for mint in random.sample(chosen, MARKET_TOKENS):
            yield mint, _quote(random) | (_figures(random) if "figures" in self.parts else {})
        if start % 900 == 0:
            for mint in random.sample(chosen, SCORED_TOKENS):
                yield mint, {"hot_score": round(random.gauss(100, 20), 4)}
        if start % 600 == 0:
            for mint in random.sample(chosen, HOLDER_TOKENS):
                audit = _audit(random) if "audit" in self.parts else {}
                yield mint, {"holder_count": random.randrange(1, 20_000), **audit}
        for mint in random.sample(chosen, WATCHED_TOKENS):
            yield mint, {"watcher_count": random.randrange(1, 200)}

    def _profiles(self, random: Random, start: float) -> Iterator[tuple[Mint, dict[str, Value]]]:
        for birth in self.born:
            if birth.at_seconds < start:
                continue
            if birth.later:
                yield birth.token.mint, dict(birth.later)
            if "metadata" in self.parts and birth.metadata:
                yield birth.token.mint, dict(birth.metadata)
            if birth.graduates:
                yield birth.token.mint, self._graduation(birth)

    def _graduation(self, birth: Birth) -> dict[str, Value]:
        address = {"pool_address": _address(birth.token.mint)} if "pools" in self.parts else {}
        return {
            "status": int(Status.BONDED),
            "pool_type": "pumpswap",
            "pool_created_at": float(moment(birth.at_seconds + 200)),
            "bonding_curve_progress": 100.0,
            "sol_to_graduate": 0.0,
            "silent": False,
            **address,
        }


def _quote(random: Random) -> dict[str, Value]:
    """What DexScreener says of a pair."""
    cap = random.lognormvariate(9.5, 1.5)
    volume = random.lognormvariate(8.0, 2.0)
    buys, sells = random.randrange(30_000), random.randrange(30_000)
    return {
        "price_usd": cap / 1e9,
        "market_cap_usd": cap,
        "liquidity_usd": cap * random.uniform(0.1, 0.3),
        "volume_24h": volume,
        "volume_24h_sol": volume / 150,
        "price_change_24h": round(random.gauss(0, 40), 2),
        "buys_24h": buys,
        "sells_24h": sells,
        "tx_count_24h": buys + sells,
    }


def _figures(random: Random) -> dict[str, Value]:
    """What trades say of 24 hours, and no quote does."""
    return {"unique_traders_24h": random.randrange(1, 5000)}


def _audit(random: Random) -> dict[str, Value]:
    """What Jupiter's answer has beside the holders, of coins that nearly all pass."""
    return {
        "top_holders_percent": random.uniform(5, 90),
        "dev_balance_percent": random.choice((0.0, 0.0, 0.0, random.uniform(0, 20))),
        "dev_mints": random.randrange(1, 300),
        "dev_migrations": random.randrange(0, 5),
        "organic_score": random.choice((0.0, random.uniform(0, 100))),
    }


def _metadata(random: Random) -> dict[str, Value]:
    """What a coin's document says: an image, often a sentence and an account, seldom more."""
    values: dict[str, Value] = {
        "description": " ".join(random.choices(WORDS, k=random.choice((0, 3, 8, 20, 60)))),
        "image_url": f"https://ipfs.io/ipfs/bafkrei{_address(str(random.random())).lower()}",
    }
    if random.random() < 0.6:
        values["twitter"] = f"https://x.com/i/communities/{random.randrange(10**18, 10**19)}"
    if random.random() < 0.15:
        values["telegram"] = f"https://t.me/{random.choice(WORDS)}{random.choice(WORDS)}sol"
    if random.random() < 0.3:
        values["website"] = f"https://{random.choice(WORDS)}{random.randrange(1000)}coin.fun/"
    return values


def _address(of: str) -> str:
    return base58.b58encode(blake2b(of.encode(), digest_size=32).digest()).decode()
