"""Fetches side by side: bounded in all, bounded for each host, and none holds back the rest."""

from collections import Counter, deque

import trio
from trio.testing import MockClock

from actors.jobs.errands import Errand, Errands
from tests.unit.actors.world import token


def errand(number: int, host: str) -> Errand:
    return Errand(kind="document", token=token(number), link=f"https://{host}/{number}", host=host)


class Handling:
    """Takes the seconds of each host; notes who was begun and ended when."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.begun: list[tuple[float, str]] = []
        self.ended: list[tuple[float, str]] = []
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def handle(self, each: Errand) -> None:
        self.begun.append((trio.current_time(), each.link))
        self.under_way[each.host] += 1
        for key, count in ((each.host, self.under_way[each.host]), ("", self.under_way.total())):
            self.most[key] = max(self.most[key], count)
        await trio.sleep(self.seconds.get(each.host, 1.0))
        self.under_way[each.host] -= 1
        self.ended.append((trio.current_time(), each.link))


async def test_a_host_that_hangs_delays_itself_alone(autojump_clock: MockClock) -> None:
    handling = Handling(slow=10.0, quick=1.0)
    hosts = ["slow"] * 20 + ["quick"] * 20
    errands = Errands(concurrency=8, waiting=deque(errand(n, host) for n, host in enumerate(hosts)))
    await errands.work_off(handling.handle, lambda: True)
    assert {"slow": 2, "quick": 2, "": 4} == handling.most
    quick = [at for at, link in handling.ended if "quick" in link]
    assert (20, 10.0) == (len(quick), max(quick))
    assert 100.0 == trio.current_time()


async def test_all_together_are_bounded_and_keep_their_order(autojump_clock: MockClock) -> None:
    handling = Handling()
    errands = Errands(concurrency=4, waiting=deque(errand(n, f"host{n}") for n in range(12)))
    await errands.work_off(handling.handle, lambda: True)
    assert 4 == handling.most[""]
    assert [n // 4 for n in range(12)] == [at for at, _ in handling.begun]
    assert handling.begun == sorted(handling.begun, key=lambda each: int(each[1].split("/")[-1]))


async def test_gateways_that_many_share_may_have_half_of_all(autojump_clock: MockClock) -> None:
    handling = Handling()
    waiting = deque(errand(n, "ipfs") for n in range(8))
    await Errands(concurrency=8, waiting=waiting).work_off(handling.handle, lambda: True)
    assert {"ipfs": 4, "": 4} == handling.most


async def test_one_at_a_time_is_possible(autojump_clock: MockClock) -> None:
    handling = Handling()
    waiting = deque(errand(n, "one") for n in range(3))
    await Errands(concurrency=1, waiting=waiting).work_off(handling.handle, lambda: True)
    assert 3.0 == trio.current_time()


async def test_what_an_errand_adds_is_begun_next(autojump_clock: MockClock) -> None:
    handling = Handling()
    errands = Errands(concurrency=1, waiting=deque([errand(1, "a"), errand(2, "b")]))

    async def handle(each: Errand) -> None:
        await handling.handle(each)
        if each.host == "a":
            errands.add_next(errand(3, "c"))

    await errands.work_off(handle, lambda: True)
    assert ["https://a/1", "https://c/3", "https://b/2"] == [link for _, link in handling.begun]


async def test_nothing_is_begun_once_it_is_not_wanted(autojump_clock: MockClock) -> None:
    handling = Handling()
    errands = Errands(concurrency=2, waiting=deque(errand(n, f"h{n}") for n in range(10)))
    await errands.work_off(handling.handle, lambda: trio.current_time() < 1.5)
    assert 4 == len(handling.ended)


async def test_no_errand_is_no_wait(autojump_clock: MockClock) -> None:
    await Errands(concurrency=8).work_off(Handling().handle, lambda: True)
    assert 0.0 == trio.current_time()
