"""Names and symbols as launch pads see them: themes come in waves, and everybody copies.

54 % of the recorded coins share their name with another one born within nine minutes.
"""

import tomllib
from collections import deque
from pathlib import Path
from random import Random

from attrs import define, field

WORDS: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("names.toml").read_text(encoding="utf-8")
)
FOREIGN_SHARE = 0.03
MEMORY_SECONDS = 300.0
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


def handle_of(name: str) -> str:
    """What its people call themselves elsewhere: the name's plain letters and digits."""
    plain = (character for character in name.lower() if character.isascii())
    return "".join(filter(str.isalnum, plain)) or "coin"


@define
class NameWave:
    """Names that are in fashion: some of the newborn take one that was given lately."""

    copied_share: float
    recent: deque[tuple[float, str, str]] = field(factory=deque)

    def next_name(self, now: float, random: Random) -> tuple[str, str]:
        """Name and symbol of a coin that is born now."""
        while self.recent and self.recent[0][0] < now - MEMORY_SECONDS:
            self.recent.popleft()
        if self.recent and random.random() < self.copied_share:
            _, name, symbol = random.choice(self.recent)
        else:
            name = coin_name(random)
            symbol = symbol_of(name, random)
        self.recent.append((now, name, symbol))
        return name, symbol
