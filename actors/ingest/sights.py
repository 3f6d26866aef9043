"""What ingest remembers of the mints that it has seen: who was born, who is bonded, who said so."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from attrs import Factory, define

from actors.ingest.accounts import (
    PLACE_FIELDS,
    STORED_RANK,
    FieldRanks,
    rank_source,
    rank_stored,
)
from actors.ingest.times import LATE_SECONDS
from domain.messages import PoolCreated, TradeSeen
from domain.outline import TokenOutline, outline_token
from domain.token import Status, Token
from domain.values import WRAPPED_SOL, Mint, UnixSeconds, Value
from sources.names import CHAIN, PUMPAPI
from sources.venues import CURVE_VENUES, LAUNCHLAB

USUAL_SUPPLY = 1_000_000_000  # tokens of a pump.fun coin; mayhem coins have twice as many
# They tell of every mint there is, whether anybody here follows it or not; and they know which
# pool a launch-pad has opened, and which a person has.
FIREHOSES = frozenset({CHAIN, PUMPAPI})

NEVER = UnixSeconds(0.0)


@define
class Sight(FieldRanks):
    """What is remembered of one mint, and who told each field of it."""

    is_admitted: bool = False  # else only something else than its birth has been seen so far
    is_bonded: bool = False
    is_complete: bool = False  # its curve is sold out
    has_market: bool = False  # curve or market cap have been told
    has_launchpad: bool = False  # it was born on a curve
    status: int = int(Status.NEW)  # the highest that has been told
    total_supply: str | None = None
    quote_mint: Mint = WRAPPED_SOL
    pool_address: str | None = None
    # Of the newest trade.
    slot: int = 0
    traded_at: UnixSeconds = NEVER

    def is_on_curve(self, trade: TradeSeen) -> bool:
        """True when the trade's curve values are this token's: LaunchLab has curves of others."""
        has_usual_curve = trade.venue != LAUNCHLAB or self.total_supply == str(USUAL_SUPPLY)
        return has_usual_curve and not self.is_bonded

    def tells_cap(self, trade: TradeSeen) -> bool:
        """True when the trade's price is the token's: anyone can open a pool at any price."""
        if trade.pool_address is None:
            return True
        if self.is_bonded:
            return self.pool_address in (None, trade.pool_address)
        return not self.has_launchpad or trade.venue in CURVE_VENUES

    def takes_pool(self, event: PoolCreated) -> bool:
        """True when a pool that a person has opened is where the token trades.

        A token is at home on its curve, and then in the pool that it migrated to.
        """
        if self.is_bonded and self.pool_address is not None:
            return False
        return event.source not in FIREHOSES or not (self.is_bonded or self.has_launchpad)

    def is_overtaken(self, trade: TradeSeen, happened_at: UnixSeconds) -> bool:
        """True when a later trade has told already how things are; else this is the latest."""
        slot = trade.slot
        if slot is not None and slot < self.slot:
            return True
        if happened_at < self.traded_at - LATE_SECONDS:
            return True
        if slot is not None:
            self.slot = slot
        self.traded_at = max(self.traded_at, happened_at)
        return False

    def take_better(self, values: Mapping[str, Value], source: str) -> dict[str, Value]:
        """Those of the values that nobody whose word counts as much has told before."""
        better = self.take_above(values, rank_source(source))
        self._note_told(better)
        return better

    def note_stored(self, token: TokenOutline) -> None:
        """The token is in a store, with what its accounts have told."""
        self.is_admitted = True
        self.is_bonded |= token.status is Status.BONDED
        self.status = max(self.status, int(token.status))
        if self.ranks == 0:  # an earlier life was told of it
            self.note_earlier(token, STORED_RANK)

    def note_earlier(self, token: TokenOutline, rank: int) -> None:
        """What the token has was told before this mint was seen, by somebody of that rank."""
        self.ranks = rank_stored(token, rank)
        self.total_supply, self.pool_address = token.total_supply, token.pool_address
        self.quote_mint = token.quote_mint or WRAPPED_SOL
        self.has_launchpad = token.launchpad is not None
        self.has_market = True

    def note_bonded(self, values: Mapping[str, Value], source: str) -> None:
        """The token has left its curve for the place in `values`."""
        self.is_bonded = self.is_complete = True
        self.pool_address = None
        for name in PLACE_FIELDS:
            self.forget_rank(name)
        self.take_better(values, source)

    def _note_told(self, values: Mapping[str, Value]) -> None:
        if (supply := values.get("total_supply")) is not None:
            self.total_supply = str(supply)
        if (quote := values.get("quote_mint")) is not None:
            self.quote_mint = Mint(str(quote))
        if (address := values.get("pool_address")) is not None:
            self.pool_address = str(address)
        self.has_launchpad |= "launchpad" in values


@define
class Sights:
    """The `limit` mints seen last.

    Most of the tokens that are recalled at a start are never heard of again: of each its outline is
    kept, which becomes a sight when something is told of it.
    """

    limit: int
    by_mint: OrderedDict[Mint, Sight | TokenOutline] = Factory(OrderedDict)

    def find_sight(self, mint: Mint) -> Sight | None:
        """What is remembered of the mint, if it has been seen lately; it is seen now."""
        known = self.by_mint.get(mint)
        if known is None:
            return None
        self.by_mint.move_to_end(mint)
        if isinstance(known, TokenOutline):
            sight = self.by_mint[mint] = Sight()
            sight.note_stored(known)
            return sight
        return known

    def remember_mint(self, mint: Mint) -> Sight:
        """The mint is seen now; those seen longest ago are forgotten."""
        sight = self.find_sight(mint)
        if sight is None:
            sight = self.by_mint[mint] = Sight()
            self._forget_oldest()
        return sight

    def remember_token(self, token: Token) -> None:
        """The token is in a store."""
        self.remember_mint(token.mint).note_stored(outline_token(token))

    def recall_tokens(self, tokens: Iterable[TokenOutline]) -> None:
        """The tokens are in a store, as an earlier life has left them; the newest come last."""
        for token in tokens:
            if token.mint in self.by_mint:
                self.remember_mint(token.mint).note_stored(token)
            else:
                self.by_mint[token.mint] = token
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self.by_mint) > self.limit:
            self.by_mint.popitem(last=False)
