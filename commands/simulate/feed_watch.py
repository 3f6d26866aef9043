"""What must hold of what clients see: boards, watchers, and how tokens are traded.

TokensPublished, StatisticsPublished, TradeSeen, Hub -> FeedWatch -> violations, by their numbers
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from math import inf, log2

import orjson
import trio
from attrs import define, field, frozen

from commands.simulate.clients import SimulatedClient
from commands.simulate.invariants import InvariantWatch
from commands.simulate.outside import STARTED_AT
from domain.messages import (
    StatisticsPublished,
    TokensPublished,
    TokenUpdated,
    TradeSeen,
    TradesWeighed,
)
from domain.scoring import LANDMARK
from domain.token import Status, Token
from domain.trading import COUNTED, WINDOW_SECONDS, TokenStatistics, WindowStatistics
from domain.values import Mint, UnixSeconds
from feed.hub import Hub

QUIET_SECONDS = 2.0  # without a birth or a change of status, until boards are compared
COUNTS_SECONDS = 330.0  # until watchers are told: the interval, and a little
WINDOWS = ("5m", "1h")
STEPS = 15  # of a window: it slides by one at a time
HEARD_SECONDS = 1.2 * WINDOW_SECONDS[WINDOWS[-1]]  # for which trades are remembered
ON_THE_WAY_SECONDS = 2.0  # of a trade to the book of its token
AHEAD_SECONDS = 1.0  # of the steady clock after a step back
WRITTEN_SECONDS = 30.0  # until it is on the tape
SCORE_TOLERANCE = 0.01  # powers of two
STATUS_OF_BOARD = {"new": Status.NEW, "graduating": Status.GRADUATING, "bonded": Status.BONDED}
TradeKey = tuple[str, str, int]  # signature, side, ordinal


@frozen(kw_only=True)
class HeardTrade:
    """One trade as trading was told of it."""

    at: float  # UnixSeconds
    heard_at: float  # trio time
    told_at: float  # UnixSeconds
    is_buy: bool
    is_certain: bool  # its token was shown by then, so that it has to be counted


@define(kw_only=True)
class FeedWatch:
    """Hears what the gateway is told, and looks at what it makes of it."""

    invariants: InvariantWatch
    half_life_seconds: float
    moved_at: float = field(default=-inf, init=False)  # a birth, or a change of status; trio time
    # By client and board, at the last look: where a client that had not heard of all was.
    behind: dict[tuple[int, str], tuple[str, int]] = field(factory=dict, init=False)
    trades: dict[Mint, dict[TradeKey, HeardTrade]] = field(factory=dict, init=False)
    exact_from: float = field(default=-inf, init=False)  # UnixSeconds: no crash since
    earned: dict[Mint, float] = field(factory=dict, init=False)  # scores, by the trades alone
    weighed: deque[tuple[float, TradesWeighed]] = field(factory=deque, init=False)

    def note_start(self) -> None:
        """A process begins, and has counted nothing."""
        self.trades.clear()
        self.earned.clear()
        self.weighed.clear()

    def note_shown(self, message: object) -> None:
        """To be told before `InvariantWatch` is: it knows what was shown before."""
        if isinstance(message, StatisticsPublished):
            for mint, statistics in message.statistics.items():
                self._check_windows(mint, statistics)
        elif isinstance(message, TokensPublished):
            for mint, token in message.tokens.items():
                before = self.invariants.shown.get(mint)
                if before is None or before.status != token.status:
                    self.moved_at = trio.current_time()

    # Trades.

    def note_trade(self, trade: object, now: UnixSeconds) -> None:
        """A stream has told of a trade; another one may have told of it before."""
        if not isinstance(trade, TradeSeen):
            return
        # A crash may offer a batch again; and what happened now is old to a clock that is ahead.
        is_ahead = now > self.invariants.universe.wall() + AHEAD_SECONDS
        if self.invariants.is_disturbed or is_ahead:
            self.exact_from = now
        heard = self.trades.setdefault(trade.mint, {})
        is_certain = trade.mint in self.invariants.shown and not self.invariants.is_disturbed
        key = trade.signature, trade.side, trade.ordinal
        told = HeardTrade(
            at=min(trade.at or trade.seen_at, now),
            heard_at=trio.current_time(),
            told_at=now,
            is_buy=trade.side == "buy",
            is_certain=is_certain,
        )
        if not heard.setdefault(key, told).is_certain and is_certain:
            heard[key] = told
        while heard and heard[oldest := next(iter(heard))].at < now - HEARD_SECONDS:
            del heard[oldest]

    def _check_windows(self, mint: Mint, statistics: TokenStatistics) -> None:
        """A window that is counted tells of the trades within it, which are on the tape (3, 4)."""
        for name in WINDOWS:
            if statistics.sources.get(name) == COUNTED and not self.invariants.is_disturbed:
                begins_at = statistics.observed_at - WINDOW_SECONDS[name]
                if begins_at - WINDOW_SECONDS[name] / STEPS > self.exact_from:
                    self._check_window(mint, name, statistics.windows[name], begins_at)
                self._require_written(mint, statistics.windows[name])

    def _check_window(
        self, mint: Mint, name: str, told: WindowStatistics, begins_at: float
    ) -> None:
        step_seconds = WINDOW_SECONDS[name] / STEPS
        told_before = begins_at + WINDOW_SECONDS[name] - ON_THE_WAY_SECONDS
        for kind, is_buy in (("buys", True), ("sells", False)):
            heard = [each for each in self.trades.get(mint, {}).values() if each.is_buy is is_buy]
            fewest = sum(
                each.is_certain and each.at > begins_at + step_seconds
                for each in heard
                if each.told_at < told_before
            )
            most = sum(each.at >= begins_at - step_seconds for each in heard)
            if not fewest <= (number := getattr(told, kind) or 0) <= most:
                self.invariants.report(
                    f"4: {number} {kind} of {mint} in {name} are told, there were {fewest}..{most}"
                )

    def _require_written(self, mint: Mint, told: WindowStatistics) -> None:
        tape = self.invariants.universe.tape
        written = len(tape.trades.get(mint, ()))
        if written < tape.bounds.trades and (told.buys or 0) + (told.sells or 0) > written:
            self.invariants.report(f"3: a trade of {mint} is shown, and is not on the tape")

    def check_tape(self) -> None:
        """Every trade is on the tape soon, whatever has failed meanwhile (invariant 3)."""
        tape, heard_before = self.invariants.universe.tape, trio.current_time() - WRITTEN_SECONDS
        for mint, heard in self.trades.items() if self.invariants.is_calm else ():
            certain = sum(t.is_certain and t.heard_at < heard_before for t in heard.values())
            if len(tape.trades.get(mint, ())) < min(certain, tape.bounds.trades):
                self.invariants.report(f"3: a trade of {mint} has never come to the tape")

    def note_weighed(self, weighed: object) -> None:
        if isinstance(weighed, TradesWeighed):
            self.weighed.append((trio.current_time(), weighed))
            if self.invariants.is_disturbed:
                self.weighed.clear()
                self.earned.clear()

    def note_update(self, message: object) -> None:
        """A score is at least what the trades have earned, forward-decayed."""
        if not isinstance(message, TokenUpdated) or message.origin != "hot-score":
            return
        self._earn_scores()
        told = message.values.get("hot_score")
        earned = self.earned.get(message.mint, 0.0)
        if told is None or not earned:
            return
        least = log2(earned) + (STARTED_AT - LANDMARK) / self.half_life_seconds
        if float(told) < least - SCORE_TOLERANCE and not self.invariants.is_disturbed:
            self.invariants.report(
                f"4: the score of {message.mint} is {told}, its trades have earned {least:.4f}"
            )

    def _earn_scores(self) -> None:
        """Add what is old enough to be in the score; in powers that a float can hold."""
        heard_before = trio.current_time() - ON_THE_WAY_SECONDS
        while self.weighed and self.weighed[0][0] < heard_before:
            weighed = self.weighed.popleft()[1]
            earned = weighed.sol * 2.0 ** ((weighed.at - STARTED_AT) / self.half_life_seconds)
            self.earned[weighed.mint] = self.earned.get(weighed.mint, 0.0) + earned

    # Boards.

    def check_boards(self, hub: Hub) -> None:
        """The gateway's catalogue is what sync has published, and the boards show the first of it.

        A board is compared by its members: their order is a rule for clients.
        """
        if not self.invariants.is_calm or trio.current_time() - self.moved_at < QUIET_SECONDS:
            return
        known = hub.boards.catalogue.tokens
        for mint, token in self.invariants.shown.items():
            if mint not in known:
                self.invariants.report(f"10: {mint} was published, and is not in the catalogue")
            elif known[mint].status != token.status:
                self.invariants.report(f"10: the catalogue has an old status of {mint}")
        for board, status in STATUS_OF_BOARD.items():
            message = orjson.loads(hub.boards.snapshot_message(board))
            shown = {item["mint"] for item in message["items"]}
            expected = _list_members(
                self.invariants.shown.values(), status, hub.boards.board_tokens
            )
            if expected is not None and shown != expected:
                wrong = ", ".join(sorted(shown ^ expected))
                self.invariants.report(f"10: board {board} is wrong about {wrong}")

    def check_views(self, hub: Hub) -> None:
        """A view shows what its query would answer now (invariant 10)."""
        if not hub.boards.is_up_to_date or hub.boards.views.are_due():
            return
        for name, view in hub.boards.views.living.items():
            message = orjson.loads(hub.boards.snapshot_message(name))
            shown = [item["mint"] for item in message["items"]]
            goes_by_age = view.query.filters.age_minutes is not None  # a second late, then
            if not goes_by_age and shown != hub.boards.views.list_first(view.query):
                self.invariants.report(f"10: {name} does not show what it is to show")

    def check_filled(self, hub: Hub | None) -> None:
        """Who is ready has filled boards (invariant 13)."""
        known = hub.boards.catalogue.tokens if hub is not None else {}
        missing = [
            token.mint
            for token in self.invariants.universe.database.tokens.values()
            if token.mint not in known
        ]
        if (
            missing
            and self.invariants.universe.database.tokens.keys() <= self.invariants.shown.keys()
        ):
            self.invariants.report(f"13: ready without {len(missing)} tokens on the boards")

    def check_followers(self, hub: Hub, clients: Sequence[SimulatedClient]) -> None:
        """Who follows a board is told of its changes, if it reads (invariant 10)."""
        before, self.behind = self.behind, {}
        for client in clients:
            if client.hub is not hub or not client.is_here or not client.reads.is_set():
                continue
            followed = [b for b in client.followed if b in client.cursors]
            for board in filter(hub.boards.has_board, followed):
                cursor = client.cursors[board]
                if cursor[1] < hub.boards.find_last_change(board):
                    self.behind[client.number, board] = cursor
                    if before.get((client.number, board)) == cursor:
                        self.invariants.report(
                            f"10: client {client.number} hears nothing of {board}"
                        )

    # Watchers.

    def check_watchers(self, hub: Hub, clients: Sequence[SimulatedClient]) -> None:
        """A token's watchers are told a little later than they come and go (invariant 4)."""
        now, counts = trio.current_time(), Counter[str]()
        if now - self.invariants.troubled_until < COUNTS_SECONDS:
            return
        for client in (each for each in clients if each.hub is hub):
            counts.update(m for m, at in client.watched_from.items() if now - at > COUNTS_SECONDS)
        for mint, token in self.invariants.shown.items():
            until = max((each.watched_until.get(mint, -inf) for each in clients), default=-inf)
            if token.watcher_count and now - until > COUNTS_SECONDS:
                self.invariants.report(f"4: {mint} has {token.watcher_count} watchers, all gone")
            if token.watcher_count < counts[mint]:
                self.invariants.report(f"4: {mint} has watchers of whom nothing is told")


def _list_members(tokens: Iterable[Token], status: Status, most: int) -> set[Mint] | None:
    """Whom a board shows; None where that takes an order among equals that is not looked into."""
    members = [
        token
        for token in tokens
        if token.status is status and (status is Status.BONDED or not token.silent)
    ]
    if len(members) <= most:
        return {token.mint for token in members}
    if status is Status.GRADUATING:
        return None
    newest = sorted(members, key=lambda token: _find_begin(token, status), reverse=True)
    return {token.mint for token in newest[:most]}


def _find_begin(token: Token, status: Status) -> float:
    begin = token.status_changed_at if status is Status.BONDED else token.first_seen_at
    return begin or 0.0
