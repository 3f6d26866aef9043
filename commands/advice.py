"""What doctor makes of the facts: pure rules, each finding with its reason and what it saves.

    PostgresFacts, RedisFacts  ->  findings, what must be mended first

A saving is estimated from the server's own counters: how much WAL it writes, how much of that
are whole pages (an image is a page of 8 KiB at most), and how many checkpoints came early.
"""

from collections.abc import Iterator
from enum import IntEnum

from attrs import define, frozen

from buffer.redis.facts import CLUSTER, RedisFacts, describe_eviction, describe_risks
from store.postgres.facts import PostgresFacts

MEGABYTE = 1 << 20
PAGE_BYTES = 8192
SEGMENT_BYTES = 16 * MEGABYTE
HOUR_SECONDS = 3600.0
# Measured: what compression leaves of the WAL, and what half an hour between checkpoints leaves
# of the page images (docs/decisions).
COMPRESSED_SHARE = {"zstd": 0.55, "lz4": 0.65, "on": 0.75}
WANTED_CHECKPOINT_SECONDS = 1800
ENOUGH_CHECKPOINTS = 4  # fewer say nothing of what is usual
ENOUGH_UPDATES = 1000
ENOUGH_SECONDS = HOUR_SECONDS  # of counting: a shorter time says nothing of an hour
FULL_SHARE = 0.8  # of maxmemory: as good as full, since a busy hour may take the rest
# What is missing where a server refuses one of these queries.
UNTOLD_FIGURES = {
    "wal_position": "the WAL of our commits",
    "wal_counters": "the server's WAL",
    "wal_position_and_redo": "the WAL since a checkpoint",
    "checkpoints_in_bgwriter": "its checkpoints",
    "checkpoints_in_checkpointer": "its checkpoints",
    "own_backends_wal": "the WAL of each connection",
    "hot_table_statistics": "the hot table's bloat",
}


class Gravity(IntEnum):
    """How bad it is."""

    FAILURE = 0  # the service would not work, or would lose data
    ADVICE = 1  # it works, and costs more than it must
    FINE = 2
    OFF = 3  # an upstream that nobody is to ask


@frozen(kw_only=True)
class Finding:
    gravity: Gravity
    subject: str
    says: str  # what is so, what to change, and why


def on_postgres(facts: PostgresFacts) -> Iterator[Finding]:
    """Findings on a Postgres server's settings and counters, the costliest first."""
    yield _version(facts)
    yield _check(
        facts.may_create, "schema", "the user may not create tables here: GRANT CREATE ON SCHEMA"
    )
    yield _check(facts.conflict is None, "names", facts.conflict or "")
    yield from _durability(facts)
    yield _pooling(facts)
    yield _untold(facts)
    # Neon sets these itself. Who refuses to tell the server's WAL (Aurora) keeps it elsewhere, too.
    if not facts.is_neon and facts.pulse.wal_bytes is not None:
        traffic = Traffic(facts)
        yield _archiving(facts, traffic)
        yield _checkpoint_timeout(facts, traffic)
        yield _max_wal_size(facts, traffic)
        yield _compression(facts, traffic)
    yield _vacuuming(facts)
    yield _advise(
        facts.bytes_of("shared_buffers") >= 128 * MEGABYTE,
        "shared_buffers",
        f"is {_size(facts.bytes_of('shared_buffers'))}: pages are read again and again. "
        "A quarter of the memory is usual",
    )


@define
class Traffic:
    """What the server's counters say of an hour on it; nothing where they have just begun."""

    facts: PostgresFacts

    @property
    def is_known(self) -> bool:
        """Whether the counters have counted long enough to tell of an hour."""
        return self.facts.watched_seconds >= ENOUGH_SECONDS

    def tell_saving(self, saving: str) -> str:
        """A saving, as the end of a sentence; without figures where they are not known yet."""
        if self.is_known:
            return f": {saving}"
        minutes = int(self.facts.watched_seconds // 60)
        return (
            f". How much that saves can be told when an hour was counted: the server's counters"
            f" began {minutes} minutes ago"
        )

    @property
    def wal_bytes_an_hour(self) -> float:
        return self._an_hour(self.facts.pulse.wal_bytes or 0)

    @property
    def image_bytes_an_hour(self) -> float:
        """Of whole pages; never more than all, for a compressed or half-empty page is smaller."""
        images = self._an_hour((self.facts.pulse.full_page_images or 0) * PAGE_BYTES)
        return min(images, self.wal_bytes_an_hour)

    @property
    def requested_share(self) -> float:
        """Of the checkpoints, those that came before their time."""
        pulse = self.facts.pulse
        return pulse.checkpoints_requested / max(1, self.checkpoints)

    @property
    def checkpoints(self) -> int:
        return self.facts.pulse.checkpoints_timed + self.facts.pulse.checkpoints_requested

    def _an_hour(self, counter: float) -> float:
        return counter * HOUR_SECONDS / self.facts.watched_seconds if self.is_known else 0.0


def on_redis(facts: RedisFacts | None) -> Iterator[Finding]:
    """Findings on a Redis-protocol server's settings; None: it does not tell them."""
    if facts is None:
        [risk] = describe_risks(facts)
        yield _advise(False, "redis", risk)
        return
    version = ".".join(map(str, facts.version))
    if facts.version:
        yield _check(
            facts.version >= (6, 2), "redis", f"{version} is too old: 6.2 or later is needed"
        )
    else:
        yield _advise(False, "redis", "does not tell its version: 6.2 or later is needed")
    yield _check(not facts.is_cluster, "cluster-enabled", CLUSTER)
    yield _persistence(facts)
    gravity = Gravity.ADVICE if facts.endangers_flushed_only else Gravity.FAILURE
    eviction = describe_eviction(facts)
    yield _finding(not eviction, "maxmemory-policy", gravity, eviction)
    yield _memory(facts)


def _persistence(facts: RedisFacts) -> Finding:
    loss = "when Redis and the service end together, updates since the last flush are lost"
    if facts.is_append_only is None:
        says = f"is not told by the server. Without it, {loss}: see what the provider promises"
        return _advise(False, "appendonly", says)
    return _advise(facts.is_append_only, "appendonly", f"is off: {loss}. Set appendonly yes")


def _memory(facts: RedisFacts) -> Finding:
    """What happens when memory runs short, where nothing is evicted."""
    most, used = facts.largest_memory_bytes, facts.used_memory_bytes
    if not most or facts.evicts:
        return _advise(True, "maxmemory", "")
    return _advise(
        used < FULL_SHARE * most,
        "maxmemory",
        f"is {_size(most)}, of which {_size(used)} are used. When it is full, the server refuses "
        "writes: nothing is lost, but updates wait in the service and are not shown until there is "
        "room. Raise it",
    )


def _version(facts: PostgresFacts) -> Finding:
    version = facts.major_version
    return _check(version >= 14, "postgres", f"{version} is too old: 14 or later is needed")


def _durability(facts: PostgresFacts) -> Iterator[Finding]:
    for name, loss in (
        ("fsync", "a crash of the machine corrupts the database"),
        ("full_page_writes", "a crash during a checkpoint corrupts pages; never turn it off"),
    ):
        if facts.is_neon and facts.settings[name] != "on":
            yield Finding(
                gravity=Gravity.FINE,
                subject=name,
                says="is off, as it should be on Neon: a commit waits for its safekeepers, which "
                "keep the WAL, and the pages on the server's own disk are only a cache",
            )
        else:
            yield _check(facts.settings[name] == "on", name, f"is off: {loss}. Set {name} = on")


def _untold(facts: PostgresFacts) -> Finding:
    """Figures that a managed server keeps to itself; nothing that is stored depends on them."""
    figures = [figure for name, figure in UNTOLD_FIGURES.items() if name in facts.untold]
    if not figures:
        return Finding(gravity=Gravity.FINE, subject="statistics", says="fine")
    says = f"this server refuses to tell {', '.join(figures)}: those figures stay 0 or empty"
    if "wal_position" not in facts.untold:
        return Finding(gravity=Gravity.FINE, subject="statistics", says=says)
    return Finding(
        gravity=Gravity.ADVICE,
        subject="statistics",
        says=f"{says}. Nothing is lost by it, but the governor sees no WAL of ours and holds its "
        "budget of rows alone: set sync.rows_budget_per_hour to what the server is to bear",
    )


def _pooling(facts: PostgresFacts) -> Finding:
    return _advise(
        not facts.is_pooled,
        "pooler",
        "found between here and Postgres (or pgbouncer=true says so): nothing is prepared, every "
        "transaction sets its own settings, reads are transactions, the WAL of our connections is "
        "not told apart, and a statement whose connection is lost runs on until its time-out. It "
        "works in transaction and session mode, not in statement mode. The service keeps two "
        "connections only: give it the server's own address",
    )


def _archiving(facts: PostgresFacts, traffic: Traffic) -> Finding:
    """First among the costs: a forced segment is 16 MB, however little is in it."""
    seconds = int(facts.settings["archive_timeout"])
    forced = facts.settings["archive_mode"] != "off" and 0 < seconds < 300
    segments = HOUR_SECONDS / max(seconds, 1)
    padding = max(0.0, segments * SEGMENT_BYTES - traffic.wal_bytes_an_hour)
    saved = padding * (1 - seconds / HOUR_SECONDS)
    return _advise(
        not forced,
        "archive_timeout",
        f"is {seconds} s: {segments:.0f} segments of 16 MB an hour"
        + (f", of which {_size(padding)} are padding" if traffic.is_known else ", however empty")
        + ". Set it to 1h or 0 and stream the WAL instead"
        + traffic.tell_saving(f"saves up to {_size(saved)} of archive an hour"),
    )


def _checkpoint_timeout(facts: PostgresFacts, traffic: Traffic) -> Finding:
    seconds = int(facts.settings["checkpoint_timeout"])
    # A page is logged whole once a checkpoint, so at best in proportion to their number.
    most = traffic.image_bytes_an_hour * max(0.0, 1 - seconds / WANTED_CHECKPOINT_SECONDS)
    return _advise(
        seconds >= 900,
        "checkpoint_timeout",
        f"is {seconds} s: each checkpoint makes the next change of every page log the whole page. "
        "Set 30min"
        + traffic.tell_saving(
            f"saves up to {_size(most)} of {_size(traffic.wal_bytes_an_hour)} WAL an hour "
            "(this service's own part falls 1.1 times only)"
        ),
    )


def _max_wal_size(facts: PostgresFacts, traffic: Traffic) -> Finding:
    pulse, share = facts.pulse, traffic.requested_share
    is_early = traffic.checkpoints >= ENOUGH_CHECKPOINTS and share > 0.1
    small = facts.bytes_of("max_wal_size") < 1024 * MEGABYTE
    wanted = max(_fitting_wal_size(facts, traffic), 2 * pulse.max_wal_size_bytes * is_early)
    saved = traffic.image_bytes_an_hour * share
    says = (
        f"is {_size(pulse.max_wal_size_bytes)}, which requests a checkpoint each "
        f"{_size(pulse.wal_before_requested_bytes)} of WAL: {pulse.checkpoints_requested} of "
        f"{traffic.checkpoints} checkpoints came before their time (backups and CHECKPOINT count, "
        f"too). Set {_size(wanted)}"
        + traffic.tell_saving(f"saves up to {_size(saved)} WAL an hour")
    )
    return _advise(not (is_early or small), "max_wal_size", says)


def _fitting_wal_size(facts: PostgresFacts, traffic: Traffic) -> int:
    """Room for twice the WAL between two timed checkpoints, in whole GB, 2 at least."""
    seconds = max(int(facts.settings["checkpoint_timeout"]), WANTED_CHECKPOINT_SECONDS)
    pulse = facts.pulse
    margin = pulse.max_wal_size_bytes / max(1, pulse.wal_before_requested_bytes)
    needed = 2 * margin * traffic.wal_bytes_an_hour * seconds / HOUR_SECONDS
    return max(2, -(-int(needed) // (1 << 30))) << 30


def _compression(facts: PostgresFacts, traffic: Traffic) -> Finding:
    best = next((way for way in ("zstd", "lz4") if way in facts.wal_compressions), "on")
    saved = traffic.image_bytes_an_hour * (1 - COMPRESSED_SHARE[best])
    return _advise(
        facts.settings["wal_compression"] in {"zstd", "lz4", "on", "pglz"},
        "wal_compression",
        f"is off: whole pages are logged as they are. Set wal_compression = {best}, which this "
        "server has and which saves 20 to 45 % of what this service writes"
        + traffic.tell_saving(
            f"saves about {_size(saved)} of {_size(traffic.wal_bytes_an_hour)} WAL an hour"
        ),
    )


def _vacuuming(facts: PostgresFacts) -> Finding:
    if facts.settings["autovacuum"] != "on":
        return _advise(
            False, "autovacuum", "is off: the hot table grows with every flush. Set it to on"
        )
    table = facts.hot_table
    if table is None or table.updates < ENOUGH_UPDATES:
        return _advise(True, "autovacuum", "")
    rows = table.live_rows + table.dead_rows
    bloat = table.bytes * table.dead_rows / max(1, rows)
    hot = table.hot_updates / table.updates
    return _advise(
        table.dead_rows <= max(table.live_rows, ENOUGH_UPDATES) and hot >= 0.9,
        "hot table",
        f"token_stats has {table.dead_rows} dead rows beside {table.live_rows} live ones, and "
        f"{hot:.0%} of its updates touched no index. Let autovacuum reach it more often "
        "(ALTER TABLE token_stats SET (autovacuum_vacuum_scale_factor = 0.05)), drop foreign "
        f"indexes, and end transactions that stay open: saves about {_size(bloat)} of disk",
    )


def _size(number: float) -> str:
    """Bytes for people: 1.5 GB, 20 MB, 3 kB."""
    for unit, scale in (("GB", 1 << 30), ("MB", MEGABYTE), ("kB", 1 << 10)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.0f} B"


def _check(is_fine: bool, subject: str, failure: str) -> Finding:
    return _finding(is_fine, subject, Gravity.FAILURE, failure)


def _advise(is_fine: bool, subject: str, advice: str) -> Finding:
    return _finding(is_fine, subject, Gravity.ADVICE, advice)


def _finding(is_fine: bool, subject: str, gravity: Gravity, says: str) -> Finding:
    if is_fine:
        return Finding(gravity=Gravity.FINE, subject=subject, says="fine")
    return Finding(gravity=gravity, subject=subject, says=says)
