"""Which windows of inputs share a group: those whose columns occur together in many rows.

Two inputs that ``same`` rows hold with equal signs and ``diff`` rows with opposite ones can share a sum in the larger
of both counts, which saves one addition less than that. The affinity of two windows is the sum of the squares of these
savings over their pairs of inputs: a pair that many rows hold is worth more than several that few do.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.cse.bits import ones

WORD = 64
SWEEPS = 8
"""How often all windows are looked at for exchanges; few groups still change then."""


@numba.njit(cache=True, nogil=True)
def _planes(outputs: np.ndarray, inputs: np.ndarray, negative: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """uint64 (inputs, 2, words): which rows add an input, and which subtract it. ``shape``: (rows, inputs)."""
    words = (shape[0] + WORD - 1) // WORD
    planes = np.zeros((shape[1], 2, words), np.uint64)
    for k in range(len(outputs)):
        planes[inputs[k], int(negative[k]), outputs[k] // WORD] |= np.uint64(1) << np.uint64(outputs[k] % WORD)
    return planes


@numba.njit(cache=True, nogil=True)
def _affinities(planes: np.ndarray, taps: int) -> np.ndarray:
    """int64 (windows, windows), symmetric, 0 on the diagonal."""
    windows, words = len(planes) // taps, planes.shape[2]
    result = np.zeros((windows, windows), np.int64)
    for a in range(windows):
        for b in range(a):
            total = 0
            for i in range(a * taps, (a + 1) * taps):
                for j in range(b * taps, (b + 1) * taps):
                    same, diff = np.uint64(0), np.uint64(0)
                    for word in range(words):
                        i_plus, i_minus = planes[i, 0, word], planes[i, 1, word]
                        j_plus, j_minus = planes[j, 0, word], planes[j, 1, word]
                        same += ones((i_plus & j_plus) | (i_minus & j_minus))
                        diff += ones((i_plus & j_minus) | (i_minus & j_plus))
                    saved = max(int(same), int(diff)) - 1
                    if saved > 0:
                        total += saved * saved
            result[a, b] = result[b, a] = total
    return result


@numba.njit(cache=True, nogil=True)
def _grow(affinity: np.ndarray, size: int) -> np.ndarray:
    """The group of every window: each group starts with the window that is closest to all that are left, and takes
    the one closest to its members until it is full."""
    windows = len(affinity)
    group = np.full(windows, -1, np.int64)
    to_left = affinity.sum(axis=1)
    for number in range((windows + size - 1) // size):
        to_group = to_left.copy()
        for member in range(min(size, windows - number * size)):
            best = -1
            for window in range(windows):
                if group[window] < 0 and (best < 0 or to_group[window] > to_group[best]):
                    best = window
            group[best] = number
            if member == 0:
                to_group[:] = 0
            to_group += affinity[best]
            to_left -= affinity[best]
    return group


@numba.njit(cache=True, nogil=True)
def _exchange(affinity: np.ndarray, group: np.ndarray, sweeps: int) -> None:
    """Exchange windows of two groups, each with the one that gains most, until none gains (or after ``sweeps``)."""
    windows, groups = len(affinity), group.max() + 1
    to_group = np.zeros((windows, groups), np.int64)
    for window in range(windows):
        for other in range(windows):
            to_group[window, group[other]] += affinity[window, other]
    for _ in range(sweeps):
        changed = False
        for a in range(windows):
            best, partner = 0, -1
            home = group[a]
            for b in range(windows):
                there = group[b]
                if there == home:
                    continue
                gain = to_group[a, there] - to_group[a, home] + to_group[b, home] - to_group[b, there]
                gain -= 2 * affinity[a, b]
                if gain > best:
                    best, partner = gain, b
            if partner >= 0:
                there = group[partner]
                group[a], group[partner] = there, home
                to_group[:, home] += affinity[:, partner] - affinity[:, a]
                to_group[:, there] += affinity[:, a] - affinity[:, partner]
                changed = True
        if not changed:
            break


def clusters(terms: np.ndarray, inputs: int, outputs: int, taps: int, together: int) -> list[np.ndarray]:
    """Windows that should share groups.

    ``terms``: TERM records of all sums; input i belongs to window i // ``taps`` (``inputs`` is a multiple of it);
    ``together``: windows of a group. Returns groups of ascending windows, int64, all of ``together`` windows but the
    last, which has what is left; every window is in one group. The result depends on nothing else.
    """
    windows = inputs // taps
    if together >= windows:
        return [np.arange(windows)]
    if together == 1:
        return list(np.arange(windows)[:, None])
    planes = _planes(terms["output"], terms["operand"], terms["sign"] < 0, (outputs, inputs))
    affinity = _affinities(planes, taps)
    group = _grow(affinity, together)
    _exchange(affinity, group, SWEEPS)
    return [np.flatnonzero(group == number) for number in range(group.max() + 1)]
