"""Wash trading: how much of a token's volume looks like somebody trading with himself.

A token's traders of the last `GENERATION_SECONDS` to twice that are kept by what they bought and
sold; three signs are weighed, each 0 (nothing suspicious) to 1:

    round trips    the share of the volume of those who went in and out again and again, and sold
                   within 10 % of what they bought
    concentration  the largest of those traders' share of the volume, beyond a fifth of it
    few holders    how far the holders fall short of one for each two traders; unknown counts 0

    score = 0.5 * round trips + 0.3 * concentration + 0.2 * few holders

and nothing below `FEWEST_TRADES`, which tell nothing. Sources of the signs: positions that return
to where they began, of one or several accounts (Victor, Weintraud: "Detecting and Quantifying Wash
Trading on Decentralized Cryptocurrency Exchanges", WWW 2021, section 4); volume without a matching
spread of trades and users (Cong, Li, Tang, Yang: "Crypto Wash Trading", Management Science 2023).
The weights are ours. One purchase and its sale is what most traders of a new coin do, and one large
purchase what its creator does: neither counts. Honest market makers make round trips, too: it is a
sign, not a proof.
"""

from attrs import define, evolve, field

GENERATION_SECONDS = 1800.0
FEWEST_TRADES = 10
MOST_TRADERS = 64  # a generation; the one with the least volume goes
USUAL_SHARE = 0.2  # of one trader; more is concentration
BALANCED_PART = 0.1  # of what was traded, that may be left of a round trip
FEWEST_TURNS = 3  # from buying to selling or back: in, out, in and out again
ROUND_TRIPS_WEIGHT, CONCENTRATION_WEIGHT, FEW_HOLDERS_WEIGHT = 0.5, 0.3, 0.2


@define
class TraderTotals:
    """What one trader has done with one token."""

    bought: float = 0.0  # SOL
    sold: float = 0.0  # SOL
    turns: int = 0  # changes between buying and selling
    is_buying: bool | None = None  # as the last trade was

    @property
    def volume(self) -> float:
        return self.bought + self.sold

    @property
    def is_circling(self) -> bool:
        return self.turns >= FEWEST_TURNS

    @property
    def is_balanced(self) -> bool:
        return abs(self.bought - self.sold) <= BALANCED_PART * self.volume

    def add_trade(self, sol: float, *, is_buy: bool) -> None:
        if is_buy:
            self.bought += sol
        else:
            self.sold += sol
        self.turns += self.is_buying is (not is_buy)
        self.is_buying = is_buy

    def add_totals(self, later: "TraderTotals") -> None:
        """Add what the same trader has done later."""
        self.bought += later.bought
        self.sold += later.sold
        self.turns += later.turns
        self.is_buying = later.is_buying


@define
class TraderBook:
    """What each trader of one token has bought and sold lately."""

    began_at: float = 0.0
    current: dict[int, TraderTotals] = field(factory=dict)
    previous: dict[int, TraderTotals] = field(factory=dict)
    trades: int = 0  # of the current generation
    earlier_trades: int = 0
    volume: float = 0.0  # SOL, of the current generation, also of traders that went
    earlier_volume: float = 0.0

    def add_trade(self, trader: int, sol: float, at: float, *, is_buy: bool) -> None:
        """Note a trade of one trader."""
        self.turn_generation(at)
        totals = self.current.get(trader)
        if totals is None:
            totals = self.current[trader] = TraderTotals()
        totals.add_trade(sol, is_buy=is_buy)
        self.trades += 1
        self.volume += sol
        if len(self.current) > MOST_TRADERS:
            least = min(self.current, key=lambda each: self.current[each].volume)
            del self.current[least]

    def turn_generation(self, now: float) -> None:
        """Forget what is older than two generations."""
        age_seconds = now - self.began_at
        if age_seconds < GENERATION_SECONDS:
            return
        is_recent = age_seconds < 2 * GENERATION_SECONDS
        self.previous = self.current if is_recent else {}
        self.earlier_trades = self.trades if is_recent else 0
        self.earlier_volume = self.volume if is_recent else 0.0
        self.current, self.trades, self.volume, self.began_at = {}, 0, 0.0, now

    def is_repeated(self, trader: int, share: float) -> bool:
        """True where a trader's volume so far is more than this share of all of it."""
        if self.trades + self.earlier_trades < FEWEST_TRADES:
            return False
        own = 0.0
        for book in (self.current, self.previous):
            if (totals := book.get(trader)) is not None:
                own += totals.bought + totals.sold
        return own > share * (self.volume + self.earlier_volume)

    def score_wash(self, holders: int | None) -> float:
        """0 (nothing suspicious, or too little to tell) .. 1."""
        if self.trades + self.earlier_trades < FEWEST_TRADES:
            return 0.0
        totals = self._list_totals()
        volume = sum(each.volume for each in totals.values())
        if volume <= 0:
            return 0.0
        circling = [each for each in totals.values() if each.is_circling]
        round_trips = sum(each.volume for each in circling if each.is_balanced) / volume
        largest = max((each.volume for each in circling), default=0.0) / volume
        concentration = max(largest - USUAL_SHARE, 0.0) / (1 - USUAL_SHARE)
        expected = len(totals) / 2
        few_holders = 0.0 if holders is None else max(1 - holders / expected, 0.0)
        score = (
            ROUND_TRIPS_WEIGHT * round_trips
            + CONCENTRATION_WEIGHT * concentration
            + FEW_HOLDERS_WEIGHT * few_holders
        )
        return round(min(score, 1.0), 2)

    def _list_totals(self) -> dict[int, TraderTotals]:
        totals = {**self.previous, **self.current}
        for trader in self.previous.keys() & self.current.keys():
            totals[trader] = evolve(self.previous[trader])
            totals[trader].add_totals(self.current[trader])
        return totals
