"""What is counted is told: every counter that an actor keeps is a field of a snapshot."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from domain.snapshots import FieldKind, Snapshot, read_declarations
from tests.architecture.repository import service_modules

ROOMS = {
    name: path
    for name, path in service_modules().items()
    if name.startswith("actors.") and name != "actors.sync.governor"  # tells all that it counts
}


for module in service_modules():
    if not module.endswith(("__main__", "main")):
        import_module(module)  # so that every class is there


def snapshot_classes(kind: type[Snapshot] = Snapshot) -> Iterator[type[Snapshot]]:
    for each in kind.__subclasses__():
        yield each
        yield from snapshot_classes(each)


def counted(path: Path) -> set[str]:
    """The names under which a module adds to a counter: `self.counts["name"] += 1`."""
    added = (n.target for n in ast.walk(_tree(path)) if isinstance(n, ast.AugAssign))
    return {_name_of(each) for each in added if _is_count(each)}


def told(path: Path) -> set[str]:
    """The names that a module reads, for its snapshot: `self.counts["name"]`."""
    read = (n for n in ast.walk(_tree(path)) if _is_count(n) and isinstance(n.ctx, ast.Load))  # type: ignore[attr-defined]
    return {_name_of(each) for each in read}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _is_count(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "counts"
    )


def _name_of(node: ast.AST) -> str:
    assert isinstance(node, ast.Subscript)
    assert isinstance(node.slice, ast.Constant), ast.unparse(node)
    return str(node.slice.value)


def room(name: str) -> str:
    """The actor's folder, or its file where it has none of its own."""
    parts = name.split(".")
    return name if parts[1] == "jobs" else ".".join(parts[:2])


@pytest.mark.parametrize("name", sorted({room(name) for name in ROOMS}))
def test_every_actor_tells_all_that_it_counts(name: str) -> None:
    paths = [path for module, path in ROOMS.items() if room(module) == name]
    keeps = set().union(*map(counted, paths))
    assert keeps == set().union(*map(told, paths))


def test_units_come_last_in_the_names_of_metrics() -> None:
    units = ("seconds", "bytes", "usd", "ratio", "percent")
    wrong = [
        f"{kind.__name__}.{name}"
        for kind in snapshot_classes()
        if not kind.__module__.startswith("tests.")
        for name, declaration in read_declarations(kind).items()
        if declaration.kind is not FieldKind.DETAIL
        for unit in units
        if f"_{unit}_" in f"_{declaration.metric or name}_"
        and not (declaration.metric or name).endswith((unit, "per_second", "per_hour"))
    ]
    assert [] == wrong


def test_help_texts_are_sentences() -> None:
    helps = {
        declaration.help
        for kind in snapshot_classes()
        if not kind.__module__.startswith("tests.")
        for declaration in read_declarations(kind).values()
    }
    assert helps
    assert not [text for text in helps if not text.endswith(".")]
