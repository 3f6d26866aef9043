"""Appending: every update is in the buffer before anybody sees it.

    TokenUpdated -> unappended, folded by token -> buffer.append_observations -> table, publications

One append is under way at a time; what comes meanwhile is folded by token, so that it stays
bounded by the number of tokens and goes with the next call. After each the appender rests for a
multiple of the time that showing it took: the busier the loop, the more updates of a token become
one, and so does what follows from them. While the buffer is away the values wait here and are
tried again by a timer; new tokens are published all the same.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from math import inf
from typing import TypeVar

import trio
from attrs import define, field

from actors.sync.life import SyncLife
from buffer import Appended
from domain.chunks import chunks
from domain.errors import BufferUnavailable
from domain.merging import Observations, fold_update
from domain.messages import TokenUpdated
from domain.token import UPDATE_FIELDS, Token
from domain.values import NO_VERSION, Mint, Version
from supervision.desk import Retry

UNAPPENDED_TOKENS = 200_000  # then no more mail is taken, and the senders wait
RESTS_A_SHOW = 5  # with more, values come late on a loop that has time to spare (0019)
LONGEST_REST_SECONDS = 0.25  # of the second within which a value is to be in view
RESTING_CALLS = 5  # more than that wait, as after an outage: then no rest
CALM_SECONDS = 60.0  # without a loss, until a buffer is trusted again that has lost repeatedly
LOSING = "redis data"  # as outages name it
KNOWN_FIELDS = frozenset(UPDATE_FIELDS)
Answer = TypeVar("Answer")


class AppendDue:
    """The buffer is to be tried again, or there is more to append than one call takes."""


class RestOver:
    """The appender has rested."""


@define(kw_only=True)
class Appender:
    """Brings updates to the buffer, and back to a buffer that has lost them."""

    # What it is given.
    life: SyncLife
    # State.
    epoch: str = field(default="", init=False)  # of the buffer's data; empty: not read yet
    newest: Version = field(default=NO_VERSION, init=False)  # that an append of values has told
    is_calling: bool = field(default=False, init=False)
    is_resting: bool = field(default=False, init=False)
    may_rest: bool = field(default=True, init=False)
    lost_at: float = field(default=-inf, init=False)  # the last time, trio's clock
    is_losing: bool = field(default=False, init=False)  # told as an outage
    is_loss_known: bool = field(default=False, init=False)  # the buffer is to get back what it lost
    after_put_back: list[Callable[[], None]] = field(factory=list, init=False)
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(AppendDue())

    def begin(self, epoch: str) -> None:
        """All is restored: append to a buffer whose data have this epoch."""
        self.epoch = epoch
        self.life.environment.readiness.report_outage(LOSING, self.life.name, None)

    # Taking updates.

    def add_update(self, update: TokenUpdated) -> None:
        """Fold an update into what waits for its token; what is no update goes to quarantine."""
        if not update.values.keys() <= KNOWN_FIELDS:
            self.life.quarantine_update(update, "a field that no token has")
            return
        waiting = self.life.memory.unappended.get(update.mint)
        if waiting is None:
            waiting = self.life.memory.unappended[update.mint] = Observations()
        try:
            fold_update(waiting, update)
        except (TypeError, ValueError) as error:  # a status that is no number
            self.life.quarantine_update(update, str(error))

    @property
    def is_full(self) -> bool:
        return len(self.life.memory.unappended) >= UNAPPENDED_TOKENS

    @property
    def has_next_call(self) -> bool:
        """True before the next call is made, where as much as it may carry waits."""
        waiting = len(self.life.memory.unappended)
        return (self.is_calling or self.is_resting) and waiting >= self.life.settings.append_updates

    @property
    def is_done(self) -> bool:
        """True when nothing waits and nothing is under way."""
        return not (self.is_calling or self.is_loss_known or self.life.memory.unappended)

    # Appending.

    def append_next(self) -> None:
        """Begin the next append, if there is one to be made and none under way."""
        if self.is_calling or self.retry.is_waiting or not self.epoch:
            return
        if self.is_loss_known:
            held, spooled = dict(self.life.table.unflushed), list(self.life.table.spooled.values())
            self._ask_buffer(
                partial(self._give_back, held, spooled),
                partial(self._note_given_back, len(self.after_put_back)),
            )
        elif self.is_resting:
            return
        elif news := self._take_news():
            self.life.memory.in_flight = news
            self.life.memory.note_unsure(news)
            # Of a published token only what differs from it is news.
            differing = news.keys() & self.life.table.published.keys()
            append = self.life.stores.buffer.append_observations
            self._ask_buffer(partial(append, news, differing=differing), self._note_appended)
        elif self.life.memory.unappended:
            self.life.desk.post(AppendDue())

    def _take_news(self) -> dict[Mint, Observations]:
        """Take what one call may carry; values that their tokens have already are dropped."""
        unappended = self.life.memory.unappended
        news: dict[Mint, Observations] = {}
        for mint in list(islice(unappended, self.life.settings.append_updates)):
            seen = unappended.pop(mint)
            try:
                new = self.life.table.select_new(mint, seen)
            except (TypeError, ValueError) as error:  # a status that is no number
                self._refuse_values(mint, seen, str(error))
                continue
            if new.values:
                news[mint] = new
        return news

    def _note_appended(self, appended: Appended) -> None:
        """What the buffer took is durable: note it, and show it."""
        in_flight, self.life.memory.in_flight = self.life.memory.in_flight, {}
        self.life.memory.note_sure(in_flight)
        for mint, reason in appended.refused.items():
            self._refuse_values(mint, in_flight[mint], reason)
        self.show_changes(appended)
        self.note_epoch(appended.epoch)

    def show_changes(self, appended: Appended) -> None:
        """Note what is in the buffer now, and publish it."""
        now, self.newest = trio.current_time(), appended.newest
        visible = []
        for mint, accepted in appended.changed.items():
            accepted.newest = appended.newest
            self.life.backlog.note_fields(mint, accepted.values, now)
            if self.life.table.apply_observations(mint, accepted) is not None:
                visible.append(mint)
        self.life.counts["appended"] += len(appended.changed)
        self.life.publish(visible)

    def _refuse_values(self, mint: Mint, seen: Observations, reason: str) -> None:
        update = TokenUpdated(
            mint=mint, observed_at=seen.observed_at, origin=seen.origin, values=dict(seen.values)
        )
        self.life.quarantine_update(update, reason)

    # Putting back what the buffer has lost.

    def note_epoch(self, epoch: str) -> None:
        """Compare the life of the buffer's data with the one that is known."""
        if epoch != self.epoch:
            self.put_back()
        elif self.is_losing and trio.current_time() - self.lost_at >= CALM_SECONDS:
            self.is_losing = False
            self.life.environment.readiness.report_outage(LOSING, self.life.name, None)

    def put_back(self, then: Callable[[], None] = lambda: None) -> None:
        """Give a buffer that has lost data all that is not in Postgres; `then` when it has it."""
        if not self.is_loss_known:
            self.life.counts["put_back"] += 1
            self._tell_loss()
        self.append_again(then)

    def append_again(self, then: Callable[[], None]) -> None:
        """Give the buffer again all that is not in Postgres; `then` is called when it has it."""
        self.after_put_back.append(then)
        self.is_loss_known = True
        self.append_next()

    def _tell_loss(self) -> None:
        """A line of the log for a loss; for one after the other, one outage."""
        is_again = trio.current_time() - self.lost_at < CALM_SECONDS
        self.lost_at = trio.current_time()
        if is_again:
            self.is_losing = True
            problem = "it loses again what it is given back; see maxmemory and its policy"
            self.life.environment.readiness.report_outage(LOSING, self.life.name, problem)
            return
        self.life.environment.log.warning(
            "buffer lost its data, putting it back",
            updates=len(self.life.table.unflushed),
            new_tokens=len(self.life.table.spooled),
        )

    async def _give_back(self, held: Mapping[Mint, Observations], spooled: Sequence[Token]) -> str:
        """The epoch of the data that it went to; had that been lost, too, the next append tells.

        A buffer that has fallen back holds as unflushed what has been flushed since. It forgets
        that: the next change of such a token would take it along, over what Postgres has. What
        came after our last append is of another process, which may be about to end.
        """
        buffer, newest = self.life.stores.buffer, self.newest
        epoch = (await buffer.append_observations({})).epoch
        older = [each for each in await self.life.read_all_dirty() if each.version <= newest]
        for part in chunks(held.items(), self.life.settings.append_updates):
            await buffer.append_observations(dict(part), forced=True)
        for changes in chunks(older, self.life.settings.batch_rows):
            await buffer.clear_flushed(changes)
        await self.life.spool_tokens(spooled)
        return epoch

    def _note_given_back(self, asked: int, epoch: str) -> None:
        """It has all that was to be given when the call began; who asked later waits for more."""
        given, self.after_put_back = self.after_put_back[:asked], self.after_put_back[asked:]
        self.epoch, self.is_loss_known = epoch, bool(self.after_put_back)
        for then in given:
            then()

    # One call at a time.

    def _ask_buffer(
        self, call: Callable[[], Awaitable[Answer]], then: Callable[[Answer], None]
    ) -> None:
        def note_answer(answer: Answer) -> None:
            self.is_calling = False
            self.retry.note_success()
            began_at = trio.current_time()
            then(answer)
            self._begin_rest(RESTS_A_SHOW * (trio.current_time() - began_at))
            self.append_next()

        self.is_calling = True
        self.life.buffer_caller.ask(call, note_answer, self._note_failure)

    def _begin_rest(self, seconds: float) -> None:
        most = RESTING_CALLS * self.life.settings.append_updates
        if self.may_rest and seconds > 0 and len(self.life.memory.unappended) <= most:
            self.is_resting = True
            self.life.desk.set_timer(RestOver(), min(seconds, LONGEST_REST_SECONDS))

    def end_rest(self) -> None:
        """The appender has rested for long enough."""
        self.is_resting = False
        self.append_next()

    def hurry(self) -> None:
        """Rest no more: the process ends."""
        self.may_rest = False
        self.end_rest()

    def _note_failure(self, error: BufferUnavailable) -> None:
        """The buffer does not answer, and may have taken the values: they are appended again."""
        self.is_calling = False
        self.life.counts["failed_appends"] += 1
        self.life.memory.take_back_in_flight()
        self.retry.begin_wait()

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self.append_next()
