"""Products of real matrices that do not depend on how many columns are multiplied at a time."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog.threads import in_parts

forget_stale(__file__)

SIGNALS, DEPTH, TILE = 4, 4, 512
"""Worked on together: rows of the matrix, rows of the columns, and columns, few enough for the fastest cache."""
LEAST_PRODUCTS = 1 << 18


@njit(nogil=True, cache=True, error_model="numpy")
def _product(matrix: np.ndarray, columns: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """Blocks [first, last) of SIGNALS rows, group after group, of out += matrix @ columns. Every element is one chain
    of additions, row by row of ``columns``."""
    _, signals, depth = matrix.shape
    blocks = (signals + SIGNALS - 1) // SIGNALS
    whole = depth - depth % DEPTH
    for block in range(first, last):
        group, start = block // blocks, block % blocks * SIGNALS
        for left in range(0, columns.shape[2], TILE):
            x, tile = columns[group, :, left : left + TILE], out[group, :, left : left + TILE]
            stop = min(start + SIGNALS, signals)
            for k in range(0, whole, DEPTH):
                x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
                for signal in range(start, stop):
                    a, total = matrix[group, signal, k : k + DEPTH], tile[signal]
                    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
                    for j in range(len(total)):
                        total[j] = total[j] + a0 * x0[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j]
            for k in range(whole, depth):
                for signal in range(start, stop):
                    for j in range(tile.shape[1]):
                        tile[signal, j] += matrix[group, signal, k] * x[k, j]


def ordered_product(matrix: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """``matrix`` (groups, signals, rows) @ ``columns`` (groups, rows, n), float64: a column's result depends neither on
    the other columns nor on threads, as that of torch.matmul does in its last places."""
    left, right = matrix.numpy(), columns.numpy()
    groups, signals, rows = left.shape
    out = np.zeros((groups, signals, right.shape[2]))
    blocks = groups * -(-signals // SIGNALS)
    least = max(1, LEAST_PRODUCTS // max(1, SIGNALS * rows * right.shape[2]))
    in_parts(lambda first, last: _product(left, right, out, first, last), blocks, least)
    return torch.from_numpy(out)
