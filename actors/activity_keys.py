"""Activity keys: what a socket server elsewhere tells of its users, on its way to activity.

    system:active_users, system:last_activity (Redis)  ->  ActivityKeysReader
                                                       ->  UsersElsewhereTold -> activity

One read every 15 s, also while the system is idle: so it wakes up for users who sit elsewhere. It
is a source as the streams are: it has no inbox, so that waiting for Redis keeps nobody waiting.
While the keys cannot be read nothing is told, and activity goes by the last word for its time.
"""

from collections import Counter

import trio
from attrs import define, field

from buffer.activity_keys import ActivityKeys
from domain.errors import BufferUnavailable, KeysForbidden
from domain.messages import Presence, UsersElsewhereTold
from domain.snapshots import Snapshot, counter, detail, snapshot_class
from supervision import Outbox
from supervision.environment import Environment

NAME = "activity-keys"
READ_SECONDS = 15.0  # a quarter of the keys' lifetime; a wake-up takes no longer


@snapshot_class
class ActivityKeysSnapshot(Snapshot):
    reads: int = counter("Reads of the keys that were answered.")
    failed_reads: int = counter("Reads that Redis did not answer, or refused.")
    junk_values: int = counter("Values of the keys that were no such number; they are ignored.")
    problem: str | None = detail("Why a key tells nothing now.")


@define(kw_only=True)
class ActivityKeysReader:
    """Reads the keys at intervals, and tells activity what they say."""

    keys: ActivityKeys
    environment: Environment
    # State.
    counts: Counter[str] = field(factory=Counter, init=False)
    problem: str | None = field(default=None, init=False)
    problem_kind: object = field(default=None, init=False)  # its reason may vary
    # Messages out.
    presences: Outbox[Presence]  # never makes its senders wait

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            began_at = trio.current_time()
            await self._read_keys()
            await trio.sleep_until(began_at + READ_SECONDS)

    def snapshot(self) -> ActivityKeysSnapshot:
        return ActivityKeysSnapshot(
            reads=self.counts["reads"],
            failed_reads=self.counts["failed_reads"],
            junk_values=self.counts["junk_values"],
            problem=self.problem,
        )

    async def _read_keys(self) -> None:
        try:
            read = await self.keys.read_keys()
        except (BufferUnavailable, KeysForbidden) as error:
            self.counts["failed_reads"] += 1
            self._note_problem(type(error), str(error))
            return
        self.counts["reads"] += 1
        self.counts["junk_values"] += len(read.junk)
        if read.junk:
            self._note_problem(read.junk, f"no such number: {', '.join(read.junk)}")
        else:
            self._note_problem(None, None)
        self.presences.send_nowait(
            UsersElsewhereTold(
                by="redis keys", users=read.active_users, last_activity_at=read.last_activity_at
            )
        )

    def _note_problem(self, kind: object, problem: str | None) -> None:
        """Tell of a problem when one of another kind begins, and when there is none any more."""
        self.problem = problem
        if kind == self.problem_kind:
            return
        self.problem_kind = kind
        if problem is None:
            self.environment.log.info("activity keys are heeded again")
        else:
            self.environment.log.warning("activity keys tell nothing", problem=problem)
