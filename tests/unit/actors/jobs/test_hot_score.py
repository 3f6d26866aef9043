"""Hot score: trades make it, rest does not change it, four hours of silence are noticed."""

import attrs
import pytest
from attrs import define
from trio.testing import MockClock

from actors.jobs.hot_score import (
    EARLY_INTERVALS_SECONDS,
    FIRST_SCORES_SECONDS,
    HotScoreJob,
    HotScoreSnapshot,
)
from config.settings import Settings
from domain.messages import RosterWanted, TradesWeighed
from domain.scoring import SMALLEST_TRADE_SOL, add_trade
from domain.values import Sol
from tests.unit.actors.jobs.job_world import JobWorld
from tests.unit.actors.world import HOUR, SETTINGS, at, mint, running, token, until
from tests.unit.domain.scores import decayed_sol

HALF_LIFE_SECONDS = SETTINGS.hot_score.half_life_seconds
INTERVAL_SECONDS = SETTINGS.hot_score.interval_seconds


def score_of(sol: float, second: float) -> float:
    return add_trade(None, Sol(sol), at(second), HALF_LIFE_SECONDS)


def score_settings(**changed: float) -> Settings:
    hot_score = attrs.evolve(SETTINGS.hot_score, **changed)  # type: ignore[arg-type]
    return attrs.evolve(SETTINGS, hot_score=hot_score)


def tracking(tokens: int) -> Settings:
    return attrs.evolve(SETTINGS, tracking=attrs.evolve(SETTINGS.tracking, tokens=tokens))


def weighed(number: int, second: float, sol: float | None = 1.0) -> TradesWeighed:
    counted = SMALLEST_TRADE_SOL if sol is None else Sol(sol)
    return TradesWeighed(mint=mint(number), sol=counted, at=at(second))


@define
class World(JobWorld):
    name = "hot-score"

    def job(self) -> HotScoreJob:
        return HotScoreJob.build(self.context(), None)

    async def trade(self, second: float, number: int = 1, sol: float | None = 1.0) -> None:
        await until(second)
        await self.trades.send(weighed(number, second, sol))

    async def publish_back(self) -> None:
        """As sync does with what it was sent."""
        for _, update in self.updates:
            await self.publish(token(1, hot_score=update.values["hot_score"]))

    def scores(self, number: int = 1) -> list[float]:
        return [float(v["hot_score"]) for v in self.values(number) if "hot_score" in v]


# Scores.


async def test_it_asks_for_the_roster_when_it_starts(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await until(0.0)
    assert [RosterWanted(subscriber="hot-score")] == world.sent.messages


async def test_trade_is_worth_its_size_and_halves_every_half_life(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(100.0, sol=8.0)
        await until(INTERVAL_SECONDS)
    [(second, update)] = world.updates
    score = float(update.values["hot_score"])
    assert (100.0 + FIRST_SCORES_SECONDS, "hot-score") == (second, update.origin)
    worth = [decayed_sol(score, at(100 + n * HALF_LIFE_SECONDS), HALF_LIFE_SECONDS) for n in (0, 1)]
    assert pytest.approx([8.0, 4.0], rel=1e-4) == worth


async def test_scores_are_published_an_interval_apart_and_only_when_they_change(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(100.0)
        await until(3000.0)
        await world.trade(3000.0)
        await until(4000.0)
    # Runs at 105, 130 and 160, then each 900 s: at 1060, 1960, 2860, 3760.
    assert [105.0, 3760.0] == [second for second, _ in world.updates]
    assert world.scores()[0] < world.scores()[1]


async def test_score_of_a_quiet_token_never_changes(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(100.0)
        await until(1000.0)
        await world.publish_back()
        await until(3 * HOUR)
    assert 1 == len(world.updates)


async def test_busy_coin_outranks_a_dead_ten_minute_old_one(autojump_clock: MockClock) -> None:
    """Defect 15: the score knew ages, and no trades."""
    world = World()
    async with running(world.job()):
        await world.publish(token(1, first_seen_at=at(-20 * HOUR)), token(2))
        await world.trade(0.0, 2, sol=4.94)  # a large dev buy at birth, and nothing since
        for second in range(0, 600, 10):
            await world.trade(float(second), 1, sol=0.2)
        await until(60.0 + INTERVAL_SECONDS)
    assert world.scores(1)[-1] > world.scores(2)[-1]


async def test_only_the_hottest_are_published_the_others_keep(autojump_clock: MockClock) -> None:
    world = World(settings=score_settings(tokens=2))
    async with running(world.job()):
        await world.publish(*(token(number) for number in (1, 2, 3)))
        for number in (1, 2, 3):
            await world.trade(1.0, number, sol=float(number))
        await until(2 * INTERVAL_SECONDS)
    sent = [(second, update.mint) for second, update in world.updates]
    assert [(6.0, mint(3)), (6.0, mint(2)), (31.0, mint(1))] == sent


async def test_trade_without_size_counts_a_little(autojump_clock: MockClock) -> None:
    """Frames of 2024 name no size (defect 13)."""
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(1.0, sol=None)
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(0.001, 1.0), abs=1e-4)] == world.scores()


async def test_trades_in_one_millisecond_all_count(autojump_clock: MockClock) -> None:
    """Defect 10: a trade's identity was mint and millisecond."""
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        for _ in range(4):
            await world.trade(1.0, sol=2.0)
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(8.0, 1.0), abs=1e-4)] == world.scores()


async def test_trade_too_small_to_be_seen_is_not_published(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1, hot_score=round(score_of(1e6, 1.0), 4)))
        await world.trade(1.0, sol=0.001)
        await until(INTERVAL_SECONDS)
    assert [] == world.updates


async def test_run_says_how_many_scores_it_sent_and_how_many_it_skipped(
    autojump_clock: MockClock,
) -> None:
    world = World()
    job = world.job()
    async with running(job):
        same = round(score_of(1e6, 1.0), 4)  # a small trade more does not show in it
        await world.publish(*(token(n, hot_score=same) for n in (1, 2, 3)), token(4), token(5))
        for number, sol in ((1, 0.001), (2, 0.001), (3, 0.001), (4, 5.0), (5, 6.0)):
            await world.trade(1.0, number, sol=sol)
        await until(1.0 + FIRST_SCORES_SECONDS)
        [said] = world.log.entries("hot scores updated")
        assert (2, 3) == (said["updated"], said["skipped"])
        assert job.snapshot() == HotScoreSnapshot(
            scores=5, changed=0, updated=2, unchanged=3, silenced=0
        )
        await until(2.0 + FIRST_SCORES_SECONDS + EARLY_INTERVALS_SECONDS[0])
        said = world.log.entries("hot scores updated")[1]
    assert (0, 0) == (said["updated"], said["skipped"])  # nothing has changed since


# A fresh service.


async def test_board_of_a_fresh_service_is_filled_within_its_first_minute(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(*(token(number) for number in range(1, 61)))
        for number in range(1, 61):
            await world.trade(float(number), number)
        await until(61.0)
    first_seen = {update.mint: second for second, update in reversed(world.updates)}
    assert {6.0, 31.0, 61.0} == set(first_seen.values())
    assert 60 == len(first_seen)


async def test_published_score_of_an_earlier_life_is_enough_to_begin(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await until(100.0)
        await world.publish(token(1, hot_score=score_of(7.0, 1.0)))
        await until(400.0)
    assert [105.0, 130.0, 160.0] == world.log.times("hot scores updated")


async def test_run_that_finds_no_score_waits_no_longer_than_an_interval(
    autojump_clock: MockClock,
) -> None:
    """Else silence would go unmarked where nothing is ever traded."""
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await until(INTERVAL_SECONDS)
        assert [INTERVAL_SECONDS] == world.log.times("hot scores updated")


# Volume in place of a stream.


async def test_growth_of_volume_stands_for_trades_that_are_not_heard(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await until(1.0)
        await world.publish(token(1, volume_24h_sol=10.0))
        await until(2.0)
        await world.publish(token(1, volume_24h_sol=14.0, last_updated_at=at(2)))
        await until(3.0)
        await world.publish(token(1, volume_24h_sol=13.0, last_updated_at=at(3)))  # old ones left
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(4.0, 2.0), abs=1e-4)] == world.scores()


async def test_volume_is_not_counted_where_the_stream_tells_of_trades(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1, volume_24h_sol=10.0))
        await world.trade(1.0, sol=4.0)
        await until(2.0)
        await world.publish(token(1, volume_24h_sol=14.0, last_updated_at=at(2)))
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(4.0, 1.0), abs=1e-4)] == world.scores()


# Restarts and idling.


async def test_restart_goes_on_from_the_published_score(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.trade(1.0, sol=1.0)  # heard before sync has told of the token
        await until(2.0)
        await world.publish(token(1, hot_score=score_of(7.0, 1.0)))
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(8.0, 1.0), abs=1e-4)] == world.scores()


async def test_score_never_falls_below_the_published_one(autojump_clock: MockClock) -> None:
    """A publication of before the restart is overtaken by the last score of the earlier life."""
    world = World()
    async with running(world.job()):
        await world.publish(token(1, hot_score=score_of(3.0, 1.0)))
        await until(1.0)
        await world.publish(token(1, hot_score=score_of(7.0, 1.0)))
        await world.trade(1.0, sol=1.0)
        await until(INTERVAL_SECONDS)
    assert [pytest.approx(score_of(8.0, 1.0), abs=1e-4)] == world.scores()


async def test_token_that_sync_never_tells_of_is_forgotten(autojump_clock: MockClock) -> None:
    world = World()
    job = world.job()
    async with running(job):
        await world.trade(1.0, number=5)
        await until(1000.0)
    assert ([], {}, set(), {}) == (world.updates, job.scores, job.changed, job.streamed_at)


async def test_only_so_many_tokens_are_kept(autojump_clock: MockClock) -> None:
    world = World(settings=tracking(10))
    job = world.job()
    async with running(job):
        await world.go_idle()
        for number in range(1, 200):
            await until(number * 60.0)
            await world.trade(number * 60.0, number)
            await world.publish(token(number))
        await until(12_000.0)
    assert [mint(number) for number in range(190, 200)] == list(job.tokens)
    assert len(job.scores) <= 2 * 10 + 1
    assert len(job.streamed_at) <= 2 * 10 + 1


async def test_trades_of_strangers_are_not_kept_for_ever_while_idle(
    autojump_clock: MockClock,
) -> None:
    world = World(settings=tracking(10))
    job = world.job()
    async with running(job):
        await world.go_idle()
        for number in range(1, 200):
            await world.trade(number * 60.0, number)
            assert len(job.scores) <= 2 * 10 + 1
    assert mint(199) == list(job.scores)[-1]


async def test_token_may_leave_while_scores_are_sent(autojump_clock: MockClock) -> None:
    world = World(settings=tracking(3))
    job = world.job()

    def forget_another(_: object) -> None:
        if world.updates == []:
            job._learn_token(token(9))  # the longest unheard leaves, which is next to be sent

    async with running(job):
        for number in (1, 2, 3):
            await world.publish(token(number))
            await world.trade(1.0, number, sol=4.0 - number)
        await until(2.0)
        job._learn_token(token(1))
        job._learn_token(token(3))
        world.sent.on_send = forget_another
        await until(INTERVAL_SECONDS)
    assert mint(2) not in job.tokens
    assert [mint(1), mint(3)] == [update.mint for _, update in world.updates]


async def test_idle_publishes_nothing_and_its_end_publishes_at_once(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.job()):
        await world.publish(token(1))
        await until(10.0)
        await world.go_idle()
        await world.trade(20.0)
        await until(HOUR)
        assert [] == world.updates
        skipped = world.log.times("skipping job: system idle")
        assert [25.0, 50.0, 80.0, 980.0, 1880.0, 2780.0] == skipped
        await world.activate()
        await until(HOUR)
    assert [HOUR] == [second for second, _ in world.updates]


async def test_what_changed_is_published_before_the_end(autojump_clock: MockClock) -> None:
    world = World()
    await world.publish(token(1))
    await world.trades.send(weighed(1, 0.0))
    world.trades.close()
    world.publications.close()
    await world.job().run()
    assert 1 == len(world.scores())


async def test_a_drain_amid_a_run_tells_every_score(autojump_clock: MockClock) -> None:
    world = World()

    def drain(_: object) -> None:
        world.publications.close()
        world.trades.close()

    async with running(world.job()):
        for number in range(1, 21):
            await world.publish(token(number))
            await world.trade(100.0, number=number)
        world.sent.on_send = drain
        await until(200.0)
    assert {mint(number) for number in range(1, 21)} == {u.mint for _, u in world.updates}


async def test_nothing_is_told_of_tokens_that_left_the_feed(autojump_clock: MockClock) -> None:
    world = World(settings=score_settings(interval_seconds=50 * HOUR))
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(100.0)
        await world.trade(200.0)  # after the early runs
        await until(51 * HOUR)
    assert [105.0] == [second for second, _ in world.updates]


# Silence.


async def test_token_is_silent_after_four_hours_without_a_trade(autojump_clock: MockClock) -> None:
    world = World(settings=score_settings(interval_seconds=10.0))
    job = world.job()
    async with running(job):
        await world.publish(token(1), token(2, last_trade_at=at(3600)))
        await until(4 * HOUR - 10)
        assert [] == world.updates
        await until(4 * HOUR + 10)
        assert [{"silent": True}] == world.values(1)
        assert 1 == job.snapshot().silenced
        await world.publish(token(1, silent=True))
        await until(4 * HOUR + 30)
    assert [{"silent": True}] == world.values(1)
    assert [] == world.values(2)


async def test_token_whose_trade_was_just_heard_is_not_silent(autojump_clock: MockClock) -> None:
    """The publication of that trade is still on its way, and must not be overruled."""
    world = World(settings=score_settings(interval_seconds=60.0))
    async with running(world.job()):
        await world.publish(token(1))
        await world.trade(4 * HOUR - 1)
        await until(4 * HOUR + 120)
    assert {"silent": True} not in world.values(1)
