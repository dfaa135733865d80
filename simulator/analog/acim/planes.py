"""Bit planes: of weights once, of what the rows of the arrays see of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog import unfold
from simulator.analog.acim.popcount import WORD_BITS
from simulator.analog.partition import RowPart
from simulator.analog.threads import in_parts

forget_stale(__file__, unfold.__file__)

BLOCK = 256
"""Positions whose planes lie together, so that those of a digit stay in the first cache."""
AT_ONCE = 8
"""Rows put into planes in one go."""


def words_of(rows: Sequence[RowPart]) -> int:
    """Words that the rows of any tile fit into."""
    return max(-(-(part.stop - part.start) // WORD_BITS) for part in rows)


def weight_planes(matrix: np.ndarray, rows: Sequence[RowPart], bits: int) -> np.ndarray:
    """uint32[groups, tiles, outputs, bits, words]: the two's complement of ``matrix``, integers (groups, outputs,
    rows), bit plane by bit plane, row r of a tile bit r % 32 of word r // 32."""
    words = words_of(rows)
    planes = np.zeros((matrix.shape[0], len(rows), matrix.shape[1], bits, words), np.uint32)
    for number, part in enumerate(rows):
        own = matrix[:, :, None, part.start : part.stop]
        ones = (own >> np.arange(bits)[:, None]) & 1
        padded = np.pad(ones.astype(np.uint32), ((0, 0), (0, 0), (0, 0), (0, words * WORD_BITS - ones.shape[-1])))
        by_word = padded.reshape(*padded.shape[:-1], words, WORD_BITS)
        planes[:, number] = (by_word << np.arange(WORD_BITS, dtype=np.uint32)).sum(-1, dtype=np.uint32)
    return planes


def input_planes(
    images: np.ndarray, rows: Sequence[RowPart], moves: np.ndarray, size: tuple[int, int], bits: int
) -> np.ndarray:
    """uint32[blocks, groups, tiles, bits, words, BLOCK]: what the rows of all tiles see of ``images``, uint16 (images,
    groups, channels, height, width), padded already; the positions of all images, row by row, one after the other, in
    blocks. ``moves``: of `Geometry.moves`; ``size``: of the output. Positions beyond the last see zeros."""
    positions = len(images) * size[0] * size[1]
    blocks = -(-positions // BLOCK)
    planes = np.zeros((blocks, images.shape[1], len(rows), bits, words_of(rows), BLOCK), np.uint32)
    ends = np.array([(part.start, part.stop) for part in rows])

    def work(first: int, last: int) -> None:
        _fill_planes(images, ends, moves, size[1], positions, planes, first, last)

    in_parts(work, planes.shape[1] * planes.shape[2] * planes.shape[4])
    return planes


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_planes(
    images: np.ndarray,
    ends: np.ndarray,
    moves: np.ndarray,
    width: int,
    positions: int,
    planes: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Words [first, last) of (groups, tiles, words) of ``planes``. ``ends``: the first row of every tile, and the one
    behind its last."""
    blocks, groups, tiles, bits, words, block = planes.shape
    line, seen = np.zeros(blocks * block, np.uint16), np.zeros((blocks, AT_ONCE, block), np.uint16)
    for unit in range(first, last):
        group, tile, word = unit // (tiles * words), unit // words % tiles, unit % words
        start, stop = ends[tile, 0] + word * WORD_BITS, min(ends[tile, 1], ends[tile, 0] + (word + 1) * WORD_BITS)
        for low in range(start, stop, AT_ONCE):
            rows = min(AT_ONCE, stop - low)
            for row in range(rows):
                unfold.row_seen(images, group, low + row, moves, width, line[:positions])
                for b in range(blocks):
                    for p in range(block):
                        seen[b, row, p] = line[b * block + p]
            for b in range(blocks):
                for bit in range(bits):
                    _put(seen[b], rows, bit, low - start, planes[b, group, tile, bit, word])


@njit(nogil=True, error_model="numpy")
def _put(seen: np.ndarray, rows: int, bit: int, place: int, plane: np.ndarray) -> None:
    """Bits ``place`` to ``place`` + AT_ONCE of the words of ``plane`` <- bit ``bit`` of the first ``rows`` of ``seen``,
    and zeros."""
    used = np.uint32((1 << rows) - 1)
    for p in range(len(plane)):
        ones = np.uint32(0)
        for row in range(AT_ONCE):
            ones |= np.uint32((seen[row, p] >> bit) & 1) << np.uint32(row)
        plane[p] |= np.uint32((ones & used) << np.uint32(place))
