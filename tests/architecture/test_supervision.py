"""The actor runtime knows no token: it could run any other actors."""

import pytest

from tests.architecture.repository import imported_modules, service_modules, used_names

UNKNOWN_TO_SUPERVISION = [
    "domain.messages",
    "domain.token",
    "domain.values.Mint",
    "domain.lifecycle",
    "domain.merging",
    "domain.precision",
    "domain.scoring",
    "buffer",
    "store",
    "sources",
    "feed",
    "actors",
    "wiring",
]


def dependencies_of_supervision() -> dict[str, set[str]]:
    """What each module of supervision/ imports or uses, by full name."""
    return {
        name: imported_modules(path) | used_names(path.read_text(encoding="utf-8"))
        for name, path in service_modules().items()
        if name.partition(".")[0] == "supervision"
    }


@pytest.mark.parametrize("unknown", UNKNOWN_TO_SUPERVISION)
def test_supervision_knows_nothing_of_tokens_and_stores(unknown: str) -> None:
    offenders = {
        (module, used)
        for module, dependencies in dependencies_of_supervision().items()
        for used in dependencies
        if f"{used}.".startswith(f"{unknown}.")
    }
    assert set() == offenders


def test_the_search_sees_what_supervision_does_use() -> None:
    used = set().union(*dependencies_of_supervision().values())
    assert {"domain.values.UnixSeconds", "domain.errors.ExitingError"} <= used
