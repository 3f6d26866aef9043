"""The graph that operators see is the one that is wired."""

from attrs import frozen

from supervision.children import ChildSpec
from supervision.mailbox import Mailbox
from tests.architecture.test_wiring import child_specs, composition, reachable
from wiring.graph import CALLS, SENDERS, STREAMS
from wiring.jobs import JOBS
from wiring.mailboxes import Mailboxes

# Ways that children are given and do not use: each job has the mailboxes of all jobs' outboxes and
# trades. The quarantine may give a message back to any mailbox.
JOBS_WAYS = ("ingest", "trading windows", "hot-score trades")
UNUSED = {(job, mailbox) for job in JOBS for mailbox in JOBS_WAYS}
STREAM = "scripted"


@frozen
class Wiring:
    """Who is given a way into which mailbox."""

    given: set[tuple[str, str]]
    told: set[tuple[str, str]]


def list_given(spec: ChildSpec) -> set[str]:
    own = {box.name for box in spec.inboxes}
    held = {box.name for box in reachable(spec.build_actor()) if isinstance(box, Mailbox)}
    return held - own


def take_wiring() -> Wiring:
    given = {(spec.name, box) for spec in child_specs() for box in list_given(spec)}
    told = {
        (STREAM if sender == STREAMS else sender, mailbox)
        for mailbox, senders in SENDERS.items()
        for sender in senders
    }
    return Wiring(given, told)


def test_every_mailbox_has_its_senders() -> None:
    assert set(Mailboxes(10).by_name()) == set(SENDERS)


def test_every_sender_of_the_graph_is_given_its_mailbox() -> None:
    wiring = take_wiring()
    assert set() == wiring.told - wiring.given


def test_every_way_into_a_mailbox_that_a_child_is_given_is_in_the_graph() -> None:
    wiring = take_wiring()
    untold = {
        way for way in wiring.given - wiring.told if way not in UNUSED and way[0] != "quarantine"
    }
    assert set() == untold


def test_every_edge_leads_from_a_node_to_another() -> None:
    graph = composition().describe_graph(child_specs())
    nodes, edges = graph["nodes"], graph["edges"]
    assert isinstance(nodes, list)
    assert isinstance(edges, list)
    names = {node["name"] for node in nodes}
    assert names == {name for edge in edges for name in (edge["from"], edge["to"])}
    assert {spec.name for spec in child_specs()} <= names
    assert CALLS.keys() <= names
