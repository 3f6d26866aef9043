"""Names and symbols as launch pads see them: themes come in waves, and everybody copies.

54 % of the recorded coins share their name with another one born within nine minutes.
"""

import tomllib
from pathlib import Path
from random import Random

WORDS: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("names.toml").read_text(encoding="utf-8")
)
FOREIGN_SHARE = 0.03
LONGEST_SYMBOL = 10


def coin_name(random: Random) -> str:
    """A name nobody has had lately, more or less."""
    kind = random.random()
    if kind < FOREIGN_SHARE:
        return random.choice(WORDS["foreign"])
    if kind < 0.15:
        return random.choice(WORDS["phrases"])
    if kind < 0.30:
        return f"{random.choice(WORDS['people'])} {random.choice(WORDS['nouns'])}"
    if kind < 0.40:
        return random.choice(WORDS["nouns"]) + random.choice(WORDS["nouns"]).lower()
    plain = f"{random.choice(WORDS['adjectives'])} {random.choice(WORDS['nouns'])}"
    return plain + random.choice(WORDS["tails"])


def symbol_of(name: str, random: Random) -> str:
    """Initials, the last word or the whole name, some with a dollar sign."""
    words = [word for word in "".join(c for c in name if c.isalnum() or c == " ").split() if word]
    kind = random.random()
    if kind < 0.35 and len(words) > 1:
        symbol = "".join(word[0] for word in words)
    elif kind < 0.65:
        symbol = words[-1]
    else:
        symbol = "".join(words)
    symbol = symbol[:LONGEST_SYMBOL]
    symbol = symbol if random.random() < 0.2 else symbol.upper()
    return f"${symbol}" if random.random() < 0.08 else symbol
