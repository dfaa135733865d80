"""Products bit plane by bit plane in SRAM arrays: which cycles convert, how often, and which are digital.

A cycle is a bit i of the weights and a digit j of the activations, both lowest first. Level k selects i + j >
weight_bits + digits - 2 - k: the k (k + 1) / 2 cycles of highest weight while k is at most either number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd


@dataclass(frozen=True)
class Cycles:
    """The cycles of weights of ``weight_bits`` and activations of ``activation_bits`` in digits of ``dac_bits``. Levels
    beyond the last cycle select all."""

    weight_bits: int
    activation_bits: int
    dac_bits: int
    hybrid_level: int
    voting: int
    voting_level: int

    @property
    def digits(self) -> int:
        """Digits of an activation."""
        return -(-self.activation_bits // self.dac_bits)

    @property
    def most_level(self) -> int:
        """The lowest level that selects all cycles."""
        return self.weight_bits + self.digits - 1

    def digital(self, weight_bit: int, digit: int) -> bool:
        """Whether a cycle is computed digitally."""
        return self._selected(weight_bit, digit, self.hybrid_level)

    def votes(self, weight_bit: int, digit: int) -> int:
        """Conversions of a cycle; 0 where it is digital."""
        if self.digital(weight_bit, digit):
            return 0
        return self.voting if self._selected(weight_bit, digit, self.voting_level) else 1

    def bits_of(self, digit: int) -> int:
        """Bits of an activation in a digit: the highest digit may have fewer than ``dac_bits``."""
        return min(self.dac_bits, self.activation_bits - digit * self.dac_bits)

    def votes_of(self, digit: int) -> int:
        """Conversions of a digit with all bits of a weight."""
        return sum(_votes(self)[digit])

    def busiest_of(self, digit: int, columns: int) -> int:
        """Conversions of a digit by the busiest of the converters, each of which has ``columns`` columns side by side.
        Weights fill the columns, bit by bit."""
        votes, bits = _votes(self)[digit], self.weight_bits
        whole, rest = divmod(columns, bits)
        starts = range(0, bits, gcd(bits, columns))
        return whole * sum(votes) + max(sum(votes[(start + k) % bits] for k in range(rest)) for start in starts)

    def digital_of(self, digit: int) -> int:
        """Digital cycles of a digit."""
        return _votes(self)[digit].count(0)

    @property
    def count(self) -> int:
        """All cycles."""
        return self.weight_bits * self.digits

    @property
    def conversions(self) -> int:
        """Conversions of one output and row tile."""
        return sum(map(sum, _votes(self)))

    @property
    def digital_count(self) -> int:
        """Digital cycles."""
        return sum(self.digital_of(digit) for digit in range(self.digits))

    @property
    def digital_products(self) -> int:
        """Products of a bit of a weight and a bit of an activation in digital cycles, of one weight and activation."""
        return sum(self.digital_of(digit) * self.bits_of(digit) for digit in range(self.digits))

    @property
    def digital_share(self) -> float:
        """Share of the weight bits that some digit takes digitally: those columns need adders."""
        return sum(self.digital(bit, self.digits - 1) for bit in range(self.weight_bits)) / self.weight_bits

    def _selected(self, weight_bit: int, digit: int, level: int) -> bool:
        return weight_bit + digit > self.weight_bits + self.digits - 2 - level


@lru_cache(maxsize=256)
def _votes(cycles: Cycles) -> tuple[tuple[int, ...], ...]:
    """``Cycles.votes`` of every digit, of each all weight bits: layers share them, and a target is priced over and
    over."""
    return tuple(tuple(cycles.votes(bit, digit) for bit in range(cycles.weight_bits)) for digit in range(cycles.digits))
