"""What the cells of a crossbar hold: cells of a weight, and their mean conductance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True)
class Cell:
    """A cell of ``bits`` bits, linear in level between its conductances, behind its access device."""

    bits: int
    on_S: float
    off_S: float
    access_ohm: float

    def conductance_S(self, level: int) -> float:
        own = self.off_S + (self.on_S - self.off_S) * level / ((1 << self.bits) - 1)
        return own / (1 + own * self.access_ohm)


@lru_cache(maxsize=4096)
def mean_conductance_S(
    weight_values: tuple[tuple[int, int], ...], weight_bits: int, cell: Cell, differential: bool
) -> float:
    """Mean over all cells, access devices included.

    Offset: digits of w + 2**(weight_bits - 1), 1-bit weights (w + 1) / 2. Differential: a pair of cells a digit, one
    holding the digit of |w|, the other 0. Weights that need fewer bits than a cell has use its whole range. Weights
    without values count as uniform over all codes.
    """
    cell = replace(cell, bits=min(cell.bits, magnitude_bits(weight_bits, differential)))
    levels = [cell.conductance_S(level) for level in range(1 << cell.bits)]
    if not weight_values:
        uniform = sum(levels) / len(levels)
        return (uniform + levels[0]) / 2 if differential else uniform
    digits = cells_per_weight(weight_bits, cell.bits, differential)
    top, digits = len(levels) - 1, digits // 2 if differential else digits
    total, sum_S = 0, 0.0
    for value, count in weight_values:
        if differential:
            code = min(abs(value), (1 << max(1, weight_bits - 1)) - 1)
        else:
            code = value + (1 << (weight_bits - 1)) if weight_bits > 1 else (value + 1) // 2
        held = 0.0
        for _ in range(digits):
            held += levels[code & top]
            code >>= cell.bits
        total += count
        sum_S += count * held
    mean = sum_S / (total * digits)
    return (mean + levels[0]) / 2 if differential else mean


def cells_per_weight(weight_bits: int, cell_bits: int, differential: bool) -> int:
    """Columns a weight takes: offset ceil(bits / cell bits); differential twice that of the magnitude."""
    digits = -(-magnitude_bits(weight_bits, differential) // cell_bits)
    return 2 * digits if differential else digits


def magnitude_bits(weight_bits: int, differential: bool) -> int:
    """Bits that are split into digits: all of an offset code, those of the magnitude in a pair."""
    return max(1, weight_bits - 1) if differential else weight_bits
