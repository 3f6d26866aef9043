"""When a rule fires: once, when what it asks for begins to be true."""

from typing import Any

import orjson
import pytest
from attrs import evolve
from trio.testing import MockClock

from actors.alerts import cool_downs
from domain.alerts import RuleDropped
from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.messages import RosterTold
from domain.token import Status, Token
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import Usd
from feed.alert_rules import AlertRule
from tests.unit.actors.alerts.alerts_world import AlertsWorld, cap_rule, make_rule
from tests.unit.actors.world import SETTINGS, at, mint, running, token, until


def capped(number: int, cap: float | None, **more: Any) -> Token:
    return token(number, market_cap_usd=None if cap is None else Usd(cap), **more)


async def tell_one_after_the_other(rule: AlertRule, *tokens: Token) -> list[int]:
    """The places of the tokens, told a while after one another, at which the rule has fired."""
    world = AlertsWorld(rules=(rule,))
    fired: list[int] = []
    async with running(world.actor()):
        await until(0.1)
        await world.fill(tokens[0])
        await until(5.0)
        for place, each in enumerate(tokens):
            before = len(world.told)
            await world.publish(each)
            await until(310.0 * (place + 1))  # beyond the cool-down
            fired += [place] * (len(world.told) - before)
    return fired


@pytest.mark.parametrize(
    ("kind", "figures", "fired"),
    [
        ("capAbove", [90, 99.9, 100, 150, 90, 200], [2, 5]),
        ("capAbove", [150, 90, 150], [2]),
        ("capAbove", [None, 150, 90, None, 150], []),  # unknown before: nothing is known to begin
        ("capBelow", [150, 100, 90, 150, 50], [1, 4]),
    ],
)
async def test_a_figure_fires_when_it_comes_to_the_value_and_not_while_it_stays(
    autojump_clock: MockClock, kind: str, figures: list[float | None], fired: list[int]
) -> None:
    rule = cap_rule(kind=kind)
    tokens = [capped(1, figure) for figure in figures]
    assert fired == await tell_one_after_the_other(rule, *tokens)


@pytest.mark.parametrize(("kind", "fired"), [("priceAbove", [1]), ("priceBelow", [2])])
async def test_prices_fire_likewise(autojump_clock: MockClock, kind: str, fired: list[int]) -> None:
    rule = make_rule(kind=kind, value=5e-6, scope=mint(1))
    prices = [token(1, price_usd=Usd(price)) for price in (4e-6, 6e-6, 4e-6)]
    assert fired == await tell_one_after_the_other(rule, *prices)


@pytest.mark.parametrize(
    ("kind", "fired"), [("graduating", [1]), ("bonded", [2])], ids=["graduating", "bonded"]
)
async def test_a_stage_fires_once(autojump_clock: MockClock, kind: str, fired: list[int]) -> None:
    stages = (Status.NEW, Status.GRADUATING, Status.BONDED)
    tokens = [token(1, status=stage, status_changed_at=at(0)) for stage in stages]
    rule = make_rule(kind=kind, scope={})
    assert fired == await tell_one_after_the_other(rule, *tokens)


async def test_a_stage_that_is_skipped_fires_too_and_a_silent_token_is_judged(
    autojump_clock: MockClock,
) -> None:
    tokens = [
        token(1, status=Status.NEW, silent=True),
        token(1, status=Status.BONDED, status_changed_at=at(0)),
    ]
    rule = make_rule(kind="graduating", scope=[mint(1)])
    assert [1] == await tell_one_after_the_other(rule, *tokens)


async def test_what_is_true_at_the_start_does_not_fire(autojump_clock: MockClock) -> None:
    world = AlertsWorld(rules=(cap_rule(), make_rule(id="hot", kind="newIn", scope="hot")))
    async with running(world.actor()):
        await until(0.1)
        await world.publish(capped(1, 150, hot_score=5.0))
        await world.publish(capped(1, 90, hot_score=5.0), capped(2, 90))
        await world.publish(capped(1, 150, hot_score=5.0), capped(2, 150))  # still before the end
        await world.fill(capped(3, 150, hot_score=4.0))
        await until(10.0)
        assert ([], 0) == (world.told, world.book.counts["raised"])
        await world.publish(capped(4, 10, hot_score=3.0))
        await until(20.0)
    assert [("hot", mint(4))] == world.told


async def test_a_restart_of_the_process_fires_nothing_again(autojump_clock: MockClock) -> None:
    world = AlertsWorld(rules=(cap_rule(), make_rule(id="new", kind="newIn", scope="new")))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(capped(1, 90))
        await until(5.0)
        await world.publish(capped(1, 150), capped(2, 150, first_seen_at=at(1)))
        await until(10.0)
        assert [("cap", mint(1)), ("new", mint(2))] == sorted(world.told)
    world.new_process()
    async with running(world.actor()):
        await until(11.0)
        await world.fill(capped(1, 150), capped(2, 150, first_seen_at=at(1)))
        await until(15.0)
        await world.publish(capped(1, 151), capped(2, 149, first_seen_at=at(1)))
        await until(20.0)
    assert 2 == len(world.told)


async def test_a_restart_of_the_actor_heeds_no_roster_that_was_meant_for_its_former_life(
    autojump_clock: MockClock,
) -> None:
    world = AlertsWorld(rules=(make_rule(id="new", kind="newIn", scope="new"),))
    async with running(world.actor()):
        await until(0.1)
    async with running(world.actor()):
        await until(0.2)
        assert [1, 2] == [wanted.ask for wanted in world.roster.messages]
        await world.inbox.send(RosterTold(ask=1))
        await world.publish(token(1), token(2))
        await until(5.0)
        assert not world.book.is_judging
        await world.fill()
        await until(10.0)
        assert ([], True) == (world.told, world.book.is_judging)


async def test_a_figure_that_swings_fires_once_within_the_cool_down(
    autojump_clock: MockClock,
) -> None:
    world = AlertsWorld(rules=(cap_rule(coolDownSeconds=60),))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(capped(1, 90), capped(2, 90))
        await until(5.0)
        for second in range(10, 60, 10):
            await world.publish(capped(1, 150))
            await until(second + 3.0)
            await world.publish(capped(1, 90))
            await until(second + 6.0)
        assert [("cap", mint(1))] == world.told
        assert 4 == world.book.counts["cooling"]
        await world.publish(capped(2, 150))  # another token's is its own
        await until(60.0)
        await world.publish(capped(1, 90))
        await until(80.0)
        await world.publish(capped(1, 150))
        await until(90.0)
    assert [("cap", mint(1)), ("cap", mint(2)), ("cap", mint(1))] == world.told


async def test_what_is_remembered_of_firings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cool_downs, "MOST_REMEMBERED", 3)
    kept = cool_downs.CoolDowns()
    for number in range(5):
        assert kept.begin("r", mint(number), 60.0, at(number))
    assert [mint(2), mint(3), mint(4)] == [each for _, each in kept.fired_at]
    assert not kept.begin("r", mint(4), 60.0, at(5))
    assert kept.begin("r", mint(0), 60.0, at(6))
    kept.forget_rule("r")
    assert {} == kept.fired_at


async def test_the_scope_is_what_a_token_is_when_it_crosses(autojump_clock: MockClock) -> None:
    world = AlertsWorld(
        rules=(
            cap_rule(id="watched", scope="watched"),
            cap_rule(id="mints", scope=[mint(2), mint(3)]),
            cap_rule(id="view", scope={"boards": ["new"], "filters": {"launchpad": "pumpfun"}}),
        )
    )

    def at_cap(cap: float) -> list[Token]:
        return [
            capped(1, cap, watcher_count=2),
            capped(2, cap),
            capped(3, cap, launchpad="pumpfun", watcher_count=1),
            capped(4, cap, launchpad="pumpfun", status=Status.GRADUATING),
            capped(5, cap, launchpad="launchlab"),
        ]

    async with running(world.actor()):
        await until(0.1)
        await world.fill(*at_cap(90))
        await until(5.0)
        await world.publish(*at_cap(150))
        await until(10.0)
    expected = {("watched", 1), ("watched", 3), ("mints", 2), ("mints", 3), ("view", 3)}
    assert {(rule, mint(number)) for rule, number in expected} == set(world.told)
    assert len(expected) == len(world.told)


async def test_a_board_tells_of_what_comes_onto_it(autojump_clock: MockClock) -> None:
    """Three tokens stand on a board here."""
    world = AlertsWorld(rules=(make_rule(id="hot", kind="newIn", scope="hot"),))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(*(token(number, hot_score=float(number)) for number in range(1, 6)))
        await until(5.0)
        await world.publish(token(1, hot_score=9.0))  # takes the place of 3
        await until(10.0)
        assert [("hot", mint(1))] == world.told
        await world.publish(token(5, hot_score=0.5))  # 3 is back, and was there at the start
        await until(15.0)
        assert [("hot", mint(1)), ("hot", mint(3))] == world.told


async def test_a_view_tells_of_what_comes_into_it_by_change_or_by_age(
    autojump_clock: MockClock,
) -> None:
    young = make_rule(id="old", kind="newIn", scope={"filters": {"minAge": 1}, "sort": "new"})
    rich = make_rule(id="rich", kind="newIn", scope={"filters": {"minMarketCap": 100}})
    world = AlertsWorld(rules=(young, rich))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(capped(1, 150, first_seen_at=at(-100)), capped(2, 50))
        await until(5.0)
        await world.publish(capped(2, 120), capped(3, 500))
        await until(10.0)
        assert [("rich", mint(2)), ("rich", mint(3))] == sorted(world.told)
        await until(59.0)
        assert 2 == len(world.told)
        await until(63.0)
        assert [("old", mint(2)), ("old", mint(3))] == sorted(world.told[2:])


async def test_where_trading_decides_nothing_is_told_until_it_is_known_again(
    autojump_clock: MockClock,
) -> None:
    busy = make_rule(id="busy", kind="newIn", scope={"filters": {"minVolume5m": 1000}})
    world = AlertsWorld(rules=(busy,))
    traded = TokenStatistics(
        observed_at=at(0), windows={"5m": WindowStatistics(volume_usd=Usd(5000.0))}
    )
    async with running(world.actor()):
        await until(0.1)
        await world.fill(token(1), token(2))
        await until(100.0)
        await world.publish_statistics({mint(1): traded})  # as it was before the start
        await until(310.0)
        assert [] == world.told
        await world.publish_statistics({mint(2): traded})
        await until(320.0)
        assert [("busy", mint(2))] == world.told


async def test_a_token_that_falls_off_is_forgotten_and_fires_nothing_when_it_is_back(
    autojump_clock: MockClock,
) -> None:
    world = AlertsWorld(rules=(cap_rule(),), tokens=2)
    actor = world.actor()
    async with running(actor):
        await until(0.1)
        await world.fill(capped(1, 90, first_seen_at=at(0)), capped(2, 90, first_seen_at=at(1)))
        await until(5.0)
        await world.publish(capped(3, 90, first_seen_at=at(2)))  # 1 has to go
        await until(10.0)
        assert 2 == actor.snapshot().tokens
        await world.publish(capped(1, 150, first_seen_at=at(3)))
        await until(15.0)
    assert [] == world.told


async def test_tokens_whose_time_is_over_are_forgotten(autojump_clock: MockClock) -> None:
    world = AlertsWorld(rules=(cap_rule(),))
    actor = world.actor()
    async with running(actor):
        await until(0.1)
        await world.fill(capped(1, 90, first_seen_at=at(20 - RETAIN_NEW_SECONDS)))
        await until(5.0)
        assert 1 == actor.snapshot().tokens
        await until(25.0)
        assert (0, 1) == (actor.snapshot().tokens, actor.snapshot().pruned)


# Rules that come and go.


async def test_while_there_is_no_rule_no_token_is_known(autojump_clock: MockClock) -> None:
    world = AlertsWorld()
    actor = world.actor()
    async with running(actor):
        await until(1.0)
        await world.publish(capped(1, 90))
        await until(2.0)
        assert ([], 0) == (world.roster.messages, actor.snapshot().tokens)
        await world.set_rule(id="cap", kind="capAbove", value=100, scope={})
        await until(4.0)
        await world.fill(capped(1, 90))
        await until(6.0)
        await world.publish(capped(1, 150))
        await until(8.0)
        assert [("cap", mint(1))] == world.told
        await world.inbox.send(RuleDropped(rule_id="cap"))
        await until(10.0)
        assert (0, False) == (actor.snapshot().tokens, world.book.is_judging)
        await world.publish(capped(1, 90))
        await until(12.0)
        await world.publish(capped(1, 150))
        await until(14.0)
    assert 1 == len(world.told)


@pytest.mark.parametrize("keep_active", [True, False])
async def test_while_there_is_a_rule_activity_is_told_that_somebody_looks(
    autojump_clock: MockClock, keep_active: bool
) -> None:
    world = AlertsWorld(settings=evolve(SETTINGS.alerts, keep_active=keep_active))
    async with running(world.actor()):
        await until(100.0)
        assert [] == world.presences.messages
        await world.set_rule(id="cap", kind="capAbove", value=100, scope={})
        await until(165.0)
        await world.inbox.send(RuleDropped(rule_id="cap"))
        await until(1000.0)
    told = [(second, message.users) for second, message in world.presences.entries]  # type: ignore[union-attr]
    expected = [(100.0, 1), (130.0, 1), (160.0, 1), (165.0, 0)]
    assert (expected if keep_active else []) == told


async def test_what_is_true_of_a_new_rule_already_does_not_fire(autojump_clock: MockClock) -> None:
    world = AlertsWorld(rules=(cap_rule(id="first"),))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(capped(1, 150, hot_score=2.0))
        await until(5.0)
        await world.set_rule(id="cap", kind="capAbove", value=140, scope={})
        await world.set_rule(id="hot", kind="newIn", scope="hot")
        await until(10.0)
        await world.publish(capped(1, 160, hot_score=3.0))
        await until(15.0)
        assert [] == world.told
        await world.publish(capped(2, 130, hot_score=3.0))
        await until(20.0)
    assert [("hot", mint(2))] == world.told


async def test_the_message_tells_rule_words_and_the_whole_token(autojump_clock: MockClock) -> None:
    world = AlertsWorld(rules=(cap_rule(69_000, name="Big"),))
    async with running(world.actor()):
        await until(0.1)
        await world.fill(capped(1, 90))
        await until(5.0)
        await world.publish(capped(1, 70_000, symbol="CAT"))
        await until(10.0)
    [(_, _, body)] = world.sender.taken
    told = orjson.loads(body)
    assert "alert.capAbove" == told["type"]
    assert told["timestamp"].startswith("2026-05-")
    assert "market cap rises to $69,000" == told["data"]["text"]
    assert {"id": "cap", "name": "Big", "kind": "capAbove", "value": 69_000.0, "scope": {
        "boards": ["bonded", "graduating", "new"], "filters": {},
    }} == told["data"]["rule"]  # fmt: skip
    assert ("CAT", 70_000.0) == tuple(told["data"]["token"][k] for k in ("symbol", "marketCapUsd"))
