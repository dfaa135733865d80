"""Errors of columns and converters that stay as they are: offset, gain, nonlinearity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.analog.acim.config import AcimConfig
from simulator.analog.normals import fill_normals

MOST_STEPS = 255
"""Unary steps of a converter's reference; those of more bits are equal parts of a unary step."""
NOISE, OFFSET, GAIN, INL = range(4)
"""What a seed is continued with, so that all that is drawn is independent."""


@dataclass(frozen=True)
class StaticErrors:
    """float32. ``gain`` (1 + the error) and ``offset`` (LSB) of each column: (groups, tiles, outputs, weight bits).
    ``inl`` (LSB) of each converter, which the columns of an output share, at equally spaced points from code 0 to the
    top code, or both ends where there is none: (groups, tiles, outputs, points)."""

    gain: np.ndarray
    offset: np.ndarray
    inl: np.ndarray


def draw_static(config: AcimConfig, converters: tuple[int, int, int], seed: Sequence[int]) -> StaticErrors:
    """The errors of ``converters`` (groups, tiles, outputs), which depend on the seed and the place only.

    The nonlinearity is a random walk over the steps of a unary reference, of independent errors, less the straight line
    between its ends (a Brownian bridge), which the converter's calibrated range takes away.
    """
    columns = (*converters, config.weight_bits)
    gain = 1 + config.gain_sigma * _normals(columns, (*seed, GAIN), bool(config.gain_sigma))
    offset = config.offset_lsb * _normals(columns, (*seed, OFFSET), bool(config.offset_lsb))
    steps = min(config.top_code, MOST_STEPS) if config.inl_lsb else 1
    errors = _normals((*converters, steps), (*seed, INL), bool(config.inl_lsb))
    walk = np.concatenate([np.zeros((*converters, 1)), np.cumsum(errors, axis=-1)], axis=-1)
    bridge = walk - walk[..., -1:] * (np.arange(steps + 1) / steps)
    # halfway between the two middle points, (steps - 1) / 2 steps on either side count by a half
    scale = config.inl_lsb * 2 / np.sqrt(max(1, steps - 1))
    return StaticErrors(gain.astype(np.float32), offset.astype(np.float32), (scale * bridge).astype(np.float32))


def _normals(shape: tuple[int, ...], seed: Sequence[int], wanted: bool) -> np.ndarray:
    out = np.zeros(shape)
    if wanted:
        fill_normals(out, seed)
    return out
