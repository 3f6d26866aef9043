"""Alerts: what a rule has found, for one endpoint, until that has taken it.

    gateway -> RuleSet, RuleDropped, AlertResent, AlertDropped -> alerts

A rule is a JSON object (feed/alert_rules.py), and goes through messages and Redis as that.
"""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from domain.messages import RosterTold, StatisticsPublished, TokensPublished
from domain.values import Mint, UnixSeconds

RuleDocument = Mapping[str, Any]  # plain values, under the keys of the API


@frozen(kw_only=True)
class Alert:
    """One message to one endpoint; it is the same at every attempt."""

    id: str  # by which its receiver knows that it has it already
    endpoint: str  # by its name
    rule: str  # its id
    mint: Mint
    raised_at: UnixSeconds
    body: str  # JSON
    failure: str | None = None  # why it was given up; without secrets. None: it waits


@frozen(kw_only=True)
class RuleSet:
    """An operator wants a rule, in place of the one with its id."""

    rule: RuleDocument


@frozen(kw_only=True)
class RuleDropped:
    """An operator wants a rule no more."""

    rule_id: str


@frozen(kw_only=True)
class AlertResent:
    """An operator wants a failed alert to be tried again, also where its endpoint is gone."""

    alert_id: str


@frozen(kw_only=True)
class AlertDropped:
    """An operator wants an alert that has failed forgotten."""

    alert_id: str


AlertOrder = RuleSet | RuleDropped | AlertResent | AlertDropped
AlertMessage = TokensPublished | StatisticsPublished | RosterTold | AlertOrder
