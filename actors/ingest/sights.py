"""What ingest remembers of the mints that it has seen: who was born, who is bonded."""

from collections import OrderedDict

from attrs import Factory, define

from domain.messages import TradeSeen
from domain.token import Status, Token
from domain.values import Mint
from sources.venues import LAUNCHLAB

USUAL_SUPPLY = 1_000_000_000  # tokens of a pump.fun coin; mayhem coins have twice as many


@define
class Sight:
    """What is remembered of one mint."""

    is_admitted: bool = False  # else only something else than its birth has been seen so far
    is_bonded: bool = False
    total_supply: str | None = None

    def is_on_curve(self, trade: TradeSeen) -> bool:
        """True when the trade's curve values are this token's: LaunchLab has curves of others."""
        has_usual_curve = trade.venue != LAUNCHLAB or self.total_supply == str(USUAL_SUPPLY)
        return has_usual_curve and not self.is_bonded


@define
class Sights:
    """The `limit` mints seen last."""

    limit: int
    by_mint: OrderedDict[Mint, Sight] = Factory(OrderedDict)

    def find_sight(self, mint: Mint) -> Sight | None:
        """What is remembered of the mint, if it has been seen lately."""
        return self.by_mint.get(mint)

    def remember_mint(self, mint: Mint) -> Sight:
        """The mint is seen now; those seen longest ago are forgotten."""
        sight = self.by_mint.setdefault(mint, Sight())
        self.by_mint.move_to_end(mint)
        if len(self.by_mint) > self.limit:
            self.by_mint.popitem(last=False)
        return sight

    def remember_token(self, token: Token) -> None:
        """The token is in a store."""
        sight = self.remember_mint(token.mint)
        sight.is_admitted = True
        sight.is_bonded |= token.status is Status.BONDED
        sight.total_supply = token.total_supply

    def is_bonded(self, mint: Mint) -> bool:
        sight = self.by_mint.get(mint)
        return sight is not None and sight.is_bonded
