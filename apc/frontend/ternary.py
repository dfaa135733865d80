"""Recovery of integer weights, ternary first, from the real weights a network file holds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from apc.frontend.values import Coefficients, Const, normal, spread

#: how far a weight may lie from scale * {-1, 0, 1} and still count as exactly ternary, in units in the last place
EXACT_ULPS = 4
#: the widest integer weights that are kept as they are
LARGEST_INTEGER = 255


@dataclass(frozen=True, eq=False)
class IntegerWeights:
    """real = scale[c] * values[c, ...]. ``values``: int64 of the weights' shape; ``residual``: the largest
    |real - scale * value| / scale that was given up, 0 unless a tolerance allowed it."""

    values: np.ndarray
    scale: Coefficients
    residual: float = 0.0

    def real(self) -> np.ndarray:
        """The weights these integers stand for, float32."""
        channels = self.values.shape[0]
        scale = np.array([float(s) for s in spread(self.scale, channels)], dtype=np.float32)
        return (self.values * scale.reshape(-1, *[1] * (self.values.ndim - 1))).astype(np.float32)


class NotTernary(Exception):
    """The weights are no integers times a scale per output channel; the message says why."""


def recover(const: Const, tolerance: float) -> IntegerWeights:
    """Integer weights of a constant whose axis 0 counts the output channels.

    Dequantised integers are kept (divided by what a channel's magnitudes have in common). Floats must be ternary
    times a scale per channel, to within ``EXACT_ULPS``; with ``tolerance`` > 0 a residual up to it is accepted.
    Raises NotTernary.
    """
    if not const.array.size:
        raise NotTernary("its weights are empty")
    weights = const.array.reshape(const.array.shape[0], -1)
    if not np.isfinite(weights).all():
        raise NotTernary("its weights hold NaN or infinite values")
    if const.integers is not None:
        exact = _from_integers(*const.integers)
        if tolerance <= 0 or np.abs(exact.values).max(initial=0) <= 1:
            return exact
        snapped, residual = _ternary(weights)
        values = snapped.values.reshape(const.array.shape)
        return IntegerWeights(values, snapped.scale, residual) if residual <= tolerance else exact
    snapped, residual = _ternary(weights)
    if residual > tolerance and not _within_ulps(weights, snapped):
        raise NotTernary(
            f"its weights are not ternary: they lie up to {residual:.3g} of the channel's scale from -1, 0, +1"
        )
    values = snapped.values.reshape(const.array.shape)
    return IntegerWeights(values, snapped.scale, 0.0 if _within_ulps(weights, snapped) else residual)


def _from_integers(values: np.ndarray, scales: np.ndarray) -> IntegerWeights:
    rows = values.reshape(values.shape[0], -1).astype(np.int64)
    per_row = scales.reshape(values.shape[0], -1)
    if (per_row != per_row[:, :1]).any():
        raise NotTernary("its weights have different scales within one output channel")
    largest = int(np.abs(rows).max(initial=0))
    if largest > LARGEST_INTEGER:
        raise NotTernary(f"its integer weights reach {largest}; at most 8 bits are supported")
    divisors = np.maximum(np.gcd.reduce(rows, axis=1, initial=0), 1)
    ternary = np.abs(rows // divisors[:, None]).max(axis=1, initial=0) <= 1
    divisors = np.where(ternary, divisors, 1)
    scale = tuple(
        Fraction(float(s)) * int(d) if (row != 0).any() else Fraction(1)
        for s, d, row in zip(per_row[:, 0], divisors, rows, strict=True)
    )
    return IntegerWeights((rows // divisors[:, None]).reshape(values.shape), normal(scale))


def _ternary(weights: np.ndarray) -> tuple[IntegerWeights, float]:
    """The nearest ternary weights (rows: channels) and the residual in units of the channel's scale."""
    exact = weights.astype(np.float64)
    peak = np.abs(exact).max(axis=1, initial=0.0)
    scale = np.where(peak > 0, peak, 1.0)
    values = np.rint(exact / scale[:, None])
    kept = np.abs(values).sum(axis=1)
    mean = (np.abs(exact) * np.abs(values)).sum(axis=1) / np.maximum(kept, 1)
    centred = np.where(kept > 0, mean, 1.0).astype(np.float32).astype(np.float64)
    distance = np.abs(exact - values * scale[:, None]).max(axis=1, initial=0.0)
    uneven = distance > _ulp_bound(scale)
    scale = np.where(uneven, centred, scale)
    residual = float((np.abs(exact - values * scale[:, None]).max(axis=1, initial=0.0) / scale).max(initial=0.0))
    fractions = tuple(Fraction(float(s)) for s in scale)
    return IntegerWeights(values.astype(np.int64), normal(fractions), residual), residual


def _ulp_bound(scale: np.ndarray) -> np.ndarray:
    return EXACT_ULPS * np.spacing(scale.astype(np.float32)).astype(np.float64)


def _within_ulps(weights: np.ndarray, snapped: IntegerWeights) -> bool:
    scale = np.array([float(s) for s in snapped.scale])
    scale = np.broadcast_to(scale, weights.shape[:1])
    distance = np.abs(weights.astype(np.float64) - snapped.values * scale[:, None]).max(axis=1, initial=0.0)
    return bool((distance <= _ulp_bound(scale)).all())
