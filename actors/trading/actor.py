"""Trading: counts every streamed trade, and tells what follows from it.

    TradeSeen (from ingest)        -> Trading -> tape (Redis): candles, single trades
    TokensPublished (from sync)                -> StatisticsPublished -> gateway, market-data
    WindowsQuoted (from the jobs)             -> TradesWeighed -> hot-score
                                              -> TokenUpdated -> sync: the 24 h figures

What is counted is written first and shown then; while Redis is away nothing new is shown, and what
waits is bounded: the minutes that are open and `trading.trades` trades a token. The windows of
5 m to 6 h, the wash score, candles and trades never reach Postgres. The 24 h figures do, as often
and of as many tokens as market data would write them, and only while somebody looks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush, nlargest
from itertools import chain, islice

import trio
from attrs import Factory, define, field, frozen

from actors.trading.book import StatisticsRequest, TradingBook, take_statistics
from actors.trading.coverage import StreamCoverage
from actors.trading.memory import TokenFacts, TradingMemory
from buffer.tape import TapeEntry, TradeTape
from config.settings import MarketDataSettings, TradingSettings
from domain.chunks import chunks
from domain.errors import BufferUnavailable
from domain.messages import (
    ActivityChange,
    RosterWanted,
    StatisticsPublished,
    SystemActivated,
    TokensPublished,
    TokenUpdated,
    TradeSeen,
    TradesWeighed,
    WindowsQuoted,
)
from domain.snapshots import Snapshot, counter, gauge, snapshot_class
from domain.trading import TokenStatistics
from domain.values import Mint, Sol, UnixSeconds
from supervision import Inbox, Outbox
from supervision.batches import receive_batches
from supervision.desk import CallEnded, Caller, Desk, MailEnded, MailTaken, Retry, open_desk
from supervision.environment import Environment
from supervision.life import ActorLife

NAME = "trading"
ORIGIN = "trading trades"
TRADES_AT_ONCE = 1000
TRADES_REST_SECONDS = 0.1  # much less than `trading.publish_seconds`: nobody waits for it
MESSAGES_AT_ONCE = 1000
TOKENS_AT_ONCE = 1000  # of a publication: some 2 ms; between two such parts others get their turn
TOKENS_A_WRITE = 500
EXPIRIES_A_SWEEP = 5000  # windows that slide; the others do so at the next sweep


class WriteDue:
    """It is time to write and to publish what has changed."""


class DayDue:
    """It is time to send the 24 h figures to sync."""


class TapeDue:
    """The tape is to be tried again."""


@snapshot_class
class TradingSnapshot(Snapshot):
    books: int = gauge("Tokens that are being traded.")
    unwritten: int = gauge("Tokens with candles or trades that are not on the tape yet.")
    trades: int = counter("Trades counted.")
    trades_dropped: int = counter("Trades not written: more than the tape keeps came at once.")
    repeated_trades: int = counter("Trades that count nothing for the score: repeated volume.")
    published: int = counter("Statistics published.")
    written: int = counter("Tokens written to the tape.")
    failed_writes: int = counter("Writes to the tape that failed.")
    days_sent: int = counter("Tokens whose 24 h figures were sent to sync.")
    covered: Mapping[str, float] = gauge(
        "Seconds for which a stream has told of every trade.", by="stream"
    )


@frozen(kw_only=True)
class TradingInboxes:
    trades: Inbox[TradeSeen]
    windows: Inbox[WindowsQuoted]
    publications: Inbox[TokensPublished]
    control: Inbox[ActivityChange]


@frozen(kw_only=True)
class TradingOutboxes:
    sync: Outbox[TokenUpdated | RosterWanted]
    statistics: Sequence[Outbox[StatisticsPublished]]  # never make their senders wait
    weighed: Outbox[TradesWeighed]  # likewise


@frozen(kw_only=True)
class TradingPlan:
    trading: TradingSettings
    market_data: MarketDataSettings


@define(kw_only=True)
class Trading:
    """Keeps a book a traded token."""

    # Messages in and out.
    inboxes: TradingInboxes
    outboxes: TradingOutboxes
    # State.
    tape: TradeTape
    coverage: StreamCoverage
    memory: TradingMemory
    plan: TradingPlan
    environment: Environment
    changed: dict[Mint, None] = Factory(dict)  # since the last round began, oldest first
    due: dict[Mint, None] = Factory(dict)  # to be written and published in this round, likewise
    expiries: list[tuple[float, Mint]] = Factory(list)  # heap: when a book's windows slide next
    is_writing: bool = field(default=False, init=False)
    is_draining: bool = field(default=False, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)
    desk: Desk = field(init=False)
    caller: Caller = field(init=False)
    retry: Retry = field(init=False)

    async def run(self) -> None:
        """Serve until the trades end; what is counted is written before the return."""
        await self.outboxes.sync.send(RosterWanted(subscriber=NAME))
        async with open_desk(
            self.inboxes.trades, TRADES_AT_ONCE, rest_seconds=TRADES_REST_SECONDS
        ) as desk:
            self._begin_life(desk)
            while not (self.is_draining and not self.is_writing and not self._has_unwritten()):
                self._handle_note(await desk.take_note())

    def _begin_life(self, desk: Desk) -> None:
        life = ActorLife(name=NAME, desk=desk, environment=self.environment, counts=self.counts)
        self.desk = desk
        self.caller = life.new_caller("redis", BufferUnavailable)
        self.retry = life.new_retry(TapeDue())
        self.changed = dict.fromkeys(self.memory.books)
        for mint, book in self.memory.books.items():
            self._note_expiry(mint, book)
        desk.nursery.start_soon(self._follow_quotes)
        desk.nursery.start_soon(self._follow_tokens)
        desk.nursery.start_soon(self._follow_activity)
        desk.set_timer(WriteDue(), self.plan.trading.publish_seconds)
        desk.set_timer(DayDue(), self.plan.market_data.interval_seconds)

    def snapshot(self) -> TradingSnapshot:
        now = self.environment.clock()
        return TradingSnapshot(
            books=len(self.memory.books),
            unwritten=len(self.due.keys() | self.changed.keys()),
            trades=self.counts["trades"],
            trades_dropped=self.counts["trades_dropped"],
            repeated_trades=self.counts["repeated_trades"],
            published=self.counts["published"],
            written=self.counts["written"],
            failed_writes=self.counts["failed_writes"],
            days_sent=self.counts["days_sent"],
            covered={name: max(now - at, 0.0) for name, at in self.coverage.since.items()},
        )

    def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=trades):
                self._count_trades(trades)
            case CallEnded():
                note.deliver()
            case WriteDue():
                self._slide_windows()
                self.desk.set_timer(WriteDue(), self.plan.trading.publish_seconds)
                self._begin_round()
            case TapeDue():
                self.retry.end_wait()
                self._write_next()
            case DayDue():
                self._send_days()
                self.desk.set_timer(DayDue(), self.plan.market_data.interval_seconds)
            case MailEnded():
                self.is_draining = True
                self._begin_round()

    # Messages in.

    def _count_trades(self, trades: Sequence[TradeSeen]) -> None:
        now = self.environment.clock()
        weighed: dict[Mint, tuple[float, UnixSeconds]] = {}
        for source in {trade.source for trade in trades}:
            self.coverage.note_trade(source, now)
        for trade in trades:
            sol = self._count_trade(trade, now)
            if sol > 0:
                before, _ = weighed.get(trade.mint, (0.0, now))
                weighed[trade.mint] = before + sol, trade.seen_at
            else:
                self.counts["repeated_trades"] += 1
        for mint, (sol, at) in weighed.items():
            self.outboxes.weighed.send_nowait(TradesWeighed(mint=mint, sol=Sol(sol), at=at))

    def _count_trade(self, trade: TradeSeen, now: UnixSeconds) -> float:
        book = self.memory.open_book(trade.mint)
        sol = book.count_trade(trade, now, self.plan.trading.wash_share)
        self.counts["trades"] += 1
        surplus = len(book.unwritten) - self.plan.trading.trades
        if surplus > 0:
            del book.unwritten[:surplus]
            self.counts["trades_dropped"] += surplus
        self.changed.setdefault(trade.mint)
        if not book.expires_at:
            self._note_expiry(trade.mint, book)
        return sol

    async def _follow_quotes(self) -> None:
        async for quotes in receive_batches(self.inboxes.windows, MESSAGES_AT_ONCE):
            for quoted in quotes:
                self.memory.keep_quote(quoted)
                self.changed[quoted.mint] = None

    async def _follow_tokens(self) -> None:
        async for published in receive_batches(self.inboxes.publications, MESSAGES_AT_ONCE):
            for message in published:
                for tokens in chunks(message.tokens.values(), TOKENS_AT_ONCE):
                    for token in tokens:
                        facts = TokenFacts(token.first_seen_at, token.pool_type, token.holder_count)
                        self.memory.keep_facts(token.mint, facts)
                    await trio.lowlevel.cancel_shielded_checkpoint()

    async def _follow_activity(self) -> None:
        async for change in self.inboxes.control:
            self.memory.is_active = isinstance(change, SystemActivated)

    # Windows slide while nobody trades.

    def _slide_windows(self) -> None:
        now = self.environment.clock()
        self.coverage.note_away(self.environment.readiness.list_away())
        for _ in range(EXPIRIES_A_SWEEP):
            if not self.expiries or self.expiries[0][0] > now:
                return
            expires_at, mint = heappop(self.expiries)
            book = self.memory.books.get(mint)
            if book is not None and book.expires_at == expires_at:  # else it was closed meanwhile
                if book.drop_expired(now):
                    self.changed[mint] = None
                self._note_expiry(mint, book)

    def _note_expiry(self, mint: Mint, book: TradingBook) -> None:
        """Remember when the book changes by itself; a resting one is closed once it is shown."""
        book.expires_at = book.next_expiry() or 0.0
        if book.expires_at:
            heappush(self.expiries, (book.expires_at, mint))

    # Writing, then showing.

    def _has_unwritten(self) -> bool:
        return not self.caller.is_away and any(
            (book := self.memory.books.get(mint)) is not None and book.has_unwritten
            for mint in chain(self.due, self.changed)
        )

    def _begin_round(self) -> None:
        """Write and publish what has changed until now; what follows waits for the next round.

        So a token is published once in `trading.publish_seconds`, however long a round takes.
        """
        self.due |= self.changed
        self.changed = {}
        self._write_next()

    def _write_next(self) -> None:
        """Write some tokens of the round; the outcome shows them and goes on."""
        while self.due and not (self.is_writing or self.retry.is_waiting):
            mints = list(islice(self.due, TOKENS_A_WRITE))
            for mint in mints:
                del self.due[mint]
            entries = [entry for mint in mints if (entry := self._take_entry(mint)) is not None]
            now = self.environment.clock()  # what is counted later is shown later
            statistics = {mint: self.take_statistics(mint, now) for mint in mints}
            if entries:
                self._write_entries(entries, statistics)
            else:
                self._publish_statistics(statistics)

    def _write_entries(
        self, entries: Sequence[TapeEntry], statistics: Mapping[Mint, TokenStatistics]
    ) -> None:
        self.is_writing = True

        def note_written(_: None) -> None:
            self.is_writing = False
            self.retry.note_success()
            self.counts["written"] += len(entries)
            for entry in entries:
                self._note_written(entry)
            self._publish_statistics(statistics)
            self._write_next()

        def note_failure(error: BufferUnavailable) -> None:
            self.is_writing = False
            self.counts["failed_writes"] += 1
            for entry in entries:
                self._take_back(entry)
            self.due = dict.fromkeys(statistics) | self.due
            self.retry.begin_wait()

        self.caller.ask(lambda: self.tape.append_entries(entries), note_written, note_failure)

    def _take_entry(self, mint: Mint) -> TapeEntry | None:
        """What the tape lacks of a token; its candles are as they are now."""
        book = self.memory.books.get(mint)
        if book is None or not book.has_unwritten:
            return None
        candles = [each for each in book.candles.candles if not each.is_written]
        for candle in candles:
            candle.is_written = True  # a trade that comes meanwhile says otherwise
        return TapeEntry(
            mint=mint,
            candles=[candle.to_candle() for candle in candles],
            trades=list(book.unwritten),
        )

    def _note_written(self, entry: TapeEntry) -> None:
        book = self.memory.books.get(entry.mint)
        if book is not None and entry.trades:
            last = entry.trades[-1]
            for place, trade in enumerate(book.unwritten):
                if trade is last:  # the ones before it are written or dropped
                    del book.unwritten[: place + 1]
                    break

    def _take_back(self, entry: TapeEntry) -> None:
        """The tape may lack the candles that it was to be given."""
        book = self.memory.books.get(entry.mint)
        for candle in book.candles.candles if book is not None else ():
            candle.is_written = False

    def _publish_statistics(self, taken: Mapping[Mint, TokenStatistics]) -> None:
        message = StatisticsPublished(statistics=taken)
        for outbox in self.outboxes.statistics:
            outbox.send_nowait(message)
        for mint in taken:
            book = self.memory.books.get(mint)
            if book is not None and book.is_resting:
                del self.memory.books[mint]
        self.counts["published"] += len(taken)

    def take_statistics(self, mint: Mint, now: UnixSeconds) -> TokenStatistics:
        """What is known of a token's trading now."""
        facts = self.memory.facts.get(mint)
        since = self.coverage.find_since(mint, None if facts is None else facts.venue)
        return take_statistics(
            StatisticsRequest(
                book=self.memory.books.get(mint),
                quoted=self.memory.quotes.get(mint),
                covered_since=since,
                holders=None if facts is None else facts.holders,
                born_at=None if facts is None else facts.first_seen_at,
                now=now,
            )
        )

    # The 24 h figures.

    def _send_days(self) -> None:
        """Send sync those of the tokens that were traded most since they were sent last."""
        if not self.memory.is_active:
            return
        now = self.environment.clock()
        traded = nlargest(
            self.plan.market_data.tokens,
            self.memory.books.items(),
            key=lambda entry: entry[1].trades_told,
        )
        for mint, book in traded:
            if not book.trades_told:
                return
            values = self.take_statistics(mint, now).list_counted_day()
            if not values:
                continue
            update = TokenUpdated(mint=mint, observed_at=now, origin=ORIGIN, values=values)
            try:
                self.outboxes.sync.send_nowait(update)
            except trio.WouldBlock:  # sync has enough to do; the others come next time
                return
            book.trades_told = 0
            self.counts["days_sent"] += 1
