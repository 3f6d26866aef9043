"""Which profiles get a row in Postgres: graduates, and of the others as many as may cost.

    changes of a flush  ->  ProfileShelf  ->  changes to write

Everybody who is born has a profile, and most are not looked at an hour later; a row with its text
is half of what the birth itself costs. What is left out stays on the shelf: clients see it, this
process alone has it, and after a start its source is asked again. It is written with the next
change of its token for which there is room: those first that are watched, then those that were
traded longest after their birth. A token that is on its way to a pool, or there, always gets it,
and so does one of which others have written.
"""

from collections.abc import Iterable

from attrs import define, evolve, field

from actors.sync.allowance import Bucket
from actors.sync.table import TokenTable
from domain.changes import ChangeColumns
from domain.merging import NO_TIME
from domain.messages import TokenChange, Values
from domain.token import FIELDS, Group, Status
from domain.values import Mint, UnixSeconds
from store import StoredChanges

PROFILE_NAMES = frozenset(rule.name for rule in FIELDS.values() if rule.group is Group.PROFILE)
HOUR_SECONDS = 3600.0
# Room for others is used up at once and then gathered again, until so much of an hour's is there:
# the first row after a checkpoint logs two pages whole, of the table and of its index.
ROOM_TO_OPEN = 0.5


@define(kw_only=True)
class ProfileShelf:
    """Decides batch by batch; what it has left out stands in the table's `shelved`."""

    table: TokenTable
    rows_per_hour: float  # also the most at once; what graduates goes beyond it, on account
    bucket: Bucket = field(factory=Bucket, init=False)
    filled_at: UnixSeconds = field(default=NO_TIME, init=False)
    is_open: bool = field(default=True, init=False)  # for tokens that do not graduate
    completed: set[Mint] = field(factory=set, init=False)  # in the batch under way
    # Few, and so shared by thousands of tokens.
    name_sets: dict[frozenset[str], frozenset[str]] = field(factory=dict, init=False)

    def choose_profiles(self, changes: StoredChanges, now: UnixSeconds) -> StoredChanges:
        """The changes to write: each with all of its token's profile, or with none of it."""
        self._fill(now)
        self.completed.clear()
        chosen: dict[int, Values] = {}
        for place in self._rank(changes.changes):
            change = changes.changes[place]
            if self._must_have(change.mint) or self._open_for_others():
                self.bucket.spend(1, self.rows_per_hour)
                self.is_open = self.is_open and self.bucket.level >= 1
                chosen[place] = self._with_profile(change)
            elif told := PROFILE_NAMES.intersection(change.values):
                chosen[place] = self._without_profile(change, told)
        return evolve(changes, changes=changes.changes.with_values(chosen))

    def note_written(self) -> None:
        """The batch that was chosen last has left for good, written or refused."""
        for mint in self.completed:
            self.table.shelved.pop(mint, None)
        self.completed.clear()

    def _is_room_gathered(self) -> bool:
        return self.is_open or self.bucket.level >= max(1.0, self.rows_per_hour * ROOM_TO_OPEN)

    def _open_for_others(self) -> bool:
        """Open, if there is room for tokens that do not graduate; whether there is."""
        self.is_open = self._is_room_gathered()
        return self.is_open

    def _fill(self, now: UnixSeconds) -> None:
        passed = max(0.0, now - self.filled_at)
        self.bucket.fill(passed * self.rows_per_hour / HOUR_SECONDS, self.rows_per_hour)
        self.filled_at = now

    def _must_have(self, mint: Mint) -> bool:
        """It is on its way to a pool, or there; or others have written of it."""
        return self.table.published[mint].status > Status.NEW or mint in self.table.owed_to_others

    def _rank(self, changes: ChangeColumns) -> Iterable[int]:
        """Places of changes that may give or take a profile, those of most interest first.

        What is on the shelf stays there, unread, while there is no room for it.
        """
        shelved, mints, values = self.table.shelved, changes.mints, changes.values
        told = (p for p in changes.list_decoded() if not PROFILE_NAMES.isdisjoint(values[p]))
        places = set(told)
        if not shelved.keys().isdisjoint(mints):
            has_room = self._is_room_gathered()
            places.update(
                place
                for place, mint in enumerate(mints)
                if mint in shelved and (has_room or self._must_have(mint))
            )
        return sorted(sorted(places), key=lambda p: self._rate_interest(mints[p]), reverse=True)

    def _rate_interest(self, mint: Mint) -> tuple[bool, float]:
        """Somebody watches it; else by the seconds from its birth to its last trade."""
        token = self.table.published[mint]
        life_seconds = (token.last_trade_at or token.first_seen_at) - token.first_seen_at
        return token.watcher_count > 0 or mint in self.table.outside_watchers, life_seconds

    def _with_profile(self, change: TokenChange) -> Values:
        self.completed.add(change.mint)
        token = self.table.published[change.mint]
        known = {name: getattr(token, name) for name in self.table.shelved.get(change.mint, ())}
        return {**known, **change.values}

    def _without_profile(self, change: TokenChange, told: frozenset[str]) -> Values:
        names = told | self.table.shelved.get(change.mint, frozenset())
        self.table.shelved[change.mint] = self.name_sets.setdefault(names, names)
        return {name: value for name, value in change.values.items() if name not in told}
