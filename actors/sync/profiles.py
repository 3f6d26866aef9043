"""Which profiles get a row in Postgres: graduates, and of the others as many as may cost.

    changes of a flush  ->  ProfileShelf  ->  changes to write

Everybody who is born has a profile, and most are not looked at an hour later; a row with its text
is half of what the birth itself costs. What is left out stays on the shelf: clients see it, this
process alone has it, and after a start its source is asked again. It is written with the next
change of its token for which there is room: those first that are watched, then those that were
traded longest after their birth. A token that is on its way to a pool, or there, always gets it,
and so does one of which others have written.
"""

from collections.abc import Iterable, Sequence

from attrs import define, field

from actors.sync.allowance import Bucket
from actors.sync.table import TokenTable
from domain.merging import NO_TIME
from domain.messages import TokenChange
from domain.token import FIELDS, Group, Status, Token
from domain.values import Mint, UnixSeconds
from store import StoredChange

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

    def choose_profiles(
        self, changes: Sequence[StoredChange], now: UnixSeconds
    ) -> list[StoredChange]:
        """The changes to write: each with all of its token's profile, or with none of it."""
        self._fill(now)
        self.completed.clear()
        chosen = list(changes)
        for place in self._rank(changes):
            token_id, change = changes[place]
            token = self.table.published[change.mint]
            is_owed = change.mint in self.table.owed_to_others
            if token.status > Status.NEW or is_owed or self._has_room():
                self.bucket.spend(1, self.rows_per_hour)
                self.is_open = self.is_open and self.bucket.level >= 1
                chosen[place] = token_id, self._with_profile(token, change)
            else:
                chosen[place] = token_id, self._without_profile(change)
        return chosen

    def note_written(self) -> None:
        """The batch that was chosen last has left for good, written or refused."""
        for mint in self.completed:
            self.table.shelved.pop(mint, None)
        self.completed.clear()

    def _has_room(self) -> bool:
        if not self.is_open:
            self.is_open = self.bucket.level >= max(1.0, self.rows_per_hour * ROOM_TO_OPEN)
        return self.is_open

    def _fill(self, now: UnixSeconds) -> None:
        passed = max(0.0, now - self.filled_at)
        self.bucket.fill(passed * self.rows_per_hour / HOUR_SECONDS, self.rows_per_hour)
        self.filled_at = now

    def _rank(self, changes: Sequence[StoredChange]) -> Iterable[int]:
        """Places of changes that a profile belongs to, those of most interest first."""
        shelved = self.table.shelved
        places = [
            place
            for place, (_, change) in enumerate(changes)
            if change.mint in shelved or not PROFILE_NAMES.isdisjoint(change.values)
        ]
        places.sort(key=lambda place: self._rate_interest(changes[place][1].mint), reverse=True)
        return places

    def _rate_interest(self, mint: Mint) -> tuple[bool, float]:
        """Somebody watches it; else by the seconds from its birth to its last trade."""
        token = self.table.published[mint]
        life_seconds = (token.last_trade_at or token.first_seen_at) - token.first_seen_at
        return token.watcher_count > 0 or mint in self.table.outside_watchers, life_seconds

    def _with_profile(self, token: Token, change: TokenChange) -> TokenChange:
        self.completed.add(token.mint)
        shelved = self.table.shelved.get(token.mint)
        if shelved is None:
            return change
        known = {name: getattr(token, name) for name in shelved}
        return change._replace(values={**known, **change.values})

    def _without_profile(self, change: TokenChange) -> TokenChange:
        told = PROFILE_NAMES.intersection(change.values)
        names = told | self.table.shelved.get(change.mint, frozenset())
        self.table.shelved[change.mint] = self.name_sets.setdefault(names, names)
        rest = {name: value for name, value in change.values.items() if name not in told}
        return change._replace(values=rest)
