"""What the service of a demo is told, as environment variables: every source is the market's."""

from pathlib import Path

from commands.market.server import PUMPAPI_PATH, PUMPPORTAL_PATH, MarketServer

HOST = "127.0.0.1"
JUPITER_KEY = "demo"  # the market's free key: 60 requests a minute

# Shorter than in production, so that a visitor sees every job at work.
PACE = {
    "TOKEN_DISCOVERY__MARKET_DATA__INTERVAL_SECONDS": "5",
    "TOKEN_DISCOVERY__MARKET_DATA__REQUESTS_PER_MINUTE": "280",
    "TOKEN_DISCOVERY__HOT_SCORE__INTERVAL_SECONDS": "3",
    "TOKEN_DISCOVERY__HOLDER_COUNT__INTERVAL_SECONDS": "10",
    "TOKEN_DISCOVERY__ACTIVITY__WATCHERS_INTERVAL_SECONDS": "5",
    "TOKEN_DISCOVERY__METADATA__INTERVAL_SECONDS": "2",
    "TOKEN_DISCOVERY__INGEST__SILENCE_SECONDS": "10",
    "TOKEN_DISCOVERY__SYNC__INTERVAL_SECONDS": "12",
}


def settings_of_demo(market: MarketServer, directory: Path, port: int) -> dict[str, str]:
    """The settings but for the stores' addresses; the service's files go into `directory`."""
    socket_url = market.origin.replace("http", "ws", 1)
    return PACE | {
        "TOKEN_DISCOVERY__INGEST__URL": f"{socket_url}{PUMPPORTAL_PATH}",
        "TOKEN_DISCOVERY__INGEST__API_KEY": "demo",
        "TOKEN_DISCOVERY__INGEST__PUMPAPI_URL": f"{socket_url}{PUMPAPI_PATH}",
        "TOKEN_DISCOVERY__INGEST__CHAIN_URL": f"{socket_url}/",
        "TOKEN_DISCOVERY__INGEST__CHAIN_RPC_URL": f"{market.origin}/",
        "TOKEN_DISCOVERY__INGEST__POOLS_URL": f"{socket_url}/",
        "TOKEN_DISCOVERY__INGEST__POOLS_RPC_URL": f"{market.origin}/",
        "TOKEN_DISCOVERY__MARKET_DATA__URL": market.origin,
        "TOKEN_DISCOVERY__JUPITER__URL": market.origin,
        "TOKEN_DISCOVERY__JUPITER__API_KEY": JUPITER_KEY,
        "TOKEN_DISCOVERY__JUPITER__REQUESTS_PER_MINUTE": "60",
        "TOKEN_DISCOVERY__SOL_PRICE__PYTH_URL": "",
        "TOKEN_DISCOVERY__SOL_PRICE__COINGECKO_URL": "",
        "TOKEN_DISCOVERY__METADATA__ENABLED": "true",
        "TOKEN_DISCOVERY__METADATA__TRUSTED_ORIGINS": market.origin,
        "TOKEN_DISCOVERY__IMAGES__DIRECTORY": str(directory / "images"),
        "TOKEN_DISCOVERY__GATEWAY__HOST": HOST,
        "TOKEN_DISCOVERY__GATEWAY__PORT": str(port),
        "TOKEN_DISCOVERY__LOGGING__DUMP_DIRECTORY": str(directory),
    }
