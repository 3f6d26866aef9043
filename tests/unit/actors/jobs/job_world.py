"""What stands around a job: its mailboxes, and the updates that it sends."""

from typing import ClassVar

import attrs
from attrs import Factory, define

from actors.jobs.job import JobContext, JobOutboxes
from actors.jobs.mail import JobMail
from actors.jobs.switch import JobMemory
from config.settings import Settings
from domain.messages import (
    ActivityChange,
    RosterWanted,
    SolPriceTold,
    StatisticsPublished,
    SystemActivated,
    SystemIdled,
    TokensPublished,
    TokenUpdated,
    TradesWeighed,
    WindowsQuoted,
)
from domain.token import Token
from domain.values import Mint, Value
from sources.scripted import ScriptedHolders, ScriptedQuotes
from supervision.mailbox import Mailbox
from tests.unit.actors.world import SETTINGS, Conditions, Log, Sent, clock, environment, mint, until


@define
class JobWorld:
    """Outlives the job, as in the service."""

    name: ClassVar[str]  # of the job

    publications: Mailbox[TokensPublished | StatisticsPublished] = Factory(
        lambda: Mailbox("tokens", capacity=10_000)
    )
    trades: Mailbox[TradesWeighed] = Factory(lambda: Mailbox("trades", capacity=10_000))
    control: Mailbox[ActivityChange] = Factory(lambda: Mailbox("control", capacity=10))
    sent: Sent[TokenUpdated | RosterWanted] = Factory(Sent)
    sol_prices: Mailbox[SolPriceTold] = Factory(lambda: Mailbox("prices", capacity=100))
    windows: Sent[WindowsQuoted] = Factory(Sent)
    log: Log = Factory(Log)
    memory: JobMemory = Factory(JobMemory)
    settings: Settings = SETTINGS
    conditions: Conditions = Factory(Conditions)

    def context(self) -> JobContext:
        """What the job is given at a start."""
        surroundings = environment(self.log)
        mail = JobMail(
            name=self.name,
            publications=self.publications,
            control=self.control,
            updates=self.sent,
            clock=clock,
        )
        return JobContext(
            mail=mail,
            outboxes=JobOutboxes(sol_prices=self.sol_prices, windows=self.windows),
            memory=self.memory,
            trades=self.trades,
            settings=self.settings,
            environment=attrs.evolve(surroundings, readiness=self.conditions),
        )

    async def publish(self, *tokens: Token) -> None:
        for each in tokens:
            await self.publications.send(TokensPublished(tokens={each.mint: each}))

    async def go_idle(self) -> None:
        await self.control.send(SystemIdled())

    async def activate(self) -> None:
        await self.control.send(SystemActivated())

    @property
    def outages(self) -> list[tuple[float, str, bool]]:
        """(second, source, is it away) of each report to readiness."""
        return [
            (second, name, problem is not None)
            for second, name, reporter, problem in self.conditions.outages
            if reporter == self.name
        ]

    @property
    def updates(self) -> list[tuple[float, TokenUpdated]]:
        """(second, update) of each."""
        return [(at, sent) for at, sent in self.sent.entries if isinstance(sent, TokenUpdated)]

    def values(self, number: int = 1) -> list[dict[str, Value]]:
        """What was said of a token, in order."""
        return [dict(update.values) for _, update in self.updates if update.mint == mint(number)]


@define
class AskingWorld(JobWorld):
    """Of a job that asks a source about tokens."""

    provider: ScriptedQuotes | ScriptedHolders | None = None

    async def start_with(self, *tokens: Token) -> None:
        """Tell of the tokens, a second before 10: the first run is at 10."""
        await until(9.0)
        await self.publish(*tokens)

    @property
    def calls(self) -> list[tuple[float, list[Mint]]]:
        """(second, mints) of each request."""
        assert self.provider is not None
        return [(call.at_seconds, list(call.mints)) for call in self.provider.script.calls]

    @property
    def call_times(self) -> list[float]:
        return [second for second, _ in self.calls]
