import trio

from benchmarks.instructions import per_repetition
from benchmarks.pure_stages import STAGES


def test_what_does_not_repeat_cancels() -> None:
    # Before the first mark of a stage: its setting up. Then 10 and 20 repetitions with 7 around.
    first, second = [999, 7 + 10 * 5, 7 + 20 * 5], [555, 7 + 5 * 300, 7 + 10 * 300]
    assert [5.0, 300.0] == per_repetition([*first, *second], [1, 2], repeats=10)


def test_each_stage_can_be_repeated() -> None:
    async def repeat() -> None:
        for build, _ in STAGES.values():
            work = build(3)
            for number in range(3):
                await work(number)

    trio.run(repeat)
