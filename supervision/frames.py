"""Stack frames as dumps and logs show them: file, line and function, and no value."""

from pathlib import Path
from types import FrameType


def describe_frame(frame: FrameType, line_number: int) -> str:
    """`folder/file.py:7 function`."""
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{line_number} {frame.f_code.co_qualname}"
