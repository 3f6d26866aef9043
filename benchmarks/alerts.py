"""Alert rules over 100,000 tokens while 750 of them change a second: what a second of it takes.

The peer is the same judge with the same changes and one rule that is about no token. Half of the
50 rules are crossings in scopes of every kind, half are arrivals in views and on boards.
"""

import gc
import tracemalloc
from collections.abc import Iterator
from random import Random
from time import process_time

from attrs import define, evolve, field

from actors.alerts.judge import Judge, JudgePlan
from benchmarks.feed_queries import make_tokens
from benchmarks.results import Cell, Figure, Result
from benchmarks.views import FILTERS
from domain.chunks import chunks
from domain.token import Token
from domain.values import Mint, UnixSeconds, Usd
from feed.alert_rules import FIGURES, MOST_RULES, AlertRule, parse_rule
from feed.board import BOARD_NAMES
from feed.statistics import StatisticsMemory
from tests.unit.feed.tokens import NOW, mint_of

TOKENS, QUICK_TOKENS = 100_000, 10_000
ROUNDS, QUICK_ROUNDS = 120, 20
CHANGES = 750  # a round: one a second
ACTIVE = 5_000
PART = 100  # tokens between two checkpoints
MEGABYTE = 2**20


def run(is_quick: bool) -> Result:
    count = QUICK_TOKENS if is_quick else TOKENS
    tokens = list(make_tokens(count))
    tracemalloc.start()
    full = JudgedMarket(tokens, list(list_rules()))
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bare = JudgedMarket(tokens, [_make_rule(0, kind="bonded", scope=[mint_of(0)])])
    gc.collect()
    gc.freeze()  # as the service does
    rounds = QUICK_ROUNDS if is_quick else ROUNDS
    lines: list[list[Cell]] = []
    figures: dict[str, float] = {}
    for name, market in (("1 rule", bare), (f"{MOST_RULES} rules", full)):
        times = sorted(market.run_round() for _ in range(rounds))
        part = sorted(market.parts)
        lines.append(
            [name, times[len(times) // 2], times[int(len(times) * 0.99)], part[-1], market.fired]
        )
        figures[name] = sum(times) / len(times)
    return Result(
        name="alerts",
        title=f"CPU of a second of {CHANGES} changes over {count:,} tokens, in ms",
        headings=("rules", "median", "p99", "longest without a checkpoint", "fired"),
        lines=lines,
        conclusion=(
            f"{MOST_RULES} rules take {figures[f'{MOST_RULES} rules']:.0f} ms of a second. A judge"
            f" of {count:,} tokens takes {kept_bytes / MEGABYTE:.0f} MB beside the tokens."
        ),
        figures={"second_ms": Figure(value=figures[f"{MOST_RULES} rules"], unit="ms")},
    )


def list_rules() -> Iterator[AlertRule]:
    """As many as there may be, no two alike."""
    for number in range(MOST_RULES):
        filters = FILTERS[number % len(FILTERS)]
        if number % 2:
            kinds = list(FIGURES)
            kind = kinds[number // 2 % len(kinds)]
            value = 10.0 ** -(number % 6) if kind.startswith("price") else 10.0 ** (number % 6)
            yield _make_rule(number, kind=kind, value=value, scope={"filters": filters})
        elif number % 10:
            view = {"filters": filters, "limit": 100 + number}
            yield _make_rule(number, kind="newIn", scope=view)
        else:
            board = BOARD_NAMES[number // 10 % len(BOARD_NAMES)]
            yield _make_rule(number, kind="newIn", scope=board)


def _make_rule(number: int, **described: object) -> AlertRule:
    return parse_rule({"id": f"r{number}", **described}, ("desk",), 300.0)


@define(eq=False)
class JudgedMarket:
    """A judge whose tokens are traded."""

    tokens: list[Token]
    rules: list[AlertRule]
    now: UnixSeconds = NOW
    fired: int = 0
    parts: list[float] = field(init=False, factory=list)  # ms
    dice: Random = field(init=False, factory=lambda: Random(5))
    judge: Judge = field(init=False)
    _active: list[Mint] = field(init=False)

    def __attrs_post_init__(self) -> None:
        plan = JudgePlan(
            tokens=len(self.tokens),
            board_tokens=100,
            settle_seconds=0.0,
            clock=lambda: self.now,
        )
        self.judge = Judge(plan=plan, statistics=StatisticsMemory(len(self.tokens)))
        self.judge.set_rules(self.rules)
        self.judge.take_tokens(self.tokens)
        self.judge.end_filling()
        self._active = [token.mint for token in self.tokens[:ACTIVE]]

    def run_round(self) -> float:
        """A second; its CPU in milliseconds."""
        self.now = UnixSeconds(self.now + 1.0)
        traded = {
            mint: self._trade(self.judge.catalogue.tokens[mint])
            for mint in self.dice.choices(self._active, k=CHANGES)
        }
        began = process_time()
        for part in chunks(traded.values(), PART):
            part_began = process_time()
            self.fired += len(self.judge.take_tokens(part))
            self.parts.append(1000 * (process_time() - part_began))
        part_began = process_time()
        for fired in self.judge.end_round():
            self.fired += len(fired)
            self.parts.append(1000 * (process_time() - part_began))
            part_began = process_time()
        return 1000 * (process_time() - began)

    def _trade(self, token: Token) -> Token:
        factor = self.dice.uniform(0.9, 1.1)
        return evolve(
            token,
            market_cap_usd=Usd((token.market_cap_usd or 5000.0) * factor),
            price_usd=Usd((token.price_usd or 5e-6) * factor),
            last_trade_at=self.now,
            hot_score=(token.hot_score or 25_000.0) + self.dice.random(),
        )
