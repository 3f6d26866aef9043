from benchmarks.traffic.stages import (
    OTHER_THREADS,
    ROOT,
    SCHEDULING,
    count_stages,
    find_stage,
    share_out,
)

PACKAGES = ROOT + ".venv/lib/python3.11/site-packages/"
RUN = PACKAGES + "trio/_core/_run.py"
THREAD = PACKAGES + "trio/_core/_thread_cache.py"


def ours(*files: str) -> list[str]:
    return [ROOT + "service.py", RUN, *(ROOT + file for file in files)]


def test_the_innermost_room_has_the_sample() -> None:
    assert "ingest" == find_stage(ours("supervision/supervisor.py", "actors/ingest/actor.py"))
    assert "mailboxes, desks" == find_stage(
        ours("actors/ingest/actor.py", "supervision/mailbox.py")
    )


def test_what_a_room_calls_counts_as_its_own() -> None:
    parsing = ours("sources/line.py", "sources/pumpportal.py", "domain/values.py")
    assert "parse" == find_stage([*parsing, PACKAGES + "base58/__init__.py"])


def test_reading_a_socket_is_receiving_whoever_does_it() -> None:
    assert "receive" == find_stage([*ours(), PACKAGES + "trio_websocket/_impl.py"])
    assert "receive" == find_stage(ours("sources/line.py"))


def test_a_websocket_of_the_gateway_is_not_a_stream() -> None:
    sending = [*ours("feed/session.py"), PACKAGES + "wsproto/connection.py"]
    assert "gateway send" == find_stage(sending)


def test_a_stack_without_a_room_is_the_event_loops() -> None:
    assert SCHEDULING == find_stage(ours())


def test_a_thread_counts_by_its_client_and_not_while_it_waits() -> None:
    assert "redis threads" == find_stage([THREAD, PACKAGES + "redis/connection.py"])
    assert OTHER_THREADS == find_stage([THREAD, ROOT + "supervision/loop_monitor.py"])
    assert None is find_stage([THREAD])


def test_samples_are_read_from_lines_of_stacks() -> None:
    lines = [
        f"main ({ROOT}service.py:1);run (x) ({ROOT}actors/sync/table.py:27) 3",
        f"main ({ROOT}service.py:1);run ({ROOT}actors/sync/actor.py:9) 4",
        f"_work ({THREAD}:211) 99",
        "",
    ]
    assert {"sync, append": 7} == count_stages(lines)


def test_the_loop_and_the_threads_are_divided_each_by_itself() -> None:
    samples = {"parse": 3, "ingest": 1, "redis threads": 50}
    shares = share_out(samples, loop=400.0, others=30.0)
    told = {stage: share for stage, share in shares.items() if share}
    assert {"parse": 300.0, "ingest": 100.0, "redis threads": 30.0} == told
