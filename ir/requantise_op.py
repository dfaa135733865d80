"""Requantisation: weighted sums of integer tensors, rounded exactly. Its public name is ``ir.ops.Requantise``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ir.operation import Op, OpError, show_list
from ir.rounding import Rounding
from ir.types import IntType, QuantParams, TensorType

_LIMIT = 1 << 62
"""Sums below it are computed in int64, others in Python's integers."""


@dataclass(frozen=True, eq=False)
class Requantise(Op):
    """q = clamp(round(sum over operands i of multipliers[i][c] * x_i + offset[c]) + zero_point, lo, hi).

    One tuple of C multipliers an operand; all operands have one shape. ``bipolar``: q = 1 where the sum is >= 0,
    else -1 (``rounding`` and ``zero_point`` then have no effect).
    """

    multipliers: tuple[tuple[Fraction, ...], ...]
    offset: tuple[Fraction, ...]
    zero_point: int
    lo: int
    hi: int
    dtype: IntType
    rounding: Rounding
    quant: QuantParams
    bipolar: bool = False

    def attributes(self) -> dict[str, str]:
        shown = {
            "multipliers": "[" + ", ".join(_show_fractions(m) for m in self.multipliers) + "]",
            "offset": _show_fractions(self.offset),
            "zero_point": str(self.zero_point),
            "clamp": show_list((self.lo, self.hi)),
            "rounding": self.rounding.value,
        }
        return shown | ({"bipolar": "true"} if self.bipolar else {})

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        if not inputs or len(inputs) != len(self.multipliers):
            raise OpError(f"has {len(self.multipliers)} rows of multipliers for {len(inputs)} operands")
        shape = inputs[0].shape
        if any(x.shape != shape for x in inputs):
            raise OpError("its operands differ in shape: " + ", ".join(str(x.shape) for x in inputs))
        if any(len(row) != shape[0] for row in (*self.multipliers, self.offset)):
            raise OpError(f"needs one multiplier and one offset for each of its {shape[0]} channels")
        if not self.dtype.min <= self.lo <= self.hi <= self.dtype.max:
            raise OpError(f"the interval [{self.lo}, {self.hi}] does not fit {self.dtype}")
        lo, hi = [], []
        for channel in range(shape[0]):
            least = most = self.offset[channel]
            for row, x in zip(self.multipliers, inputs, strict=True):
                ends = row[channel] * int(x.lo[channel]), row[channel] * int(x.hi[channel])
                least, most = least + min(ends), most + max(ends)
            lo.append(self.level(least))
            hi.append(self.level(most))
        return TensorType(shape, self.dtype, np.array(lo, dtype=np.int64), np.array(hi, dtype=np.int64), self.quant)

    def level(self, total: Fraction) -> int:
        """q for one exact sum."""
        if self.bipolar:
            return 1 if total >= 0 else -1
        return min(max(self.rounding.of_fraction(total) + self.zero_point, self.lo), self.hi)

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Float64 with a certified error bound first; exact integers where that does not decide."""
        total, error = self._estimate(inputs)
        below, above = self.levels(total - error), self.levels(total + error)
        undecided = np.nonzero(below != above)
        if len(undecided[0]):
            below[undecided] = self.exact_levels([x[undecided] for x in inputs], undecided[1])
        return below

    def _estimate(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The sum in float64 and a bound of its error (conversions, products and sums, then doubled)."""
        column = (1, -1, 1, 1)
        total = np.array([float(c) for c in self.offset]).reshape(column)
        magnitude = np.abs(total)
        for row, x in zip(self.multipliers, inputs, strict=True):
            product = np.array([float(m) for m in row]).reshape(column) * x
            total = total + product
            magnitude = magnitude + np.abs(product)
        unit = 2.0**-53
        return total, magnitude * (2 * (len(inputs) + 4) * unit) + 2.0**-1000

    def levels(self, total: np.ndarray) -> np.ndarray:
        """int64 levels of float64 sums."""
        if self.bipolar:
            return np.where(total >= 0, 1, -1).astype(np.int64)
        least, most = float(self.lo - self.zero_point), float(self.hi - self.zero_point)
        return np.clip(self.rounding.of_floats(total), least, most).astype(np.int64) + self.zero_point

    def exact_levels(self, values: Sequence[np.ndarray], channels: np.ndarray) -> np.ndarray:
        """Levels of chosen elements (1-d arrays, with the channel of each), through common denominators."""
        result = np.empty(channels.shape, dtype=np.int64)
        for channel in np.unique(channels):
            chosen = np.nonzero(channels == channel)[0]
            parts = [*(row[channel] for row in self.multipliers), self.offset[channel]]
            scale = _common_denominator(parts)
            factors = [int(part * scale) for part in parts]
            operands = [x[chosen] for x in values]
            bound = abs(factors[-1]) + sum(
                abs(factor) * max(abs(int(x.min())), abs(int(x.max())))
                for factor, x in zip(factors, operands, strict=False)
            )
            kind = np.int64 if max(bound, scale) < _LIMIT else object
            numerator = np.full(chosen.shape, factors[-1], dtype=kind)
            for factor, x in zip(factors, operands, strict=False):
                numerator = numerator + x.astype(kind) * factor
            if self.bipolar:
                result[chosen] = np.where(numerator >= 0, 1, -1)
                continue
            rounded = self.rounding.of_ratios(numerator, np.full(chosen.shape, scale, dtype=kind))
            level = np.minimum(np.maximum(rounded + self.zero_point, self.lo), self.hi)
            result[chosen] = level.astype(np.int64)
        return result


def _common_denominator(parts: Sequence[Fraction]) -> int:
    result = 1
    for part in parts:
        result *= (part * result).denominator
    return result


def _show_fractions(values: Sequence[Fraction]) -> str:
    if all(value == values[0] for value in values):
        return str(values[0])
    return f"per_channel({float(min(values)):.6g}..{float(max(values)):.6g})"
