"""Records: classes whose objects never change once they are made, and quick copies of them.

To the type checker `record` is `attrs.frozen`. At run time nothing guards an object: a guard makes
each construction three times as long, and a trade makes a dozen records on its way to a client.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

Kind = TypeVar("Kind")

if TYPE_CHECKING:
    from attrs import frozen as record
else:
    from functools import partial

    record = partial(attrs.define, unsafe_hash=True)

__all__ = ["list_needed_fields", "make_copier", "make_filler", "record"]


def list_needed_fields(kind: type) -> frozenset[str]:
    """The fields without which no object of an attrs class can be made."""
    return frozenset(each.name for each in attrs.fields(kind) if each.default is attrs.NOTHING)


def make_copier(kind: type[Kind]) -> Callable[[Kind], Kind]:
    """A function that copies records of this class, for whoever then sets fields of the copy.

    Written out field by field, as attrs writes its methods: a tenth of what `attrs.evolve` takes.
    """
    names = [each.name for each in attrs.fields(kind)]  # type: ignore[arg-type]
    lines = ["def copy(given):", "    made = new(kind)"]
    lines += [f"    made.{name} = given.{name}" for name in names]
    lines += ["    return made"]
    made: dict[str, Any] = {"new": object.__new__, "kind": kind}
    exec("\n".join(lines), made)  # noqa: S102  # names of attributes, and nothing else
    copy: Callable[[Kind], Kind] = made["copy"]
    return copy


def make_filler(kind: type[Kind], names: Iterable[str]) -> Callable[[Sequence[Any]], Kind]:
    """A function that makes records of as many values, in the order of `names`.

    Fields that are not named get their default, one for all records. A fifth of what it takes to
    name each value to the class.
    """
    given = tuple(names)
    defaults = {
        each.name: each.default
        for each in attrs.fields(kind)  # type: ignore[arg-type]
        if each.name not in given
    }
    lines = ["def fill(values):", "    made = new(kind)"]
    lines.append(f"    ({' '.join(f'made.{name},' for name in given)}) = values")
    lines += [f"    made.{name} = defaults[{name!r}]" for name in defaults]
    lines += ["    return made"]
    made: dict[str, Any] = {"new": object.__new__, "kind": kind, "defaults": defaults}
    exec("\n".join(lines), made)  # noqa: S102  # names of attributes, and nothing else
    fill: Callable[[Sequence[Any]], Kind] = made["fill"]
    return fill
