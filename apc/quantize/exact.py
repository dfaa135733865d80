"""Scales that make float32 inference exact, whatever the order of its sums.

Onnxruntime adds products of dequantised floats. With arbitrary scales each sum is rounded, and now and then a value
near a rounding boundary falls to the other side than in exact arithmetic; a deep network with few activation bits can
carry one such difference to many outputs. With activation scales that are powers of two, weight scales of a few
significant bits and biases on the products' grid, every partial sum is a multiple of one power of two and less than
2**24 of them: float32 holds it exactly.
"""

from __future__ import annotations

import numpy as np

MANTISSA_BITS = 24
MOST_SCALE_BITS = 8


def powers_of_two(scale: np.float32) -> tuple[np.float32, np.float32]:
    """The powers of two around ``scale``, lower first (twice the same where it is one)."""
    exponent = np.log2(np.float64(scale))
    return np.float32(np.exp2(np.floor(exponent))), np.float32(np.exp2(np.ceil(exponent)))


def scale_bits(levels: np.ndarray, axis: int, input_magnitude: int) -> int:
    """Significant bits that weight scales may have so that all sums stay exact; 0 where none suffice.

    ``levels``: integer weights, output channels along ``axis``; ``input_magnitude``: largest |x| of an input integer.
    One bit is left for the bias.
    """
    sums = np.abs(np.moveaxis(levels, axis, 0).reshape(levels.shape[axis], -1).astype(np.int64)).sum(axis=1)
    needed = int(sums.max(initial=0) * input_magnitude).bit_length()
    return int(np.clip(MANTISSA_BITS - 1 - needed, 0, MOST_SCALE_BITS))


def round_scale(scale: np.ndarray, bits: int, up: bool = False) -> np.ndarray:
    """float32 ``scale`` with at most ``bits`` significant bits, nearest or not below."""
    mantissa, exponent = np.frexp(scale.astype(np.float64))
    steps = mantissa * (1 << bits)
    rounded = np.ceil(steps) if up else np.round(steps)
    return np.ldexp(rounded, exponent - bits).astype(np.float32)


def round_bias(bias: np.ndarray, weight_scale: np.ndarray, bits: int, input_scale: np.float32) -> np.ndarray:
    """``bias`` on the grid of its channel's products: multiples of (last bit of weight_scale) x input_scale."""
    _, exponent = np.frexp(weight_scale.astype(np.float64))
    unit = np.ldexp(1.0, exponent - bits) * np.float64(input_scale)
    return (np.round(bias.astype(np.float64) / unit) * unit).astype(np.float32)
