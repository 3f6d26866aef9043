"""A market in which nothing ever falls, and what of it the service was told.

    RisingMarket -> events -> WitnessedAudience -> PumpPortal's frames, as of the simulated market
                                      └-> Truth.note_told

Coins are only bought, so whatever a reader sees fall has fallen back. Most complete their curve
within seconds and migrate, which is what nobody says again.
"""

import time
from collections.abc import Sequence

from attrs import define, field

from benchmarks.random_kills_truth import Truth, Values
from commands.market.audience import Audience
from commands.market.calibration import Calibration
from commands.market.clock import MarketClock
from commands.market.curve import sol_to_completion
from commands.market.events import Created, Event, Migrated, Traded
from commands.market.model import Market
from commands.market.server import MarketServer, ServerSettings
from commands.market.token import MarketToken
from commands.market.traps import NO_TRAPS
from domain.lifecycle import CURVE_SOL_AT_BIRTH as SOL_AT_BIRTH
from domain.lifecycle import bonding_progress, status_from_progress
from domain.token import Status
from domain.values import UnixSeconds

STEP_SECONDS = 1 / 40  # one event a step
BIRTH_SHARE = 0.1  # of the events
TRADED_COINS = 40  # the newest that have not migrated; so a coin graduates within half a minute
BUY_SOL = (1.0, 12.0)
PLAIN_COINS = Calibration(
    bonk_share=0.0, mayhem_share=0.0, dollar_share=0.0, washed_share=0.0, plain_mint_share=0.0
)


@define
class RisingMarket(Market):
    """One event a step: a birth, a buy, or the migration of a coin whose curve is complete."""

    traded: list[MarketToken] = field(factory=list, init=False, repr=False)
    is_over: bool = field(default=False, init=False)

    def advance(self, until: float) -> list[Event]:
        events: list[Event] = []
        while self.now + STEP_SECONDS <= until:
            self.now += STEP_SECONDS
            self.transaction += 1
            if not self.is_over:
                events.append(self._happen())
        return events

    def _happen(self) -> Event:
        if not self.traded or self.random.random() < BIRTH_SHARE:
            return self._bear()
        token = self.random.choice(self.traded)
        whole = sol_to_completion(token.reserves)
        if whole < 1e-6:
            self.traded.remove(token)
            return Migrated(token=token, at=self.now, transaction=self.transaction)
        return self._buy_some(token, min(whole, self.random.uniform(*BUY_SOL)))

    def _bear(self) -> Created:
        token = self.births.new_token("pump", next(self.sequence), self.now)
        self.traded = [*self.traded, token][-TRADED_COINS:]
        return Created(
            token=token,
            at=self.now,
            transaction=self.transaction,
            buy_sol=0.0,
            buy_tokens=0.0,
            tokens=token.reserves.tokens,
            sol=token.reserves.sol,
        )

    def _buy_some(self, token: MarketToken, sol: float) -> Traded:
        bought = token.reserves.buy(sol)
        wallet = token.buyer(self.random)
        return Traded(
            token=token,
            at=self.now,
            transaction=self.transaction,
            side="buy",
            trader=wallet,
            trade_sol=sol,
            trade_tokens=bought,
            balance=token.credit(wallet, bought),
            tokens=token.reserves.tokens,
            sol=token.reserves.sol,
            in_pool=False,
        )


@define(kw_only=True, eq=False)
class WitnessedAudience(Audience):
    """Tells PumpPortal's clients, and notes who was told."""

    truth: Truth

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            self._tell_portal(event)
            self._note(event)

    def _note(self, event: Event) -> None:
        kind = _kind_of(event)
        for client, subscriptions in self.portal_clients.items():
            if subscriptions.wants(kind, event.token.mint):
                values = _values_of(event)
                self.truth.note_told(event.token.mint, values, client, is_birth=kind == "create")


def _kind_of(event: Event) -> str:
    """The `txType` of its frame."""
    if isinstance(event, Created):
        return "create"
    return "migrate" if isinstance(event, Migrated) else "buy"


def _values_of(event: Event) -> Values:
    """What its frame says of the coin."""
    if isinstance(event, Migrated):
        return Values(status=Status.BONDED, sol_raised=0.0)  # of which a migration says nothing
    progress = bonding_progress(event.tokens)
    return Values(status=status_from_progress(progress), sol_raised=event.sol - SOL_AT_BIRTH)


def make_market(seed: int, truth: Truth) -> MarketServer:
    """The simulated market's own server, with this market behind it."""
    server = MarketServer(
        market=RisingMarket(seed, PLAIN_COINS),
        clock=MarketClock(wall_clock=lambda: UnixSeconds(time.time())),
        settings=ServerSettings(traps=NO_TRAPS),
    )
    witnessed = server.audience
    server.audience = WitnessedAudience(
        node=witnessed.node, traps=witnessed.traps, troubles=witnessed.troubles, truth=truth
    )
    return server
