"""The compiled loop of requantisation."""

from __future__ import annotations

import math

import numba
import numpy as np

from ir.kernel_cache import forget_stale
from simulator.analog.converter_kernels import HALF_EVEN

#: how a real becomes an integer (``ir.rounding.Rounding``), or its sign
MODES = {"half_even": 0, "floor": 1, "ceil": 2, "half_up": 3, "half_down": 4, "up": 5, "down": 6, "bipolar": 7}
_BIPOLAR = MODES["bipolar"]

forget_stale(__file__)


@numba.njit(cache=True)
def _rounded(value: float, mode: int) -> float:
    if mode == 1:
        return math.floor(value)
    if mode == 2:
        return math.ceil(value)
    if mode == _BIPOLAR:
        return 1.0 if value >= 0 else -1.0
    whole = math.trunc(value)
    distance = abs(value - whole)
    away = (mode == 3 and distance >= 0.5) or (mode == 4 and distance > 0.5) or (mode == 5 and distance > 0.0)
    return whole + math.copysign(1.0, value) if away else whole


@numba.njit(cache=True)
def _any_mode(levels: np.ndarray, total: np.ndarray, error: np.ndarray, mode: int) -> int:
    """Rounded sums, and how many of them the errors leave undecided (NaN)."""
    count = 0
    for position in range(total.shape[0]):
        below = _rounded(total[position] - error[position], mode)
        above = _rounded(total[position] + error[position], mode)
        levels[position] = below if below == above else math.nan
        count += below != above
    return count


@numba.njit(cache=True)
def _half_even(levels: np.ndarray, total: np.ndarray, error: np.ndarray) -> int:
    """The same for the usual mode."""
    count = 0
    for position in range(total.shape[0]):
        below = ((total[position] - error[position]) + HALF_EVEN) - HALF_EVEN
        above = ((total[position] + error[position]) + HALF_EVEN) - HALF_EVEN
        differ = below != above
        levels[position] = math.nan if differ else below
        count += differ
    return count


@numba.njit(cache=True)
def _add(total: np.ndarray, error: np.ndarray, x: np.ndarray, factor: float, unit: float) -> None:
    """total += factor * x, and what that may err by (``unit`` 0: nothing)."""
    for position in range(total.shape[0]):
        part = factor * x[position]
        total[position] += part
        error[position] += unit * abs(part)


@numba.njit(cache=True)
def _clamp(levels: np.ndarray, values: np.ndarray, shift: float, lo: float, hi: float) -> None:
    """levels = clamp(values + shift); NaN stays NaN."""
    for position in range(levels.shape[0]):
        value = values[position] + shift
        value = lo if value < lo else value
        levels[position] = hi if value > hi else value


@numba.njit(cache=True, nogil=True)
def requantise_planes(
    levels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    factors: np.ndarray,
    limits: tuple[float, float, float, float],
    mode: int,
    undecided: np.ndarray,
) -> None:
    """levels[p] = clamp(round(factors[0, c] first[p] + factors[1, c] second[p] + factors[2, c]) + zero point), with
    c = p modulo the channels; NaN where the bound of the error reaches over a threshold, counted in ``undecided``.

    ``levels`` float32, ``first`` and ``second`` (empty: none) float32 or float64, all (planes, positions); ``limits``:
    least and greatest level, zero point, relative error of a sum of magnitudes. Sums must be below 2**51.
    """
    lo, hi, zero, unit = limits
    planes, positions = first.shape
    channels = factors.shape[1]
    for plane in range(planes):
        channel = plane % channels
        total = np.full(positions, factors[2, channel])
        error = np.full(positions, unit * abs(factors[2, channel]) + (1e-300 if unit > 0 else 0.0))
        _add(total, error, first[plane], factors[0, channel], unit)
        if second.shape[0] > 0:
            _add(total, error, second[plane], factors[1, channel], unit)
        rounded = np.empty(positions)
        if mode == 0:
            undecided[plane] = _half_even(rounded, total, error)
        else:
            undecided[plane] = _any_mode(rounded, total, error, mode)
        if mode == _BIPOLAR:
            _clamp(levels[plane], rounded, 0.0, -1.0, 1.0)
        else:
            _clamp(levels[plane], rounded, zero, lo, hi)
