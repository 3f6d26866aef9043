"""What a mailbox does with one message more than it has room for, and what it folds together.

Block        the sender waits for room
DropOldest   the oldest waiting message goes
Conflate     a message joins the waiting one of the same key; beyond that, as `when_full` says
"""

from collections.abc import Callable, Hashable
from typing import ClassVar, Generic, Literal, TypeAlias, TypeVar

from attrs import frozen

M = TypeVar("M")

WhenFull = Literal["block", "drop-oldest"]


@frozen(kw_only=True)
class Block:
    """Nothing is lost; back-pressure reaches the sender."""

    name: ClassVar[str] = "block"
    when_full: ClassVar[WhenFull] = "block"


@frozen(kw_only=True)
class DropOldest:
    """Nobody waits; only the newest messages matter."""

    name: ClassVar[str] = "drop-oldest"
    when_full: ClassVar[WhenFull] = "drop-oldest"


@frozen(kw_only=True)
class Conflate(Generic[M]):
    """At most one waiting message a key; the joined message keeps the place of the older one."""

    name: ClassVar[str] = "conflate"
    key: Callable[[M], Hashable | None]  # None: this message is never conflated
    combine: Callable[[M, M], M] | None = None  # of (older, newer); None: the newer one wins
    when_full: WhenFull = "block"


Policy: TypeAlias = Block | DropOldest | Conflate[M]

BLOCK = Block()
DROP_OLDEST = DropOldest()
