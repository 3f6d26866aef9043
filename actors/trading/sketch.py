"""How many distinct traders: exact while they are few, an estimate of bounded size beyond.

Up to `MOST_EXACT` the hashes themselves are kept; beyond, a HyperLogLog of 2^9 registers of a byte,
whose standard error is 1.04 / sqrt(512) = 4.6 %. Sketches of several intervals merge into that of
all of them, which counts nobody twice.

Source: Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", AofA 2007; below 2.5 registers a value it counts empty registers (linear
counting), as that paper does.
"""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import log

from attrs import define, field

MOST_EXACT = 24
REGISTER_BITS = 9
REGISTERS = 1 << REGISTER_BITS
HASH_BITS = 64
ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)  # corrects the estimate's bias; ibid., figure 3


def hash_trader(wallet: str) -> int:
    """64 bits that stand for a wallet, the same in every process."""
    return int.from_bytes(blake2b(wallet.encode(), digest_size=8).digest(), "little")


@define
class DistinctSketch:
    """A set of hashes of which only the size can be asked."""

    # A few, in an array: a set takes several times the memory. None: there are too many.
    hashes: "array[int] | None" = field(factory=lambda: array("Q"))
    registers: bytearray | None = None

    def add_hash(self, value: int) -> None:
        """Count a hash, if it has not been counted."""
        if self.hashes is None:
            self._note_in_register(value)
            return
        if value not in self.hashes:
            self.hashes.append(value)
        if len(self.hashes) > MOST_EXACT:
            self._become_estimate()

    def merge_sketch(self, other: "DistinctSketch") -> None:
        """Count all that the other has counted."""
        if other.hashes is not None:
            for value in other.hashes:
                self.add_hash(value)
            return
        if self.hashes is not None:
            self._become_estimate()
        mine, theirs = self.registers, other.registers
        if mine is not None and theirs is not None:
            self.registers = bytearray(map(max, mine, theirs))

    def count_distinct(self) -> int:
        """The number of distinct hashes; exact up to `MOST_EXACT`."""
        if self.hashes is not None:
            return len(self.hashes)
        registers = self.registers or bytearray(REGISTERS)
        estimate = ALPHA * REGISTERS**2 / sum(2.0**-rank for rank in registers)
        empty = registers.count(0)
        if estimate <= 2.5 * REGISTERS and empty:
            estimate = REGISTERS * log(REGISTERS / empty)
        return round(estimate)

    def _become_estimate(self) -> None:
        known, self.hashes = self.hashes or (), None
        self.registers = bytearray(REGISTERS)
        for value in known:
            self._note_in_register(value)

    def _note_in_register(self, value: int) -> None:
        registers = self.registers
        if registers is None:
            return
        rest = value >> REGISTER_BITS
        rank = HASH_BITS - REGISTER_BITS - rest.bit_length() + 1  # leading zeros, and one
        place = value & (REGISTERS - 1)
        registers[place] = max(registers[place], rank)


def count_together(sketches: Sequence[DistinctSketch]) -> int:
    """The number of distinct hashes in all of them; exact where each of them is."""
    exact = [sketch.hashes for sketch in sketches if sketch.hashes is not None]
    if len(exact) < len(sketches):
        return merge_sketches(sketches).count_distinct()
    return len(set().union(*exact))


def merge_sketches(sketches: Iterable[DistinctSketch]) -> DistinctSketch:
    """One that has counted all that any of them has."""
    merged = DistinctSketch()
    for sketch in sketches:
        merged.merge_sketch(sketch)
    return merged
