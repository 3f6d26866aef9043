"""How a coin is born: its launch pad, name, pair, creator and fate.

Births.new_token(venue, number, now) -> MarketToken
"""

from random import Random

from attrs import define, field

from commands.market import calibration as draws
from commands.market.calibration import Calibration, Fate
from commands.market.curve import Reserves, sol_to_completion
from commands.market.keys import mint_ending_in
from commands.market.names import NameWave
from commands.market.pairs import SOL, USD1, USDC, QuoteToken
from commands.market.token import MarketToken, Venue

CREATORS = 5_000


@define
class Births:
    """Draws newborn coins."""

    calibration: Calibration
    random: Random = field(repr=False)
    metadata_url: str = "https://metadata.example/"  # followed by mint and .json
    names: NameWave = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.names = NameWave(self.calibration.copied_name_share)

    def launch_pad(self) -> Venue:
        return "bonk" if self.random.random() < self.calibration.bonk_share else "pump"

    def new_token(self, venue: Venue, number: int, now: float) -> MarketToken:
        """A coin that is born now; nobody has it yet."""
        random = self.random
        name, symbol = self.names.next_name(now, random)
        plain = random.random() < self.calibration.plain_mint_share
        has_curve = venue in ("pump", "bonk")
        washed = has_curve and random.random() < self.calibration.washed_share
        mint = mint_ending_in(venue if has_curve and not plain else "", random)
        token = MarketToken(
            mint=mint,
            number=number,
            name=name,
            symbol=symbol,
            uri=f"{self.metadata_url}{mint}.json",
            venue=venue,
            mayhem=venue == "pump" and random.random() < self.calibration.mayhem_share,
            born_at=now,
            creator=int(CREATORS * random.random() ** 2),  # some create far more than others
            fate=self._fate(washed=washed),
            pair=self._pair(venue),
        )
        if washed:
            circle = (token.buyer(random) for _ in range(draws.CIRCLE_WALLETS - 1))
            token.circle = (token.creator, *circle)
        return token

    def _fate(self, *, washed: bool) -> Fate:
        if washed:
            return draws.washed_fate(self.calibration, self.random)
        return draws.fate(sol_to_completion(Reserves()), self.calibration, self.random)

    def _pair(self, venue: Venue) -> QuoteToken:
        if venue == "pump":
            return USDC if self.random.random() < self.calibration.dollar_share else SOL
        if venue == "bonk":
            return USD1 if self.random.random() < self.calibration.dollar_bonk_share else SOL
        return SOL
