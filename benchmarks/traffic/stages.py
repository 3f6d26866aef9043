"""Where a process spends its CPU, by stage of the hot path. Pure.

    a stack of files, outermost first -> the stage of its innermost frame that belongs to one

Stages go by room, so that they outlive what becomes of the modules. What a room calls (domain,
trio, a codec) counts as its own; a stack without any room is the event loop's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = str(Path(__file__).parents[2]) + "/"
PACKAGES = "site-packages/"
THREAD_STARTS = ("trio/_core/_thread_cache.py", "threading.py")
WAITING = ("trio/_core/_thread_cache.py", "selectors.py")  # innermost in a thread without work

SCHEDULING, OTHER_THREADS = "event loop, other", "other threads"
# The first prefix that a file of ours begins with.
LOOP_STAGES = (
    ("sources/line", "receive"),
    ("sources/connection", "receive"),
    ("sources/frame_splitter", "receive"),
    ("sources/", "parse"),
    ("actors/ingest", "ingest"),
    ("actors/trading", "trading, hot score"),
    ("actors/jobs/hot_score", "trading, hot score"),
    ("actors/jobs", "jobs"),
    ("actors/sync", "sync, append"),
    ("buffer/", "sync, append"),
    ("store/", "store"),
    ("actors/gateway", "publications, boards"),
    ("feed/board", "publications, boards"),
    ("feed/catalogue", "publications, boards"),
    ("feed/client_items", "publications, boards"),
    ("feed/history", "publications, boards"),
    ("feed/ranking", "publications, boards"),
    ("feed/search_text", "publications, boards"),
    ("feed/statistics", "publications, boards"),
    ("feed/wire", "publications, boards"),
    ("feed/", "gateway send"),
    ("supervision/mailbox", "mailboxes, desks"),
    ("supervision/desk", "mailboxes, desks"),
)
# The same of packages, where no room of ours called them.
PACKAGE_STAGES = (("trio_websocket/", "receive"), ("wsproto/", "receive"))
THREAD_STAGES = (
    ("buffer/", "redis threads"),
    ("redis/", "redis threads"),
    ("store/", "postgres threads"),
    ("psycopg", "postgres threads"),
)
LOOP = (*dict.fromkeys(stage for _, stage in LOOP_STAGES), SCHEDULING)
THREADS = (*dict.fromkeys(stage for _, stage in THREAD_STAGES), OTHER_THREADS)
STAGES = (*LOOP, *THREADS)


def find_stage(files: Sequence[str]) -> str | None:
    """The stage of a stack, whose files stand outermost first; None of a thread without work."""
    if any(file.endswith(THREAD_STARTS) for file in files):
        stage = _find_innermost(files, THREAD_STAGES)
        return stage or (None if files[-1].endswith(WAITING) else OTHER_THREADS)
    stage = _find_innermost(files, LOOP_STAGES)
    return stage or _find_innermost(files, PACKAGE_STAGES) or SCHEDULING


def count_stages(lines: Iterable[str]) -> Mapping[str, int]:
    """Samples by stage, of py-spy's raw format: `function (file:line);... count` a line."""
    counts: Counter[str] = Counter()
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        stage = find_stage([_read_file(frame) for frame in stack.split(";")]) if stack else None
        if stage is not None:
            counts[stage] += int(samples)
    return counts


def share_out(samples: Mapping[str, int], loop: float, others: float) -> dict[str, float]:
    """The CPU of the loop and that of the other threads by stage, as their samples divide it.

    Each by itself: py-spy takes a thread that waits for the interpreter's lock for a busy one.
    """
    shares: dict[str, float] = {}
    for stages, whole in ((LOOP, loop), (THREADS, others)):
        counted = sum(samples.get(stage, 0) for stage in stages)
        shares |= {stage: whole * samples.get(stage, 0) / (counted or 1) for stage in stages}
    return shares


def _read_file(frame: str) -> str:
    """The file of `function (file:line)`."""
    return frame.rpartition(" (")[2].rpartition(":")[0]


def _shorten(file: str) -> str:
    """A path as from the repository's root, or from the folder of all packages."""
    inside = file.partition(PACKAGES)[2]
    return inside or file.removeprefix(ROOT)


def _find_innermost(files: Sequence[str], stages: Sequence[tuple[str, str]]) -> str | None:
    for file in map(_shorten, reversed(files)):
        for prefix, stage in stages:
            if file.startswith(prefix):
                return stage
    return None
