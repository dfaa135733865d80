"""Joins of neighbouring rectangles of a crossbar, by their scattering matrices (see ``nested_leaves``)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale

forget_stale(__file__)

STRIP = 64
"""Incoming waves worked out together in a join: vectors long enough for SIMD, and few enough for the caches."""
FUSE = {"contract"}


class Joint(NamedTuple):
    """How two rectangles are joined: ports of the first (A), of the second (B), and of the result, by index.

    ``a_in``, ``a_out``, ``b_in``, ``b_out``: first of the ``shared`` ports that are connected, among A's incoming
    ones and so on. ``incoming``: int64[n, 2], port of A or B, port of the result; the first ``a_incoming`` are A's.
    ``outgoing`` likewise.
    """

    shared: int
    a_in: int
    a_out: int
    b_in: int
    b_out: int
    incoming: np.ndarray
    a_incoming: int
    outgoing: np.ndarray
    a_outgoing: int


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def add_product(
    out: np.ndarray, left: np.ndarray, rows: np.ndarray, start: int, depth: int, right: np.ndarray, width: int
) -> None:
    """out[i] += sum over k < depth of left[rows[i], start + k] * right[k]; ``out``, ``right``: float64[n * STRIP],
    rows of which the first ``width`` count."""
    count = len(rows)
    whole_rows, whole_depth = count - count % 4, depth - depth % 4
    for i in range(0, whole_rows, 4):
        r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        at = i * STRIP
        for k in range(0, whole_depth, 4):
            p = start + k
            a00, a01, a02, a03 = left[r0, p], left[r0, p + 1], left[r0, p + 2], left[r0, p + 3]
            a10, a11, a12, a13 = left[r1, p], left[r1, p + 1], left[r1, p + 2], left[r1, p + 3]
            a20, a21, a22, a23 = left[r2, p], left[r2, p + 1], left[r2, p + 2], left[r2, p + 3]
            a30, a31, a32, a33 = left[r3, p], left[r3, p + 1], left[r3, p + 2], left[r3, p + 3]
            of = k * STRIP
            for j in range(width):
                x0, x1 = right[of + j], right[of + STRIP + j]
                x2, x3 = right[of + 2 * STRIP + j], right[of + 3 * STRIP + j]
                out[at + j] = out[at + j] + a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
                out[at + STRIP + j] = out[at + STRIP + j] + a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
                out[at + 2 * STRIP + j] = out[at + 2 * STRIP + j] + a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
                out[at + 3 * STRIP + j] = out[at + 3 * STRIP + j] + a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3
    for i in range(count):
        at = i * STRIP
        for k in range(whole_depth if i < whole_rows else 0, depth):
            factor, of = left[rows[i], start + k], k * STRIP
            for j in range(width):
                out[at + j] += factor * right[of + j]


@njit(nogil=True, error_model="numpy")
def _pair(task: int, s: np.ndarray, by_row: bool) -> tuple[np.ndarray, np.ndarray]:
    """The two rectangles of a join: neighbours in a row of the grid, or in a column of it."""
    down, across = s.shape[1:3]
    if by_row:
        array, place = divmod(task, down * (across // 2))
        r, c = divmod(place, across // 2)
        return s[array, r, 2 * c], s[array, r, 2 * c + 1]
    array, place = divmod(task, (down // 2) * across)
    r, c = divmod(place, across)
    return s[array, 2 * r, c], s[array, 2 * r + 1, c]


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def _invert(k: np.ndarray) -> None:
    """k <- its inverse, by Gauss and Jordan's elimination without pivots."""
    n = len(k)
    for p in range(n):
        inverse = 1.0 / k[p, p]
        k[p, p] = 1.0
        for j in range(n):
            k[p, j] *= inverse
        for i in range(n):
            if i != p:
                multiple = k[i, p]
                k[i, p] = 0.0
                for j in range(n):
                    k[i, j] -= multiple * k[p, j]


@njit(nogil=True, cache=True, fastmath=FUSE, error_model="numpy")
def echoes(first: int, last: int, s: np.ndarray, by_row: bool, joint: Joint, out: np.ndarray) -> None:
    """``out``: float64[joins, shared, shared], (1 - A B)^-1 = 1 + A B + A B A B ... between the shared ports.

    It needs no pivots: A and B send out no more than comes in (norms <= 1), so x (1 - A B) x >= 0, and what elimination
    leaves inherits that.
    """
    n = joint.shared
    product, right = np.empty(n * STRIP), np.empty(n * STRIP)
    ports = np.arange(joint.a_out, joint.a_out + n)
    for task in range(first, last):
        a, b = _pair(task, s, by_row)
        k = out[task]
        for start in range(0, n, STRIP):
            width = min(STRIP, n - start)
            product[:] = 0.0
            for i in range(n):
                for j in range(width):
                    right[i * STRIP + j] = b[joint.b_out + i, joint.b_in + start + j]
            add_product(product, a, ports, joint.a_in, n, right, width)
            for i in range(n):
                for j in range(width):
                    k[i, start + j] = -product[i * STRIP + j]
        for i in range(n):
            k[i, i] += 1.0
        _invert(k)


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def _take(s: np.ndarray, row: int, rows: int, incoming: np.ndarray, out: np.ndarray) -> None:
    """Rows of ``s`` for some ``incoming`` ports, as a strip."""
    for i in range(rows):
        for j in range(len(incoming)):
            out[i * STRIP + j] = s[row + i, incoming[j, 0]]


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def _put(
    strip: np.ndarray, s: np.ndarray, own: bool, incoming: np.ndarray, outgoing: np.ndarray, out: np.ndarray
) -> None:
    """A strip of waves out of a rectangle into the result; ``own``: what comes in, comes into the same rectangle, so
    that its own scattering is added."""
    for i in range(len(outgoing)):
        at, row, to = i * STRIP, outgoing[i, 0], outgoing[i, 1]
        for j in range(len(incoming)):
            out[to, incoming[j, 1]] = strip[at + j] + (s[row, incoming[j, 0]] if own else 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def strips(joint: Joint) -> int:
    """In how many strips a join is worked out; none has ports of both rectangles."""
    of_b = len(joint.incoming) - joint.a_incoming
    return -(-joint.a_incoming // STRIP) + -(-of_b // STRIP)


@njit(nogil=True, cache=True, fastmath=FUSE, error_model="numpy")
def join(first: int, last: int, s: np.ndarray, by_row: bool, joint: Joint, echo: np.ndarray, out: np.ndarray) -> None:
    """Strips ``first`` to ``last`` of all joins of a level into ``out``: float64[arrays, R, C, outgoing, incoming].

    Redheffer's star product: with the waves x from A to B and y from B to A between them, x = (1 - A B)^-1 (A_i + A
    B_i), y = B_i + B x, and out of A comes A_i + A y, out of B comes B_i + B x, where _i is what the incoming wave
    scatters into.
    """
    n = joint.shared
    first_x, x, y = np.empty(n * STRIP), np.empty(n * STRIP), np.empty(n * STRIP)
    result = np.empty(max(joint.a_outgoing, len(joint.outgoing) - joint.a_outgoing) * STRIP)
    all_shared = np.arange(n)
    a_ports, b_ports = np.arange(joint.a_out, joint.a_out + n), np.arange(joint.b_out, joint.b_out + n)
    from_a, from_b = joint.outgoing[: joint.a_outgoing], joint.outgoing[joint.a_outgoing :]
    results = out.reshape(-1, out.shape[3], out.shape[4])
    a_strips, all_strips = -(-joint.a_incoming // STRIP), strips(joint)
    for task in range(first, last):
        pair, strip = divmod(task, all_strips)
        a, b = _pair(pair, s, by_row)
        into_a = strip < a_strips
        start = strip * STRIP if into_a else joint.a_incoming + (strip - a_strips) * STRIP
        end = min(start + STRIP, joint.a_incoming if into_a else len(joint.incoming))
        incoming, width = joint.incoming[start:end], end - start
        if into_a:
            y[:] = 0.0
            _take(a, joint.a_out, n, incoming, first_x)
        else:
            _take(b, joint.b_out, n, incoming, y)
            first_x[:] = 0.0
            add_product(first_x, a, a_ports, joint.a_in, n, y, width)
        x[:] = 0.0
        add_product(x, echo[pair], all_shared, 0, n, first_x, width)
        add_product(y, b, b_ports, joint.b_in, n, x, width)
        result[:] = 0.0
        add_product(result, a, from_a[:, 0], joint.a_in, n, y, width)
        _put(result, a, into_a, incoming, from_a, results[pair])
        result[:] = 0.0
        add_product(result, b, from_b[:, 0], joint.b_in, n, x, width)
        _put(result, b, not into_a, incoming, from_b, results[pair])
