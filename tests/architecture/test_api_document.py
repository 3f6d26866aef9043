"""docs/API.md names everything that clients may meet."""

import re

import orjson
import pytest

from domain.token import Token
from domain.values import Mint, UnixSeconds
from feed.client_items import append_client_keys
from feed.client_routes import report_token
from feed.commands import MESSAGES
from feed.orders import ORDERS
from feed.query import KNOWN_PARAMETERS, OTHER_ORDERS, STANDINGS
from feed.wire import encode_json, make_item
from tests.architecture.repository import ROOT

TOKEN = Token(mint=Mint("mint"), first_seen_at=UnixSeconds(1.0))
ITEM = make_item(TOKEN)
WHOLE = orjson.loads(append_client_keys(encode_json(ITEM), TOKEN, TOKEN.first_seen_at))
TEXT = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
NAMED = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", PROSE))))


def codes_of_refusals() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "feed").glob("*.py")]
    return set(re.findall(r'RequestRefused\(\s*\d{3},\s*"(\w+)"', "".join(texts)))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(set(ITEM), id="keys of an item"),
        pytest.param(set(WHOLE), id="keys over HTTP"),
        pytest.param(set(report_token(TOKEN, ITEM, TOKEN.first_seen_at)), id="keys of health"),
        pytest.param(KNOWN_PARAMETERS, id="parameters"),
        pytest.param({*ORDERS, *OTHER_ORDERS, *STANDINGS}, id="words of parameters"),
        pytest.param(set(MESSAGES), id="codes of error frames"),
        pytest.param(codes_of_refusals(), id="codes of errors"),
    ],
)
def test_the_document_names_all(names: set[str]) -> None:
    assert set() == set(names) - NAMED
