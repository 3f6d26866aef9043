"""What an address and a mint are, held against a base58 library that decodes them."""

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MintRefused
from domain.values import USDC, is_address, parse_address, parse_mint

BONK = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
ALPHABET = base58.BITCOIN_ALPHABET.decode()

zeros_first = st.builds(
    lambda zeros, rest: bytes(zeros) + rest, st.integers(0, 33), st.binary(max_size=34)
)


@given(data=st.binary(min_size=30, max_size=34) | zeros_first)
def test_an_address_is_what_decodes_to_32_bytes(data: bytes) -> None:
    assert is_address(base58.b58encode(data).decode()) is (len(data) == 32)


@pytest.mark.parametrize("zeros", range(33))
def test_the_least_and_the_greatest_of_32_bytes_are_the_bounds(zeros: int) -> None:
    size = 32 - zeros
    least, greatest = 256**size // 256, 256**size - 1
    for number in (least, greatest):
        assert is_address(base58.b58encode(number.to_bytes(32, "big")).decode())
    assert not is_address("1" * zeros + base58.b58encode_int(greatest + 1).decode())
    if size:
        below = base58.b58encode_int(least - 1, default_one=False).decode()
        assert not is_address("1" * zeros + below)


@given(text=st.text(alphabet=ALPHABET, min_size=30, max_size=46))
def test_any_text_of_the_alphabet_is_judged_as_by_decoding_it(text: str) -> None:
    assert is_address(text) is (len(base58.b58decode(text)) == 32)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "not_a_mint"),
        (7, "not_a_mint"),
        ("", "not_a_mint"),
        (BONK[:31], "not_a_mint"),
        (BONK + "1", "not_a_mint"),
        ("1" * 70_000, "not_a_mint"),
        (BONK[:-1] + "0", "not_base58"),
        (BONK[:-1] + "\n", "not_base58"),
        (BONK[:-1] + " ", "not_base58"),
        (BONK[:-1] + "é", "not_base58"),
        (BONK[:-8], "not_32_bytes"),
        ("z" * 44, "not_32_bytes"),
        ("1" * 33, "not_32_bytes"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: object, reason: str) -> None:
    with pytest.raises(MintRefused) as caught:
        parse_address(text)
    assert reason == caught.value.reason
    assert not isinstance(text, str) or not is_address(text)


def test_a_quote_is_an_address_and_no_coins_mint() -> None:
    assert USDC == parse_address(USDC)
    assert BONK == parse_mint(BONK)
    with pytest.raises(MintRefused) as caught:
        parse_mint(USDC)
    assert "quote_mint" == caught.value.reason
