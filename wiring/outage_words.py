"""What it means that a store or a source is away, and what to do: OUTAGES, by their names."""

from collections.abc import Mapping

from attrs import frozen

from domain.operations import Severity


@frozen
class OutageWords:
    """What it means that something is away."""

    severity: Severity
    meaning: str
    advice: str
    section: str


OUTAGES: Mapping[str, OutageWords] = {
    "postgres": OutageWords(
        "critical",
        "Postgres is away: new tokens and updates wait in Redis, nothing is lost",
        "Mend Postgres. Do not restart the service: it catches up by itself.",
        "tokendiscoverypostgresaway",
    ),
    "redis": OutageWords(
        "critical",
        "Redis is away: updates wait in memory and are not shown, new tokens go to Postgres",
        "Mend Redis. Do not stop the service before.",
        "tokendiscoveryredisaway",
    ),
    "redis configuration": OutageWords(
        "warning",
        "Redis may throw away values that Postgres does not have",
        "Set maxmemory-policy noeviction, and appendonly yes.",
        "tokendiscoveryredismayforget",
    ),
    "redis data": OutageWords(
        "warning",
        "Redis loses again what it is given back",
        "Give it more memory, or noeviction.",
        "tokendiscoveryredislostvalues",
    ),
    "postgres commits": OutageWords(
        "critical",
        "Postgres no longer has what it had acknowledged; it is being written again",
        "Do nothing at first. Then see whether failover may lose commits at all.",
        "postgres-lost-commits",
    ),
    "file descriptors": OutageWords(
        "warning",
        "File descriptors have run out: new clients are refused, connected ones are served",
        "Raise the hard limit of open files.",
        "out-of-file-descriptors",
    ),
    "silent tokens": OutageWords(
        "notice",
        "After the start, tokens that nobody trades are still taken up; no query finds them yet",
        "Nothing: it ends within seconds.",
        "tokendiscoverynotready",
    ),
}
UPSTREAM = OutageWords(
    "warning",
    "{name} does not answer: what it alone brings is missing, all else goes on",
    "By the reason: 401 or 403 is a key, 429 a rate; an outage of theirs ends by itself.",
    "tokendiscoveryupstreamaway",
)
