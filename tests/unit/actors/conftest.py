"""What tests of several actors share."""

import pytest

from actors import activity_keys
from actors.ingest import spool
from actors.sync import others, upkeep

RARELY_SECONDS = 600.0


@pytest.fixture
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days pass quickly where the stores are looked after every ten minutes."""
    monkeypatch.setattr(activity_keys, "READ_SECONDS", RARELY_SECONDS)
    monkeypatch.setattr(spool, "LOOK_EVERY_SECONDS", RARELY_SECONDS)
    monkeypatch.setattr(others, "READ_EVERY_SECONDS", RARELY_SECONDS)
    monkeypatch.setattr(upkeep, "PROBE_EVERY_SECONDS", RARELY_SECONDS)
    monkeypatch.setattr(upkeep, "PULSE_EVERY_SECONDS", RARELY_SECONDS)
