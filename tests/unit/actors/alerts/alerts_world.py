"""What stands around alerts, and outlives the actor: a shelf, endpoints, and who publishes."""

from collections.abc import Mapping
from random import Random
from typing import Any

import orjson
import trio
from attrs import Factory, define, evolve, field

from actors.alerts.actor import Alerts, AlertsPlan
from actors.alerts.book import AlertBook
from actors.alerts.judge import JudgePlan
from buffer.memory_alerts import MemoryAlertShelf
from config.settings import AlertsSettings
from domain.alerts import AlertMessage, RuleSet
from domain.messages import Presence, RosterTold, RosterWanted, StatisticsPublished, TokensPublished
from domain.token import Token
from domain.trading import TokenStatistics
from domain.values import Mint
from feed.alert_rules import AlertRule, parse_rule
from feed.statistics import StatisticsMemory
from sources import SendAnswer
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from tests.unit.actors.world import SETTINGS, Conditions, Log, Sent, clock, environment
from wiring.mailboxes import Mailboxes

TAKEN, REFUSED = SendAnswer(status=200), SendAnswer(status=500, problem="HTTP 500")
GONE = SendAnswer(status=410, problem="HTTP 410")
ENDPOINTS = ("desk", "other")


@define
class ScriptedEndpoints:
    """The `AlertSender` of a test: each endpoint's answers in order, the last one for ever."""

    answers: dict[str, list[SendAnswer]] = field(factory=dict)  # by endpoint; none: taken
    delays: dict[str, float] = field(factory=dict)  # seconds of one attempt, by endpoint
    # Every attempt: the second of its beginning, endpoint, alert's id.
    attempts: list[tuple[float, str, str]] = field(factory=list, init=False)
    taken: list[tuple[str, str, str]] = field(factory=list, init=False)  # endpoint, id, body

    async def send_alert(self, endpoint: str, alert_id: str, body: str) -> SendAnswer:
        self.attempts.append((trio.current_time(), endpoint, alert_id))
        await trio.sleep(self.delays.get(endpoint, 0.0))
        script = self.answers.get(endpoint, [TAKEN])
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer.is_taken:
            self.taken.append((endpoint, alert_id, body))
        return answer

    def times(self, endpoint: str = "desk") -> list[float]:
        return [second for second, name, _ in self.attempts if name == endpoint]


@define(kw_only=True)
class AlertsWorld:
    settings: AlertsSettings = Factory(lambda: SETTINGS.alerts)
    endpoints: tuple[str, ...] = ("desk",)
    rules: tuple[AlertRule, ...] = ()  # of the settings
    shelf: MemoryAlertShelf = Factory(lambda: MemoryAlertShelf(10_000))
    sender: ScriptedEndpoints = Factory(ScriptedEndpoints)
    tokens: int = 1000
    seed: int = 1
    inbox: Mailbox[AlertMessage] = Factory(lambda: Mailboxes(1000).alerts)
    roster: Sent[RosterWanted] = Factory(Sent)
    presences: Sent[Presence] = Factory(Sent)
    log: Log = Factory(Log)
    conditions: Conditions = Factory(Conditions)
    book: AlertBook = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.new_process()

    def new_process(self) -> None:
        """What only a process knows is gone."""
        self.inbox = Mailboxes(1000).alerts
        self.seed += 1
        self.book = AlertBook(
            most_failed=self.settings.waiting_alerts,
            statistics=StatisticsMemory(self.tokens),
            settings_rules=self.rules,
        )

    def actor(self) -> Alerts:
        surroundings: Environment = evolve(
            environment(self.log), random=_SeededJitter(self.seed), readiness=self.conditions
        )
        return Alerts(
            inbox=self.inbox,
            roster=self.roster,
            presences=self.presences,
            plan=AlertsPlan(
                settings=self.settings,
                judging=JudgePlan(
                    tokens=self.tokens, board_tokens=3, settle_seconds=300.0, clock=clock
                ),
                endpoints=self.endpoints,
                shelf=self.shelf,
                sender=self.sender,
            ),
            book=self.book,
            environment=surroundings,
        )

    # What is told to the actor.

    async def fill(self, *tokens: Token) -> None:
        """Tell of every token there is, as sync does when it is asked."""
        await self.publish(*tokens)
        await self.inbox.send(RosterTold(ask=self.book.asks))

    async def publish(self, *tokens: Token) -> None:
        await self.inbox.send(TokensPublished(tokens={token.mint: token for token in tokens}))

    async def publish_statistics(self, told: Mapping[Mint, TokenStatistics]) -> None:
        await self.inbox.send(StatisticsPublished(statistics=told))

    async def set_rule(self, **described: Any) -> None:
        await self.inbox.send(RuleSet(rule=make_rule(**described).document))

    # What has come of it.

    @property
    def told(self) -> list[tuple[str, Mint]]:
        """Rule and mint of what was taken, in order, whoever took it."""
        return [read_alert(body) for _, _, body in self.sender.taken]

    def problem_of(self, endpoint: str = "desk") -> str | None:
        return self.conditions.problems.get((f"webhook {endpoint}", "alerts"))


class _SeededJitter(Random):
    """Chance that cuts no wait short, with ids of its own."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def read_alert(body: str) -> tuple[str, Mint]:
    data = orjson.loads(body)["data"]
    return data["rule"]["id"], Mint(data["token"]["mint"])


def make_rule(**described: Any) -> AlertRule:
    return parse_rule(described, ENDPOINTS, SETTINGS.alerts.cool_down_seconds)


def cap_rule(value: float = 100.0, **more: Any) -> AlertRule:
    described = {"id": "cap", "kind": "capAbove", "scope": {}, **more}
    return make_rule(value=value, **described)
