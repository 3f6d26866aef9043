"""`token-discovery export` on a real server: a table of the owner's shape, and his old one."""

import subprocess
import sys
import time

import pytest

from tests.acceptance.service import ROOT
from tests.integration.commands.past_world import OwnerWorld
from tests.integration.commands.test_import import write_price
from tests.owner.backend import PrismaClient, PrismaProcess
from tests.patience import PATIENCE_SECONDS

COLUMNS = """SELECT attname, format_type(atttypid, atttypmod), attnotnull,
    pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
INDEXES = """SELECT replace(pg_get_indexdef(indexrelid), %s, 'TokenDiscovery'), indisprimary
FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1"""
NEWER = '"lastUpdatedAt" = "lastUpdatedAt" + interval \'1 hour\''


def test_a_new_table_has_the_shape_of_prismas_migration(owner: OwnerWorld) -> None:
    owner.fill(30)
    assert [0, 0] == [owner.command("import").code, owner.command("export", "--to", "Back").code]
    his, ours = '"TokenDiscovery"', '"Back"'
    assert owner.rows(COLUMNS, his) == owner.rows(COLUMNS, ours)
    assert owner.rows(INDEXES, "TokenDiscovery", his) == owner.rows(INDEXES, "Back", ours)
    assert 13 == len(owner.rows(INDEXES, "Back", ours))


def test_what_was_imported_comes_back_as_it_was(owner: OwnerWorld) -> None:
    owner.fill(200)
    assert 0 == owner.command("import").code
    ended = owner.command("export", "--to", "Back", "--ids-from", "TokenDiscovery")
    assert (0, [0, 200]) == (ended.code, ended.counts("updated", "inserted"))
    same = """SELECT id, mint, symbol, name, description, "imageUrl", twitter, state,
        "previousState", "bondingCurveKey", "poolAddress", "poolType", "txCount24h", "holderCount",
        decimals, "totalSupply", date_trunc('second', "lastTradeTs"), "buys24h", "sells24h",
        "uniqueTraders24h", "creatorWallet", "creatorVerified", "freezeRevoked", "mintRenounced",
        sellable, "tradeFailRate", replace(status, 'ACTIVE', 'LAUNCHING'), "firstSeenAt",
        date_trunc('second', "lastUpdatedAt"), date_trunc('second', "stateChangedAt")
    FROM %s ORDER BY mint"""
    assert owner.rows(same % '"TokenDiscovery"') == owner.rows(same % '"Back"')
    assert 0 == owner.command("compare", "--from", "Back").code  # and so its numbers


def test_an_export_that_is_there_is_made_anew_only_if_that_is_wanted(owner: OwnerWorld) -> None:
    owner.fill(5)
    assert 0 == owner.command("import").code
    assert 0 == owner.command("export", "--to", "Back").code
    refused = owner.command("export", "--to", "Back")
    assert (78, 1) == (refused.code, len(refused.err.splitlines()))
    assert "--replace makes it anew" in refused.err
    owner.execute('DELETE FROM "Back"')
    again = owner.command("export", "--to", "Back", "--replace")
    assert (0, [5]) == (again.code, again.counts("inserted"))


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_what_no_export_made_is_never_replaced(owner: OwnerWorld, more: tuple[str, ...]) -> None:
    owner.fill(5)
    assert 0 == owner.command("import").code
    ended = owner.command("export", "--to", "TokenDiscovery", *more)
    assert (78, "exists, and no export made it" in ended.err) == (ended.code, True)
    assert [(5,)] == owner.rows('SELECT count(*) FROM "TokenDiscovery"')
    view = owner.command("export", "--to", "TokenDiscovery", "--schema", "discovery", *more)
    assert 78 == view.code


def test_a_killed_export_is_gone_on_with(owner: OwnerWorld) -> None:
    owner.fill(400)
    assert 0 == owner.command("import").code
    slow = ("export", "--to", "Back", "--batch-rows", "20", "--wal-bytes-per-second", "30000")
    process = subprocess.Popen([sys.executable, "-m", "commands.main", *slow], cwd=ROOT)
    until = time.monotonic() + PATIENCE_SECONDS
    count = 0
    while time.monotonic() < until and count < 40:
        if owner.rows("""SELECT to_regclass('"Back"')""") != [(None,)]:
            count = len(owner.rows('SELECT FROM "Back"'))
        time.sleep(0.02)
    process.kill()
    process.wait()
    (before,) = (len(owner.rows('SELECT FROM "Back"')),)
    assert 40 <= before < 400
    ended = owner.command("export", "--to", "Back")
    assert (0, [0, 400 - before]) == (ended.code, ended.counts("updated", "inserted"))
    assert 13 == len(owner.rows(INDEXES, "Back", '"Back"'))
    assert 0 == owner.command("compare", "--from", "Back").code


def test_the_old_table_gets_what_changed_since_and_keeps_its_ids_and_more(
    owner: OwnerWorld,
) -> None:
    mints = owner.fill(20)
    at_birth = '"lastUpdatedAt" = "firstSeenAt" + interval \'7 ms\''
    owner.change(mints[9], f"""{at_birth}, "firstSeenAt" = date_trunc('second', "firstSeenAt")""")
    owner.change(mints[8], at_birth)
    assert 0 == owner.command("import").code
    unchanged = owner.command("export", "--into", "TokenDiscovery")
    assert (0, [0, 0]) == (unchanged.code, unchanged.counts("updated", "inserted"))
    before = owner.rows('SELECT id, ath, "watcherCount" FROM "TokenDiscovery" ORDER BY mint')
    write_price(owner, mints[4], 0.5, version=5, seconds_later=60)
    owner.execute('DELETE FROM "TokenDiscovery" WHERE mint = %s', mints[7])
    ended = owner.command("export", "--into", "TokenDiscovery")
    assert (0, [1, 1]) == (ended.code, ended.counts("updated", "inserted"))
    assert [(0.5,)] == owner.rows(
        'SELECT "priceUsd" FROM "TokenDiscovery" WHERE mint = %s', mints[4]
    )
    query = 'SELECT id, ath, "watcherCount" FROM "TokenDiscovery" WHERE mint <> %s ORDER BY mint'
    assert 19 == len(set(before) & set(owner.rows(query, mints[7])))
    again = owner.command("export", "--into", "TokenDiscovery")
    assert ([0, 0], "0.0 kB") == (again.counts("updated", "inserted"), again.says("WAL"))


def test_what_the_owner_knows_better_stays(owner: OwnerWorld) -> None:
    newer, bonded, unknown, active = owner.fill(14)[10:]
    assert 0 == owner.command("import").code
    for mint in (bonded, unknown, active):
        write_price(owner, mint, 0.5, version=5, seconds_later=60)
    owner.change(newer, f'"priceUsd" = 3, {NEWER}')
    owner.change(bonded, "state = 'bonded', status = 'BONDED'")
    owner.change(unknown, '"holderCount" = 77, "mintRenounced" = true, website = \'https://w\'')
    owner.execute("UPDATE discovery.token_stats SET holder_count = NULL")
    owner.execute('UPDATE "TokenDiscovery" SET "hotScore" = 42')  # what was not imported
    owner.change(active, "state = 'new', status = 'ACTIVE'")
    ended = owner.command("export", "--into", "TokenDiscovery")
    assert (0, [3, 0]) == (ended.code, ended.counts("updated", "inserted"))
    rows = owner.rows(
        """SELECT mint, "priceUsd"::real, state, status FROM "TokenDiscovery"
        WHERE mint = ANY(%s) AND "hotScore" = 42""",
        [newer, bonded, active],
    )
    assert {
        (newer, 3.0, "new", "LAUNCHING"),
        (bonded, 0.5, "bonded", "BONDED"),
        (active, 0.5, "new", "ACTIVE"),
    } == set(rows)
    assert [(77, True, "https://w")] == owner.rows(
        'SELECT "holderCount", "mintRenounced", website FROM "TokenDiscovery" WHERE mint = %s',
        unknown,
    )


def test_an_older_table_without_some_columns_is_brought_up_to_date(owner: OwnerWorld) -> None:
    mint, *_ = owner.fill(3)
    assert 0 == owner.command("import").code
    for name in ("volumeChange24h", "state", "ath"):
        owner.execute(f'ALTER TABLE "TokenDiscovery" DROP COLUMN "{name}"')
    write_price(owner, mint, 0.5, version=5, seconds_later=60)
    owner.execute('DELETE FROM "TokenDiscovery" WHERE mint <> %s', mint)
    ended = owner.command("export", "--into", "TokenDiscovery")
    assert (0, [1, 2]) == (ended.code, ended.counts("updated", "inserted"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--into", "Nothing"), 'there is no table "Nothing"'),
        (("--into", "TokenWatch"), "is no table of tokens: it has no lastUpdatedAt"),
        (("--into", "TokenDiscovery", "--schema", "discovery"), "is a view"),
        (("--to", "A" * 60), "a name of at most"),
        (("--to", "New", "--ids-from", "Nothing"), "--ids-from: there is no table Nothing"),
        (("--into", "TokenDiscovery", "--replace"), "--replace goes with --to"),
        (("--into", "a", "--to", "b"), "not allowed with argument"),
        ((), "one of the arguments --to --into is required"),
    ],
)
def test_a_wrong_target_ends_with_78_and_one_line(
    owner: OwnerWorld, arguments: tuple[str, ...], reason: str
) -> None:
    owner.fill(1)
    assert 0 == owner.command("import").code
    ended = owner.command("export", *arguments)
    assert (78, 1) == (ended.code, len(ended.err.splitlines()))
    assert reason in ended.err


def test_without_a_service_there_is_nothing_to_export(owner: OwnerWorld) -> None:
    ended = owner.command("export", "--to", "Back")
    assert (78, [(None,)]) == (ended.code, owner.rows("SELECT to_regnamespace('discovery')"))


def test_the_owners_client_reads_an_export_as_its_own_table(
    owner: OwnerWorld, prisma_process: PrismaProcess
) -> None:
    owner.fill(30)
    assert 0 == owner.command("import").code
    owner.execute("CREATE SCHEMA back")
    ended = owner.command("export", "--to", "TokenDiscovery", "--schema", "back")
    assert (0, [30]) == (ended.code, ended.counts("inserted"))
    client = PrismaClient(prisma_process, owner.url, "back")
    try:
        found = client.token_discovery(
            "findMany", where={"state": "bonded"}, orderBy={"firstSeenAt": "desc"}, take=50
        )
        new = client.token_discovery("create", data={"mint": "another"})
    finally:
        client.disconnect()
    bonded = owner.rows(
        """SELECT mint FROM "TokenDiscovery" WHERE state = 'bonded'
        ORDER BY "firstSeenAt" DESC"""
    )
    assert bonded == [(row["mint"],) for row in found]
    assert ("LAUNCHING", 0) == (new["status"], new["hotScore"])
