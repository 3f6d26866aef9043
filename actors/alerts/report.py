"""What alerts tell: AlertsSnapshot -> metrics, dump; AlertsReport -> operators."""

from collections.abc import Mapping

from actors.alerts.book import AlertBook
from actors.alerts.endpoint import EndpointLine
from domain.alerts import Alert, RuleDocument
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from domain.values import Mint, UnixSeconds


@snapshot_class
class AlertsSnapshot(Snapshot):
    """Counters since the process started."""

    rules: int = gauge("Rules that are judged, of the settings and of the API.")
    rules_not_understood: int = gauge("Rules in Redis that this release or these settings refuse.")
    judging: bool = gauge("1 while every token is known and rules are judged.")
    tokens: int = gauge("Tokens that are known for it; none while there is no rule.")
    raised: int = counter("Alerts raised, one for each endpoint that is told.")
    cooling: int = counter("Firings not told, for the one before was too short ago.")
    waiting: Mapping[str, int] = gauge("Alerts that wait for their endpoint.", by="endpoint")
    taken: Mapping[str, int] = counter("Alerts that their endpoint has taken.", by="endpoint")
    failed_attempts: Mapping[str, int] = counter("Attempts that failed.", by="endpoint")
    gone: Mapping[str, bool] = gauge("1 where the endpoint has answered 410.", by="endpoint")
    failed: int = gauge("Alerts that were given up, and are kept.")
    given_up: int = counter("Alerts given up.")
    resent: int = counter("Alerts that operators had sent again.")
    dropped: int = counter("Alerts lost because too many waited for their endpoint.")
    failed_dropped: int = counter("Alerts lost because too many had failed.")
    dropped_by_operators: int = counter("Failed alerts that operators dropped.")
    unsaved: int = gauge("Alerts that Redis does not have yet.")
    pruned: int = counter("Tokens forgotten because their time was over.")


@snapshot_class
class RuleSnapshot(Snapshot):
    """One rule."""

    rule: RuleDocument = detail("As the API takes it.")
    source: str = detail("The settings, or the API.")
    is_saved: bool = detail("Whether it outlives the process.")
    fired: int = detail("How often it has fired since the start.")


@snapshot_class
class EndpointSnapshot(Snapshot):
    """One endpoint, by its name alone."""

    name: str = detail("As the settings have it.")
    waiting: int = detail("Alerts that wait for it.")
    taken: int = detail("Alerts that it has taken since the start.")
    dropped: int = detail("Alerts lost because too many waited for it.")
    failed_attempts: int = detail("Attempts that failed since the start.")
    failing_since: UnixSeconds | None = detail("Since when none has succeeded; null: it is well.")
    problem: str | None = detail("How the last attempt failed; null: it is well.")
    is_gone: bool = detail("Whether it has answered 410.")


@snapshot_class
class FailedAlertSnapshot(Snapshot):
    """One alert that was given up, without its body."""

    id: str = detail("Names it in orders, and at its endpoint.")
    endpoint: str = detail("Whom it is for.")
    rule: str = detail("What has raised it.")
    mint: Mint = detail("The token that it is of.")
    raised_at: UnixSeconds = detail("When it was raised.")
    failure: str = detail("Why it was given up.")


@snapshot_class
class AlertsReport(Snapshot):
    """All that operators are shown."""

    rules: tuple[RuleSnapshot, ...] = detail("Those of the settings first.")
    not_understood: Mapping[str, str] = detail("Rules in Redis that are refused: why, by id.")
    endpoints: tuple[EndpointSnapshot, ...] = detail("Every endpoint of the settings.")
    failed: tuple[FailedAlertSnapshot, ...] = detail("Given up, the oldest first.")
    unsaved: int = detail("Alerts that Redis does not have yet.")
    is_complete: bool = detail("Whether what an earlier process left in Redis is among them.")
    is_judging: bool = detail("Whether every token is known, so that rules are judged.")


def report_alerts(book: AlertBook) -> AlertsReport:
    """The alerts as they are now."""
    return AlertsReport(
        rules=tuple(_report_rules(book)),
        not_understood=dict(book.not_understood),
        endpoints=tuple(map(_report_endpoint, book.lines.values())),
        failed=tuple(map(_report_failed, book.list_failed())),
        unsaved=len(book.alerts.unsaved),
        is_complete=book.is_loaded,
        is_judging=book.is_judging,
    )


def _report_rules(book: AlertBook) -> list[RuleSnapshot]:
    return [
        RuleSnapshot(
            rule=rule.document,
            source="settings" if book.has_settings_rule(rule.id) else "api",
            is_saved=rule.id not in book.rules.unsaved,
            fired=book.fired[rule.id],
        )
        for rule in book.list_rules()
    ]


def _report_endpoint(line: EndpointLine) -> EndpointSnapshot:
    return EndpointSnapshot(
        name=line.name,
        waiting=len(line.waiting),
        taken=line.taken,
        dropped=line.dropped,
        failed_attempts=line.failed_attempts,
        failing_since=line.failing_since,
        problem=line.problem or None,
        is_gone=line.is_gone,
    )


def _report_failed(alert: Alert) -> FailedAlertSnapshot:
    return FailedAlertSnapshot(
        id=alert.id,
        endpoint=alert.endpoint,
        rule=alert.rule,
        mint=alert.mint,
        raised_at=alert.raised_at,
        failure=alert.failure or "",
    )
