"""Who sends to whom: the actors, their mailboxes and what is outside, as a graph. Pure.

    child specs, SENDERS  ->  describe_graph  ->  JSON of /api/ops/graph

Readers follow from the child specs. Who sends is told here, because a child may hold the way into a
mailbox that it never uses; tests/architecture/test_graph.py holds it to what each is really given.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import frozen

from wiring.jobs import JOBS
from wiring.mailboxes import TRADING

STREAMS = "streams"  # stands for every stream there is
PROVIDERS, POSTGRES, REDIS, CLIENTS = "providers", "Postgres", "Redis", "clients"
WEBHOOKS = "webhooks"
POLLING = ("market-data", "holder-count", "metadata")  # the jobs that ask providers

# By mailbox.
SENDERS: Mapping[str, Sequence[str]] = {
    "ingest": (STREAMS, "market-data", "quarantine"),
    "sync": ("ingest", TRADING, *JOBS, "activity", "alerts", "gateway", "quarantine"),
    TRADING: ("ingest",),
    "trading tokens": ("sync",),
    "trading windows": ("market-data",),
    "hot-score trades": (TRADING,),
    "market-data": ("sync", TRADING),
    "hot-score": ("sync",),
    "holder-count": ("sync",),
    "metadata": ("sync",),
    "activity": ("gateway", "activity-keys", "alerts"),
    "quarantine": ("ingest", "sync", "gateway"),
    "alerts": ("sync", TRADING, "gateway"),
    "gateway": ("sync", TRADING, "activity"),
    **{f"{name} control": ("activity",) for name in (*JOBS, TRADING)},
}
# Calls to what is outside the process, by actor.
CALLS: Mapping[str, Sequence[str]] = {
    "ingest": (POSTGRES, REDIS),
    "sync": (POSTGRES, REDIS),
    TRADING: (REDIS,),
    "quarantine": (REDIS,),
    "activity-keys": (REDIS,),
    "history": (REDIS,),
    "alerts": (REDIS, WEBHOOKS),
    "gateway": (CLIENTS,),
    **dict.fromkeys(POLLING, (PROVIDERS,)),
}


@frozen
class Edge:
    """One way for messages or calls."""

    sender: str
    receiver: str
    mailbox: str | None  # None: calls


def describe_graph(
    inboxes: Mapping[str, Sequence[str]], streams: Collection[str]
) -> dict[str, object]:
    """Nodes and edges; `inboxes` are the names of the mailboxes that each child reads."""
    edges = list(_list_edges(inboxes, streams))
    outside = {name for edge in edges for name in (edge.sender, edge.receiver)} - set(inboxes)
    nodes = [{"name": name, "kind": "outside"} for name in sorted(outside)]
    nodes += [{"name": name, "kind": "stream" if name in streams else "actor"} for name in inboxes]
    return {
        "nodes": nodes,
        "edges": [{"from": e.sender, "to": e.receiver, "mailbox": e.mailbox} for e in edges],
    }


def _list_edges(inboxes: Mapping[str, Sequence[str]], streams: Collection[str]) -> Iterator[Edge]:
    for reader, mailboxes in inboxes.items():
        for mailbox in mailboxes:
            for sender in _list_senders(mailbox, streams):
                if sender in inboxes:
                    yield Edge(sender, reader, mailbox)
        for outside in CALLS.get(reader, ()):
            yield Edge(reader, outside, None)


def _list_senders(mailbox: str, streams: Collection[str]) -> Iterator[str]:
    for sender in SENDERS[mailbox]:
        if sender == STREAMS:
            yield from streams
        else:
            yield sender
