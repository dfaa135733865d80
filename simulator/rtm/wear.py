"""Wear: how often every cell is written. Which cell of an array is the hottest decides how long the array lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

ROW, COLUMN, DOMAIN, WRITES = range(4)
"""What ``TileWear.hottest`` holds, in order."""


@dataclass(frozen=True, eq=False)
class TileWear:
    """``writes``: int64[columns, domains], summed over all active rows; ``hottest``: int64[row tiles, 4], for each
    array that the tile runs on the (row of the layer, column, domain, writes) of its most written cell, the first in
    this order where several are."""

    writes: np.ndarray
    hottest: np.ndarray

    def __add__(self, other: TileWear) -> TileWear:
        """Wear of other rows."""
        return TileWear(self.writes + other.writes, _hotter(np.stack([self.hottest, other.hottest])))


@dataclass(frozen=True, eq=False)
class LayerWear:
    """The wear of each tile of a layer."""

    tiles: list[TileWear]

    @property
    def hottest(self) -> tuple[int, int, int, int, int]:
        """(tile, row, column, domain, writes) of the most written cell, the first where several are."""
        cells = [(tile, *cell) for tile, wear in enumerate(self.tiles) for cell in wear.hottest.tolist()]
        tile, row, column, domain, writes = min(cells, key=lambda cell: (-cell[-1], cell))
        return tile, row, column, domain, writes

    @property
    def hottest_writes(self) -> np.ndarray:
        """int64[tiles, row tiles]: writes of the most written cell of every array."""
        return np.stack([wear.hottest[:, WRITES] for wear in self.tiles])


def no_wear(columns: int, domains: int, row_tiles: int, array_rows: int) -> TileWear:
    """Of a tile that has not run yet."""
    hottest = np.zeros((row_tiles, 4), np.int64)
    hottest[:, ROW] = np.arange(row_tiles) * array_rows
    return TileWear(np.zeros((columns, domains), np.int64), hottest)


NO_WEAR = no_wear(0, 0, 0, 1)
"""Where writes are not counted."""


def _hotter(hottest: np.ndarray) -> np.ndarray:
    """int64[row tiles, 4] from int64[parts, row tiles, 4]."""
    keys = [hottest[..., DOMAIN], hottest[..., COLUMN], hottest[..., ROW], -hottest[..., WRITES]]
    first = np.lexsort(keys, axis=0)[0]
    return np.take_along_axis(hottest, first[None, :, None], axis=0)[0]


@njit(nogil=True)
def add_block(
    counters: np.ndarray,
    shape: tuple[int, int, int],
    first_row: int,
    rows: int,
    array_rows: int,
    writes: np.ndarray,
    hottest: np.ndarray,
) -> None:
    """Add a block's wear to that of its tile, ``TileWear.writes`` and ``hottest``.

    ``shape``: columns and domains in use, pitch; ``counters``: int32[cells, rows], that of cell (column, domain) at
    column * pitch + domain; the first ``rows`` of them exist, and are the rows from ``first_row`` on.
    """
    columns, domains, pitch = shape
    for column in range(columns):
        for domain in range(domains):
            cell = counters[column * pitch + domain]
            start = 0
            while start < rows:
                array = (first_row + start) // array_rows
                stop = min(rows, (array + 1) * array_rows - first_row)
                sum_here, most = 0, 0
                for row in range(start, stop):
                    sum_here += cell[row]
                    most = max(most, cell[row])
                writes[column, domain] += sum_here
                if most and most >= hottest[array, 3]:
                    row = start
                    while cell[row] != most:
                        row += 1
                    _keep_hotter(hottest[array], first_row + row, column, domain, most)
                start = stop


@njit(nogil=True)
def _keep_hotter(hottest: np.ndarray, row: int, column: int, domain: int, writes: int) -> None:
    place, other = (row, column, domain), (hottest[0], hottest[1], hottest[2])
    if writes > hottest[3] or place < other:
        hottest[0], hottest[1], hottest[2], hottest[3] = row, column, domain, writes
