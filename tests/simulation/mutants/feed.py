"""Mistakes in feed, and in the gateway that serves it."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import BUSY, LONG_CALM, RESTARTS, SLOW_CLIENTS, VANISHING

MUTANTS = (
    # Boards.
    Mutant(
        name="a-delta-leaves-a-removal-out",
        where="feed.ranked_board:Board.publish_changes",
        before="gone = [mint for mint in touched if mint in self.published and mint not in here]",
        after="""
gone = [mint for mint in touched if mint in self.published and mint not in here][1:]
""",
        plan=BUSY,
    ),
    Mutant(
        name="a-resume-misses-a-delta",
        where="feed.ranked_board:History.deltas_after",
        before="kept[0] > offset",
        after="kept[0] > offset + 1",
        plan=VANISHING,
    ),
    Mutant(
        name="a-resume-repeats-a-delta",
        where="feed.ranked_board:History.deltas_after",
        before="kept[0] > offset",
        after="kept[0] >= offset",
        plan=VANISHING,
    ),
    Mutant(
        name="shows-a-token-anew-with-each-change",
        where="feed.ranked_board:Board._publish_token",
        before="shown is None",
        after="shown is None or shown.token is not token",
    ),
    Mutant(
        name="a-token-stays-on-the-board-it-came-from",
        where="feed.catalogue:Catalogue._rank_again",
        before="ranking.replace_token(before, after)",
        after=(
            "moves = before is not None and after is not None and before.status < after.status\n"
            "ranking.replace_token(None if moves else before, after)"
        ),
        plan=LONG_CALM,
    ),
    Mutant(
        name="ranks-the-oldest-first",
        where="feed.ranking:greatest_first",
        before="-value if value is not None and isfinite(value) else inf",
        after="value if value is not None and isfinite(value) else inf",
        plan=BUSY,
    ),
    Mutant(
        name="a-rank-is-never-given-up",
        where="feed.ranking:Ranking.replace_token",
        before="self._ranks.remove((old, before.mint))",
        after="pass",
        plan=BUSY,
    ),
    # Views.
    Mutant(
        name="a-view-looks-at-newcomers-alone",
        where="feed.views:Shortlist._rank_anew",
        before="self.ranking.put_rank(rank)",
        after="self.ranking.held.get(mint) or self.ranking.put_rank(rank)",
        plan=BUSY,
    ),
    # Sessions.
    Mutant(
        name="a-snapshot-without-the-later-deltas",
        where="feed.follower:Follower.send_snapshots",
        before="self.following |= {board}",
        after="pass",
    ),
    Mutant(
        name="a-slow-client-is-owed-without-bound",
        where="feed.follower:Follower.deliver_round",
        before="""
self.outgoing.queued_bytes + len(frames) > self.broadcast.settings.client_queue_bytes
""",
        after="False",
        plan=SLOW_CLIENTS,
    ),
    Mutant(
        name="a-slow-client-gets-no-snapshot",
        where="feed.follower:Follower._fall_behind",
        before="""
self.stale |= dict.fromkeys([*boards, *others])
""",
        after="pass",
        plan=SLOW_CLIENTS,
    ),
    # The gateway.
    Mutant(
        name="asks-for-no-roster",
        where="actors.gateway:Gateway.serve_clients",
        before="nursery.start_soon(self.outboxes.roster.send, wanted)",
        after="pass",
    ),
    Mutant(
        name="is-ready-before-the-boards-are-filled",
        where="actors.gateway:Gateway.publish_changes",
        before="self.is_filled",
        after="not self.is_filled",
        plan=RESTARTS,
    ),
)
