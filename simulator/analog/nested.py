"""Exact solution of a crossbar with resistive wires by nested dissection, in scattering matrices.

Rectangles of cells are multiports whose ports are the wires that cross their edges. Neighbours are joined pair by
pair, all pairs of a level at once, until one is left (George, Nested dissection of a regular finite element mesh,
SIAM J. Numer. Anal. 10, 1973). They are described by waves instead of admittances (joined by Redheffer's star
product, J. Math. and Phys. 39, 1960), because wires of no resistance and cells of no conductance are ordinary there,
and nothing is divided by what may vanish: where neighbours meet, at least one lets waves through.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.analog.nested_joins import Joint, echoes, join, strips
from simulator.analog.nested_leaves import leaves
from simulator.analog.threads import in_parts

LEAVES = range(4, 12)
"""Sides of a leaf. Smaller ones are joined at less speed, larger ones cost more to build."""
MEMORY_BYTES = 256 << 20
"""Of scattering matrices held together."""


class Ports(NamedTuple):
    """How many ports there are on the sides of a rectangle, in their order."""

    west: int
    east: int
    north: int
    south: int

    def start(self, side: str) -> int:
        """First port of a side."""
        return sum(self[: self._fields.index(side)])

    def on(self, side: str) -> np.ndarray:
        """The ports of a side."""
        return np.arange(self.start(side), self.start(side) + self[self._fields.index(side)])


def _grid(length: int) -> int:
    """Into how many leaves, a power of two, to divide ``length`` cells: so that least is padded."""
    best = min(reversed(LEAVES), key=lambda leaf: leaf << _halvings(length, leaf))
    return 1 << _halvings(length, best)


def _halvings(length: int, leaf: int) -> int:
    return (-(-length // leaf) - 1).bit_length()


def _joined(ports: Ports, near: str, far: str, keep: tuple[bool, bool]) -> tuple[Ports, np.ndarray, int]:
    """What remains of the ports of two rectangles when the ``far`` side of the first is joined to the ``near`` side
    of the second: the result's ports; int64[n, 2], port of a rectangle and of the result; and how many are of the
    first.

    ``keep``: whether the outer sides, the first's ``near`` and the second's ``far``, remain.
    """
    nothing = ports.on(near)[:0]
    sides = {side: (ports.on(side), ports.on(side)) for side in Ports._fields}
    sides[near] = (ports.on(near) if keep[0] else nothing, nothing)
    sides[far] = (nothing, ports.on(far) if keep[1] else nothing)
    result = Ports(*(len(first) + len(second) for first, second in sides.values()))
    firsts: list[tuple[int, int]] = []
    seconds: list[tuple[int, int]] = []
    for side, (first, second) in sides.items():
        start = result.start(side)
        firsts += zip(first, range(start, start + len(first)), strict=True)
        start += len(first)
        seconds += zip(second, range(start, start + len(second)), strict=True)
    return result, np.array(firsts + seconds, np.int64).reshape(-1, 2), len(firsts)


def _join_pairs(s: np.ndarray, incoming: Ports, outgoing: Ports, by_row: bool) -> tuple[np.ndarray, Ports, Ports]:
    """Join neighbours in a row (``by_row``) or in a column of the grid: float64[arrays, R, C, outgoing, incoming] in
    ``s``.

    The last join in a direction leaves only what is asked for in the end: waves into the west and out of the south.
    """
    arrays, down, across = s.shape[:3]
    last = (across if by_row else down) == 2
    near, far = ("west", "east") if by_row else ("north", "south")
    new_in, map_in, a_in = _joined(incoming, near, far, (by_row or not last, not last))
    new_out, map_out, a_out = _joined(outgoing, near, far, (not last, not by_row or not last))
    joint = Joint(
        shared=len(incoming.on(near)),
        a_in=incoming.start(far),
        a_out=outgoing.start(far),
        b_in=incoming.start(near),
        b_out=outgoing.start(near),
        incoming=map_in,
        a_incoming=a_in,
        outgoing=map_out,
        a_outgoing=a_out,
    )
    grid = (down, across // 2) if by_row else (down // 2, across)
    joins = arrays * grid[0] * grid[1]
    out = np.empty((arrays, *grid, len(map_out), len(map_in)))
    echo = np.empty((joins, joint.shared, joint.shared))
    in_parts(lambda first, end: echoes(first, end, s, by_row, joint, echo), joins)
    in_parts(lambda first, end: join(first, end, s, by_row, joint, echo, out), joins * strips(joint))
    return out, new_in, new_out


def reference_resistances(g: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The waves' reference, for each array by itself: float64[arrays], about what its wires look like from outside,
    so that waves are neither all reflected nor all let through. Ten times more or less changes results by no more
    than rounding.
    """
    mean = g.mean(axis=(1, 2))
    mean[mean == 0.0] = 1.0
    return np.sqrt(max(row.mean(), column.mean()) / mean) + 1.0 / (mean * max(g.shape[1:]))


def sense_transfer(g: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Current at the end of every column for 1 V on every row: float64[arrays, rows, columns].

    ``g``: float64[arrays, rows, columns], conductances; ``row``: float64[columns], the resistance of a row wire
    before each cell; ``column``: float64[rows], that of a column wire after each. Rows begin at sources, columns end
    at 0 V.
    """
    z = reference_resistances(g, row, column)
    rows, columns = g.shape[1:]
    down, across = _grid(rows), _grid(columns)
    h, w = -(-rows // down), -(-columns // across)
    out = np.empty_like(g)
    at_once = max(1, MEMORY_BYTES // (3 * 8 * 4 * (h + w) ** 2 * down * across))
    for start in range(0, len(g), at_once):
        some = slice(start, start + at_once)
        out[some] = _solve(g[some], row, column, z[some], (down, across), Ports(h, h, w, w))
    return out


def _solve(
    g: np.ndarray, row: np.ndarray, column: np.ndarray, z: np.ndarray, grid: tuple[int, int], leaf: Ports
) -> np.ndarray:
    arrays, rows, columns = g.shape
    down, across = grid
    s = np.empty((arrays, down, across, sum(leaf), sum(leaf)))
    in_parts(lambda first, end: leaves(first, end, g, row, column, z, s), arrays * down * across)
    incoming = outgoing = leaf
    while down * across > 1:
        by_row = across > 1 and (down == 1 or incoming.west >= incoming.north)
        s, incoming, outgoing = _join_pairs(s, incoming, outgoing, by_row)
        down, across = s.shape[1:3]
    south, west = outgoing.start("south"), incoming.start("west")
    waves = s[:, 0, 0, south : south + columns, west : west + rows]
    return waves.swapaxes(1, 2) * (2.0 / z[:, None, None])  # at 0 V the current that leaves is twice the wave over Z
