"""`token-discovery import` on a real server: what comes along, and what does not."""

import os
import subprocess
import sys
import time

import pytest

from domain.messages import TokenChange
from domain.values import Mint, UnixSeconds, Version
from store.postgres.past import PastStore
from tests.acceptance.service import ROOT
from tests.integration.commands.past_world import OwnerWorld
from tests.patience import PATIENCE_SECONDS

DAY = 86_400
SAME_TEXTS = """mint, symbol, name, description, "imageUrl", twitter, state, "previousState",
    "bondingCurveKey", "poolAddress", "poolType", "poolCreatedAt", "txCount24h", "holderCount",
    decimals, "totalSupply", "lastTradeTs", "buys24h", "sells24h", "uniqueTraders24h",
    "creatorWallet", "freezeRevoked", "mintRenounced", "firstSeenAt" """
NUMBERS = (
    "bondingCurveProgress",
    "liquidityUsd",
    "marketCapUsd",
    "volume24h",
    "priceUsd",
    "volumeChange24h",
    "priceChange24h",
    "volume24hSol",
    "solRaised",
    "solToGraduate",
)


def seconds(moment: str) -> str:
    return f"date_trunc('second', {moment})"


def test_readers_find_in_the_view_what_the_table_had(owner: OwnerWorld) -> None:
    owner.fill(300)
    os.environ["TOKEN_DISCOVERY__POSTGRES__STATUS_WORDS"] = "LAUNCHING"
    try:
        ended = owner.command("import")
    finally:
        del os.environ["TOKEN_DISCOVERY__POSTGRES__STATUS_WORDS"]
    assert (0, [300, 300, 0, 0]) == (
        ended.code,
        ended.counts("read", "imported", "completed", "skipped"),
    )
    same = SAME_TEXTS.replace('"poolCreatedAt"', seconds('"poolCreatedAt"')).replace(
        '"lastTradeTs"', seconds('"lastTradeTs"')
    )
    query = f"""SELECT {same}, {seconds('"stateChangedAt"')}, {seconds('"lastUpdatedAt"')},
        replace(status, 'ACTIVE', 'LAUNCHING') FROM %s."TokenDiscovery" ORDER BY mint"""
    assert owner.rows(query % "public") == owner.rows(query % "discovery")
    apart = " OR ".join(
        f"""abs(his."{name}" - ours."{name}") > abs(his."{name}") * 1e-5
            OR (his."{name}" IS NULL) <> (ours."{name}" IS NULL)"""
        for name in NUMBERS
    )
    assert [] == owner.rows(
        f"""SELECT * FROM public."TokenDiscovery" AS his
        JOIN discovery."TokenDiscovery" AS ours USING (mint) WHERE {apart}"""
    )


def test_a_second_import_writes_nothing(owner: OwnerWorld) -> None:
    owner.fill(120)
    first, second = owner.command("import"), owner.command("import")
    assert [120, 0] == first.counts("imported", "already there")
    assert [120, 0, 0, 120] == second.counts("read", "imported", "completed", "already there")
    assert "0.0 kB in 0 commits" == second.says("WAL")


def test_the_owners_table_stays_as_it_is(owner: OwnerWorld) -> None:
    owner.fill(50)
    query = 'SELECT xmin, xmax, ctid, md5(t::text) FROM "TokenDiscovery" AS t ORDER BY ctid'
    before = owner.rows(query)
    assert 0 == owner.command("import").code
    assert before == owner.rows(query)


def test_it_waits_for_nobody_who_writes_to_the_owners_table(owner: OwnerWorld) -> None:
    (first, *_) = owner.fill(20)
    with owner.connection.transaction():
        owner.execute('LOCK TABLE "TokenDiscovery" IN EXCLUSIVE MODE')  # all but readers
        owner.change(first, "symbol = 'other'")
        assert 0 == owner.command("import").code
    assert 20 == owner.count_ours()


def test_a_killed_import_goes_on_where_it_was(owner: OwnerWorld) -> None:
    owner.fill(400)
    assert 0 == owner.command("import", "--dry-run").code
    slow = ("import", "--batch-rows", "20", "--wal-bytes-per-second", "30000")
    process = subprocess.Popen([sys.executable, "-m", "commands.main", *slow], cwd=ROOT)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        is_made = owner.rows("SELECT to_regclass('discovery.token_card')") != [(None,)]
        if is_made and owner.count_ours() >= 40:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = owner.count_ours()
    assert 40 <= before < 400
    ended = owner.command("import")
    assert (0, [400 - before, before]) == (ended.code, ended.counts("imported", "already there"))
    assert [(400, 400)] == owner.rows(
        'SELECT count(*), count(DISTINCT mint) FROM discovery."TokenDiscovery"'
    )


def test_a_dry_run_tells_and_writes_nothing(owner: OwnerWorld) -> None:
    owner.fill(30)
    ended = owner.command("import", "--dry-run")
    assert "30 would be new here" == ended.says("imported")
    assert [(None,)] == owner.rows("SELECT to_regnamespace('discovery')")


def test_rows_that_cannot_be_are_told_by_mint_and_reason_and_the_rest_comes_along(
    owner: OwnerWorld,
) -> None:
    mints = owner.fill(20)
    wsol = "So11111111111111111111111111111111111111112"
    wrong = {
        "state = 'sleeping'": "state: 'sleeping' is no state that is known",
        "status = 'MOON'": "status: 'MOON' is no status that is known",
        """"priceUsd" = 'NaN'""": "priceUsd: NaN is no number",
        """"firstSeenAt" = 'infinity'""": "firstSeenAt: Infinity is no number",
        """"firstSeenAt" = '1999-01-01'""": "firstSeenAt: 915148800.0 is no time between",
        """"firstSeenAt" = now() + interval '1 day'""": "lies in the future",
        """"stateChangedAt" = now() + interval '1 day'""": "stateChangedAt: ",
        f"mint = '{wsol}'": "mint: quote_mint",
        "mint = 'not a mint'": "mint: not_a_mint",
        "mint = repeat('1', 45)": "mint: not_a_mint",
        "mint = '日本語'": "mint: not_a_mint",
    }
    for mint, assignment in zip(mints, wrong, strict=False):
        owner.change(mint, assignment)
    ended = owner.command("import")
    assert (1, [20, 9, 11]) == (ended.code, ended.counts("read", "imported", "skipped"))
    told = [line for line in ended.err.splitlines() if line.startswith("skipped ")]
    assert 11 == len(told)
    for reason in wrong.values():
        assert any(reason in line for line in told), (reason, told)
    assert any(line.startswith(f"skipped {mints[2]}: ") for line in told)
    again = owner.command("import")
    assert (1, [0, 9]) == (again.code, again.counts("imported", "already there"))


def test_a_number_that_no_column_keeps_is_told(owner: OwnerWorld) -> None:
    mint, *_ = owner.fill(3)
    owner.execute('ALTER TABLE "TokenDiscovery" ALTER "holderCount" TYPE bigint')
    owner.execute('ALTER TABLE "TokenDiscovery" ALTER "priceUsd" TYPE double precision')
    owner.change(mint, '"holderCount" = 3000000000')
    ended = owner.command("import")
    assert 1 == ended.code
    assert f"skipped {mint}: holderCount: 3000000000 is out of range" in ended.err
    assert 2 == owner.count_ours()


def test_columns_of_older_migrations_may_be_missing(owner: OwnerWorld) -> None:
    mints = owner.fill(10)
    for name in ("volumeChange24h", "previousState", "state", "logoURI", "lastUpdatedAt"):
        owner.execute(f'ALTER TABLE "TokenDiscovery" DROP COLUMN "{name}"')
    ended = owner.command("import")
    assert (0, [10]) == (ended.code, ended.counts("imported"))
    assert "lastUpdatedAt, logoURI, previousState, state, volumeChange24h" == ended.says(
        "not in his table"
    )
    assert ("bonded",) == owner.shown(mints[0], "state")  # by its status


def test_values_that_are_empty_or_0_by_default_are_not_known(owner: OwnerWorld) -> None:
    owner.fill(1)
    (mint,) = (row[0] for row in owner.rows('SELECT mint FROM "TokenDiscovery"'))
    owner.change(
        str(mint),
        """twitter = '', "poolAddress" = 'pump-amm', "solRaised" = 0, "buys24h" = 0,
        symbol = '猫'""",
    )
    assert 0 == owner.command("import").code
    assert (None, None, "猫") == owner.shown(str(mint), "twitter", '"poolAddress"', "symbol")
    assert [(None, None)] == owner.rows(
        "SELECT sol_raised, buys_24h FROM discovery.token_now WHERE mint = %s", mint
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--from", "Nothing"), 'there is no table "Nothing" in schema "public"'),
        (("--schema", "nowhere"), 'there is no table "TokenDiscovery" in schema "nowhere"'),
        (("--from", "TokenWatch"), "is no table of tokens: it has no firstSeenAt"),
        (("--from", "a_view"), "is a view: name a table"),
        (("--batch-rows", "0"), "--batch-rows must lie between 1 and 10000"),
        (("--url", "mysql://x"), "must be postgresql://"),
    ],
)
def test_what_is_no_table_of_tokens_ends_with_78_and_one_line(
    owner: OwnerWorld, arguments: tuple[str, ...], reason: str
) -> None:
    owner.fill(1)
    owner.execute('CREATE VIEW a_view AS SELECT * FROM "TokenDiscovery"')
    ended = owner.command("import", *arguments)
    assert (78, 1) == (ended.code, len(ended.err.splitlines()))
    assert reason in ended.err
    assert [(None,)] == owner.rows("SELECT to_regnamespace('discovery')")


def test_an_empty_table_is_imported_too(owner: OwnerWorld) -> None:
    owner.fill(0)
    ended = owner.command("import")
    assert (0, [0, 0]) == (ended.code, ended.counts("read", "imported"))


def test_a_server_out_of_reach_ends_with_69(owner: OwnerWorld) -> None:
    ended = owner.command("import", "--url", "postgresql://127.0.0.1:1/x")
    assert (69, 1) == (ended.code, len(ended.err.splitlines()))


def test_what_is_off_the_feed_stays_behind_unless_it_has_bonded(owner: OwnerWorld) -> None:
    names = ("young", "old", "bonded", "cold", "frozen")
    at = dict(zip(names, owner.fill(len(names)), strict=True))
    days = {"young": 1, "old": 3, "bonded": 2.5, "cold": 20, "frozen": 45}
    for name, age in days.items():
        state = "new" if name in ("young", "old") else "bonded"
        owner.change(
            at[name],
            f"""state = '{state}', status = upper('{state}'), "previousState" = NULL,
            "firstSeenAt" = now() AT TIME ZONE 'UTC' - interval '{age} days',
            "stateChangedAt" = now() AT TIME ZONE 'UTC' - interval '{age} days'""",
        )
    ended = owner.command("import")
    assert (0, [3, 2]) == (ended.code, ended.counts("imported", "too old"))
    cold = {at["bonded"], at["cold"]}
    kept = owner.rows("SELECT mint FROM discovery.token WHERE period < 0")
    assert cold == {mint for (mint,) in kept}
    now = UnixSeconds(time.time())
    on_feed = {at["young"], at["bonded"]}
    loaded = owner.use_store(lambda store: store.load_tokens(now, 100))
    assert on_feed == {token.mint for token in loaded}
    owner.use_store(lambda store: store.drop_unretained(now))
    assert 3 == owner.count_ours()
    for _ in range(3):  # each drops a day's partitions at most
        owner.use_store(lambda store: store.drop_unretained(UnixSeconds(now + 25 * DAY)))
    left = owner.rows('SELECT mint FROM discovery."TokenDiscovery"')
    assert {at["bonded"]} == {mint for (mint,) in left}


def write_price(
    owner: OwnerWorld, mint: str, price_usd: float, *, version: int, seconds_later: float
) -> None:
    """As a flush does."""

    async def write(store: PastStore) -> None:
        token, _ = (await store.find_known([Mint(mint)]))[Mint(mint)]
        assert token.id is not None
        at = UnixSeconds((token.last_updated_at or 0) + seconds_later)
        told = TokenChange(
            Mint(mint), Version(version), Version(version), at, {"price_usd": price_usd}
        )
        await store.write_changes([(token.id, told)])

    owner.use_store(write)


def test_what_is_newer_here_stays_and_what_is_missing_is_completed(owner: OwnerWorld) -> None:
    newer, older = owner.fill(2)
    owner.execute('UPDATE "TokenDiscovery" SET "holderCount" = NULL')
    assert 0 == owner.command("import").code
    write_price(owner, newer, 9.0, version=5, seconds_later=7200)
    owner.execute(
        """UPDATE "TokenDiscovery" SET "priceUsd" = 7, symbol = 'other', "holderCount" = 77,
        website = 'https://w', "lastUpdatedAt" = "lastUpdatedAt" + interval '1 hour'"""
    )
    ended = owner.command("import")
    assert (0, [2]) == (ended.code, ended.counts("completed"))
    columns = ('"priceUsd"', '"holderCount"', "website", "symbol")
    assert (9, 77, "https://w", "S1") == owner.shown(newer, *columns)
    assert (7, 77, "https://w", "S2") == owner.shown(older, *columns)
    assert "0.0 kB in 0 commits" == owner.command("import").says("WAL")


def test_what_is_imported_gives_way_to_what_the_buffer_has_held_before(owner: OwnerWorld) -> None:
    (mint,) = owner.fill(1)
    assert 0 == owner.command("import").code
    owner.change(mint, '"priceUsd" = 7, "lastUpdatedAt" = "lastUpdatedAt" + interval \'1 hour\'')
    assert 0 == owner.command("import").code
    an_hour_ago = int((time.time() - 3600) * 1_000_000)
    write_price(owner, mint, 8.0, version=an_hour_ago, seconds_later=1)
    assert (8,) == owner.shown(mint, '"priceUsd"')


def test_a_status_only_grows(owner: OwnerWorld) -> None:
    bonded, graduating = owner.fill(4)[1:4:2]
    assert 0 == owner.command("import").code
    newer = '"lastUpdatedAt" = "lastUpdatedAt" + interval \'1 hour\''
    owner.change(bonded, f"state = 'new', status = 'LAUNCHING', {newer}")
    owner.change(graduating, f"state = 'bonded', status = 'BONDED', {newer}")
    assert 0 == owner.command("import").code
    assert ("bonded",) == owner.shown(bonded, "state")
    assert ("bonded",) == owner.shown(graduating, "state")
