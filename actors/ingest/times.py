"""When an event happened: the chain's time, where a stream tells it and it can be believed.

at, seen_at -> find_time -> first_seen_at, last_trade_at, pool_created_at, status_changed_at
"""

from domain.messages import PoolCreated, SourceEvent
from domain.values import UnixSeconds

# A birth that is told later than this was fetched for a gap: the token is as old as it says.
LATE_SECONDS = 30.0
# No stream fetches what is older; such a time is a recording's, or wrong.
OLDEST_SECONDS = 24 * 3600.0


def read_chain_time(event: SourceEvent) -> UnixSeconds | None:
    """The chain's time as the stream tells it; None where it tells none, or an incredible one."""
    at = event.created_at if isinstance(event, PoolCreated) else event.at
    return None if at is None or event.seen_at - at > OLDEST_SECONDS else at


def find_time(event: SourceEvent) -> UnixSeconds:
    """When it happened, as far as known; never later than it was heard of."""
    at = read_chain_time(event)
    return event.seen_at if at is None or at > event.seen_at else at


def find_first_sight(event: SourceEvent) -> UnixSeconds:
    """When a token that is born by this event was first seen, or would have been."""
    happened_at = find_time(event)
    return happened_at if event.seen_at - happened_at > LATE_SECONDS else event.seen_at
