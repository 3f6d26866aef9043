"""The programs that are listened to, and the events in a transaction's log that they wrote.

log lines -> list_events -> (program, AnchorEvent) in the order of the log
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping

from sources.program_logs import walk_lines
from sources.pump_chain.events import AnchorEvent, EventLayout, decode_event, load_layouts

PUMP = "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"
PUMPSWAP = "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA"
LAUNCHLAB = "LanMV9sAd7wArD4vJFi2qDdfnVhFxYSUg6eADduJ3uj"
DATA = "Program data: "
LONGEST_DATA_CHARACTERS = 16_384  # a transaction's whole log is cut at 10,000 bytes

LAYOUTS: Mapping[str, Mapping[bytes, EventLayout]] = {
    PUMP: load_layouts("pump_events.json", "pump"),
    PUMPSWAP: load_layouts("pump_events.json", "pump_amm"),
    LAUNCHLAB: load_layouts("launchlab_events.json", "launchlab"),
}


def list_events(logs: object, refused: Counter[str]) -> Iterator[tuple[str, AnchorEvent]]:
    """The known events that the programs themselves wrote; what cannot be read is counted."""
    for program, line in walk_lines(logs):
        layouts = LAYOUTS.get(program)
        if layouts is None or not line.startswith(DATA):
            continue
        try:
            data = b64decode(line[len(DATA) : LONGEST_DATA_CHARACTERS], validate=True)
        except ValueError:
            refused["not_base64"] += 1
            continue
        event = decode_event(data, layouts)
        if event is not None:
            yield program, event
