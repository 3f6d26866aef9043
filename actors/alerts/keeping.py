"""Keeping: Redis is told of alerts and rules, and asked once for what an earlier process has left.

AlertBook  ->  Keeping  ->  AlertShelf, one call at a time, beside the actor's loop
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio
from attrs import define, field

from actors.alerts.book import AlertBook
from buffer.alerts import AlertShelf
from domain.alerts import Alert, RuleDocument
from domain.chunks import chunks
from domain.errors import BufferUnavailable
from supervision.desk import Caller, Retry

SAVED_AT_ONCE = 200  # alerts a call, of some kilobytes each


@define(kw_only=True, eq=False)
class Keeping:
    """One life of it."""

    book: AlertBook
    shelf: AlertShelf
    caller: Caller
    retry: Retry
    take_rules: Callable[[Sequence[RuleDocument]], None]  # that Redis has
    is_under_way: bool = field(default=False, init=False)

    @property
    def is_away(self) -> bool:
        """As the last call has found."""
        return self.caller.is_away

    def begin_call(self) -> None:
        """Begin what there is to do, unless a call is under way or a failure is waited for."""
        if self.is_under_way or self.retry.is_waiting:
            return
        if not self.book.is_loaded:
            self._ask(self._load_book, self._note_loaded)
        elif not self.book.is_saved:
            self._save_book()

    def _save_book(self) -> None:
        book, shelf = self.book, self.shelf
        alerts, rules = book.alerts.list_unsaved(), book.rules.list_unsaved()
        gone_alerts, gone_rules = sorted(book.alerts.leaving), sorted(book.rules.leaving)

        async def save() -> None:
            for part in chunks(alerts.values(), SAVED_AT_ONCE):
                await shelf.keep_alerts(part)
            await shelf.forget_alerts(gone_alerts)
            await shelf.keep_rules([rule.document for rule in rules.values()])
            await shelf.forget_rules(gone_rules)

        def note_saved(_: None) -> None:
            book.alerts.note_saved(alerts, gone_alerts)
            book.rules.note_saved(rules, gone_rules)

        self._ask(save, note_saved)

    async def _load_book(self) -> tuple[Sequence[Alert], Sequence[RuleDocument]]:
        return await self.shelf.read_alerts(), await self.shelf.read_rules()

    def _note_loaded(self, stored: tuple[Sequence[Alert], Sequence[RuleDocument]]) -> None:
        alerts, rules = stored
        self.book.is_loaded = True
        self.book.take_stored(alerts, trio.current_time())
        self.take_rules(rules)

    def _ask(self, call: Callable[[], Awaitable[Any]], then: Callable[[Any], None]) -> None:
        def note_answer(answer: Any) -> None:
            self.is_under_way = False
            self.retry.note_success()
            then(answer)

        self.is_under_way = True
        self.caller.ask(call, note_answer, self._note_failure)

    def _note_failure(self, _error: BufferUnavailable) -> None:
        self.is_under_way = False
        self.retry.begin_wait()
