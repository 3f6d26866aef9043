"""Believable Solana keys: base58 of 32 bytes (mints, wallets) and of 64 bytes (signatures)."""

from functools import lru_cache
from hashlib import sha256, shake_256
from random import Random

import base58

from domain.values import Mint

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

# 44 digits in base 58 are 32 bytes as long as the first digit is 1..16 (17 * 58^43 < 2^256), and
# 88 are 64 bytes as long as it is 1..4 (5 * 58^87 < 2^512). Digit 0 would be a zero byte.
FIRST_OF_32_BYTES = ALPHABET[1:17]
FIRST_OF_64_BYTES = ALPHABET[1:5]
DIGIT_OF_BYTE = bytes(ord(ALPHABET[byte % 58]) for byte in range(256))
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def mint_ending_in(suffix: str, random: Random) -> Mint:
    """A mint as the launch pads grind them; any suffix but a false one is fine."""
    middle = random.choices(ALPHABET, k=43 - len(suffix))
    return Mint(random.choice(FIRST_OF_32_BYTES) + "".join(middle) + suffix)


def signature(random: Random) -> str:
    """The identity of a transaction."""
    pairs = "".join(random.choices(PAIRS, k=43))
    return random.choice(FIRST_OF_64_BYTES) + random.choice(ALPHABET) + pairs


def transaction_signature(number: int) -> str:
    """The signature of a transaction: always the same for the same number."""
    digits = shake_256(number.to_bytes(16, "little")).digest(87)
    return FIRST_OF_64_BYTES[number % 4] + digits.translate(DIGIT_OF_BYTE).decode()


@lru_cache(maxsize=100_000)
def key_bytes(text: str) -> bytes:
    """The 32 bytes of an address."""
    return base58.b58decode(text)


@lru_cache(maxsize=100_000)
def address(kind: str, number: int | str) -> str:
    """The address of a wallet, curve or pool: always the same for the same arguments."""
    return base58.b58encode(sha256(f"{kind}:{number}".encode()).digest()).decode()
