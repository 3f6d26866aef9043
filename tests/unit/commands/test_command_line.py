"""What is wrong with a command line is said in words of people."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.main import COMMANDS, _parser, main
from config.command_line import read_number, read_whole_number
from domain.errors import BadConfiguration

# What Python says of itself: names of functions and types, quoted reprs of objects.
PYTHONS_WORDS = re.compile(
    r"\b_\w+|invalid \w+ value|\bint\b|\bfloat\b|<\w+|Traceback|Error\b|None"
)
WRONG = ("x", "", "1.5.2", "1_000", "0x10", "nan", "inf", "é", "9" * 400, "-", "\x1b[31m")


def list_options() -> Iterator[tuple[str, str]]:
    """Every option of a command that takes a value which not every text is."""
    for command in COMMANDS:
        subparsers = _parser(command)._subparsers
        assert subparsers is not None
        (action,) = subparsers._group_actions
        assert isinstance(action.choices, dict)
        for option in action.choices[command]._actions:
            if option.option_strings and option.type not in (None, Path) and option.nargs != 0:
                yield command, option.option_strings[-1]


OPTIONS = list(list_options())


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_a_wrong_value_is_told_without_pythons_words(command: str, option: str) -> None:
    for value in WRONG:
        with pytest.raises(BadConfiguration) as refusal:
            _parser(command).parse_args([command, f"{option}={value}"])
        message = str(refusal.value)
        assert message.startswith(f"argument {option}: ")
        assert not PYTHONS_WORDS.search(message.replace(option, "")), message
        assert message.isprintable()
        assert len(message) < 400


def test_every_kind_of_option_was_tried() -> None:
    assert {"--tokens", "--hours", "--timeout", "--port", "--speed"} <= {o for _, o in OPTIONS}


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["dump", "--dance"], ["storm", "--rates", "fast"], ["demo", "--speed"]],
)
def test_a_wrong_line_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert 78 == main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("token-discovery: ")
    assert not PYTHONS_WORDS.search(line), line


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("-3", -3), ("+0", 0)])
def test_a_whole_number_is_read(text: str, number: int) -> None:
    assert number == read_whole_number(text)


@pytest.mark.parametrize(("text", "number"), [("7", 7.0), (".5", 0.5), ("1e3", 1000.0)])
def test_a_number_is_read(text: str, number: float) -> None:
    assert number == read_number(text)


@pytest.mark.parametrize("text", ["1.5", "9" * 21])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
        read_whole_number(text)
