"""What becomes of an alert: it waits, is tried again, is taken or given up, and outlives much."""

from collections.abc import Sequence
from typing import Any

import trio
from attrs import evolve
from trio.testing import MockClock

from buffer.memory_alerts import MemoryAlertShelf
from domain.alerts import Alert, AlertDropped, AlertResent, RuleDropped
from domain.token import Token
from domain.values import Usd
from sources import SendAnswer
from tests.unit.actors.alerts.alerts_world import (
    GONE,
    REFUSED,
    TAKEN,
    AlertsWorld,
    ScriptedEndpoints,
    cap_rule,
)
from tests.unit.actors.world import SETTINGS, mint, running, token, until

RULES = (cap_rule(),)


def capped(number: int, cap: float) -> Token:
    return token(number, market_cap_usd=Usd(cap))


async def raise_alerts(world: AlertsWorld, *numbers: int, second: float) -> None:
    """Let the rule fire for tokens, and the clock come to a second."""
    await world.publish(*(capped(number, 90) for number in numbers))
    await until(second - 2.0)
    await world.publish(*(capped(number, 150) for number in numbers))
    await until(second)


async def begin(world: AlertsWorld) -> None:
    await until(0.1)
    await world.fill()


def world_of(*answers: SendAnswer, **changes: Any) -> AlertsWorld:
    settings = evolve(SETTINGS.alerts, **changes)
    sender = ScriptedEndpoints(answers={"desk": list(answers)} if answers else {})
    return AlertsWorld(rules=RULES, sender=sender, settings=settings)


async def test_an_alert_is_in_redis_before_it_is_sent_and_goes_when_it_is_taken(
    autojump_clock: MockClock,
) -> None:
    world = world_of()
    world.sender.delays["desk"] = 3.0
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=5.0)
        [stored] = await world.shelf.read_alerts()
        assert [(stored.endpoint, stored.id)] == [each[1:] for each in world.sender.attempts]
        await until(10.0)
        assert [] == list(await world.shelf.read_alerts())
    assert [("desk", stored.id, stored.body)] == world.sender.taken


class SlowShelf(MemoryAlertShelf):
    """Redis that takes its time to keep an alert."""

    async def keep_alerts(self, alerts: Sequence[Alert]) -> None:
        await trio.sleep(7.0 if alerts else 0.0)
        await super().keep_alerts(alerts)


async def test_no_attempt_begins_before_redis_has_the_alert(autojump_clock: MockClock) -> None:
    world = world_of()
    world.shelf = SlowShelf(100)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=5.0)
        await until(9.9)
        assert [] == world.sender.attempts
        await until(20.0)
    assert [10.0] == world.sender.times()


async def test_a_refused_alert_is_tried_again_under_its_id_ever_later(
    autojump_clock: MockClock,
) -> None:
    world = world_of(*[REFUSED] * 4, TAKEN, interval_seconds=0.5)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=4.0)
        await until(200.0)
    first, *later = world.sender.times()
    assert [5.0, 10.0, 20.0, 40.0] == [
        round(after - before) for before, after in zip([first, *later], later, strict=False)
    ]
    assert 1 == len({alert_id for _, _, alert_id in world.sender.attempts})
    assert 1 == len(world.told)


async def test_an_alert_that_alone_is_refused_holds_back_no_other(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED, TAKEN)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, 2, 3, second=20.0)
        await until(60.0)
    assert 3 == len(world.told)
    assert 4 == len(world.sender.attempts)


async def test_a_dead_endpoint_is_asked_by_one_alert_at_a_time_and_holds_back_no_other(
    autojump_clock: MockClock,
) -> None:
    world = AlertsWorld(
        rules=RULES,
        endpoints=("desk", "other"),
        sender=ScriptedEndpoints(answers={"desk": [REFUSED]}, delays={"desk": 10.0}),
    )
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, *range(1, 9), second=10.0)
        assert {"other"} == {endpoint for endpoint, _, _ in world.sender.taken}
        assert 8 == len(world.told)
        await until(1000.0)
        assert 8 == len(world.told)
        assert 8 == len(world.book.lines["desk"].waiting)
        # Four at first, before the failure is known; then one after each pause.
        assert 4 <= len(world.sender.times()) <= 12
        world.sender.answers["desk"] = [TAKEN]
        await until(2500.0)
    assert 16 == len(world.told)


async def test_a_pause_that_is_asked_for_is_kept(autojump_clock: MockClock) -> None:
    busy = SendAnswer(status=429, problem="HTTP 429", pause_seconds=120.0)
    world = world_of(busy, TAKEN)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await until(500.0)
    first, second = world.sender.times()
    assert 120.0 <= second - first <= 122.0


async def test_what_is_never_taken_is_given_up_shown_and_sent_again_by_hand(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED, give_up_after_seconds=100.0)
    actor = world.actor()
    async with running(actor):
        await begin(world)
        await raise_alerts(world, 1, 2, second=10.0)
        await until(300.0)
        failed = list(world.book.list_failed())
        assert [(mint(1), "HTTP 500"), (mint(2), "HTTP 500")] == [
            (alert.mint, alert.failure) for alert in failed
        ]
        assert failed == sorted(await world.shelf.read_alerts(), key=lambda alert: alert.mint)
        attempts = len(world.sender.attempts)
        await until(1000.0)
        assert attempts == len(world.sender.attempts)
        world.sender.answers["desk"] = [TAKEN]
        await world.inbox.send(AlertResent(alert_id=failed[0].id))
        await world.inbox.send(AlertResent(alert_id="nobody"))
        await world.inbox.send(AlertDropped(alert_id=failed[1].id))
        await until(1010.0)
        assert [("desk", failed[0].id, failed[0].body)] == world.sender.taken
        assert ([], []) == (list(world.book.list_failed()), await world.shelf.read_alerts())
    told = actor.snapshot()
    assert (2, 1, 1, 0) == (told.given_up, told.resent, told.dropped_by_operators, told.failed)


async def test_an_endpoint_that_is_gone_is_told_nothing_until_one_is_sent_again(
    autojump_clock: MockClock,
) -> None:
    world = world_of(GONE)
    actor = world.actor()
    async with running(actor):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await raise_alerts(world, 2, second=20.0)
        await until(5000.0)
        assert 1 == len(world.sender.attempts)
        assert {"desk": True} == actor.snapshot().gone
        assert "410" in str(world.problem_of())
        failed = list(world.book.list_failed())
        assert ["HTTP 410", "HTTP 410"] == [alert.failure for alert in failed]
        world.sender.answers["desk"] = [TAKEN]
        await world.inbox.send(AlertResent(alert_id=failed[1].id))
        await raise_alerts(world, 3, second=5010.0)
    assert [mint(2), mint(3)] == [each for _, each in world.told]
    assert world.problem_of() is None


async def test_past_the_bound_the_oldest_go_counted_and_named(autojump_clock: MockClock) -> None:
    world = world_of(REFUSED, waiting_alerts=3, retry_longest_seconds=5.0)
    actor = world.actor()
    async with running(actor):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await raise_alerts(world, 2, 3, 4, 5, second=20.0)
        waiting = [world.book.alerts.rows[each].mint for each in world.book.lines["desk"].waiting]
        assert [mint(3), mint(4), mint(5)] == waiting
        stored = await world.shelf.read_alerts()
        assert {mint(3), mint(4), mint(5)} == {alert.mint for alert in stored}
        assert (2, "3 alerts wait for it, the oldest were dropped") == (
            actor.snapshot().dropped,
            world.problem_of(),
        )
        world.sender.answers["desk"] = [TAKEN]
        await until(100.0)
    assert world.problem_of() is None
    assert {mint(3), mint(4), mint(5)} == {each for _, each in world.told}


async def test_failed_ones_are_bounded_too(autojump_clock: MockClock) -> None:
    world = world_of(REFUSED, waiting_alerts=2, give_up_after_seconds=20.0)
    actor = world.actor()
    async with running(actor):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await raise_alerts(world, 2, second=50.0)
        await raise_alerts(world, 3, second=90.0)
        await until(200.0)
        assert [mint(2), mint(3)] == [alert.mint for alert in world.book.list_failed()]
        assert 2 == len(await world.shelf.read_alerts())
    assert (3, 1) == (actor.snapshot().given_up, actor.snapshot().failed_dropped)


async def test_an_endpoint_that_fails_for_long_is_named_until_it_takes_one(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED, degraded_after_seconds=300.0, retry_longest_seconds=30.0)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await until(290.0)
        assert world.problem_of() is None
        await until(320.0)
        assert "no alert could be brought to it for long" == world.problem_of()
        world.sender.answers["desk"] = [TAKEN]
        await until(360.0)
        assert world.problem_of() is None


# Redis, and what survives.


async def test_while_redis_is_away_alerts_are_sent_all_the_same(autojump_clock: MockClock) -> None:
    world = world_of()
    async with running(world.actor()):
        await begin(world)
        await until(2.0)
        world.shelf.is_away = True
        await raise_alerts(world, 1, second=10.0)
        assert [mint(1)] == [each for _, each in world.told]
        assert ("redis", "alerts") in world.conditions.problems


async def test_while_both_are_away_alerts_are_kept_and_saved_when_redis_is_back(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED)
    async with running(world.actor()):
        await begin(world)
        await until(2.0)
        world.shelf.is_away = True
        await raise_alerts(world, 1, 2, second=10.0)
        assert {"alerts": 2} == world.book.count_unsaved()
        world.shelf.is_away = False
        await until(30.0)
        assert {} == world.book.count_unsaved()
        assert 2 == len(await world.shelf.read_alerts())


async def test_what_a_killed_process_has_raised_the_next_one_sends_under_the_same_id(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED)
    async with running(world.actor()):
        await begin(world)
        await world.set_rule(id="mine", kind="bonded", scope="watched")
        await raise_alerts(world, 1, 2, second=10.0)
        stored = await world.shelf.read_alerts()
    world.new_process()
    world.sender.answers["desk"] = [TAKEN]
    async with running(world.actor()):
        await until(12.0)
    assert {(alert.id, alert.body) for alert in stored} == {each[1:] for each in world.sender.taken}
    assert len(stored) == len(world.sender.taken)
    assert ["cap", "mine"] == [rule.id for rule in world.book.list_rules()]
    assert [] == list(await world.shelf.read_alerts())


async def test_a_restart_of_the_actor_goes_on_with_what_waits(autojump_clock: MockClock) -> None:
    world = world_of(REFUSED)
    world.sender.delays["desk"] = 4.0
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=5.0)  # an attempt is under way
    assert {1} == {len(line.under_way) for line in world.book.lines.values()}
    world.sender.answers["desk"] = [TAKEN]
    async with running(world.actor()):
        await until(20.0)
    assert 1 == len(world.told)


async def test_what_redis_has_lost_is_put_back_within_a_minute(autojump_clock: MockClock) -> None:
    world = world_of(REFUSED)
    async with running(world.actor()):
        await begin(world)
        await world.set_rule(id="mine", kind="bonded", scope="watched")
        await raise_alerts(world, 1, second=10.0)
        world.shelf.alerts.clear()
        world.shelf.rules.clear()
        await until(75.0)
        assert [mint(1)] == [alert.mint for alert in await world.shelf.read_alerts()]
        assert ["mine"] == [rule["id"] for rule in await world.shelf.read_rules()]


async def test_alerts_of_an_endpoint_that_has_gone_from_the_settings_have_failed(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED)
    async with running(world.actor()):
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
    world.endpoints = ("other",)
    world.new_process()
    async with running(world.actor()):
        await until(15.0)
        [failed] = world.book.list_failed()
        assert ("desk", "no such endpoint any more") == (failed.endpoint, failed.failure)
        await world.inbox.send(AlertResent(alert_id=failed.id))
        await until(20.0)
        assert [failed] == list(world.book.list_failed())
        await world.inbox.send(AlertDropped(alert_id=failed.id))
        await until(25.0)
        assert [] == list(await world.shelf.read_alerts())


async def test_a_stored_rule_that_is_not_understood_is_told_and_stays(
    autojump_clock: MockClock,
) -> None:
    world = world_of()
    await world.shelf.keep_rules([{"id": "old", "kind": "boom"}, {"id": "cap", "kind": "boom"}])
    actor = world.actor()
    async with running(actor):
        await until(5.0)
        assert {"old", "cap"} == set(world.book.not_understood)
        assert (1, 2) == (actor.snapshot().rules, actor.snapshot().rules_not_understood)
        assert 2 == len(await world.shelf.read_rules())
        for rule_id in ("old", "cap"):  # the settings' own of this id stays
            await world.inbox.send(RuleDropped(rule_id=rule_id))
        await until(10.0)
        assert [] == list(await world.shelf.read_rules())
        assert (1, 0) == (actor.snapshot().rules, actor.snapshot().rules_not_understood)


# A drain.


async def test_a_drain_saves_what_was_raised_and_waits_a_second_at_most(
    autojump_clock: MockClock,
) -> None:
    world = world_of()
    world.sender.delays["desk"] = 100.0
    actor = world.actor()
    async with running(actor) as nursery:
        await begin(world)
        await raise_alerts(world, 1, second=10.0)
        await world.publish(capped(2, 90))
        await until(12.0)
        await world.publish(capped(2, 150))
        world.inbox.close()
        await until(14.0)
        assert not nursery.child_tasks
    assert {mint(1), mint(2)} == {alert.mint for alert in await world.shelf.read_alerts()}
    assert {} == world.book.count_unsaved()


async def test_a_drain_without_redis_ends_and_names_what_is_lost(
    autojump_clock: MockClock,
) -> None:
    world = world_of(REFUSED)
    async with running(world.actor()) as nursery:
        await begin(world)
        await until(2.0)
        world.shelf.is_away = True
        await raise_alerts(world, 1, second=10.0)
        world.inbox.close()
        await until(12.0)
        assert not nursery.child_tasks
    assert {"alerts": 1} == world.book.count_unsaved()
