"""The settings of a simulated service: the usual ones, with bounds that a short life reaches."""

from attrs import evolve

from config.loading import load_settings
from config.settings import Settings

BOARD_TOKENS = 20
CLIENT_QUEUE_BYTES = 30_000  # so that slow clients fall behind within a minute


def make_settings() -> Settings:
    settings = load_settings(
        None, {"DATABASE_URL": "postgresql://simulated/x", "REDIS_URL": "redis://simulated"}
    )
    return evolve(
        settings,
        gateway=evolve(
            settings.gateway, board_tokens=BOARD_TOKENS, client_queue_bytes=CLIENT_QUEUE_BYTES
        ),
        tracking=evolve(settings.tracking, tokens=5_000),
        supervision=evolve(settings.supervision, crashes_before_quarantine=1_000, restarts=100),
    )
