"""Names: one public class a name, and functions that are called by verb and object."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from tests.architecture.repository import service_modules

# A function named by one word seldom says what it does to what. `run`, `close`, `send` and the
# like do, and protocols demand some (`__init__`, `aclose`): so some may be, but no more.
MOST_ONE_WORD_NAMES = Fraction(30, 100)
TOOLS = "commands"  # people run them beside the service; their functions are not counted


def definitions(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every definition of these kinds in the service, with its module's name."""
    for module, path in service_modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds):
                yield module, node


def functions() -> Iterator[tuple[str, str]]:
    """Module and name of every function and method, nested and private ones as well."""
    for module, node in definitions(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield module, node.name


def room_of(module: str) -> str:
    return module.partition(".")[0]


def is_one_word(name: str) -> bool:
    return "_" not in name.strip("_")


def test_words_of_a_name_are_counted_without_the_underscores_around_it() -> None:
    names = ["run", "_run", "__init__", "run_once", "_run_once", "__attrs_post_init__"]
    assert ["run", "_run", "__init__"] == [name for name in names if is_one_word(name)]


def modules_by_class_name() -> dict[str, list[str]]:
    """The modules that define each public class, by its name."""
    modules = defaultdict(list)
    for module, node in definitions(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        if not node.name.startswith("_"):
            modules[node.name].append(module)
    return modules


def test_no_two_public_classes_have_one_name() -> None:
    twice = {
        name: sorted(modules)
        for name, modules in modules_by_class_name().items()
        if len(modules) > 1
    }
    assert {} == twice


def test_few_functions_are_named_by_one_word() -> None:
    counted = [(module, name) for module, name in functions() if room_of(module) != TOOLS]
    offenders = [each for each in counted if is_one_word(each[1])]
    share = Fraction(len(offenders), len(counted))
    assert share <= MOST_ONE_WORD_NAMES, describe_share(counted)


def describe_share(counted: list[tuple[str, str]]) -> str:
    """The share of one-word names in all and in each module, and the names, worst module first."""
    by_module: dict[str, list[str]] = defaultdict(list)
    for module, name in counted:
        by_module[module].append(name)
    one_word = {m: [n for n in names if is_one_word(n)] for m, names in by_module.items()}
    total = sum(map(len, one_word.values()))
    lines = [
        f"{total} of {len(counted)} functions ({total / len(counted):.0%}) are named by one word;"
        f" at most {float(MOST_ONE_WORD_NAMES):.0%} may be."
    ]
    for module in sorted(one_word, key=lambda module: len(one_word[module]), reverse=True):
        if one_word[module]:
            share = f"{len(one_word[module])} of {len(by_module[module])}"
            lines.append(f"{module} ({share}): {', '.join(sorted(one_word[module]))}")
    return "\n".join(lines)
