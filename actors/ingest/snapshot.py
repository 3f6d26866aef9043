"""What ingest tells of itself: IngestSnapshot -> metrics, dump."""

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
    migrations: int = counter("Migrations passed on.")
    repeated_migrations: int = counter("Migrations told again, and not passed on.")
    pools: int = counter("New pools passed on.")
    spooled: int = counter("New tokens that went to the spool.")
    quarantined: int = counter("New tokens that Postgres refused.")
