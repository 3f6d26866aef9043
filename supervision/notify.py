"""Tell the process supervisor how the service is: systemd by datagram, s6 by file descriptor.

    Readiness, Supervisor  ->  Notifier  ->  $NOTIFY_SOCKET, $READINESS_FD

Protocols: sd_notify(3), sd_watchdog_enabled(3); https://skarnet.org/software/s6/notifywhenup.html
A process supervisor that cannot be reached is logged, and never a reason to fail.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import define, field

from config.redaction import redact_text

LOWEST_DESCRIPTOR = 3  # 0, 1 and 2 are the standard streams
STATUS_SECONDS = 0.5  # between two looks at the status


@define(kw_only=True, eq=False)
class Notifier:
    """Says READY, STATUS, STOPPING and WATCHDOG to whoever asked for it in the environment."""

    log: Any
    socket_address: str | None = None
    readiness_descriptor: int | None = None
    watchdog_seconds: float | None = None
    status: str = field(default="", init=False)  # as last told

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], log: Any) -> "Notifier":
        """What `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID` and `READINESS_FD` ask for."""
        address = environment.get("NOTIFY_SOCKET") or None
        if address is not None and address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is neither a path nor an abstract name", value=address)
            address = None
        descriptor = _read_whole_number(environment, "READINESS_FD", LOWEST_DESCRIPTOR, log)
        microseconds = _read_whole_number(environment, "WATCHDOG_USEC", 1, log)
        if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            microseconds = None  # another process of the unit is the one watched
        return cls(
            log=log,
            socket_address=address,
            readiness_descriptor=descriptor,
            watchdog_seconds=microseconds / 1_000_000 if microseconds else None,
        )

    def say_ready(self) -> None:
        """The service serves."""
        self._send("READY=1")
        self._write_readiness()

    def say_stopping(self) -> None:
        """The drain has begun."""
        self.status = "draining"
        self._send(f"STOPPING=1\nSTATUS={self.status}")

    async def keep_status(self, describe: Callable[[], str]) -> None:
        """Send the status line whenever `describe` returns a new one; for ever.

        Returns at once where nobody asked to be notified.
        """
        if self.socket_address is None:
            return
        while True:
            status = redact_text(" ".join(describe().split()))  # a status is one line
            if status != self.status:
                self.status = status
                self._send(f"STATUS={status}")
            await trio.sleep(STATUS_SECONDS)

    async def keep_watchdog(self, is_sound: Callable[[], bool]) -> None:
        """Tell the watchdog twice in its time that the process is sound, as long as it is.

        Returns at once where there is no watchdog.
        """
        if self.watchdog_seconds is None or self.socket_address is None:
            return
        while True:
            if is_sound():
                self._send("WATCHDOG=1")
            await trio.sleep(self.watchdog_seconds / 2)

    def _send(self, text: str) -> None:
        if self.socket_address is None:
            return
        address = self.socket_address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.setblocking(False)  # a full receiver must not stop the event loop
                datagrams.sendto(text.encode(), address)
        except OSError as error:
            self.log.warning("cannot notify", text=text, error=str(error))

    def _write_readiness(self) -> None:
        descriptor, self.readiness_descriptor = self.readiness_descriptor, None
        if descriptor is None:
            return
        try:
            os.write(descriptor, b"\n")
            os.close(descriptor)
        except OSError as error:
            self.log.warning("cannot notify", descriptor=descriptor, error=str(error))


def _read_whole_number(
    environment: Mapping[str, str], name: str, lowest: int, log: Any
) -> int | None:
    text = environment.get(name, "")
    if text.isascii() and text.isdigit() and int(text) >= lowest:
        return int(text)
    if text:
        log.warning(f"{name} is not a whole number from {lowest}", value=text)
    return None
