"""A directory for one run, which does not outlive it."""

import os
import shutil
from pathlib import Path
from secrets import token_hex
from types import TracebackType

from attrs import define, field

from commands.embedded.care import caretaker


def _made() -> Path:
    # Not tempfile.gettempdir(): it makes a file to try the place, and one who is killed at that
    # moment leaves it there, since nothing has been told to the caretaker yet.
    temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108
    path = temporary.resolve() / f"token-discovery-{token_hex(6)}"
    caretaker.remove(path)  # before it is made: whatever happens then, it is known
    # As root the servers run as another user, who has to pass through.
    path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    return path


@define
class RunDirectory:
    """Made at once; removed by `remove`, or by the caretaker when this process is gone."""

    path: Path = field(factory=_made, init=False)

    def remove(self) -> None:
        """Remove the directory with all that is in it; harmless when it is gone already."""
        shutil.rmtree(self.path, ignore_errors=True)
        caretaker.keep(self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()
