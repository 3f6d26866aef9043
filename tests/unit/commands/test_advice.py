"""Doctor's advice: what is found, and what it would save in numbers."""

from typing import Any

import attrs
import pytest

from buffer.redis.facts import RedisFacts
from commands.advice import Finding, Gravity, on_postgres, on_redis
from store import ServerPulse
from store.postgres.facts import HotTable, PostgresFacts

GIGABYTE = 1 << 30
SETTINGS = {
    "archive_mode": "off",
    "archive_timeout": "0",
    "autovacuum": "on",
    "checkpoint_timeout": "1800",
    "fsync": "on",
    "full_page_writes": "on",
    "max_wal_size": "4096",
    "server_version_num": "180001",
    "shared_buffers": "16384",
    "synchronous_commit": "on",
    "wal_compression": "zstd",
}
PULSE = ServerPulse(
    checkpoints_timed=100,
    checkpoints_requested=0,
    checkpoint_buffers=10_000,
    wal_bytes=10 * GIGABYTE,
    full_page_images=655_360,  # 5 GB
    wal_position=0,
    wal_since_checkpoint_bytes=0,
    checkpoint_timeout_seconds=1800.0,
    wal_before_requested_bytes=2 * GIGABYTE,
    max_wal_size_bytes=4 * GIGABYTE,
)


def facts(
    pulse: ServerPulse = PULSE, *, hot: HotTable | None = None, **changed: str
) -> PostgresFacts:
    return PostgresFacts(
        settings={**SETTINGS, **changed},
        units={"max_wal_size": "MB", "shared_buffers": "8kB"},
        wal_compressions=("pglz", "lz4", "zstd", "on", "off"),
        may_create=True,
        conflict=None,
        is_pooled=False,
        is_neon=False,
        untold=(),
        pulse=pulse,
        watched_seconds=10 * 3600.0,
        hot_table=hot,
    )


def found(subject: str, facts: PostgresFacts) -> Finding:
    [finding] = [each for each in on_postgres(facts) if each.subject == subject]
    return finding


def test_good_server_needs_nothing() -> None:
    assert {finding.gravity for finding in on_postgres(facts())} == {Gravity.FINE}


@pytest.mark.parametrize("name", ["full_page_writes", "fsync"])
def test_what_corrupts_data_is_a_failure(name: str) -> None:
    server = attrs.evolve(facts(), settings={**SETTINGS, name: "off"})
    assert found(name, server).gravity is Gravity.FAILURE


@pytest.mark.parametrize("name", ["full_page_writes", "fsync"])
def test_neon_needs_neither_and_is_told_why(name: str) -> None:
    server = attrs.evolve(facts(), settings={**SETTINGS, name: "off"}, is_neon=True)
    finding = found(name, server)
    assert (Gravity.FINE, True) == (finding.gravity, "on Neon: a commit waits" in finding.says)


def test_nothing_is_advised_that_neon_sets_itself() -> None:
    server = attrs.evolve(
        facts(archive_mode="on", archive_timeout="60", wal_compression="off", max_wal_size="64"),
        is_neon=True,
    )
    assert {Gravity.FINE} == {finding.gravity for finding in on_postgres(server)}


@pytest.mark.parametrize(
    ("untold", "gravity", "says"),
    [
        ((), Gravity.FINE, "fine"),
        (("own_backends_wal",), Gravity.FINE, "refuses to tell the WAL of each connection"),
        (("wal_position",), Gravity.ADVICE, "holds its budget of rows alone"),
    ],
)
def test_figures_that_a_server_keeps_to_itself_are_named(
    untold: tuple[str, ...], gravity: Gravity, says: str
) -> None:
    finding = found("statistics", attrs.evolve(facts(), untold=untold))
    assert (gravity, True) == (finding.gravity, says in finding.says)


def test_nothing_is_advised_whose_saving_a_server_does_not_tell() -> None:
    pulse = attrs.evolve(PULSE, wal_bytes=None, full_page_images=None)
    untuned = facts(pulse, wal_compression="off", checkpoint_timeout="300", max_wal_size="64")
    assert {Gravity.FINE} == {finding.gravity for finding in on_postgres(untuned)}


def test_short_checkpoints_cost_page_images_in_proportion() -> None:
    finding = found("checkpoint_timeout", facts(checkpoint_timeout="300"))
    # Of 512 MB of images an hour five sixths.
    assert (finding.gravity, "saves up to 427 MB of 1 GB" in finding.says) == (
        Gravity.ADVICE,
        True,
    )


def test_forced_segments_cost_padding_and_come_first_among_the_costs() -> None:
    asked = facts(archive_mode="on", archive_timeout="60", wal_compression="off")
    advice = [each for each in on_postgres(asked) if each.gravity is Gravity.ADVICE]
    assert [each.subject for each in advice] == ["archive_timeout", "wal_compression"]
    assert "is 60 s: 60 segments of 16 MB an hour" in advice[0].says


def test_early_checkpoints_ask_for_a_larger_max_wal_size() -> None:
    pulse = attrs.evolve(PULSE, checkpoints_requested=100)
    finding = found("max_wal_size", facts(pulse))
    assert finding.gravity is Gravity.ADVICE
    assert "100 of 200 checkpoints came before their time" in finding.says
    assert "Set 8 GB: saves up to 256 MB WAL an hour" in finding.says


@pytest.mark.parametrize(
    ("built_with", "best", "saving"),
    [(("lz4", "zstd"), "zstd", "230 MB"), (("lz4",), "lz4", "179 MB"), ((), "on", "128 MB")],
)
def test_compression_is_the_best_that_the_server_was_built_with(
    built_with: tuple[str, ...], best: str, saving: str
) -> None:
    server = attrs.evolve(facts(wal_compression="off"), wal_compressions=built_with)
    says = found("wal_compression", server).says
    assert f"wal_compression = {best}," in says
    assert f"saves about {saving} of 1 GB WAL" in says


def test_bloated_hot_table_is_found_with_what_it_wastes() -> None:
    hot = HotTable(
        live_rows=10_000, dead_rows=30_000, updates=90_000, hot_updates=89_000, bytes=40 << 20
    )
    assert "saves about 30 MB of disk" in found("hot table", facts(hot=hot)).says


def test_updates_that_touch_an_index_are_found() -> None:
    hot = HotTable(live_rows=10_000, dead_rows=0, updates=90_000, hot_updates=9_000, bytes=1 << 20)
    assert "10% of its updates touched no index" in found("hot table", facts(hot=hot)).says


# Redis.

FIT = RedisFacts(
    version=(7, 2, 4), is_append_only=True, largest_memory_bytes=0, eviction_policy="noeviction"
)


def gravities(facts: RedisFacts | None) -> dict[str, Gravity]:
    return {each.subject: each.gravity for each in on_redis(facts) if each.gravity < Gravity.FINE}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"version": (6, 0, 16)}, {"redis": Gravity.FAILURE}),
        ({"is_append_only": False}, {"appendonly": Gravity.ADVICE}),
        ({"is_cluster": True}, {"cluster-enabled": Gravity.FAILURE}),
        ({"eviction_policy": "allkeys-lru"}, {}),
        ({"version": ()}, {"redis": Gravity.ADVICE}),
        ({"is_append_only": None}, {"appendonly": Gravity.ADVICE}),
        ({"largest_memory_bytes": 100, "used_memory_bytes": 79}, {}),
        ({"largest_memory_bytes": 100, "used_memory_bytes": 80}, {"maxmemory": Gravity.ADVICE}),
        (
            {"eviction_policy": "", "largest_memory_bytes": None},
            {"maxmemory-policy": Gravity.FAILURE},
        ),
        (
            {"eviction_policy": "optimistic-volatile", "largest_memory_bytes": None},
            {"maxmemory-policy": Gravity.FAILURE},
        ),
        (
            {"eviction_policy": "allkeys-lru", "largest_memory_bytes": 1},
            {"maxmemory-policy": Gravity.FAILURE},
        ),
        (
            {"eviction_policy": "volatile-ttl", "largest_memory_bytes": 1},
            {"maxmemory-policy": Gravity.ADVICE},
        ),
        (
            {"eviction_policy": "", "largest_memory_bytes": 1},
            {"maxmemory-policy": Gravity.FAILURE},
        ),
    ],
)
def test_what_is_wrong_with_redis_is_as_grave_as_what_it_costs(
    changed: dict[str, Any], expected: dict[str, Gravity]
) -> None:
    assert expected == gravities(attrs.evolve(FIT, **changed))


FLUSHED_ONLY = "what Postgres does not have yet has no lifetime, and stays"
UNFLUSHED = "throws away values that are not in Postgres yet, and new tokens of the spool"


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        *((f"volatile-{kind}", FLUSHED_ONLY) for kind in ("lru", "lfu", "ttl", "random")),
        *((f"allkeys-{kind}", UNFLUSHED) for kind in ("lru", "lfu", "random")),
        ("optimistic-volatile", UNFLUSHED),  # Upstash: first those that expire, then any
        ("", UNFLUSHED),
        ("noeviction", "fine"),
    ],
)
def test_each_policy_is_told_with_what_it_would_throw_away(policy: str, says: str) -> None:
    server = attrs.evolve(FIT, eviction_policy=policy, largest_memory_bytes=1 << 30)
    [finding] = [each for each in on_redis(server) if each.subject == "maxmemory-policy"]
    assert says in finding.says


def test_redis_that_tells_nothing_is_told() -> None:
    assert {"redis": Gravity.ADVICE} == gravities(None)


UNTUNED = {
    "archive_mode": "on",
    "archive_timeout": "60",
    "checkpoint_timeout": "300",
    "max_wal_size": "64",
    "wal_compression": "off",
}


def untuned(watched_seconds: float) -> PostgresFacts:
    settings = {**SETTINGS, **UNTUNED}
    return attrs.evolve(facts(), settings=settings, watched_seconds=watched_seconds)


@pytest.mark.parametrize("seconds", [0.0, 59.0, 3599.0])
def test_no_saving_is_estimated_from_counters_that_have_just_begun(seconds: float) -> None:
    young = untuned(seconds)
    for subject in ("archive_timeout", "checkpoint_timeout", "max_wal_size", "wal_compression"):
        finding = found(subject, young)
        assert Gravity.ADVICE is finding.gravity
        minutes = int(seconds // 60)
        assert finding.says.endswith(f"the server's counters began {minutes} minutes ago")
        assert "WAL an hour" not in finding.says
        assert "archive an hour" not in finding.says
        assert "are padding" not in finding.says


def test_savings_are_estimated_once_an_hour_was_counted() -> None:
    server = untuned(3600.0)
    for subject in ("archive_timeout", "checkpoint_timeout", "max_wal_size", "wal_compression"):
        assert "saves up to" in found(subject, server).says.replace("about", "up to")


def test_a_young_server_is_to_have_room_for_two_gigabytes_of_wal() -> None:
    young = untuned(60.0)
    assert "Set 2 GB." in found("max_wal_size", young).says
