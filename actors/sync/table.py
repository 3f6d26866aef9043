"""The tokens as sync knows them: what clients see, and which of it Postgres does not hold.

published  every durable value of a token, which is what clients see: stored and unflushed together
spooled    new tokens that only the buffer's spool holds, as they were admitted
unflushed  values that only the buffer holds, so that a buffer that loses its data gets them back

Every value is rounded here, once, before it is appended (`domain.precision`). The table does not
know which values Postgres has: the flush's statement compares with the stored row and skips what
is equal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from attrs import Factory, define, evolve

from domain.changes import ChangeColumns
from domain.lifecycle import CURVE_FIELDS, is_retained
from domain.merging import Observations, Sighting, find_source
from domain.messages import TokenChange
from domain.precision import round_token, round_values
from domain.token import (
    FIELDS,
    STATUS_FIELDS,
    Provenance,
    Status,
    Token,
    with_values,
    with_watchers,
)
from domain.values import Mint, UnixSeconds, Value, Version
from store import OverlayRow, StoreLoss

GROUP_NAMES = {name: rule.group.value for name, rule in FIELDS.items()}
NOTHING_AGAIN: Provenance = MappingProxyType({})


@define
class TokenTable:
    """At most `limit` published tokens: beyond it the oldest are forgotten once they are flushed.

    `unflushed` also holds values of tokens that are not (or not yet) published.
    """

    limit: int
    published: dict[Mint, Token] = Factory(dict)
    spooled: dict[Mint, Token] = Factory(dict)
    unflushed: dict[Mint, Observations] = Factory(dict)
    # Of which Postgres has lost commits, and not got back yet what was in them.
    unregained: set[Mint] = Factory(set)
    # Fields that the buffer may have otherwise, see `SyncMemory.unsure`.
    unsure: Mapping[Mint, Collection[str]] = Factory(dict)
    # Of published tokens: groups that were observed since, and had not changed.
    seen_again: dict[Mint, dict[str, tuple[str, UnixSeconds]]] = Factory(dict)
    # Of published tokens: profile values that neither Postgres nor the buffer has, see profiles.py.
    shelved: dict[Mint, frozenset[str]] = Factory(dict)
    # What others write through the view, see others.py: their watchers, shown beside ours, and
    # rows of the overlay whose texts our rows in Postgres may not have.
    outside_watchers: dict[Mint, int] = Factory(dict)
    owed_to_others: dict[Mint, OverlayRow] = Factory(dict)

    # Taking.

    def admit_token(self, token: Token) -> bool:
        """Take a durable token; True when that is news. Updates that came before it now apply."""
        known = self.published.get(token.mint)
        if known is not None and (known.id is not None or token.id is None):
            return False
        # New, or spooled before and in Postgres now, which may have known it all along.
        if token.id is None:
            token = self.spooled[token.mint] = round_token(token)
        else:
            self.spooled.pop(token.mint, None)
            if token.mint not in self.unflushed:
                self.unregained.discard(token.mint)
        if known is not None:
            token = evolve(token, provenance={**known.provenance, **token.provenance})
        held = self.unflushed.get(token.mint)
        self.published[token.mint] = token if held is None else _with_observations(token, held)
        return True

    def select_new(self, mint: Mint, observed: Observations) -> Observations:
        """The observed values as they are kept, without those that the token has already.

        A value that it has is news where another one may have reached the buffer meanwhile.
        """
        token = self.published.get(mint)
        values = round_values(observed.values)
        new = Observations(values, observed.observed_at, observed.origin, observed.sightings)
        if "status" in values:
            self._tell_of_status(mint, token, new)
        if token is None:
            return new
        if token.status is Status.BONDED:  # what is said of its curve now is old news
            values = {name: value for name, value in values.items() if name not in CURVE_FIELDS}
        unsure = self.unsure.get(mint, ())
        changed = [n for n, value in values.items() if n in unsure or getattr(token, n) != value]
        if len(changed) < len(values):
            self._note_seen_again(mint, new, changed)
        return new.reduced_to(changed)

    def _note_seen_again(self, mint: Mint, seen: Observations, changed: Iterable[str]) -> None:
        """Keep who saw a group of values as it was: that goes with the token's next change."""
        groups = set(map(GROUP_NAMES.__getitem__, changed))
        for name in seen.values:
            if (group := GROUP_NAMES[name]) not in groups:
                again = self.seen_again.setdefault(mint, {})
                _note_sighting(again, group, seen.sighting_of(name))

    def _tell_of_status(self, mint: Mint, token: Token | None, new: Observations) -> None:
        """A status that grew says when and from what; one that did not is no news.

        Who observed it may know when it really changed; else that was when it was observed.
        """
        if token is not None:
            reached = int(token.status)
        else:
            early = self.unflushed.get(mint)
            reached = int(Status.NEW if early is None else early.values.get("status", Status.NEW))
        if int(new.values["status"]) <= reached:
            for name in STATUS_FIELDS:
                new.values.pop(name, None)
            return
        observed_at, origin = new.sighting_of("status")
        told: dict[str, Value] = {
            "status_changed_at": new.values.get("status_changed_at", observed_at)
        }
        if token is not None:  # else it is not known what came before
            told["previous_status"] = reached
        new.take_newer(Observations(told, observed_at, origin))

    def apply_observations(self, mint: Mint, accepted: Observations) -> Token | None:
        """Note what the buffer accepted; the token as it now is, None while it is unknown."""
        if not accepted.values:
            return self.published.get(mint)
        held = self.unflushed.setdefault(mint, accepted)
        if held is not accepted:
            held.take_newer(accepted)
        token = self.published.get(mint)
        if token is None:
            return None
        again = self.seen_again.pop(mint, NOTHING_AGAIN)
        token = self.published[mint] = _with_observations(token, accepted, again)
        return token

    def find_shown(self, mint: Mint) -> Token | None:
        """The token as clients see it: with the watchers of others. None while it is unknown."""
        token = self.published.get(mint)
        outside = self.outside_watchers.get(mint)
        if token is None or not outside:
            return token
        return with_watchers(token, token.watcher_count + outside)

    def list_shown(self, mints: Iterable[Mint]) -> dict[Mint, Token]:
        """These tokens as clients see them, without those that are unknown."""
        shown = ((mint, self.find_shown(mint)) for mint in mints)
        return {mint: token for mint, token in shown if token is not None}

    def list_all_shown(self) -> dict[Mint, Token]:
        """Every token as clients see it."""
        return self.published | self.list_shown(self.outside_watchers)

    # Flushing.

    def list_unflushed(self) -> ChangeColumns:
        """The unflushed values as changes, of the versions by which the buffer had taken them."""
        return ChangeColumns.of(
            [
                TokenChange(mint, held.newest, held.newest, held.newest_time(), {**held.values})
                for mint, held in self.unflushed.items()
            ]
        )

    def note_left(self, changes: Sequence[TokenChange], read_at: Version) -> list[Mint]:
        """Drop the changes from `unflushed`: they have left the buffer, flushed or quarantined.

        They hold all that their tokens had in the buffer at version `read_at`. A value that came
        later stays unflushed, unless it equals the one that left: of which tokens one stays.
        """
        left, later, pop = ChangeColumns.of(changes), list[Mint](), self.unflushed.pop
        if self.unregained:
            self.unregained.difference_update(left.mints)
        for place, mint in enumerate(left.mints):
            held = pop(mint, None)
            if held is not None and held.newest > read_at:
                values = left[place].values
                news = held.reduced_to(n for n, v in held.values.items() if values.get(n) != v)
                if news.values:
                    self.unflushed[mint] = news
                    later.append(mint)
        return later

    # Regaining.

    def take_loss(self, loss: StoreLoss) -> Collection[str]:
        """Count what Postgres has lost as never stored; the fields that are to be flushed again.

        A token without its birth goes to the spool whole. Values are as old as they can be: what
        the buffer remembers of them, and whatever is on its way there, is newer or the same.
        """
        token = self.published.get(loss.mint)
        if token is None or token.id is None:
            return ()
        self.published[loss.mint] = evolve(token, id=loss.id)
        if loss.id is None:
            self.spooled[loss.mint] = round_token(self.published[loss.mint])
            return ()
        held = self.unflushed.get(loss.mint, Observations())
        kept_elsewhere = held.values.keys() | self.shelved.get(loss.mint, frozenset())
        values = {n: getattr(token, n) for n in loss.values if n not in kept_elsewhere}
        if values:
            lost = Observations(values, token.first_seen_at)
            lost.take_newer(held)
            self.unflushed[loss.mint] = lost
        return values.keys()

    def is_unstored(self, mint: Mint) -> bool:
        """True while something of the token waits for Postgres."""
        return mint in self.unflushed or mint in self.spooled

    def unflushed_before(self, birth: UnixSeconds) -> list[Mint]:
        """The tokens with unflushed values that were first seen before that."""
        known = ((mint, self.published.get(mint)) for mint in self.unflushed)
        return [mint for mint, token in known if token and token.first_seen_at < birth]

    # Staying bounded.

    def forget_flushed(self, now: UnixSeconds) -> int:
        """Drop flushed tokens that are off the feed, then the oldest beyond the limit."""
        flushed = [t for t in self.published.values() if t.mint not in self.unflushed]
        gone = {token.mint for token in flushed if not is_retained(token, now)}
        surplus = len(self.published) - len(gone) - self.limit
        if surplus > 0:
            remaining = (token for token in flushed if token.mint not in gone)
            oldest = sorted(remaining, key=lambda token: token.first_seen_at)
            gone.update(token.mint for token in oldest[:surplus])
        for mint in gone:
            del self.published[mint]
            self.spooled.pop(mint, None)
            self.seen_again.pop(mint, None)
            self.shelved.pop(mint, None)
            self.unregained.discard(mint)
        return len(gone)


def _with_observations(
    token: Token, observed: Observations, again: Provenance = NOTHING_AGAIN
) -> Token:
    values = _without_old_status(token, observed.values)
    if not values:
        return token
    is_mixed = bool(observed.sightings)
    newest = max(map(observed.time_of, values)) if is_mixed else observed.observed_at
    return with_values(token, values, newest, _find_provenance(token, observed, values, again))


def _find_provenance(
    token: Token, observed: Observations, names: Iterable[str], again: Provenance
) -> Provenance:
    """Of each group the newest sighting; one of which nobody knows the origin tells nothing."""
    provenance = {**token.provenance, **again}
    if observed.sightings:
        for name in names:
            _note_sighting(provenance, GROUP_NAMES[name], observed.sighting_of(name))
    else:
        sighting = observed.observed_at, observed.origin
        for group in set(map(GROUP_NAMES.__getitem__, names)):
            _note_sighting(provenance, group, sighting)
    return provenance


def _note_sighting(
    provenance: dict[str, tuple[str, UnixSeconds]], group: str, sighting: Sighting
) -> None:
    seen_at, origin = sighting
    known = provenance.get(group)
    if origin and (known is None or known[1] <= seen_at):
        provenance[group] = find_source(origin), seen_at


def _without_old_status(token: Token, values: Mapping[str, Value]) -> Mapping[str, Value]:
    """What was said of a status before the token was known may be old news to it."""
    if int(values.get("status", Status.NEW)) > token.status:
        return values
    return {name: value for name, value in values.items() if name not in STATUS_FIELDS}
