"""Mistakes in sources."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import SOURCES_FAIL

MUTANTS = (
    Mutant(
        name="forgets-to-subscribe-again",
        where="sources.pumpportal:PumpPortal._talk",
        before="self.memory.subscriptions.start_over()",
        after="pass",
        plan=SOURCES_FAIL,
    ),
    Mutant(
        name="subscribes-to-births-alone",
        where="sources.pumpportal:PumpPortal._talk",
        before="await self.line.send(connection, request)",
        after="""
await self.line.send(connection, request)
break
""",
    ),
    Mutant(
        name="subscribes-to-no-newborn",
        where="sources.pumpportal:PumpPortal._note_event",
        before="self.memory.subscriptions.follow_mint(event.mint)",
        after="pass",
    ),
    Mutant(
        name="trusts-a-silent-connection",
        where="sources.line:Line.receive_frames",
        before="trio.move_on_after(self.settings.silence_seconds)",
        after="trio.CancelScope()",
        plan=SOURCES_FAIL,
    ),
    Mutant(
        name="a-refused-frame-is-fatal",
        where="sources.line:parse_each",
        before="continue",
        after="raise",
        plan=SOURCES_FAIL,
    ),
    Mutant(
        name="connects-again-without-a-wait",
        where="sources.line:Line.serve",
        before="await trio.sleep(wait)",
        after="await trio.sleep(0.01)",
        plan=SOURCES_FAIL,
    ),
)
