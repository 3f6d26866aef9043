"""What ingest tells of itself: IngestSnapshot -> metrics, dump, GET /api/ops/actors."""

from collections.abc import Mapping

from domain.snapshots import Snapshot, counter, gauge, snapshot_class


@snapshot_class
class IngestSnapshot(Snapshot):
    """Counters since ingest's last start."""

    recent_mints: int = gauge("Mints that are remembered, so that none is admitted twice.")
    spooling: bool = gauge("1 while new tokens go to the spool instead of to Postgres.")
    unadmitted: int = gauge("New tokens that wait to be made durable.")
    admitted: int = counter("New tokens made durable and announced.")
    duplicate_creates: int = counter("Creations of tokens that had been admitted before.")
    trades: int = counter("Trades passed on.")
    overtaken_trades: int = counter("Trades passed on after a later one: no news of the market.")
    migrations: int = counter("Migrations passed on.")
    repeated_migrations: int = counter("Migrations told again, and not passed on.")
    completions: int = counter("Completed curves passed on.")
    pools: int = counter("New pools passed on.")
    foreign_pools: int = counter("Pools that people opened of tokens that trade elsewhere.")
    spooled: int = counter("New tokens that went to the spool.")
    quarantined: int = counter("New tokens that Postgres refused.")
    sol_usd: float | None = gauge("US dollars for one SOL, while that is known.")

    # Of each stream.
    births_brought: Mapping[str, int] = counter("Births that a stream has told.", by="source")
    births_first: Mapping[str, int] = counter("Births told by no other before.", by="source")
    trades_brought: Mapping[str, int] = counter("Trades that a stream has told.", by="source")
    trades_first: Mapping[str, int] = counter("Trades told by no other before.", by="source")
    completions_brought: Mapping[str, int] = counter(
        "Completed curves that a stream has told.", by="source"
    )
    completions_first: Mapping[str, int] = counter(
        "Completed curves told by no other before.", by="source"
    )
    migrations_brought: Mapping[str, int] = counter(
        "Migrations that a stream has told.", by="source"
    )
    migrations_first: Mapping[str, int] = counter(
        "Migrations told by no other before.", by="source"
    )
    pools_brought: Mapping[str, int] = counter("New pools that a stream has told.", by="source")
    pools_first: Mapping[str, int] = counter("New pools told by no other before.", by="source")
    repeated_events: Mapping[str, int] = counter(
        "Events that had been told before, by any stream.", by="source"
    )
    untracked_events: Mapping[str, int] = counter(
        "Trades and completions of mints that are not tracked, and dropped.", by="source"
    )
    too_late_trades: Mapping[str, int] = counter(
        "Trades so late that they may have been counted before, and dropped.", by="source"
    )
    late_events: Mapping[str, int] = counter(
        "Events more than 30 s behind the chain, as those fetched for a gap.", by="source"
    )
    newest_lag_seconds: Mapping[str, float] = gauge(
        "How far the newest event that tells the chain's time was behind it.", by="source"
    )
    median_lag_seconds: Mapping[str, float] = gauge(
        "How far half of the newest 500 such events were behind at most.", by="source"
    )
    p95_lag_seconds: Mapping[str, float] = gauge(
        "How far 95 % of the newest 500 such events were behind at most.", by="source"
    )
