"""Breaks one function of this process: a part of its syntax tree gives way to another.

    Mutant(where, before, after) --break_function--> the function as it would be with the mistake

Code is compared and replaced as syntax, so that layout and comments do not matter. A `before` that
the function does not have exactly once is an error: the mutant has to be written anew. Functions
that exist already are given their new code, so nothing has to be imported again.
"""

import ast
import gc
import importlib
from collections.abc import Iterator
from inspect import getsource
from types import CodeType, FunctionType

from attrs import frozen

from tests.simulation.plans import CALM, Plan

Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@frozen(kw_only=True)
class Mutant:
    """One mistake, and the plan in which it shows."""

    name: str
    where: str  # module:function, or module:Class.function
    before: str  # a statement, or an expression
    after: str  # an expression, or any number of statements
    plan: Plan = CALM


class Swap(ast.NodeTransformer):
    """Replaces what reads like `before`, and counts it."""

    def __init__(self, mutant: Mutant) -> None:
        [self.before] = ast.parse(mutant.before).body
        self.after = ast.parse(mutant.after).body
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
        if isinstance(node, ast.stmt) and _is_same(node, self.before):
            self.found += 1
            return self.after
        if isinstance(self.before, ast.Expr) and _is_same(node, self.before.value):
            self.found += 1
            [statement] = self.after
            assert isinstance(statement, ast.Expr)
            return statement.value
        replaced: ast.AST = self.generic_visit(node)
        return replaced


def _is_same(one: ast.AST, other: ast.AST) -> bool:
    return type(one) is type(other) and ast.dump(one) == ast.dump(other)


def break_function(mutant: Mutant) -> None:
    """Let the function make the mistake, for the rest of this process."""
    module_name, _, function_name = mutant.where.partition(":")
    module = importlib.import_module(module_name)
    tree = ast.parse(getsource(module))
    swap = Swap(mutant)
    swap.visit(_find_function(tree, function_name))
    code = _find_code(compile(ast.unparse(tree), str(module.__file__), "exec"), function_name)
    functions = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType)
        and each.__globals__ is module.__dict__
        and each.__qualname__ == function_name
    ]
    if swap.found != 1 or not functions:
        raise ValueError(f"{mutant.name}: found {swap.found} times in {mutant.where}")
    for function in functions:
        function.__code__ = code


def _find_function(tree: ast.Module, name: str) -> Scope:
    found: Scope = tree
    for part in name.split("."):
        [found] = [each for each in found.body if isinstance(each, Scope) and each.name == part]
    return found


def _find_code(module: CodeType, name: str) -> CodeType:
    [code] = [each for each in _walk_codes(module) if each.co_qualname == name]
    return code


def _walk_codes(outer: CodeType) -> Iterator[CodeType]:
    for code in outer.co_consts:
        if isinstance(code, CodeType):
            yield code
            yield from _walk_codes(code)
