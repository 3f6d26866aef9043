"""The ways back to health, and by what a simulation sees that the service has taken one.

    counts of what happened -> count_recoveries -> times taken, by the path's name

Faults that nothing recovers from have tested nothing: a path that no seed has taken is named.
"""

from collections.abc import Mapping

# What counts as having taken a path: a line of the log, or what the simulation itself has counted.
RECOVERY_SIGNS: Mapping[str, str] = {
    "actor restarted": "log: restarting actor",
    "append repeated": "sync: failed_appends",
    "birth held until a store was back": "log: new tokens wait: no store at all",
    "client came back": "client: connection ended",
    "clock slewed": "log: clock stepped back",
    "drain past the buffer": "log: writing past the buffer",
    "exit although a call was under way": "process: left at once",
    "flush repeated": "sync: failed_flushes",
    "idle, then active": "log: system activated",
    "lost values met by a flush": "sync: lost",
    "new tokens spooled": "log: new tokens go to the spool",
    "overtaken values cleared at a start": "log: buffer holds what is stored anew",
    "Postgres back": "back: postgres",
    "process drained": "log: drained",
    "process started again": "process: started again",
    "Redis back": "back: redis",
    "refused birth quarantined": "log: new token quarantined",
    "refused update quarantined": "log: update quarantined",
    "session resumed by deltas": "client: resumed",
    "slow client given a snapshot": "gateway: clients_conflated",
    "source back": "back: source",
    "spool drained": "log: spooled tokens stored",
    "spool put back": "log: spooling lost tokens again",
    "stream connected again": "log: reconnecting",
    "tokens restored": "log: tokens restored",
    "values put back": "log: buffer lost its data, putting it back",
}


def count_recoveries(happened: Mapping[str, int]) -> dict[str, int]:
    """How often each path was taken, by name; 0 where it was not."""
    return {name: happened.get(sign, 0) for name, sign in RECOVERY_SIGNS.items()}
