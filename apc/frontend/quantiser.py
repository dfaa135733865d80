"""The one record of every quantiser: QuantizeLinear with or without Clip, QONNX Quant, BipolarQuant, Trunc."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ir.ops import Rounding
from ir.types import IntType, QuantParams

UNLIMITED = 1 << 40
"""``hi`` (and -``lo``) of a quantiser that does not clamp."""


@dataclass(frozen=True)
class Quantiser:
    """q = clamp(round(x / scale) + zero_point, lo, hi), or clamp(round(x / scale + zero_point), lo, hi) where
    ``zero_point_inside`` (QONNX). ``bipolar``: q = 1 where x >= 0, else -1. ``scale``: one, or one a channel.
    """

    scale: tuple[Fraction, ...]
    zero_point: int
    lo: int
    hi: int
    rounding: Rounding = Rounding.HALF_EVEN
    zero_point_inside: bool = False
    bipolar: bool = False

    @property
    def dtype(self) -> IntType:
        """The narrowest type of the levels."""
        return IntType.containing(self.lo, self.hi)

    @property
    def params(self) -> QuantParams:
        """real = scale * (q - zero_point)."""
        scale = np.array([float(s) for s in self.scale])
        as_float32 = scale.astype(np.float32)
        exact = np.array_equal(as_float32.astype(np.float64), scale)
        return QuantParams(as_float32 if exact else scale, np.full(len(scale), self.zero_point, dtype=np.int64))

    def level(self, value: Fraction, channel: int = 0) -> int:
        """q of one exact real value."""
        if self.bipolar:
            return 1 if value >= 0 else -1
        scaled = value / self.scale[min(channel, len(self.scale) - 1)]
        inside = self.zero_point if self.zero_point_inside else 0
        outside = 0 if self.zero_point_inside else self.zero_point
        return min(max(self.rounding.of_fraction(scaled + inside) + outside, self.lo), self.hi)

    def clipped(self, lo: int, hi: int) -> Quantiser:
        """The quantiser followed by a Clip of its levels (lo > hi gives hi, as in ONNX)."""
        return replace(self, lo=min(max(self.lo, lo), hi), hi=min(max(self.hi, lo), hi))

    def section(self, start: int, stop: int) -> Quantiser:
        """The quantiser of channels [start, stop)."""
        return self if len(self.scale) == 1 else replace(self, scale=self.scale[start:stop])


def quantise_array(array: np.ndarray, scale: np.ndarray, quantiser: Quantiser) -> np.ndarray:
    """int64 levels of a constant, in float32 as the runtimes do; ``scale`` float32, broadcast against the array."""
    ratio = array.astype(np.float32) / scale.astype(np.float32)
    inside = np.float32(quantiser.zero_point if quantiser.zero_point_inside else 0)
    outside = 0 if quantiser.zero_point_inside else quantiser.zero_point
    if quantiser.bipolar:
        return np.where(ratio + inside >= 0, 1, -1).astype(np.int64)
    rounded = quantiser.rounding.of_floats((ratio + inside).astype(np.float64))
    return np.clip(rounded + outside, quantiser.lo, quantiser.hi).astype(np.int64)
