"""Rounding of exact rationals to integers: every mode that ONNX and QONNX quantisers use."""

from __future__ import annotations

from enum import Enum
from fractions import Fraction

import numpy as np


class Rounding(Enum):
    """How a real becomes an integer. UP and DOWN mean away from and towards zero, as in QONNX."""

    HALF_EVEN = "half_even"
    FLOOR = "floor"
    CEIL = "ceil"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    UP = "up"
    DOWN = "down"

    def boundary(self, level: int) -> tuple[Fraction, bool]:
        """The least real t that rounds to at least ``level``, and whether t itself does (else all t above it)."""
        positive = level >= 1
        match self:
            case Rounding.FLOOR:
                return Fraction(level), True
            case Rounding.CEIL:
                return Fraction(level - 1), False
            case Rounding.DOWN:
                return (Fraction(level), True) if positive else (Fraction(level - 1), False)
            case Rounding.UP:
                return (Fraction(level - 1), False) if positive else (Fraction(level), True)
            case Rounding.HALF_EVEN:
                return Fraction(2 * level - 1, 2), level % 2 == 0
            case Rounding.HALF_UP:
                return Fraction(2 * level - 1, 2), positive
            case Rounding.HALF_DOWN:
                return Fraction(2 * level - 1, 2), not positive

    def of_fraction(self, value: Fraction) -> int:
        """The rounded integer of one rational."""
        numerator = np.array([value.numerator], dtype=object)
        return int(self.of_ratios(numerator, np.array([value.denominator], dtype=object))[0])

    def of_ratios(self, numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
        """Rounded numerators / denominators, exactly. Integer or object arrays, denominators > 0.

        With int64 arrays the caller keeps |numerator| and denominator below 2**62.
        """
        floor = numerators // denominators
        rest = numerators - floor * denominators
        negative = numerators < 0
        inexact = rest > 0
        twice = 2 * rest
        above, half = twice > denominators, twice == denominators
        match self:
            case Rounding.FLOOR:
                up = np.zeros_like(inexact)
            case Rounding.CEIL:
                up = inexact
            case Rounding.DOWN:
                up = inexact & negative
            case Rounding.UP:
                up = inexact & ~negative
            case Rounding.HALF_EVEN:
                up = above | (half & (floor % 2 == 1))
            case Rounding.HALF_UP:
                up = above | (half & ~negative)
            case Rounding.HALF_DOWN:
                up = above | (half & negative)
        return floor + up.astype(np.int64)

    def of_floats(self, values: np.ndarray) -> np.ndarray:
        """Rounded float64 values, as float64; exact for every finite input."""
        match self:
            case Rounding.FLOOR:
                return np.floor(values)
            case Rounding.CEIL:
                return np.ceil(values)
            case Rounding.DOWN:
                return np.trunc(values)
            case Rounding.UP:
                return np.copysign(np.ceil(np.abs(values)), values)
            case Rounding.HALF_EVEN:
                return np.rint(values)
        whole = np.trunc(values)
        distance = np.abs(values - whole)
        away = distance >= 0.5 if self is Rounding.HALF_UP else distance > 0.5
        return whole + np.where(away, np.copysign(1.0, values), 0.0)
