"""A converter as kernels see it, and the parts of a conversion that are its own: level, noise, code, vote.

A conversion begins with the sum of a column, from 0 to the full scale. The level is what the sum is on the scale of
codes, with the errors of the column, in float32; the code is the level with its noise, clamped and rounded half to
even. Without any error a code is exact: it is what integers give.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.analog.acim.config import AcimConfig

ZERO = np.float32(0)


class Converter(NamedTuple):
    """``scale``: codes per unit of a sum. ``quick``: whether rounding mac * scale in float32 is right for every sum.
    ``knots``: points of the nonlinearity per code."""

    scale: np.float32
    quick: bool
    full_scale: int
    top: int
    sigma: np.float32
    static: bool
    knots: np.float32
    median: bool


def converter(config: AcimConfig, points: int) -> Converter:
    """That of ``config``, with ``points`` of a nonlinearity."""
    sums = np.arange(config.full_scale + 1)
    scale = np.float32(config.top_code / config.full_scale)
    quick = np.array_equal(
        np.rint(sums.astype(np.float32) * scale), np.rint(sums * config.top_code / config.full_scale)
    )
    return Converter(
        scale,
        bool(quick),
        config.full_scale,
        config.top_code,
        np.float32(config.noise_sigma_lsb),
        config.static_errors,
        np.float32((points - 1) / config.top_code),
        config.voting_rule == "median",
    )


@njit(nogil=True, error_model="numpy")
def exact_codes(macs: np.ndarray, c: Converter, row: int, codes: np.ndarray) -> None:
    """``codes[row]`` <- those of ``macs`` without any error, int32[:, n] and int32[n]."""
    if c.quick:
        for p in range(len(macs)):
            codes[row, p] = np.int32(np.rint(np.float32(macs[p]) * c.scale))
    else:
        # the product is exact, and a quotient of float64 is half of an odd number only where it is exactly that
        for p in range(len(macs)):
            codes[row, p] = np.int32(np.rint(np.float64(macs[p]) * np.float64(c.top) / np.float64(c.full_scale)))


@njit(nogil=True, error_model="numpy")
def levels(
    macs: np.ndarray, c: Converter, gain: np.float32, offset: np.float32, inl: np.ndarray, out: np.ndarray
) -> None:
    """``out``, float32[n] <- the levels of ``macs`` in a column of ``gain`` and ``offset``, whose converter has the
    nonlinearity ``inl`` (linear between its points)."""
    for p in range(len(macs)):
        out[p] = np.float32(macs[p]) * c.scale
    if c.static:
        last = np.int32(len(inl) - 2)
        for p in range(len(macs)):
            place = out[p] * c.knots
            knot = min(np.int32(place), last)
            bend = inl[knot] + (place - np.float32(knot)) * (inl[knot + 1] - inl[knot])
            out[p] = out[p] * gain + offset + bend


@njit(nogil=True, error_model="numpy")
def codes_of(level: np.ndarray, normals: np.ndarray, c: Converter, row: int, codes: np.ndarray) -> None:
    """``codes[row]``, int32[:, n] <- those of float32[n] levels with noise of ``normals``."""
    top = np.float32(c.top)
    for p in range(len(level)):
        codes[row, p] = np.int32(np.rint(min(max(level[p] + c.sigma * normals[p], ZERO), top)))


@njit(nogil=True, error_model="numpy")
def vote(drawn: np.ndarray, votes: int, median: bool, tally: np.ndarray, row: int, codes: np.ndarray) -> None:
    """``codes[row]``, int32[:, n] <- the median, or the most frequent (of several the smallest), of the first ``votes``
    rows of ``drawn``, int32[:, n], which are sorted. ``tally``: scratch, int32[2, n]."""
    for count in range(1, votes):
        for place in range(count, 0, -1):
            _in_order(drawn[place - 1], drawn[place])
    own, first = codes[row], drawn[votes // 2 if median else 0]
    for p in range(len(own)):
        own[p], tally[0, p], tally[1, p] = first[p], 1, 1
    if not median:
        for place in range(1, votes):
            _extend(drawn[place - 1], drawn[place], tally[0], tally[1], own)


@njit(nogil=True, error_model="numpy")
def _in_order(low: np.ndarray, high: np.ndarray) -> None:
    for p in range(len(low)):
        low[p], high[p] = min(low[p], high[p]), max(low[p], high[p])


@njit(nogil=True, error_model="numpy")
def _extend(before: np.ndarray, own: np.ndarray, run: np.ndarray, longest: np.ndarray, codes: np.ndarray) -> None:
    """``run``: how often the code ``own`` occurred by now; ``longest``: the longest run, which is that of ``codes``."""
    for p in range(len(own)):
        run[p] = run[p] * np.int32(own[p] == before[p]) + 1
        codes[p] = own[p] if run[p] > longest[p] else codes[p]
        longest[p] = max(longest[p], run[p])
