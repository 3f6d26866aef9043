"""The repository as text and as syntax trees."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
NAMES = (ast.Name, ast.Attribute)
IGNORED = {"__pycache__", "build", "dist", "results"}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def every_file() -> list[Path]:
    """Every file of the repository but what tools leave behind."""
    return list(_files(ROOT))


@cache
def service_modules() -> dict[str, Path]:
    """The modules of the service, by their dotted name."""
    paths = [path for folder in FOLDERS for path in _files(ROOT / folder) if path.suffix == ".py"]
    named = {_module_name(path): path for path in paths}
    return named | {name: ROOT / f"{name}.py" for name in ("service", "supervisor")}


def modules_of_tests() -> list[Path]:
    return [path for path in _files(ROOT / "tests") if path.suffix == ".py"]


def _module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


@cache
def imported_modules(path: Path) -> set[str]:
    """The dotted names that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert 0 == node.level, f"{path}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def used_names(source: str) -> set[str]:
    """The full names of what a module uses of others, by whatever name it has imported them."""
    tree = ast.parse(source)
    origins: dict[str, str] = {}  # by local name
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                origins[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    used = {ast.unparse(n).partition(".") for n in ast.walk(tree) if isinstance(n, NAMES)}
    return {f"{origins[first]}{dot}{rest}" for first, dot, rest in used if first in origins}


def importers_of(package: str) -> set[str]:
    """The modules of the service that import `package` or something in it."""
    return {
        name
        for name, path in service_modules().items()
        if any(f"{module}.".startswith(f"{package}.") for module in imported_modules(path))
    }
