"""Scattering matrices of leaves: small rectangles of a crossbar, built cell by cell.

A scattering matrix is [outgoing, incoming]. The ports of an h x w rectangle are its row wires in the west (h), in the
east (h), and its column wires in the north (w) and in the south (w), in this order. With a reference resistance Z, a
wire at voltage V with current I into the rectangle carries the waves (V + Z I) / 2 in and (V - Z I) / 2 out.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale

forget_stale(__file__)

FUSE = {"contract"}


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def cell_waves(gamma: float, alpha: float, beta: float, cell: np.ndarray) -> None:
    """``cell``: float64[4, 4], scattering matrix of a cell, ports west, north, east, south.

    The row node is the east port, and lies behind the row's segment as seen from the west; the column node is the
    north port, the column's segment follows it in the south. ``gamma``: conductance times Z; ``alpha``, ``beta``: Z /
    (Z + segment).
    """
    row, column = 1.0 + alpha, 1.0 + beta
    scale = 2.0 / (row * column + gamma * (row + column))
    own_row, own_column, across = (column + gamma) * scale, (row + gamma) * scale, gamma * scale
    cell[0, 0], cell[0, 1] = 1.0 - 2.0 * alpha + alpha * alpha * own_row, alpha * across
    cell[0, 2], cell[0, 3] = alpha * own_row, alpha * beta * across
    cell[1, 0], cell[1, 1] = alpha * across, own_column - 1.0
    cell[1, 2], cell[1, 3] = across, beta * own_column
    cell[2, 0], cell[2, 1] = alpha * own_row, across
    cell[2, 2], cell[2, 3] = own_row - 1.0, beta * across
    cell[3, 0], cell[3, 1] = alpha * beta * across, beta * own_column
    cell[3, 2], cell[3, 3] = beta * across, 1.0 - 2.0 * beta + beta * beta * own_column


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def attach(s: np.ndarray, east: int, south: int, cell: np.ndarray, through: np.ndarray) -> None:
    """Connect ``cell``'s west and north to the ports ``east``, ``south`` of ``s``, which become those of the cell.

    ``through``: float64[4, ports], scratch.
    """
    ports = s.shape[0]
    # waves at the connection: b = (1 - q c)^-1 (s a), q and c what the two sides reflect
    k00 = 1.0 - s[east, east] * cell[0, 0] - s[east, south] * cell[1, 0]
    k01 = -s[east, east] * cell[0, 1] - s[east, south] * cell[1, 1]
    k10 = -s[south, east] * cell[0, 0] - s[south, south] * cell[1, 0]
    k11 = 1.0 - s[south, east] * cell[0, 1] - s[south, south] * cell[1, 1]
    scale = 1.0 / (k00 * k11 - k01 * k10)
    for port in range(ports):
        from_east = (k11 * s[east, port] - k01 * s[south, port]) * scale
        from_south = (k00 * s[south, port] - k10 * s[east, port]) * scale
        through[0, port] = cell[0, 0] * from_east + cell[0, 1] * from_south
        through[1, port] = cell[1, 0] * from_east + cell[1, 1] * from_south
        through[2, port] = cell[2, 0] * from_east + cell[2, 1] * from_south
        through[3, port] = cell[3, 0] * from_east + cell[3, 1] * from_south
    for row in range(ports):
        if row == east or row == south:
            continue
        to_east, to_south = s[row, east], s[row, south]
        if to_east == 0.0 and to_south == 0.0:
            continue
        for port in range(ports):
            s[row, port] += to_east * through[0, port] + to_south * through[1, port]
        to_east, to_south = s[row, east], s[row, south]
        s[row, east] = to_east * cell[0, 2] + to_south * cell[1, 2]
        s[row, south] = to_east * cell[0, 3] + to_south * cell[1, 3]
    for side, row in ((2, east), (3, south)):
        for port in range(ports):
            s[row, port] = through[side, port]
        to_east, to_south = s[row, east], s[row, south]
        s[row, east] = to_east * cell[0, 2] + to_south * cell[1, 2] + cell[side, 2]
        s[row, south] = to_east * cell[0, 3] + to_south * cell[1, 3] + cell[side, 3]


@njit(nogil=True, fastmath=FUSE, error_model="numpy")
def close(s: np.ndarray, port: int, reflection: float) -> None:
    """End ``port`` of ``s`` in a ``reflection``: 1 an open wire, -1 one at 0 V. What still goes out there is the wave,
    nothing comes in."""
    ports = s.shape[0]
    scale = 1.0 / (1.0 - reflection * s[port, port])
    for other in range(ports):
        s[port, other] *= scale
    for row in range(ports):
        factor = s[row, port] * reflection
        if row != port and factor != 0.0:
            for other in range(ports):
                s[row, other] += factor * s[port, other]
    for row in range(ports):
        s[row, port] = 0.0


@njit(nogil=True, error_model="numpy")
def begin(s: np.ndarray, h: int, w: int, first_row: bool, first_column: bool) -> None:
    """The scattering matrix of h + w wires without any cell: straight through. The first column's rows come from
    sources (the wave into the west port is the source's voltage), the first row's columns begin open."""
    s[:] = 0.0
    for i in range(h):
        west, east = i, h + i
        s[east, west] = 1.0
        if first_column:
            s[east, east] = -1.0
        else:
            s[west, east] = 1.0
    for j in range(w):
        north, south = 2 * h + j, 2 * h + w + j
        if first_row:
            s[south, south] = 1.0
        else:
            s[north, south] = s[south, north] = 1.0


@njit(nogil=True, cache=True, fastmath=FUSE, error_model="numpy")
def leaves(
    first: int, last: int, g: np.ndarray, row: np.ndarray, column: np.ndarray, reference: np.ndarray, out: np.ndarray
) -> None:
    """Scattering matrices of the leaves ``first`` to ``last``.

    ``g``: float64[arrays, rows, columns]; ``row``: float64[columns], row segments before the cells; ``column``:
    float64[rows], column segments after them; ``reference``: float64[arrays], Z; ``out``: float64[arrays, R, C,
    ports, ports]. Beyond ``g`` there is nothing but wire, so that all leaves are alike.
    """
    _, down, across, ports, _ = out.shape
    rows, columns = g.shape[1:]
    h, w = -(-rows // down), -(-columns // across)
    cell, through = np.empty((4, 4)), np.empty((4, ports))
    for task in range(first, last):
        array, place = divmod(task, down * across)
        block_row, block_column = divmod(place, across)
        s, z = out[array, block_row, block_column], reference[array]
        begin(s, h, w, block_row == 0, block_column == 0)
        for i in range(h):
            y = block_row * h + i
            for j in range(w):
                x = block_column * w + j
                if y < rows and x < columns:
                    cell_waves(g[array, y, x] * z, z / (z + row[x]), z / (z + column[y]), cell)
                    attach(s, h + i, 2 * h + w + j, cell, through)
        if block_column == across - 1:
            for i in range(h):
                close(s, h + i, 1.0)
        if block_row == down - 1:
            for j in range(w):
                close(s, 2 * h + w + j, -1.0)
