"""Random draws of the sharing kernels: xorshift64*, the same numbers on every machine."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def draw(state: np.ndarray, bound: int) -> int:
    """A pseudo-random integer below ``bound`` (at most 2**31); ``state``: uint64 (1,), advanced."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return int((((x * np.uint64(2685821657736338717)) >> np.uint64(33)) * np.uint64(bound)) >> np.uint64(31))


def generator(seed: int) -> np.ndarray:
    """The state of ``draw`` for a seed, any integer."""
    return np.array([(seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64 | 1], np.uint64)
