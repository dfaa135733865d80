"""Standard normals by counter: element k is a function of the seed and of k alone.

Philox4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011) makes the bits, the transform of
Box and Muller (A note on the generation of random normal deviates, Ann. Math. Stat. 29, 1958) makes normals of them.
Logarithm, sine and cosine are their series, summed in one order, so that results are the same on any machine, several
at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog.threads import in_parts

forget_stale(__file__)

COUNTERS = 256
"""Counters worked on together. The normals of counter j of such a tile, from 128 bits, are its elements j and
COUNTERS + j."""
TILE = 2 * COUNTERS
TILES_A_PART = 16
"""At least so many are a thread's work, some 20 us."""

WORD, WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

# of a float64
FRACTION_BITS, FRACTION, ONE = np.int64(52), np.int64(0x000FFFFFFFFFFFFF), np.int64(0x3FF0000000000000)
ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)
ABOVE_FRACTION = np.uint64(12)
QUADRANT_BITS, QUADRANT = np.uint64(2), np.uint64(62)
LOG_2 = float(np.log(2.0))


@njit(nogil=True, error_model="numpy")
def philox(first: int, seed: np.ndarray, words: np.ndarray) -> None:
    """``words``: uint64[4, n], the words of the n counters from ``first`` on.

    ``seed``: uint64[4] of 32 bits each: the two words of the key, and the upper two of the counter.
    """
    for j in range(words.shape[1]):
        counter = np.uint64(first) + np.uint64(j)
        x0, x1, x2, x3 = counter & WORD, counter >> WORD_BITS, seed[2], seed[3]
        k0, k1 = seed[0], seed[1]
        for _ in range(10):
            p0, p1 = MULTIPLIER_0 * x0, MULTIPLIER_1 * x2
            x0, x1, x2, x3 = (p1 >> WORD_BITS) ^ x1 ^ k0, p1 & WORD, (p0 >> WORD_BITS) ^ x3 ^ k1, p0 & WORD
            k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
        words[0, j], words[1, j], words[2, j], words[3, j] = x0, x1, x2, x3


@njit(nogil=True, error_model="numpy")
def log(x: np.ndarray, out: np.ndarray) -> None:
    """``out`` <- log x, both float64[COUNTERS], normal and positive; ``x`` is lost.

    With x = 2^e m, m between sqrt(1/2) and sqrt(2): e log 2 + 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172.
    """
    bits = x.view(np.int64)
    for j in range(COUNTERS):
        shifted = bits[j] + (ONE - ROOT_HALF)
        out[j] = (shifted >> FRACTION_BITS) - 1023.0
        bits[j] = (shifted & FRACTION) + ROOT_HALF
    for j in range(COUNTERS):
        s = (x[j] - 1.0) / (x[j] + 1.0)
        z = s * s
        series = 1 / 11 + z * (1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21)))))
        series = 1.0 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * series))))
        out[j] = out[j] * LOG_2 + 2.0 * s * series


@njit(nogil=True, error_model="numpy")
def tile(number: int, seed: np.ndarray, words: np.ndarray, scratch: np.ndarray, out: np.ndarray) -> None:
    """``out``: float64[TILE], the normals of a tile; ``words``, ``scratch``: uint64[4, COUNTERS], float64[2, COUNTERS].

    The radius is from 52 bits, u = (n + 1/2) / 2^52, the quadrant from 2 and the angle in it from another 52.
    """
    philox(number * COUNTERS, seed, words)
    u, radius = scratch[0], scratch[1]
    bits = u.view(np.int64)
    for j in range(COUNTERS):
        bits[j] = np.int64((words[0, j] << WORD_BITS | words[1, j]) >> ABOVE_FRACTION) | ONE
    for j in range(COUNTERS):
        u[j] -= 1.0 - 2.0**-53
    log(u, radius)
    for j in range(COUNTERS):
        words[0, j] = words[2, j] << WORD_BITS | words[3, j]
        bits[j] = np.int64((words[0, j] << QUADRANT_BITS) >> ABOVE_FRACTION) | ONE
    for j in range(COUNTERS):
        a = (u[j] - 1.5) * (np.pi / 2)
        z = a * a
        cosine = 1 / 479001600 - z * (1 / 87178291200 - z * (1 / 20922789888000))
        cosine = 1 / 24 - z * (1 / 720 - z * (1 / 40320 - z * (1 / 3628800 - z * cosine)))
        cosine = 1.0 - z * (0.5 - z * cosine)
        sine = 1 / 39916800 - z * (1 / 6227020800 - z * (1 / 1307674368000))
        sine = 1 / 120 - z * (1 / 5040 - z * (1 / 362880 - z * sine))
        sine = a - a * z * (1 / 6 - z * sine)
        quadrant = words[0, j] >> QUADRANT
        odd, lower = quadrant & np.uint64(1), quadrant >> np.uint64(1)
        r = np.sqrt(-2.0 * radius[j])
        r = -r if lower else r
        out[j] = r * (-sine if odd else cosine)
        out[COUNTERS + j] = r * (cosine if odd else sine)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(first: int, last: int, seed: np.ndarray, start: int, out: np.ndarray) -> None:
    """Tiles ``first`` to ``last`` of those that elements ``start`` to ``start`` + len(out) are in."""
    words, scratch, normals = np.empty((4, COUNTERS), np.uint64), np.empty((2, COUNTERS)), np.empty(TILE)
    base = start // TILE
    for number in range(base + first, base + last):
        tile(number, seed, words, scratch, normals)
        begin, end = max(start, number * TILE), min(start + len(out), (number + 1) * TILE)
        out[begin - start : end - start] = normals[begin - number * TILE : end - number * TILE]


def philox_seed(seed: Sequence[int]) -> np.ndarray:
    """What ``philox`` takes for a seed: integers from 0 to 2**64 - 1, one place longer or shorter another seed."""
    # SeedSequence takes no notice of zeros at the end, nor of which words were one number
    entropy = [len(seed), *(half for number in seed for half in (int(number) & 0xFFFFFFFF, int(number) >> 32))]
    return np.random.SeedSequence(entropy).generate_state(4).astype(np.uint64)


def fill_normals(out: np.ndarray, seed: Sequence[int], start: int = 0) -> None:
    """Fill ``out`` (float32 or float64, C-contiguous, any shape) with elements ``start`` .. of the standard normals of
    ``seed`` (integers from 0 to 2**64 - 1; what is one place longer or shorter is another seed), the same however the
    elements are divided among calls and threads.

    float32 are the float64 rounded. None is beyond 8.6; they are exact to a few units in the last place.
    Raises ValueError where ``out`` is not contiguous.
    """
    if not out.flags.c_contiguous:
        raise ValueError("normals are put into C-contiguous arrays only")
    state = philox_seed(seed)
    flat = out.reshape(-1)
    tiles = -(-(start + len(flat)) // TILE) - start // TILE
    in_parts(lambda first, last: _fill(first, last, state, start, flat), tiles, TILES_A_PART)
