"""Alerts: judges rules by what is published, and tells webhooks which tokens meet them.

    TokensPublished (from sync), StatisticsPublished (from trading) -> Judge -> Firing
        -> Alert -> shelf in Redis -> AlertSender -> the endpoint
    RuleSet, RuleDropped, AlertResent, AlertDropped (from the gateway) -> the book

An alert is in Redis before it is sent, and goes from there when its endpoint has taken it: it
arrives at least once, under one id. While Redis is away it is kept here and sent all the same. The
mailbox merges what is published, as the gateway's does: sync and trading never wait, and what
changes back within the interval is not seen.

While there is no rule, no token is known. With the first one the actor asks sync for all.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import trio
from attrs import define, field, frozen

from actors.alerts.book import AlertBook
from actors.alerts.judge import Firing, Judge, JudgePlan
from actors.alerts.keeping import Keeping
from actors.alerts.message import write_body
from actors.alerts.report import AlertsSnapshot
from actors.alerts.sending import AttemptEnded, Sending
from buffer.alerts import AlertShelf
from config.settings import AlertsSettings
from domain.alerts import (
    Alert,
    AlertDropped,
    AlertMessage,
    AlertResent,
    RuleDocument,
    RuleDropped,
    RuleSet,
)
from domain.chunks import chunks
from domain.errors import BufferUnavailable, RuleRefused
from domain.messages import (
    Presence,
    RosterTold,
    RosterWanted,
    StatisticsPublished,
    TokensPublished,
    UsersElsewhereTold,
)
from feed.alert_rules import MOST_RULES, AlertRule, parse_rule
from sources import AlertSender
from supervision import Inbox, Outbox
from supervision.desk import CallEnded, Desk, MailEnded, MailTaken, open_desk
from supervision.environment import Environment
from supervision.life import ActorLife

NAME: Final = "alerts"
MESSAGES_AT_ONCE = 100
TOKENS_AT_ONCE = 100  # judged between two checkpoints, some milliseconds
PRUNED_AT_ONCE = 50
DRAIN_SECONDS = 1.0  # for attempts that are under way at a drain; they come again otherwise
SAVED_AGAIN_SECONDS = 60.0  # Redis is told of all again so often, for it may have lost any
KEEP_ACTIVE_SECONDS = 30.0
ID_BITS = 128


class KeepDue:
    """Redis is to be tried again."""


class KeepAgainDue:
    """Redis is to be told of all again."""


class KeepActiveDue:
    """Activity is to be told again that rules are judged."""


class TickDue:
    """Time has passed: for attempts, ages and outages."""


class LeaveDue:
    """A drain has waited for attempts long enough."""


@frozen(kw_only=True)
class AlertsPlan:
    """What alerts go by, and whom they talk to outside the process."""

    settings: AlertsSettings
    judging: JudgePlan
    endpoints: Sequence[str]  # their names
    shelf: AlertShelf
    sender: AlertSender


@define(kw_only=True, eq=False)
class AlertsLife(ActorLife):
    """One life of the actor; made when it starts."""

    is_draining: bool = field(default=False, init=False)
    may_leave: bool = field(default=False, init=False)  # with attempts under way
    is_ticking: bool = field(default=False, init=False)


@define(kw_only=True)
class Alerts:
    """The only reader of what is to be judged."""

    # Messages in.
    inbox: Inbox[AlertMessage]
    # Messages out.
    roster: Outbox[RosterWanted]  # sync
    presences: Outbox[Presence]  # activity
    # State.
    plan: AlertsPlan
    book: AlertBook  # outlives this actor
    environment: Environment
    judge: Judge | None = field(default=None, init=False)  # while there is a rule
    life: AlertsLife = field(init=False)
    keeping: Keeping = field(init=False)
    sending: Sending = field(init=False)

    async def run(self) -> None:
        """Serve until the mailbox closes; then save what is left, if Redis takes it."""
        rest_seconds = self.plan.settings.interval_seconds
        async with open_desk(self.inbox, MESSAGES_AT_ONCE, rest_seconds=rest_seconds) as desk:
            self._begin_life(desk)
            self._act_on_state()
            while not self._is_done():
                await self._handle_note(await desk.take_note())
                self._act_on_state()

    def snapshot(self) -> AlertsSnapshot:
        book, lines = self.book, self.book.lines
        return AlertsSnapshot(
            rules=len(book.list_rules()),
            rules_not_understood=len(book.not_understood),
            judging=book.is_judging,
            tokens=0 if self.judge is None else len(self.judge.catalogue.tokens),
            raised=book.counts["raised"],
            cooling=book.counts["cooling"],
            waiting={name: len(line.waiting) for name, line in lines.items()},
            taken={name: line.taken for name, line in lines.items()},
            failed_attempts={name: line.failed_attempts for name, line in lines.items()},
            gone={name: line.is_gone for name, line in lines.items()},
            failed=len(book.failed),
            given_up=book.counts["given_up"],
            resent=book.counts["resent"],
            dropped=book.counts["dropped"],
            failed_dropped=book.counts["failed_dropped"],
            dropped_by_operators=book.counts["dropped_by_operators"],
            unsaved=len(book.alerts.unsaved),
            pruned=book.counts["pruned"],
        )

    def _begin_life(self, desk: Desk) -> None:
        self.life = AlertsLife(
            name=NAME, desk=desk, environment=self.environment, counts=self.book.counts
        )
        self.keeping = Keeping(
            book=self.book,
            shelf=self.plan.shelf,
            caller=self.life.new_caller("redis", BufferUnavailable),
            retry=self.life.new_retry(KeepDue()),
            take_rules=self._take_stored_rules,
        )
        self.sending = Sending(
            book=self.book,
            sender=self.plan.sender,
            settings=self.plan.settings,
            environment=self.environment,
            name=NAME,
            desk=desk,
        )
        for name in self.plan.endpoints:
            line = self.book.lines.setdefault(name, self.sending.new_line(name))
            line.begin_life()
        self.book.is_judging = False
        desk.set_timer(KeepAgainDue(), SAVED_AGAIN_SECONDS)
        self._apply_rules()

    def _act_on_state(self) -> None:
        """Do what can be done now; nothing here waits."""
        self.keeping.begin_call()
        self.sending.begin_attempts(redis_is_away=self.keeping.is_away)
        self._keep_ticking()

    def _is_done(self) -> bool:
        if not self.life.is_draining or self.keeping.is_under_way:
            return False
        is_settled = self.book.is_saved or self.keeping.is_away
        return is_settled and (self.life.may_leave or self.sending.is_quiet)

    async def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=messages):
                for message in messages:
                    await self._take_message(message)
                await self._end_round()
            case CallEnded():
                note.deliver()
            case AttemptEnded():
                self.sending.note_outcome(note)
            case TickDue():
                self.life.is_ticking = False
                await self._pass_time()
            case KeepActiveDue():
                self._keep_active()
            case KeepDue():
                self.keeping.retry.end_wait()
            case KeepAgainDue():
                self.book.alerts.mark_unsaved()
                self.book.rules.mark_unsaved()
                self.life.desk.set_timer(KeepAgainDue(), SAVED_AGAIN_SECONDS)
            case MailEnded():
                self.life.is_draining = self.sending.is_stopped = True
                self.keeping.retry.end_wait()
                self.life.desk.set_timer(LeaveDue(), DRAIN_SECONDS)
            case LeaveDue():
                self.life.may_leave = True

    async def _take_message(self, message: AlertMessage) -> None:
        match message:
            case TokensPublished(tokens=tokens):
                await self._judge_tokens(tokens.values())
            case StatisticsPublished(statistics=told):
                await self._judge_statistics(told.items())
            case RosterTold(ask=ask):
                if self.judge is not None and ask == self.book.asks:
                    self.judge.end_filling()
                    self.book.is_judging = True
            case RuleSet(rule=described):
                self._set_rule(described)
            case RuleDropped(rule_id=rule_id):
                self._drop_rule(rule_id)
            case AlertResent(alert_id=alert_id):
                self.book.resend_alert(alert_id, trio.current_time())
            case AlertDropped(alert_id=alert_id):
                self.book.drop_failed(alert_id)

    # Judging.

    async def _judge_tokens(self, tokens: Iterable[Any]) -> None:
        for part in chunks(tokens, TOKENS_AT_ONCE):
            if self.judge is not None:
                self._raise_alerts(self.judge.take_tokens(part))
            await trio.lowlevel.checkpoint()

    async def _judge_statistics(self, told: Iterable[Any]) -> None:
        for part in chunks(told, TOKENS_AT_ONCE):
            if self.judge is not None:
                self._raise_alerts(self.judge.take_statistics(part))
            await trio.lowlevel.checkpoint()

    async def _end_round(self) -> None:
        if self.judge is None:
            return
        while pruned := self.judge.prune_expired(PRUNED_AT_ONCE):
            self.book.counts["pruned"] += pruned
            await trio.lowlevel.checkpoint()
        for fired in self.judge.end_round():
            self._raise_alerts(fired)
            await trio.lowlevel.checkpoint()

    def _raise_alerts(self, fired: Iterable[Firing]) -> None:
        now = self.environment.clock()
        for firing in fired:
            rule, mint = firing.rule, firing.token.mint
            if not self.book.cool_downs.begin(rule.id, mint, rule.cool_down_seconds, now):
                self.book.counts["cooling"] += 1
                continue
            self.book.fired[rule.id] += 1
            body = write_body(firing, now)
            for endpoint in rule.endpoints or self.plan.endpoints:
                self.book.counts["raised"] += 1
                number = self.environment.random.getrandbits(ID_BITS)
                alert = Alert(
                    id=f"msg_{number:0{ID_BITS // 4}x}",
                    endpoint=endpoint,
                    rule=rule.id,
                    mint=mint,
                    raised_at=now,
                    body=body,
                )
                self.book.add_alert(alert, trio.current_time())

    # Time.

    async def _pass_time(self) -> None:
        await self._end_round()
        self.sending.give_up_old()
        self.sending.report_outages()

    def _keep_ticking(self) -> None:
        """A tick each interval, while there is anything that time could change."""
        is_wanted = self.judge is not None or bool(self.book.alerts.rows)
        is_wanted |= any(self.book.reported.values())
        if is_wanted and not self.life.is_ticking and not self.life.is_draining:
            self.life.is_ticking = True
            self.life.desk.set_timer(TickDue(), self.plan.settings.interval_seconds)

    # Rules.

    def _set_rule(self, described: RuleDocument) -> None:
        try:
            rule = self._read_rule(described)
        except RuleRefused as error:  # the gateway has the same settings, and refuses it before
            self.environment.log.warning("rule not understood", error=str(error))
            return
        is_new = rule.id not in self.book.rules.rows
        if self.book.has_settings_rule(rule.id) or (is_new and self._is_full()):
            self.environment.log.warning("rule not taken", rule=rule.id, most=MOST_RULES)
            return
        self.book.not_understood.pop(rule.id, None)
        self.book.rules.put_row(rule.id, rule)
        self._apply_rules()
        self.environment.log.info("rule set", rule=rule.id, kind=rule.document["kind"])

    def _is_full(self) -> bool:
        return len(self.book.list_rules()) >= MOST_RULES

    def _read_rule(self, described: object) -> AlertRule:
        seconds = self.plan.settings.cool_down_seconds
        return parse_rule(described, self.plan.endpoints, seconds)

    def _drop_rule(self, rule_id: str) -> None:
        if self.book.drop_rule(rule_id):
            self.book.cool_downs.forget_rule(rule_id)
            self._apply_rules()
            self.environment.log.info("rule dropped", rule=rule_id)

    def _apply_rules(self) -> None:
        """Judge by the rules that there are; every token is asked for with the first of them."""
        rules = self.book.list_rules()
        if not rules:
            if self.judge is not None:
                self.judge, self.book.is_judging = None, False
                self._keep_active()
            self.life.desk.stop_timer(KeepActiveDue)
            return
        if self.judge is None:
            self.judge = Judge(plan=self.plan.judging, statistics=self.book.statistics)
            self.book.asks += 1
            wanted = RosterWanted(subscriber=NAME, wants_end=True, ask=self.book.asks)
            # Not awaited here: while sync's mailbox is full, alerts are sent all the same.
            self.life.desk.nursery.start_soon(self.roster.send, wanted)
        self.judge.set_rules(rules)
        self._keep_active()

    def _keep_active(self) -> None:
        """While there is a rule, activity is told that somebody looks; its word holds a minute."""
        if self.plan.settings.keep_active:
            users = 1 if self.judge is not None else 0
            self.presences.send_nowait(UsersElsewhereTold(by=NAME, users=users))
            self.life.desk.set_timer(KeepActiveDue(), KEEP_ACTIVE_SECONDS)

    def _take_stored_rules(self, described: Sequence[RuleDocument]) -> None:
        """Take the rules that Redis has; what cannot be used stays there, and is told."""
        for each in described:
            try:
                self._take_stored_rule(self._read_rule(each))
            except RuleRefused as error:
                self.book.not_understood[each["id"]] = str(error)
                self.environment.log.warning("rule not used", rule=each["id"], error=str(error))
        self._apply_rules()

    def _take_stored_rule(self, rule: AlertRule) -> None:
        if self.book.has_settings_rule(rule.id):
            raise RuleRefused("the settings have a rule of this id")
        if self._is_full():
            raise RuleRefused(f"there are {MOST_RULES} rules, as many as may be")
        self.book.rules.take_stored([(rule.id, rule)])
