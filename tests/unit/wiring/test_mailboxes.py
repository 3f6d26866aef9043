"""Which messages of the service would be lost with the process."""

from domain.messages import RosterWanted, SystemIdled
from tests.unit.actors.ingest.events import created
from wiring.mailboxes import Mailboxes


async def test_events_and_updates_are_unsaved_until_their_reader_has_handled_them() -> None:
    boxes = Mailboxes(1000)
    assert {} == boxes.count_unsaved()
    for number in (1, 2):
        await boxes.events.send(created(number, 1.0))
    await boxes.updates.send(RosterWanted(subscriber="gateway"))
    assert {"events not admitted": 2, "updates not appended": 1} == boxes.count_unsaved()
    await boxes.events.receive_batch(2)  # in hand: lost as well, if the process ended now
    assert 2 == boxes.count_unsaved()["events not admitted"]
    boxes.events.mark_handled()
    assert {"updates not appended": 1} == boxes.count_unsaved()


async def test_what_only_tells_of_the_state_is_never_unsaved() -> None:
    boxes = Mailboxes(1000)
    for box in boxes.control.values():
        await box.send(SystemIdled())
    assert {} == boxes.count_unsaved()
