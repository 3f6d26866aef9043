"""Wash trading: how much of a token's volume looks like somebody trading with himself.

A token's traders of the last `GENERATION_SECONDS` to twice that are kept by what they bought and
sold; three signs are weighed, each 0 (nothing suspicious) to 1:

    round trips    the share of the volume of those who sold within 10 % of what they bought
    concentration  the largest trader's share of the volume, beyond a fifth of it
    few holders    how far the holders fall short of one for each two traders; unknown counts 0

    score = 0.5 * round trips + 0.3 * concentration + 0.2 * few holders

and nothing below `FEWEST_TRADES`, which tell nothing. Sources of the signs: positions that return
to where they began, of one or several accounts (Victor, Weintraud: "Detecting and Quantifying Wash
Trading on Decentralized Cryptocurrency Exchanges", WWW 2021, section 4); volume without a matching
spread of trades and users (Cong, Li, Tang, Yang: "Crypto Wash Trading", Management Science 2023).
The weights are ours. Honest market makers make round trips, too: it is a sign, not a proof.
"""

from attrs import define, field

GENERATION_SECONDS = 1800.0
FEWEST_TRADES = 10
MOST_TRADERS = 64  # a generation; the one with the least volume goes
USUAL_SHARE = 0.2  # of one trader; more is concentration
BALANCED_PART = 0.1  # of what was traded, that may be left of a round trip
ROUND_TRIPS_WEIGHT, CONCENTRATION_WEIGHT, FEW_HOLDERS_WEIGHT = 0.5, 0.3, 0.2

Totals = list[float]  # bought and sold, in SOL


@define
class TraderBook:
    """What each trader of one token has bought and sold lately."""

    began_at: float = 0.0
    current: dict[int, Totals] = field(factory=dict)
    previous: dict[int, Totals] = field(factory=dict)
    trades: int = 0  # of the current generation
    earlier_trades: int = 0
    volume: float = 0.0  # SOL, of the current generation, also of traders that went
    earlier_volume: float = 0.0

    def add_trade(self, trader: int, sol: float, at: float, *, is_buy: bool) -> None:
        """Note a trade of one trader."""
        self.turn_generation(at)
        totals = self.current.setdefault(trader, [0.0, 0.0])
        totals[0 if is_buy else 1] += sol
        self.trades += 1
        self.volume += sol
        if len(self.current) > MOST_TRADERS:
            least = min(self.current, key=lambda each: sum(self.current[each]))
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
        own = sum(self.current.get(trader, ())) + sum(self.previous.get(trader, ()))
        return own > share * (self.volume + self.earlier_volume)

    def score_wash(self, holders: int | None) -> float:
        """0 (nothing suspicious, or too little to tell) .. 1."""
        totals = self._list_totals()
        volume = sum(map(sum, totals.values()))
        if self.trades + self.earlier_trades < FEWEST_TRADES or volume <= 0:
            return 0.0
        balanced = (
            sum(each)
            for each in totals.values()
            if min(each) > 0 and abs(each[0] - each[1]) <= BALANCED_PART * sum(each)
        )
        largest = max(map(sum, totals.values())) / volume
        concentration = max(largest - USUAL_SHARE, 0.0) / (1 - USUAL_SHARE)
        expected = len(totals) / 2
        few_holders = 0.0 if holders is None else max(1 - holders / expected, 0.0)
        score = (
            ROUND_TRIPS_WEIGHT * sum(balanced) / volume
            + CONCENTRATION_WEIGHT * concentration
            + FEW_HOLDERS_WEIGHT * few_holders
        )
        return round(min(score, 1.0), 2)

    def _list_totals(self) -> dict[int, Totals]:
        totals = {trader: list(each) for trader, each in self.previous.items()}
        for trader, (bought, sold) in self.current.items():
            known = totals.setdefault(trader, [0.0, 0.0])
            known[0] += bought
            known[1] += sold
        return totals
