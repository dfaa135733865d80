"""Read noise, sampled where currents are summed: exact mean and variance of cells that cannot go below 0.

A cell of conductance g reads as max(g + N(0, s), 0) in every read. A column's current is a sum over many cells,
taken as Gaussian with the exact mean and variance: E[g'] = g Phi(g/s) + s phi(g/s), E[g'^2] = (g^2 + s^2) Phi(g/s) +
g s phi(g/s) (moments of the rectified Gaussian).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from simulator.analog.config_records import ErrorTable, ReadNoise
from simulator.analog.devices import read_spread


def read_moments(conductances: np.ndarray, noise: ReadNoise | ErrorTable) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of one read of every cell, in units of Gmax and its square."""
    if isinstance(noise, ErrorTable):
        spread = read_spread(noise, conductances)
    else:
        spread = np.hypot(noise.independent, noise.proportional * conductances)
    return rectified_moments(conductances, spread)


def rectified_moments(mean: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of max(N(mean, spread), 0)."""
    some = np.where(spread > 0, spread, 1.0)
    ratio = mean / some
    above = ndtr(ratio)
    density = np.exp(-ratio * ratio / 2) / math.sqrt(2 * math.pi)
    first = mean * above + some * density
    # About the mean of the unrectified Gaussian, where the difference of second moments does not cancel.
    shift = first - mean
    variance = some * some * above - mean * (first - mean * above) + mean * mean * (1 - above) - shift * shift
    return np.where(spread > 0, first, mean), np.where(spread > 0, np.maximum(variance, 0), 0)
