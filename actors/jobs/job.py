"""What every job is built around: its mail, its schedule, and the loop that serves both.

    mail.receive_publications -> learn_token;  schedule -> job

A new job is a module beside this one, whose class has `build`, `run` and `snapshot`, and one line
in wiring/jobs.py.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

import trio
from attrs import field, frozen

from actors.jobs.mail import JobMail
from actors.jobs.schedule import run_at_intervals
from actors.jobs.switch import ActivitySwitch, JobMemory
from config.settings import Settings
from domain.chunks import chunks
from domain.messages import SolPriceTold, StatisticsPublished, TradesWeighed, WindowsQuoted
from domain.token import Token
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import Mint
from supervision import Inbox, Outbox
from supervision.environment import Environment

TOKENS_AT_ONCE = 500  # of a publication: some 2 ms; between two such parts others get their turn
ROSTER_SECONDS = 1.0  # from the first publication until a start has told of (nearly) all tokens


@frozen(kw_only=True)
class JobOutboxes:
    """Where a job tells what it learns beside the tokens' values."""

    sol_prices: Outbox[SolPriceTold]  # ingest's mailbox, which may be full: never wait for it
    windows: Outbox[WindowsQuoted]  # never makes its senders wait


@frozen(kw_only=True)
class JobContext:
    """What a job is given at a start, whichever job it is."""

    mail: JobMail
    outboxes: JobOutboxes
    memory: JobMemory
    trades: Inbox[TradesWeighed]  # read by hot-score alone
    settings: Settings
    environment: Environment
    activity: ActivitySwitch = field(init=False)

    @activity.default
    def _new_activity(self) -> ActivitySwitch:
        return ActivitySwitch(self.memory)

    def quote_windows(
        self, mint: Mint, windows: Mapping[str, WindowStatistics], *, source: str
    ) -> None:
        """Tell trading what a provider says of a token's windows, if it says anything."""
        if windows:
            now = self.environment.clock()
            self.outboxes.windows.send_nowait(
                WindowsQuoted(mint=mint, observed_at=now, source=source, windows=windows)
            )

    async def serve(
        self,
        job: Callable[[], Awaitable[None]],
        *,
        learn_token: Callable[[Token], Awaitable[None]],
        learn_statistics: Callable[[Mint, TokenStatistics], None] | None = None,
        intervals_seconds: Iterable[float],
        wait_for_first_run: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Learn of every token, and run `job` at intervals, until sync closes the publications.

        `learn_statistics` is told how tokens are traded, if the job is sent that at all.

        The first run is when `wait_for_first_run` returns; without one, when there are tokens: a
        run before them would ask for nothing, and the next is a whole interval away.
        """
        has_heard = trio.Event()

        async def wait_for_tokens() -> None:
            await has_heard.wait()
            await trio.sleep(ROSTER_SECONDS)

        async def keep_schedule() -> None:
            await (wait_for_first_run or wait_for_tokens)()
            await run_at_intervals(
                job,
                intervals_seconds,
                activity=self.activity,
                log=self.environment.log,
                name=self.mail.name,
            )

        await self.mail.request_roster()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.activity.obey_control, self.mail.control)
            nursery.start_soon(keep_schedule)
            async for published in self.mail.receive_publications():
                for message in published:
                    if isinstance(message, StatisticsPublished):
                        if learn_statistics is not None:
                            for mint, statistics in message.statistics.items():
                                learn_statistics(mint, statistics)
                    else:
                        has_heard.set()
                        for tokens in chunks(message.tokens.values(), TOKENS_AT_ONCE):
                            for token in tokens:
                                await learn_token(token)
                            await trio.lowlevel.cancel_shielded_checkpoint()
            nursery.cancel_scope.cancel()
