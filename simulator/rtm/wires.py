"""The nanowires that hold a stored tensor, as the tiles of its layer leave them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.rtm.lanes import ROWS_PER_WORD


@dataclass(frozen=True, eq=False)
class Wires:
    """``places``: int64[wires, 2], (tile, column), ascending; ``planes``: uint64[wires, domains, words], what they
    hold, row r in bit r % 64 of word r // 64. Domains are the data domains that the port sees at each offset."""

    places: np.ndarray
    planes: np.ndarray

    @staticmethod
    def empty(fields: np.ndarray, domains: int, words: int) -> Wires:
        """The wires of a stored tensor with these FIELD records, holding nothing yet."""
        wide = np.where(fields["across"], fields["width"], 1).astype(np.int64)
        owner = np.repeat(np.arange(len(fields)), wide)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(wide) - wide, wide)
        keys = np.unique(fields["tile"].astype(np.int64)[owner] << 16 | fields["column"][owner] + nth)
        places = np.stack([keys >> 16, keys & 0xFFFF], axis=1)
        return Wires(places, np.zeros((len(places), domains, words), np.uint64))

    @property
    def rows(self) -> int:
        return self.planes.shape[2] * ROWS_PER_WORD

    def of_tile(self, tile: int) -> slice:
        """Those of the arrays of ``tile``, in ``places`` and ``planes``."""
        begin, end = np.searchsorted(self.places[:, 0], (tile, tile + 1))
        return slice(int(begin), int(end))

    def index(self, tile: np.ndarray | int, column: np.ndarray | int) -> np.ndarray:
        """Where in ``places`` the wires (tile, column) are, int64; each must be there."""
        keys = self.places[:, 0] << 16 | self.places[:, 1]
        return np.searchsorted(keys, np.asarray(tile, np.int64) << 16 | np.asarray(column, np.int64))

    def content(self, tile: int, column: int) -> np.ndarray:
        """bool[rows, domains]: the cells of one column of the arrays of ``tile``."""
        planes = self.planes[int(self.index(tile, column))]
        return np.unpackbits(planes.view(np.uint8), axis=-1, bitorder="little").T.astype(bool)


def pack_rows(cells: np.ndarray) -> np.ndarray:
    """bool[rows, ...] -> uint64[..., words], row r in bit r % 64 of word r // 64; rows a multiple of 64."""
    packed = np.packbits(np.ascontiguousarray(np.moveaxis(cells, 0, -1)), axis=-1, bitorder="little")
    return packed.reshape(*cells.shape[1:], len(cells) // 8).view(np.uint64)
