"""What the text of a setting means; what means nothing is told without repeating a secret."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loading import load_settings
from config.settings import Settings
from domain.errors import SettingsInvalid

REQUIRED = {"DATABASE_URL": "postgresql://db/tokens", "REDIS_URL": "redis://cache"}
PORT = "TOKEN_DISCOVERY__GATEWAY__PORT"
SECONDS = "TOKEN_DISCOVERY__SYNC__INTERVAL_SECONDS"
SWITCH = "TOKEN_DISCOVERY__POSTGRES__STATS_LOGGED"

WHOLE = "must be a whole number in decimal digits"
NUMBER = "must be a number in decimal digits"
NO_NUMBERS = "s3cret 8_080 0x50 0b1 0xdeadbeefdeadbeef 1e3nothing ٨٠٨٠ ² 8,080 --1 + true NaN inf"


def load(**environment: str) -> Settings:
    return load_settings(None, REQUIRED | environment)


def problem(**environment: str) -> str:
    """The one problem there is, without the names around it."""
    with pytest.raises(SettingsInvalid) as error:
        load(**environment)
    [found] = error.value.problems
    [variable] = environment
    assert found.endswith(f" ({variable})")
    return found.partition(": ")[2].removesuffix(f" ({variable})")


def problem_in(directory: Path, toml: str) -> str:
    """The one problem of a settings file."""
    file = directory / "settings.toml"
    file.write_text(toml, encoding="utf-8")
    with pytest.raises(SettingsInvalid) as error:
        load_settings(file, REQUIRED)
    [found] = error.value.problems
    assert found.endswith(f" ({file})")
    return found.removesuffix(f" ({file})")


# Whole numbers.


@pytest.mark.parametrize(("text", "port"), [("80", 80), ("+80", 80), ("0080", 80), (" 80\r\n", 80)])
def test_whole_number_is_decimal_digits(text: str, port: int) -> None:
    assert port == load(**{PORT: text}).gateway.port


@pytest.mark.parametrize(
    "text",
    [*NO_NUMBERS.split(), "", " ", "8 0", "8\n0", "\udcff", "9" * 21, "9" * 5000],
)
def test_what_is_no_whole_number_is_not_repeated(text: str) -> None:
    assert WHOLE == problem(**{PORT: text})


@pytest.mark.parametrize("text", ["1e3", "80.0", "8080.5", ".5"])
def test_number_that_is_not_whole_is_repeated(text: str) -> None:
    assert f"{WHOLE}, not {text}" == problem(**{PORT: text})


@pytest.mark.parametrize(
    ("text", "bound"), [("65536", "<= 65535"), ("-1", ">= 0"), ("9" * 20, "<= 65535")]
)
def test_whole_number_out_of_bounds_is_told_with_the_bound(text: str, bound: str) -> None:
    assert f"must be {bound}, not {text}" == problem(**{PORT: text})


# Numbers.


@pytest.mark.parametrize(
    ("text", "seconds"), [("1e3", 1000), ("1.5E+1", 15), (".5", 0.5), ("5.", 5), (" 7 ", 7)]
)
def test_number_may_have_a_fraction_and_an_exponent(text: str, seconds: float) -> None:
    assert seconds == load(**{SECONDS: text}).sync.interval_seconds


@pytest.mark.parametrize(
    "text",
    [
        *NO_NUMBERS.split(),
        "",
        " ",
        "5 s",
        "300s",
        "1e3 s3cret",
        "-Infinity",
        "1_0.5",
        "1e",
        "e3",
        ".",
    ],
)
def test_what_is_no_number_is_not_repeated(text: str) -> None:
    assert NUMBER == problem(**{SECONDS: text})


@pytest.mark.parametrize("text", ["1e999", "-1e999"])
def test_number_without_end_is_refused(text: str) -> None:
    assert f"must be a finite number, not {text}" == problem(**{SECONDS: text})


@pytest.mark.parametrize(
    ("text", "bound"), [("0", ">= 0.001"), ("1e-9", ">= 0.001"), ("-3", ">= 0.001"), ("1e8", "<=")]
)
def test_number_out_of_bounds_is_told_with_the_bound(text: str, bound: str) -> None:
    told = problem(**{SECONDS: text})
    assert told.startswith(f"must be {bound}")
    assert told.endswith(f", not {text}")


# Switches, choices, keys.


@pytest.mark.parametrize(("text", "is_on"), [("true", True), ("false", False), (" true\n", True)])
def test_switch_is_true_or_false(text: str, is_on: bool) -> None:
    assert is_on is load(**{SWITCH: text}).postgres.stats_logged


@pytest.mark.parametrize("text", ["yes", "True", "TRUE", "on", "1", "0", "", "s3cret"])
def test_switch_in_other_words_is_refused(text: str) -> None:
    assert "must be true or false" == problem(**{SWITCH: text})


def test_choice_that_there_is_not_is_told_with_those_there_are() -> None:
    told = problem(TOKEN_DISCOVERY__LOGGING__LEVEL="s3cret")
    assert "must be one of debug, info, warning, error" == told


@pytest.mark.parametrize(
    "variable", ["TOKEN_DISCOVERY__INGEST__API_KEY", "TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN"]
)
@pytest.mark.parametrize("text", ["s3 cret", "s3cret\n", "s3crét", "\x00s3cret"])
def test_key_that_no_header_could_carry_is_refused(variable: str, text: str) -> None:
    assert "must be ASCII characters without spaces" == problem(**{variable: text})


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("INGEST__URL", "wss://host:s3cret"),
        ("INGEST__POOLS_URL", "wss://user:s3cret@host"),
        ("INGEST__POOLS_RPC_URL", "https://host:s3cret/v2"),
        ("MARKET_DATA__URL", "https://host/?key=s3cret"),
        ("HOLDER_COUNT__URL", "https://[s3cret"),
        ("SOL_PRICE__URL", "https://s3cr..et"),
    ],
)
def test_every_address_of_a_provider_is_checked(variable: str, url: str) -> None:
    told = problem(**{f"TOKEN_DISCOVERY__{variable}": url})
    assert re.match("must (not )?(be|have|hold) ", told)
    assert "s3cr" not in told


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("url", ["s3cret", "x:s3cret@host", "http://u:s3cret@h", "s3cret://a b"])
def test_address_of_a_store_that_is_none_is_not_repeated(variable: str, url: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        load(**{variable: url})
    [told] = error.value.problems
    assert "s3cret" not in told


@given(st.text("s3cret-_.:/@ \n", min_size=1, max_size=20))
def test_no_value_but_a_number_is_repeated(text: str) -> None:
    """Whichever setting it was given to: those of every type."""
    names = ["GATEWAY__PORT", "SYNC__INTERVAL_SECONDS", "LOGGING__FORMAT", "INGEST__POOLS_URL"]
    environment = {f"TOKEN_DISCOVERY__{name}": f"{text}hush{text}" for name in names}
    with pytest.raises(SettingsInvalid) as error:
        load(**environment)
    assert len(names) == len(error.value.problems)
    assert "hush" not in str(error.value)


# Values of a file, which have TOML's types.


def test_file_writes_numbers_as_toml_does(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[sync]\nbatch_rows = 1_000\nappend_updates = 0x10\ninterval_seconds = 6\n")
    sync = load_settings(file, REQUIRED).sync
    assert (1000, 16, 6.0) == (sync.batch_rows, sync.append_updates, sync.interval_seconds)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = 1e3", f"{WHOLE}, not 1000.0"),
        ("port = true", WHOLE),
        ("port = 2020-01-01", WHOLE),
        ("port = []", WHOLE),
        ("port.a = 1", WHOLE),
        ('port = "s3cret"', WHOLE),
        (f"port = 1{'0' * 400}", "must be <= 65535"),
        ("send_timeout_seconds = nan", "must be a finite number"),
        ("send_timeout_seconds = -inf", "must be a finite number"),
        ("send_timeout_seconds = true", NUMBER),
        (f"send_timeout_seconds = 1{'0' * 400}", "must be a finite number"),
        ("host = 1", "must be text in quotes"),
    ],
)
def test_value_of_another_type_is_refused(tmp_path: Path, line: str, told: str) -> None:
    name = re.split(r"[ .]", line)[0]
    assert f"gateway.{name}: {told}" == problem_in(tmp_path, f"[gateway]\n{line}\n")


def test_switch_of_another_type_is_refused(tmp_path: Path) -> None:
    told = problem_in(tmp_path, "[postgres]\nstats_logged = 1\n")
    assert "postgres.stats_logged: must be true or false" == told
