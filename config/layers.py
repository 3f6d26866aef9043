"""The layers of the settings, each over the one before it, as they were written.

default.toml  <-  --config FILE  <-  DATABASE_URL ...  <-  TOKEN_DISCOVERY__<SECTION>__<NAME>
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from config.conversion import make_printable
from domain.errors import SettingsInvalid

DEFAULTS_FILE = Path(__file__).with_name("default.toml")
ENVIRONMENT_PREFIX = "TOKEN_DISCOVERY__"
CONVENTIONAL_VARIABLES = {
    "DATABASE_URL": ("postgres", "url"),
    "REDIS_URL": ("redis", "url"),
    "HOST": ("gateway", "host"),
    "PORT": ("gateway", "port"),
    "SOLANA_WS_URL": ("ingest", "chain_url"),
    "SOLANA_RPC_URL": ("ingest", "chain_rpc_url"),
}
LARGEST_FILE_BYTES = 2**20  # a hundred times default.toml; /dev/zero has no end
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Raw = dict[tuple[str, str], tuple[object, str]]  # (section, name) -> value and where it stood


def read_layers(file: Path | None, environment: Mapping[str, str], problems: list[str]) -> Raw:
    """Every setting with the value of the layer that counts; what is wrong joins `problems`."""
    raw = _flatten(tomllib.loads(DEFAULTS_FILE.read_text("utf-8")), "default.toml", problems)
    if file is not None:
        name = make_printable(str(file))
        try:
            raw |= _flatten(_read_document(file), name, problems)
        except SettingsInvalid as error:
            problems.append(f"{name}: {error}")
    for variable, key in CONVENTIONAL_VARIABLES.items():
        if environment.get(variable):
            raw[key] = (environment[variable], variable)
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            section, _, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            raw[section, name] = (text, make_printable(variable))
    return raw


def _read_document(file: Path) -> dict[str, object]:
    """The TOML document of a file; `SettingsInvalid` says what is in the way."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsInvalid([error.strerror or type(error).__name__]) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise SettingsInvalid([f"is longer than {LARGEST_FILE_BYTES} bytes"])
    if content.startswith(UTF8_BYTE_ORDER_MARK):
        raise SettingsInvalid(["begins with a byte-order mark; save it as UTF-8 without one"])
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsInvalid(["is not UTF-8 text"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid([f"is not TOML: {make_printable(str(error))}"]) from error
    except ValueError as error:  # of int(): Python reads no more than 4,300 digits
        raise SettingsInvalid(["is not usable: a number in it is too long"]) from error
    except RecursionError as error:
        raise SettingsInvalid(["is nested too deeply"]) from error


def _flatten(document: Mapping[str, object], where: str, problems: list[str]) -> Raw:
    raw: Raw = {}
    for section, values in document.items():
        if isinstance(values, dict):
            raw |= {(section, name): (value, where) for name, value in values.items()}
        else:
            problems.append(f"{make_printable(section)}: stands outside every section ({where})")
    return raw
