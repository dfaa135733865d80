"""Standard normals of conversions, in float32, by position and number of the conversions.

Four normals are a function of the seed, of the position (of a window, among those of all images) and of the number of
four conversions: Philox4x32-10 makes their bits, the transform of Box and Muller makes normals of them
(`simulator.analog.normals` names the sources). Radius and angle are from 32 bits each: none is beyond 6.8. Logarithm,
sine and cosine are their series, summed in one order, so that results are the same on any machine.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simulator.analog.normals import WORD, WORD_BITS, philox

TOGETHER = 4
"""Normals that one counter gives."""

# of a float32
FRACTION_BITS, FRACTION, BIAS = np.int32(23), np.int32(0x007FFFFF), np.float32(127)
ONE, ROOT_HALF = np.int32(0x3F800000), np.int32(0x3F3504F3)

HALF, UNIT, TWO, MINUS_TWO = np.float32(0.5), np.float32(1), np.float32(2), np.float32(-2)
TO_UNIT, TO_ANGLE = np.float32(2.0**-32), np.float32(np.pi / 2 * 2.0**-32)
QUADRANT_BITS, QUADRANT, ODD = np.uint32(2), np.uint32(30), np.uint32(1)
LOG_2 = np.float32(np.log(2.0))
L3, L5, L7, L9 = (np.float32(1 / k) for k in (3, 5, 7, 9))
S3, S5, S7, S9 = (np.float32(1 / k) for k in (6, 120, 5040, 362880))
C2, C4, C6, C8 = (np.float32(1 / k) for k in (2, 24, 720, 40320))


@njit(nogil=True, error_model="numpy")
def _pair(radii: np.ndarray, angles: np.ndarray, u: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """``first``, ``second``, float32[n] <- two normals each from 32 bits of ``radii`` and ``angles``, uint64[n].
    ``u``: scratch, float32[n]."""
    bits = u.view(np.int32)
    for p in range(len(u)):
        u[p] = (np.float32(np.uint32(radii[p])) + HALF) * TO_UNIT
    for p in range(len(u)):
        # u = 2^e m, m between sqrt(1/2) and sqrt(2)
        shifted = np.int32(bits[p] + np.int32(ONE - ROOT_HALF))
        first[p] = (np.float32(shifted >> FRACTION_BITS) - BIAS) * LOG_2
        bits[p] = np.int32((shifted & FRACTION) + ROOT_HALF)
    for p in range(len(u)):
        s = (u[p] - UNIT) / (u[p] + UNIT)
        z = s * s
        series = UNIT + z * (L3 + z * (L5 + z * (L7 + z * L9)))
        first[p] = np.sqrt(MINUS_TWO * (first[p] + TWO * s * series))
    for p in range(len(u)):
        angle = np.uint32(angles[p])
        a = np.float32(np.int32(np.uint32(angle << QUADRANT_BITS))) * TO_ANGLE
        z = a * a
        cosine = UNIT - z * (C2 - z * (C4 - z * (C6 - z * C8)))
        sine = a - a * z * (S3 - z * (S5 - z * (S7 - z * S9)))
        quadrant = angle >> QUADRANT
        radius = -first[p] if quadrant >> ODD else first[p]
        first[p] = radius * (-sine if quadrant & ODD else cosine)
        second[p] = radius * (cosine if quadrant & ODD else sine)


@njit(nogil=True, error_model="numpy")
def four_normals(
    position: int, number: int, seed: np.ndarray, words: np.ndarray, scratch: np.ndarray, out: np.ndarray
) -> None:
    """``out``, float32[TOGETHER, n] <- those of the n positions from ``position`` on, of four conversions' ``number``.

    ``seed``: of ``philox_seed``; ``words``, ``scratch``: uint64[4, n] and float32[n].
    """
    own = seed.copy()
    own[2] ^= np.uint64(number) & WORD
    own[3] ^= np.uint64(number) >> WORD_BITS
    philox(position, own, words)
    _pair(words[0], words[1], scratch, out[0], out[1])
    _pair(words[2], words[3], scratch, out[2], out[3])
