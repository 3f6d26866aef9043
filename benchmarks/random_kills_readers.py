"""Who reads what the service keeps and shows, and notes it: of Postgres, of HTTP, of the boards.

"TokenDiscovery" -> read_postgres_for_ever -> Truth.note_shown
/ws, deltas folded -> watch_boards_for_ever -> Truth.note_shown, Truth.note_repeated
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

import httpx
import orjson
import psycopg
import trio
from attrs import define
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from benchmarks.random_kills_truth import Truth, Values
from domain.token import Status
from domain.values import Mint

HOST = "127.0.0.1"
BOARDS = ("new", "graduating", "bonded")
POLL_SECONDS = 0.05
READ_SECONDS = 1.0  # between two looks at Postgres
CONNECT_SECONDS = 2
MINTS_A_REQUEST = 100
STORED = """SELECT mint, status, coalesce("solRaised", 0)::float8 FROM "TokenDiscovery" """
KNOWN = "SELECT 1 FROM token WHERE mint = ANY(%s) LIMIT 1"
REPEATED = """
SELECT 'token', mint, count(*) FROM token GROUP BY mint HAVING count(*) > 1
UNION ALL
SELECT 'TokenDiscovery', mint, count(*) FROM "TokenDiscovery" GROUP BY mint HAVING count(*) > 1
"""


@define(kw_only=True)
class Readers:
    """They read while what they read of is killed, and go on when it is back."""

    postgres_url: str
    port: int  # of the service
    client: httpx.AsyncClient
    truth: Truth

    # Asked now and then.

    async def is_sound(self) -> bool:
        """Whether the service serves, and nothing is away."""
        try:
            answer = await self.client.get("/readyz")
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and not answer.json().get("degraded")

    async def has_stored_any(self, mints: list[Mint]) -> bool:
        return bool(mints) and bool(await self._ask(KNOWN, mints))

    async def read_stored(self) -> dict[Mint, Values]:
        """Every coin as readers of Postgres see it."""
        rows = await self._ask(STORED)
        return {Mint(str(mint)): _make_values(status, raised) for mint, status, raised in rows}

    async def read_shown(self, mints: Iterable[Mint]) -> dict[Mint, Values]:
        """These coins as the service tells them over HTTP."""
        asked, shown = list(mints), dict[Mint, Values]()
        for first in range(0, len(asked), MINTS_A_REQUEST):
            chosen = ",".join(asked[first : first + MINTS_A_REQUEST])
            answer = (await self.client.get(f"/api/tokens?mints={chosen}")).raise_for_status()
            shown |= {item["mint"]: _values_of_item(item) for item in answer.json()["tokens"]}
        return shown

    async def find_repeated(self) -> list[str]:
        """Mints with more than one row."""
        rows = await self._ask(REPEATED)
        return [f"{mint} {times} times in {name}" for name, mint, times in rows]

    async def _ask(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        def ask() -> list[tuple[object, ...]]:
            with psycopg.connect(self.postgres_url, connect_timeout=CONNECT_SECONDS) as connection:
                return connection.execute(query, parameters or None).fetchall()

        return await trio.to_thread.run_sync(ask)

    # All the while.

    async def read_postgres_for_ever(self) -> None:
        while True:
            with suppress(psycopg.Error):  # it is the victim
                for mint, values in (await self.read_stored()).items():
                    self.truth.note_shown("Postgres", mint, values)
            await trio.sleep(READ_SECONDS)

    async def watch_boards_for_ever(self) -> None:
        while True:
            try:
                await self._watch_boards()
            except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError):
                await trio.sleep(POLL_SECONDS)  # the service is the victim

    async def _watch_boards(self) -> None:
        async with (
            await trio.open_tcp_stream(HOST, self.port) as stream,
            trio.open_nursery() as nursery,
        ):
            socket = await wrap_client_stream(nursery, stream, HOST, "/ws")
            for board in BOARDS:
                await socket.send_message(f'{{"type": "subscribe", "board": "{board}"}}')
            await self._note_boards(socket)

    async def _note_boards(self, socket: WebSocketConnection) -> None:
        seen: dict[Mint, dict[str, object]] = {}  # deltas tell what has changed
        while True:
            message = orjson.loads(await socket.get_message())
            items = [*message.get("items", ()), *message.get("changes", ())]
            self.truth.note_repeated(message.get("board", ""), [item["mint"] for item in items])
            for item in items:
                known = seen.setdefault(item["mint"], {})
                known.update(item)
                if "status" in known:
                    self.truth.note_shown("boards", item["mint"], _values_of_item(known))


def _make_values(status: object, raised: object) -> Values:
    # A coin that nobody trades for hours is shown as DEAD; no run is as long.
    return Values(status=Status[str(status)], sol_raised=float(str(raised)))


def _values_of_item(item: Mapping[str, object]) -> Values:
    return _make_values(item["status"], item.get("solRaised") or 0.0)
