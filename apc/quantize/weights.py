"""Weight quantisation per output channel: ternary (TWN), binary, symmetric intN, and exact recovery of ternary."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from ir.errors import UserError

TWN_THRESHOLD = 0.7


@dataclass(frozen=True, eq=False)
class QuantizedWeights:
    """real weight = levels * scale[channel].

    ``levels``: int8 array of the weight's shape; ``scale``: positive float32 array, one entry an output channel
    (axis ``axis`` of levels); ``kind``: "ternary", "binary" or "intN"; ``bits``: of a level.
    """

    levels: np.ndarray
    scale: np.ndarray
    axis: int
    kind: str
    bits: int

    def dequantised(self) -> np.ndarray:
        """The float32 weights that DequantizeLinear makes of the levels."""
        shape = [1] * self.levels.ndim
        shape[self.axis] = -1
        return self.levels.astype(np.float32) * self.scale.reshape(shape)


def weight_bits(kind: str) -> int:
    """The N of "intN"; UserError unless it is 2 to 8."""
    match = re.fullmatch(r"int([2-8])", kind)
    if match is None:
        raise UserError(f"weights {kind!r}: choose ternary, binary, keep or int2 to int8")
    return int(match[1])


def quantise_weights(weight: np.ndarray, kind: str, axis: int = 0) -> QuantizedWeights:
    """Quantise float32 ``weight`` per channel of ``axis``; ``kind`` is "ternary", "binary" or "intN".

    Sums are float64. A channel of zeros gets scale 1. Ties |w| = threshold are dropped (strict comparison).
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    magnitudes = np.abs(rows)
    mean = magnitudes.mean(axis=1)
    if kind == "ternary":
        kept = magnitudes > TWN_THRESHOLD * mean[:, None]
        levels = np.sign(rows) * kept
        scale = (magnitudes * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
        bits = 2
    elif kind == "binary":
        levels = np.where(rows >= 0, 1.0, -1.0)
        scale, bits = mean, 1
    else:
        bits = weight_bits(kind)
        top = (1 << (bits - 1)) - 1
        scale = magnitudes.max(axis=1) / top
        levels = _nearest_levels(rows, _positive(scale), top)
    if kind == "binary":
        levels = np.where(mean[:, None] == 0, 0.0, levels)
    return QuantizedWeights(_restore(levels, weight.shape, axis), _positive(scale), axis, kind, bits)


def requantise(weight: np.ndarray, quantised: QuantizedWeights, scale: np.ndarray) -> QuantizedWeights:
    """intN weights with the levels nearest to ``weight`` under another ``scale`` (not below the old one)."""
    axis = quantised.axis
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    levels = _nearest_levels(rows, scale, (1 << (quantised.bits - 1)) - 1)
    return replace(quantised, levels=_restore(levels, weight.shape, axis), scale=scale)


def recover_ternary(weight: np.ndarray, axis: int = 0) -> QuantizedWeights | None:
    """The ternary levels and scales whose product is ``weight`` bit for bit, or None where there are none."""
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    magnitudes = np.abs(rows)
    scale = magnitudes.max(axis=1)
    if not np.all((magnitudes == 0) | (magnitudes == scale[:, None])):
        return None
    return QuantizedWeights(_restore(np.sign(rows), weight.shape, axis), _positive(scale), axis, "ternary", 2)


def relative_error(exact: np.ndarray, approximate: np.ndarray) -> float:
    """||exact - approximate|| / ||exact||, 0 where exact is all zero."""
    norm = float(np.linalg.norm(exact.astype(np.float64)))
    difference = float(np.linalg.norm(exact.astype(np.float64) - approximate))
    return difference / norm if norm else 0.0


def _nearest_levels(rows: np.ndarray, scale: np.ndarray, top: int) -> np.ndarray:
    return np.clip(np.round(rows / scale[:, None]), -top, top)


def _positive(scale: np.ndarray) -> np.ndarray:
    narrow = scale.astype(np.float32)
    return np.where(narrow > 0, narrow, np.float32(1))


def _restore(rows: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    moved = rows.reshape(shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(moved, 0, axis)).astype(np.int8)
