"""The `ThumbnailMaker` of the service: Pillow, in a process that may break.

    image -> pipe -> worker.py -> pipe -> WebP file, or a reason

One process, one image at a time; whoever comes meanwhile waits, and there are no more of them
than fetches at a time. A process that does not answer in time, dies, or answers nonsense is
killed, its image refused, and the next image gets a new one.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

import trio
from attrs import define, field

from domain.errors import ImageRefused

WORKER = Path(__file__).with_name("worker.py")
ANSWER_SECONDS = 5.0  # for one image; a large one takes less than one
START_SECONDS = 20.0  # until a new process has answered for the first time
LARGEST_THUMBNAIL_BYTES = 64 * 1024
LONGEST_REASON = 32
HEADER = struct.Struct(">I")
ANSWER = struct.Struct(">cI")
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # no secret of ours reaches it
REASONS = frozenset(
    {"damaged", "markup", "not_an_image", "svg", "too_many_pixels", "too_much_memory"}
)


@define
class PillowWorker:
    """The `ThumbnailMaker` of the service."""

    command: tuple[str, ...] = (sys.executable, "-I", str(WORKER))
    answer_seconds: float = ANSWER_SECONDS
    deaths: int = field(default=0, init=False)  # of processes, that were not asked for
    _turn: trio.Lock = field(factory=trio.Lock, init=False)
    _process: trio.Process | None = field(default=None, init=False)

    async def make_thumbnail(self, image: bytes) -> bytes:
        async with self._turn:
            letter, body = await self._ask_worker(image)
        if letter == b"K" and _is_webp(body):
            return body
        reason = body.decode("ascii", errors="replace")
        raise ImageRefused(reason=reason if letter == b"R" and reason in REASONS else "damaged")

    async def close(self) -> None:
        """End the process; a later image starts another."""
        async with self._turn:
            await self._kill_process()

    async def _ask_worker(self, image: bytes) -> tuple[bytes, bytes]:
        """The worker's answer; whatever else becomes of it, no half an answer is left behind."""
        answered = False
        try:
            seconds = self.answer_seconds + (START_SECONDS if self._process is None else 0.0)
            with trio.fail_after(seconds):
                answer = await self._exchange(await self._start_process(), image)
            answered = True
        except trio.TooSlowError as error:
            raise ImageRefused("the decoder takes too long", reason="too_slow") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError) as error:
            raise ImageRefused("the decoder has died", reason="decoder_died") from error
        finally:
            if not answered:
                self.deaths += 1
                await self._kill_process()
        return answer

    async def _exchange(self, process: trio.Process, image: bytes) -> tuple[bytes, bytes]:
        if process.stdin is None or process.stdout is None:
            raise EOFError
        await process.stdin.send_all(HEADER.pack(len(image)) + image)
        letter, length = ANSWER.unpack(await _receive_exactly(process.stdout, ANSWER.size))
        if length > LARGEST_THUMBNAIL_BYTES:
            raise EOFError
        return letter, await _receive_exactly(process.stdout, length)

    async def _start_process(self) -> trio.Process:
        if self._process is None:
            kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
            self._process = await trio.lowlevel.open_process(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=kept,
                start_new_session=True,  # a terminal's Ctrl-C is for the service
            )
        return self._process

    async def _kill_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with trio.CancelScope(shield=True):  # it is killed: this takes no time
            process.kill()
            await process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await pipe.aclose()


async def _receive_exactly(pipe: trio.abc.ReceiveStream, count: int) -> bytes:
    """`count` bytes; `EOFError` if the pipe ends before."""
    received = bytearray()
    while len(received) < count:
        chunk = await pipe.receive_some(count - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


def _is_webp(body: bytes) -> bool:
    return body[:4] == b"RIFF" and body[8:12] == b"WEBP"
