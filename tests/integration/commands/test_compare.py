"""`token-discovery compare` on a real server: what differs, and nothing else."""

from typing import Any

import orjson

from tests.integration.commands.past_world import OwnerWorld
from tests.integration.commands.test_import import write_price


def compare_as_json(owner: OwnerWorld, *more: str) -> tuple[int, list[Any]]:
    ended = owner.command("compare", "--json", *more)
    return ended.code, [orjson.loads(line) for line in ended.out.splitlines()]


def test_after_an_import_nothing_differs(owner: OwnerWorld) -> None:
    owner.fill(300, seconds_apart=900)  # the oldest three days old
    assert 0 == owner.command("import").code
    code, [result] = compare_as_json(owner)
    counts = result["summary"]
    assert (0, 300, 0) == (code, counts["same"] + counts["too old"], counts["different"])
    assert 0 < counts["too old"] < 200


def test_each_difference_is_told_with_both_values_and_counted_by_column(
    owner: OwnerWorld,
) -> None:
    mints = owner.fill(30)
    assert 0 == owner.command("import").code
    write_price(owner, mints[10], 0.25, version=5, seconds_later=60)
    owner.change(mints[11], "symbol = 'x', \"holderCount\" = 1")
    owner.change(mints[12], "state = 'graduating', status = 'ABOUT_TO_BOND'")
    owner.execute('UPDATE "TokenDiscovery" SET "priceUsd" = 3 WHERE mint = %s', mints[10])
    code, lines = compare_as_json(owner)
    told = {line["mint"]: line["columns"] for line in lines[:-1]}
    assert 1 == code
    assert {"priceUsd": {"his": 3.0, "ours": 0.25}} == told[mints[10]]
    assert {"symbol", "holderCount"} == told[mints[11]].keys()
    assert {"his": "graduating", "ours": "new"} == told[mints[12]]["state"]
    assert {"symbol": 1, "holderCount": 1, "priceUsd": 1, "state": 1} == lines[-1]["columns"]
    assert 3 == lines[-1]["summary"]["different"]


def test_rounding_and_fractions_of_a_second_are_no_differences(owner: OwnerWorld) -> None:
    mint, *_ = owner.fill(3)
    assert 0 == owner.command("import").code
    owner.change(
        mint,
        """"priceUsd" = "priceUsd" * 1.0000001,
        "lastTradeTs" = date_trunc('second', "lastTradeTs") + interval '0.9 s'""",
    )
    assert 0 == owner.command("compare").code


def test_tokens_of_one_side_alone_are_told(owner: OwnerWorld) -> None:
    mints = owner.fill(10)
    assert 0 == owner.command("import", "--batch-rows", "3").code
    owner.execute('DELETE FROM "TokenDiscovery" WHERE mint = %s', mints[2])
    owner.change(mints[3], "mint = 'So11111111111111111111111111111111111111112'")
    code, lines = compare_as_json(owner, "--batch-rows", "2")
    kinds = {(line["mint"], line["kind"]) for line in lines[:-1]}
    assert 1 == code
    assert {
        (mints[2], "only in ours"),
        (mints[3], "only in ours"),
        ("So11111111111111111111111111111111111111112", "not importable"),
    } == kinds
    owner.add(["8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"])
    ended = owner.command("compare")
    assert [8, 1, 2] == ended.counts("same", "only in his", "only in ours")


def test_a_limit_bounds_what_is_told_and_not_what_is_counted(owner: OwnerWorld) -> None:
    owner.fill(30)
    assert 0 == owner.command("import").code
    owner.execute("UPDATE \"TokenDiscovery\" SET symbol = 'x'")
    code, lines = compare_as_json(owner, "--limit", "4")
    assert (1, 5, 30) == (code, len(lines), lines[-1]["summary"]["different"])


def test_columns_that_his_table_has_not_are_no_differences(owner: OwnerWorld) -> None:
    owner.fill(10)
    assert 0 == owner.command("import").code
    owner.execute('ALTER TABLE "TokenDiscovery" DROP "priceUsd", DROP "lastTradeTs"')
    assert 0 == owner.command("compare").code


def test_it_writes_nothing_and_needs_something_to_compare_with(owner: OwnerWorld) -> None:
    owner.fill(10)
    ended = owner.command("compare")
    assert (78, 1) == (ended.code, len(ended.err.splitlines()))
    assert [(None,)] == owner.rows("SELECT to_regnamespace('discovery')")
