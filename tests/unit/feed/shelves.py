"""Histories and pictures for the tests of the feed."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import trio
from attrs import Factory, define, frozen

from domain.errors import BufferUnavailable
from domain.trading import Candle, TradeRecord
from domain.values import Mint


@define
class ListedHistory:
    """Candles and trades as given; `asked` says what for."""

    candles: Sequence[Candle] = ()
    trades: Sequence[TradeRecord] = ()
    is_away: bool = False
    gate: trio.Event | None = None  # nothing is answered before it is set
    asked: list[tuple[object, ...]] = Factory(list)
    reading: int = 0
    most_reading: int = 0

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        await self.answer_later(mint, interval, limit)
        return self.candles

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        await self.answer_later(mint, limit)
        return self.trades

    async def answer_later(self, *asked: object) -> None:
        self.asked.append(asked)
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        try:
            await trio.lowlevel.checkpoint()
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.reading -= 1
        if self.is_away:
            raise BufferUnavailable


@frozen
class ListedImage:
    body: bytes
    etag: str


@define
class ListedImages:
    """Pictures as given."""

    images: dict[Mint, ListedImage] = Factory(dict)
    asked: list[Mint] = Factory(list)

    async def read_image(self, mint: Mint) -> ListedImage | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(mint)
        return self.images.get(mint)


@define
class DirectoryImages:
    """Pictures in a directory, each under its mint's name."""

    directory: Path

    async def read_image(self, mint: Mint) -> ListedImage | None:
        path = trio.Path(self.directory) / f"{mint}.webp"
        if not await path.exists():
            return None
        body = await path.read_bytes()
        return ListedImage(body, sha256(body).hexdigest()[:16])
