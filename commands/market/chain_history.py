"""The chain's memory: which transactions there were, for logsSubscribe, and for who asks later.

    events of one transaction -> ChainHistory.note -> ChainTransaction -> notifications
                                                                 -> getTransaction
                                                                 -> getSignaturesForAddress

Logs are written only for whoever wants to read them, and always come out the same. How a log
misleads follows from the transaction's number alone, too: failed twins of a transaction, another
program's `Program data:`, a log that breaks off, the same notification twice.
"""

from collections import deque
from collections.abc import Sequence

from attrs import Factory, define, field, frozen

from commands.market.chain_events import trade_event
from commands.market.chain_logs import data_line, invoked, transaction_logs
from commands.market.events import Created, Event, Migrated, Traded
from commands.market.keys import address, transaction_signature
from commands.market.programs import (
    LAUNCHLAB,
    LAUNCHLAB_AUTHORITY,
    PUMP,
    PUMP_AMM,
    PUMP_MIGRATION_ACCOUNT,
    PUMP_MINT_AUTHORITY,
    RAYDIUM_CPMM,
)

FAILED = {"InstructionError": [3, {"Custom": 6002}]}  # too much slippage
TWIN = 2**100  # added to a transaction's number: another transaction beside it
FOREIGN = 2**101
LOOK_ALIKE_PROGRAM = address("program", "look-alike")
PIECES = 10_000  # in which the shares below are counted


@frozen(kw_only=True)
class LogTraps:
    """How often the log of a transaction misleads, as a share of all transactions."""

    failed: float = 0.10
    foreign: float = 0.02
    truncated: float = 0.001  # of trades: what is cut off is lost to whoever reads logs
    duplicate: float = 0.02


@frozen(kw_only=True)
class ChainTransaction:
    """A transaction as a node knows it; it names what getTransaction adds only by its events."""

    number: int
    signature: str
    slot: int
    block_time: int  # Unix seconds
    events: tuple[Event, ...]  # none of a failed one
    mentions: tuple[str, ...]
    err: object = None


@define(kw_only=True)
class ChainHistory:
    """The newest transactions of the programs that somebody may follow."""

    traps: LogTraps = Factory(LogTraps)
    limit: int = 30_000  # transactions remembered; the oldest is forgotten first
    noted: dict[str, ChainTransaction] = field(factory=dict, repr=False)
    # Signatures by address, oldest first.
    by_address: dict[str, deque[str]] = field(factory=dict, repr=False)

    def note(self, events: Sequence[Event], slot: int, block_time: float) -> list[ChainTransaction]:
        """Remember a transaction; it and its misleading neighbours, in order, without logs."""
        mentions = mentioned_addresses(events)
        if not mentions:
            return []
        number = events[0].transaction
        real = ChainTransaction(
            number=number,
            signature=transaction_signature(number),
            slot=slot,
            block_time=int(block_time),
            events=tuple(events),
            mentions=mentions,
        )
        transactions = [real]
        if self._happens(number, 1, self.traps.failed):
            transactions.insert(0, self._twin(real, TWIN, FAILED))
        if self._happens(number, 2, self.traps.foreign):
            transactions.append(self._twin(real, FOREIGN, None))
        for transaction in transactions:
            self._remember(transaction)
        return transactions

    def logs_of(self, transaction: ChainTransaction) -> list[str]:
        """The lines of its log."""
        number = transaction.number
        if number >= FOREIGN:
            return _foreign_logs(transaction)
        lines = transaction_logs(transaction.events, transaction.block_time)
        if number >= TWIN:
            return _failed_logs(lines)
        is_trade = isinstance(transaction.events[0], Traded)
        if is_trade and self._happens(number, 3, self.traps.truncated):
            return [*lines[: len(lines) // 2], "Log truncated"]
        return lines

    def comes_twice(self, transaction: ChainTransaction) -> bool:
        return self._happens(transaction.number, 4, self.traps.duplicate)

    def signatures(
        self, wanted: str, limit: int, before: str | None, until: str | None
    ) -> list[ChainTransaction]:
        """The transactions that mention an address, newest first."""
        found: list[ChainTransaction] = []
        started = before is None
        for signature in reversed(self.by_address.get(wanted, ())):
            if signature == until or len(found) >= limit:
                break
            if started:
                found.append(self.noted[signature])
            started = started or signature == before
        return found

    def _twin(self, real: ChainTransaction, kind: int, err: object) -> ChainTransaction:
        number = real.number + kind
        return ChainTransaction(
            number=number,
            signature=transaction_signature(number),
            slot=real.slot,
            block_time=real.block_time,
            events=real.events,
            mentions=real.mentions,
            err=err,
        )

    def _remember(self, transaction: ChainTransaction) -> None:
        self.noted[transaction.signature] = transaction
        for mention in transaction.mentions:
            self.by_address.setdefault(mention, deque()).append(transaction.signature)
        if len(self.noted) > self.limit:
            oldest = self.noted.pop(next(iter(self.noted)))
            for mention in oldest.mentions:
                signatures = self.by_address[mention]
                signatures.popleft()
                if not signatures:
                    del self.by_address[mention]

    @staticmethod
    def _happens(number: int, kind: int, share: float) -> bool:
        return (number * 2_654_435_761 + kind * 40_503) % 2**32 % PIECES < share * PIECES


def mentioned_addresses(events: Sequence[Event]) -> tuple[str, ...]:
    """The programs, authorities and accounts that a transaction names; none if no log tells it."""
    found: dict[str, None] = {}
    for event in events:
        for mention in _mentions(event):
            found[mention] = None
    return tuple(found)


def _mentions(event: Event) -> tuple[str, ...]:
    token = event.token
    curve, pool = address("curve", token.mint), address("pool", token.mint)
    on_pump = token.venue == "pump"
    program = PUMP if on_pump else LAUNCHLAB
    if isinstance(event, Created):
        authority = PUMP_MINT_AUTHORITY if on_pump else LAUNCHLAB_AUTHORITY
        return (program, authority, curve, token.mint)
    if isinstance(event, Migrated):
        opener = PUMP_MIGRATION_ACCOUNT if on_pump else LAUNCHLAB_AUTHORITY
        return (program, PUMP_AMM if on_pump else RAYDIUM_CPMM, opener, curve, pool, token.mint)
    if isinstance(event, Traded) and not event.in_pool:
        return (program, curve, token.mint)
    # Raydium's pools, for coins of LaunchLab or users, print nothing that is followed here.
    return (PUMP_AMM, pool, token.mint) if token.venue in ("pump", "pump-amm") else ()


def _failed_logs(lines: list[str]) -> list[str]:
    """All that would have happened is printed, and then the outermost program fails."""
    program = lines[-3].split()[1]  # two lines of the system program follow its success
    return [*lines[:-3], f"Program {program} failed: custom program error: 0x1772"]


def _foreign_logs(transaction: ChainTransaction) -> list[str]:
    """Somebody's program prints a trade of its own around a harmless call of the real one."""
    event = transaction.events[0]
    told: list[str] = []
    if isinstance(event, Traded):
        told = [data_line(trade_event(event, transaction.block_time))]
    program = transaction.mentions[0]
    call = invoked(program, 2, "Program log: Instruction: SyncUserVolumeAccumulator")
    return invoked(LOOK_ALIKE_PROGRAM, 1, *told, *call, *told)
