"""Breaks one module on its import: a statement of its syntax tree gives way to another.

    Mutant(module, before, after) -> MutatingFinder -> the module as it would be with the mistake

Both statements are compared and replaced as syntax, so that layout and comments do not matter. A
`before` that the module does not have exactly once is an error: the mutant has to be written anew.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Mutant:
    """One mistake, and the plan in which it shows."""

    name: str
    module: str
    before: str  # a statement, or an expression
    after: str
    schedule: str = ""  # faults
    hours: float = 0.3
    seed: int = 1


class StatementSwap(ast.NodeTransformer):
    """Replaces every node that reads like `before`; counts them."""

    def __init__(self, mutant: Mutant) -> None:
        self.before, self.after = _parse(mutant.before), _parse(mutant.after)
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST:
        if type(node) is type(self.before) and ast.dump(node) == ast.dump(self.before):
            self.found += 1
            return ast.copy_location(self.after, node)
        return self.generic_visit(node)


def _parse(text: str) -> ast.AST:
    [statement] = ast.parse(text).body
    return statement.value if isinstance(statement, ast.Expr) else statement


class MutatingLoader(importlib.machinery.SourceFileLoader):
    """Compiles the source with the mistake in it."""

    mutant: Mutant

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # never from a cache
        source = self.get_data(self.path)
        swap = StatementSwap(self.mutant)
        tree: Any = ast.fix_missing_locations(swap.visit(ast.parse(source)))
        if swap.found != 1:
            raise ImportError(f"{self.mutant.name}: found {swap.found} times in {fullname}")
        return compile(tree, self.path, "exec")


class MutatingFinder(importlib.abc.MetaPathFinder):
    """Finds the one module that is to be broken, before anybody else does."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        loader = MutatingLoader(fullname, spec.origin)
        loader.mutant = self.mutant
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def install_mutant(mutant: Mutant) -> None:
    """Break the module for this process; it must not have been imported yet."""
    if mutant.module in sys.modules:
        raise ImportError(f"{mutant.module} is imported already")
    sys.meta_path.insert(0, MutatingFinder(mutant))
