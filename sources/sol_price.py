"""SOL in US dollars: one number, from whichever of three providers the address belongs to.

    Jupiter price v3   {"So111...112": {"usdPrice": 81.6}}
    CoinGecko simple   {"solana": {"usd": 127.05}}
    Pyth Hermes        {"parsed": [{"id": "ef0d...", "price": {"price": "187...", "expo": -8}}]}

Any other shape is an error, never a constant. Jupiter's v2 is refused although it looks
readable: its prices may be in SOL (`vsToken`), and SOL in SOL is 1.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import define, field

from domain.errors import SourceUnavailable
from domain.values import WRAPPED_SOL, Usd
from sources.fields import read_array, read_decimal, read_number, read_object, read_signed_number
from sources.http import JsonHttp
from sources.refusals import LastingRefusal

PYTH_SOL_USD = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d"
JUPITER_PATH = f"/price/v3?ids={WRAPPED_SOL}"
PYTH_PATH = f"/v2/updates/price/latest?ids[]={PYTH_SOL_USD}&parsed=true"
COINGECKO_PATH = "/api/v3/simple/price?ids=solana&vs_currencies=usd"
GREATEST_PRICE = 1e6  # beyond it something else was priced
GREATEST_EXPONENT = 30


def _new_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="sol_price.url")


@define(kw_only=True)
class JupiterSolPrice:
    """The `SolPriceProvider` of Jupiter, or of what a full address points to."""

    url: str  # a base address; an address with a path or query is asked as it stands
    http: JsonHttp
    name: str = "sol-price"
    path: str = JUPITER_PATH  # of the price, under a base address
    refusal: LastingRefusal = field(factory=_new_refusal)

    async def fetch_sol_usd(self) -> Usd:
        address = urlsplit(self.url)
        is_base = address.path in {"", "/"} and not address.query
        url = self.url.rstrip("/") + self.path if is_base else self.url
        return parse_sol_usd(await self.http.get(url))


def parse_sol_usd(body: object) -> Usd:
    """The price in an answer; `SourceUnavailable` if it is in none of the known shapes."""
    answer = read_object(body)
    for read in (_read_jupiter, _read_coingecko, _read_pyth):
        price = read(answer)
        if price is not None and 0 < price < GREATEST_PRICE:
            return Usd(price)
    raise SourceUnavailable(f"no SOL price in {str(body)[:200]}")


def _read_jupiter(answer: Mapping[str, object]) -> float | None:
    return read_number(read_object(answer.get(WRAPPED_SOL)).get("usdPrice"))


def _read_coingecko(answer: Mapping[str, object]) -> float | None:
    return read_number(read_object(answer.get("solana")).get("usd"))


def _read_pyth(answer: Mapping[str, object]) -> float | None:
    for feed in map(read_object, read_array(answer.get("parsed"))):
        if str(feed.get("id")).removeprefix("0x").lower() == PYTH_SOL_USD:
            quote = read_object(feed.get("price"))
            mantissa = read_decimal(quote.get("price"))
            exponent = read_signed_number(quote.get("expo"))
            if mantissa is not None and exponent is not None and abs(exponent) < GREATEST_EXPONENT:
                return float(mantissa * 10.0**exponent)
    return None
