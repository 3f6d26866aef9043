"""What is wrong now, in words: the first thing that operators are shown. Pure.

    Facts (dump, governor, checkpoints, outages ...)  ->  find_problems  ->  the worst first

Each rule looks at one part, and leads to the section of docs/runbook.md that says more. What only
counts (restarts, stalls, losses) is a problem for the ten minutes after it has grown.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from actors.gateway import GatewaySnapshot
from actors.ingest.snapshot import IngestSnapshot
from actors.sync.snapshots import SyncSnapshot
from domain.operations import SEVERITIES, Problem, Severity
from store.checkpoints import ObservedCheckpoints
from supervision.child import State
from supervision.description import shorten_text
from supervision.dump import ActorDump, MailboxDump
from wiring.facts import RECENT_SECONDS, Facts, count_of, count_times
from wiring.outage_words import OUTAGES, UPSTREAM

NEARLY_FULL_SHARE = 0.8  # of a mailbox, as deploy/prometheus/alerts.yaml has it
LAGGING_SECONDS = 15.0  # likewise
WAL_OVER_BUDGET = 1.5  # likewise
SILENT_UPTIME_SECONDS = 900.0  # likewise, of new tokens
REFUSED_BORNE = 0.05  # of a stream's messages: every market has some junk
PARKED_SECONDS = 60.0  # what waits for its token is usually written by the next flush
STALLS_BORNE = 2  # within ten minutes: a start has some on a slow machine
FLUSHES_BORNE = 3  # that fail within ten minutes in which no store was away
CHECKPOINTS_BORNE = 1  # requested within ten minutes: one may be a person's


Rule = Callable[[Facts], Iterator[Problem]]


def find_problems(facts: Facts) -> list[Problem]:
    """What is wrong, the worst first."""
    found = chain.from_iterable(_apply_rule(rule, facts) for rule in RULES)
    return sorted(found, key=lambda problem: SEVERITIES.index(problem.severity))


def _apply_rule(rule: Rule, facts: Facts) -> list[Problem]:
    """What a rule finds; one that fails is a problem itself, and costs the others nothing."""
    try:
        return list(rule(facts))
    except Exception as error:  # else a mistake here would end a service that is well
        what = shorten_text(f"{rule.__name__} failed: {type(error).__name__}: {error}")
        return [
            Problem(
                severity="warning",
                subject="operations",
                kind=rule.__name__,
                what=f"Something cannot be judged: {what}.",
                advice="All else goes on. Report it with a dump.",
                section="tokendiscoveryactorrestarts",
            )
        ]


# Whether it serves, and what is away.


def _find_unready(facts: Facts) -> Iterator[Problem]:
    if facts.is_draining:
        return
    for reason in facts.reasons:
        name, _, why = reason.partition(": ")
        yield Problem(
            severity="critical" if facts.has_started else "notice",
            subject=name,
            kind="not ready",
            what=f"The service does not serve: {name} says: {why}.",
            advice="Wait for the start's deadline; then read the log of that actor.",
            section="tokendiscoverynotready",
        )


def _find_outages(facts: Facts) -> Iterator[Problem]:
    for outage in facts.outages:
        words = OUTAGES.get(outage.name, UPSTREAM)
        yield Problem(
            severity=words.severity,
            subject=outage.name,
            kind="away",
            what=f"{words.meaning.format(name=outage.name)} ({outage.reason}).",
            advice=words.advice,
            section=words.section,
            since=outage.since,
        )


# Streams.


def _find_slow_streams(facts: Facts) -> Iterator[Problem]:
    ingest = facts.find_summary(IngestSnapshot)
    if not isinstance(ingest, IngestSnapshot):
        return
    for source, lag in ingest.median_lag_seconds.items():
        if lag > LAGGING_SECONDS:
            yield Problem(
                severity="warning",
                subject=source,
                kind="lag",
                what=f"Half of the newest events of {source} came {lag:.0f} s or more late.",
                advice="One source: another endpoint. All of them: this machine needs more CPU.",
                section="tokendiscoverystreamlags",
            )


def _find_silence(facts: Facts) -> Iterator[Problem]:
    if facts.births_silent_seconds > SILENT_UPTIME_SECONDS:
        minutes = facts.births_silent_seconds / 60
        yield Problem(
            severity="critical",
            subject="streams",
            kind="silence",
            what=f"No new token for {minutes:.0f} min; usually there are several a minute.",
            advice="Are the streams connected, and do they refuse frames? See Sources below.",
            section="tokendiscoverynonewtokens",
        )


def _find_refused_messages(facts: Facts) -> Iterator[Problem]:
    received = dict(facts.list_grown("received"))
    for name, count in facts.list_grown("refused"):
        share = count / max(count, received.get(name, 0))
        if share <= REFUSED_BORNE:
            continue
        yield Problem(
            severity="warning",
            subject=name,
            kind="refused messages",
            what=f"{share:.0%} of what {name} sent in the last ten minutes makes no sense:"
            f" {count:,} messages were refused.",
            advice="Its protocol may have changed: turn debug logging on, and report a frame.",
            section="tokendiscoverynonewtokens",
        )


# Actors, mailboxes and the event loop.


def _find_actors(facts: Facts) -> Iterator[Problem]:
    restarts = dict(facts.list_grown("restarts"))
    for actor in facts.dump.actors:
        error = actor.last_error
        why = f": {error.type}: {error.message}" if error else ""
        if actor.state in (State.BACKING_OFF.value, State.FAILED.value):
            yield _actor_problem(actor, "critical", "down", f"{actor.name} does not run{why}.")
        elif count := restarts.get(actor.name):
            what = f"{actor.name} was restarted {count_times(count)} in the last ten minutes{why}."
            yield _actor_problem(actor, "warning", "restarts", what)


def _actor_problem(actor: ActorDump, severity: Severity, kind: str, what: str) -> Problem:
    return Problem(
        severity=severity,
        subject=actor.name,
        kind=kind,
        what=what,
        advice="It starts again by itself. Read the traceback in the log and report it.",
        section="tokendiscoveryactorrestarts",
    )


def _find_mailboxes(facts: Facts) -> Iterator[Problem]:
    dropped = dict(facts.list_grown("dropped"))
    for box in facts.dump.mailboxes:
        if box.capacity > 1 and box.depth > NEARLY_FULL_SHARE * box.capacity:
            yield _mailbox_problem(box, "near its bound", _describe_full_mailbox(box))
        if (count := dropped.get(box.name)) and not facts.is_draining:
            messages = count_of(count, "message")
            what = f"The mailbox {box.name} dropped {messages} in the last ten minutes."
            yield _mailbox_problem(box, "dropped messages", what)


def _describe_full_mailbox(box: MailboxDump) -> str:
    waiting = f"; {count_of(box.senders_waiting, 'sender')} waiting" if box.senders_waiting else ""
    how_full = "full" if box.depth >= box.capacity else f"{box.depth / box.capacity:.0%} full"
    return (
        f"The mailbox {box.name} is {how_full}: {box.depth:,} of {box.capacity:,} messages,"
        f" the oldest {box.oldest_age_seconds:.0f} s old{waiting}."
    )


def _mailbox_problem(box: MailboxDump, kind: str, what: str) -> Problem:
    return Problem(
        severity="warning",
        subject=f"mailbox {box.name}",
        kind=kind,
        what=what,
        advice="Relieve the store that its reader waits for, or give the service a full core.",
        section="tokendiscoverymailboxfull",
    )


def _find_stalls(facts: Facts) -> Iterator[Problem]:
    if (count := facts.recent.get("stalls", 0.0)) > STALLS_BORNE:
        longest = facts.dump.event_loop.longest_stall_seconds
        yield Problem(
            severity="warning",
            subject="event loop",
            kind="stalls",
            what=f"The event loop stood still {count_times(count)} in the last ten minutes"
            f" (the longest ever: {longest:.1f} s).",
            advice="Give the machine CPU and memory; the log has the stack of each stall.",
            section="tokendiscoveryeventloopstalls",
        )


# Postgres and its governor.


def _find_governor(facts: Facts) -> Iterator[Problem]:
    governor = facts.governor
    for group, staleness in governor.staleness.items():
        if staleness.is_broken:
            yield Problem(
                severity="warning",
                subject=f"values of {group}",
                kind="too old",
                what=f"Values of {group} wait for Postgres for {staleness.seconds:.0f} s,"
                f" over their bound of {staleness.bound_seconds:.0f} s.",
                advice="See the governor, and whether flushes fail.",
                section="tokendiscoveryvaluestooold",
            )
    if governor.held_back or governor.share < 1:
        yield Problem(
            severity="notice",
            subject="governor",
            kind="holds back",
            what=f"The governor allows {governor.share:.0%} of the budget"
            f"{_join_reasons(governor.reasons)}.",
            advice="It recovers by itself. If it never does, raise the budget.",
            section="governor",
        )
    budget = governor.budget.wal_bytes_per_second
    if governor.own_wal_bytes_per_second > WAL_OVER_BUDGET * budget:
        yield Problem(
            severity="warning",
            subject="flushes",
            kind="over budget",
            what=f"Flushes write {governor.own_wal_bytes_per_second / budget:.1f} times the WAL"
            " that their budget allows: staleness bounds go before it.",
            advice="See the governor; raise the budget, or let fewer tokens be followed.",
            section="tokendiscoverywaloverbudget",
        )


def _join_reasons(reasons: Sequence[str]) -> str:
    return f": {'; '.join(reasons)}" if reasons else ""


def _find_checkpoints(facts: Facts) -> Iterator[Problem]:
    checkpoints = facts.checkpoints
    since = facts.now - RECENT_SECONDS
    requested = sum(pulse.requested for pulse in checkpoints.history if pulse.at > since)
    if requested > CHECKPOINTS_BORNE:
        yield Problem(
            severity="warning",
            subject="postgres checkpoints",
            kind="requested",
            what=f"Postgres was pushed to {requested} checkpoints before their time in the last"
            " ten minutes.",
            advice="By WAL: see below whose it is. By a backup or a person: nothing.",
            section="tokendiscoverycheckpointstorm",
        )
    is_observed = isinstance(checkpoints, ObservedCheckpoints)
    if is_observed and checkpoints.history and checkpoints.history[-1].wal_bytes_per_second is None:
        yield Problem(
            severity="notice",
            subject="postgres wal",
            kind="not told",
            what="Postgres does not tell its WAL: what is said of it is an estimate, and only the"
            " budget of rows holds.",
            advice="Grant pg_monitor where the provider allows it.",
            section="governor",
        )


def _find_sync(facts: Facts) -> Iterator[Problem]:
    sync = facts.find_summary(SyncSnapshot)
    if not isinstance(sync, SyncSnapshot):
        return
    waits = [facts.now - update.since for update in sync.oldest_parked]
    if max(waits, default=0.0) > PARKED_SECONDS:
        yield Problem(
            severity="notice",
            subject="parked updates",
            kind="waiting",
            what=f"Updates of {count_of(sync.parked, 'token')} wait until Postgres has the token,"
            f" the oldest for {max(waits):.0f} s.",
            advice="Nothing: each flush tries them, and what waits too long goes to quarantine.",
            section="quarantine",
        )
    count = facts.recent.get("failed flushes", 0.0)
    if count > FLUSHES_BORNE and facts.stores_well_seconds > RECENT_SECONDS:
        yield Problem(
            severity="warning",
            subject="flushes",
            kind="failing",
            what=f"{count_of(count, 'flush', 'flushes')} failed in the last ten minutes; each is"
            " repeated whole.",
            advice="Look for locks on the service's tables.",
            section="tokendiscoveryflushesfail",
        )
    if facts.recent.get("lost values"):
        yield Problem(
            severity="warning",
            subject="redis values",
            kind="lost",
            what="Redis lost values that Postgres did not have; what was known was put back.",
            advice="Set appendonly yes and noeviction; nobody else deletes keys of td:.",
            section="tokendiscoveryredislostvalues",
        )


# What was put aside, and who was refused.


def _find_quarantine(facts: Facts) -> Iterator[Problem]:
    count = len(facts.quarantine.entries)
    if count:
        entries = "1 entry waits" if count == 1 else f"{count:,} entries wait"
        yield Problem(
            severity="warning",
            subject="quarantine",
            kind="not empty",
            what=f"{entries} in quarantine for a person; all else goes on.",
            advice="token-discovery quarantine list; mend the reason, then replay or drop.",
            section="quarantine",
        )
    if facts.recent.get("lost entries"):
        yield Problem(
            severity="critical",
            subject="quarantine",
            kind="full",
            what="The quarantine is full: its oldest entries are lost as new ones come.",
            advice="Usually one reason stands behind all: mend it, then replay or drop all.",
            section="tokendiscoveryquarantineisfull",
        )


def _find_refused_clients(facts: Facts) -> Iterator[Problem]:
    if count := facts.recent.get("refused clients"):
        gateway = facts.find_summary(GatewaySnapshot)
        connections = gateway.connections if isinstance(gateway, GatewaySnapshot) else 0
        yield Problem(
            severity="warning",
            subject="clients",
            kind="refused",
            what="Connections of clients were refused beyond a limit"
            f" {count_times(count)} in the last ten minutes; {connections:,} are open.",
            advice="Real people, or one client that opens many? See the proxy's log.",
            section="tokendiscoveryclientsrefused",
        )


RULES: Sequence[Rule] = (
    _find_outages,
    _find_unready,
    _find_silence,
    _find_actors,
    _find_mailboxes,
    _find_stalls,
    _find_sync,
    _find_quarantine,
    _find_governor,
    _find_checkpoints,
    _find_refused_clients,
    _find_slow_streams,
    _find_refused_messages,
)
