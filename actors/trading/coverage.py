"""Of which tokens every trade is counted, and since when.

    trades heard, outages -> StreamCoverage -> since when a token's trades are whole

A stream covers a token from its first trade on, for as long as it has no outage; another stream
that covers the token as well makes up for one. After an outage it begins anew: what was missed is
gone.
"""

from collections.abc import Callable, Collection, Mapping

from attrs import Factory, define, frozen

from domain.values import Mint, UnixSeconds


@frozen(kw_only=True)
class StreamReach:
    """Which tokens' trades a stream brings."""

    venues: frozenset[str] | None = None  # None: all
    follows: Callable[[Mint], bool] = lambda mint: True


@define
class StreamCoverage:
    """Since when each stream has told of every trade that it brings."""

    reaches: Mapping[str, StreamReach]  # by the stream's name
    since: dict[str, UnixSeconds] = Factory(dict)

    def note_trade(self, stream: str, now: UnixSeconds) -> None:
        """A stream has told of a trade."""
        if stream in self.reaches:
            self.since.setdefault(stream, now)

    def note_away(self, away: Collection[str]) -> None:
        """These streams have an outage."""
        for stream in away:
            self.since.pop(stream, None)

    def find_since(self, mint: Mint, venue: str | None) -> UnixSeconds | None:
        """Since when every trade of a token is counted; None: they are not."""
        earliest: UnixSeconds | None = None
        for stream, since in self.since.items():
            if earliest is None or since < earliest:
                reach = self.reaches[stream]
                is_venue = reach.venues is None or venue in reach.venues
                if is_venue and reach.follows(mint):
                    earliest = since
        return earliest
