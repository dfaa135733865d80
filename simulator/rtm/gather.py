"""Row maps: which source row each row of a layer gathers from, and how many bits that moves."""

from __future__ import annotations

import numpy as np

from ir.isa import Op
from ir.program import LayerProgram, Program, Tile

PADDING = -1
"""In row index arrays: the row has no source and receives the pad value."""


def _sources(count: int, stride: int, offset: int, size: int) -> np.ndarray:
    """int64[count]: source coordinate of each output coordinate, -1 outside [0, size)."""
    source = np.arange(count, dtype=np.int64) * stride + offset
    return np.where((source >= 0) & (source < size), source, PADDING)


def row_indices(row_map: np.void, out_hw: tuple[int, int], src_hw: tuple[int, int], batch: int) -> np.ndarray:
    """int32[batch * positions]: the source row of every row, or PADDING.

    ``row_map``: one ROW_MAP record; ``out_hw``, ``src_hw``: height and width of the layer's output and of the source.
    """
    y = _sources(out_hw[0], int(row_map["stride_y"]), int(row_map["offset_y"]), src_hw[0])[:, None]
    x = _sources(out_hw[1], int(row_map["stride_x"]), int(row_map["offset_x"]), src_hw[1])[None, :]
    inside = ((y >= 0) & (x >= 0)).ravel()
    position = (y * src_hw[1] + x).ravel()
    first = np.arange(batch, dtype=np.int64)[:, None] * (src_hw[0] * src_hw[1])
    return np.where(inside, first + position, PADDING).astype(np.int32).ravel()


def valid_rows(row_map: np.void, out_hw: tuple[int, int], src_hw: tuple[int, int]) -> int:
    """How many rows of one image have a source."""
    y = _sources(out_hw[0], int(row_map["stride_y"]), int(row_map["offset_y"]), src_hw[0])
    x = _sources(out_hw[1], int(row_map["stride_x"]), int(row_map["offset_x"]), src_hw[1])
    return int((y >= 0).sum()) * int((x >= 0).sum())


def gather_numbers(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """(index into the gather table, width) of the tile's GATHER instructions, in order; int64."""
    records = tile.instructions[tile.instructions["op"] == Op.GATHER]
    numbers = records["imm"].astype(np.int64) + (records["a_column"].astype(np.int64) << 16)
    return numbers, records["r_width"].astype(np.int64)


def source_maps(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """The distinct (source tensor, row map) pairs of the tile's gather table, int64[pairs, 2], and the pair of each of
    its gathers, int64[gathers]."""
    pairs = np.stack([tile.gathers["tensor"], tile.gathers["row_map"]], axis=1).astype(np.int64)
    distinct, pair_of = np.unique(pairs, axis=0, return_inverse=True)
    return distinct, pair_of.reshape(-1)


def moved_bits(program: Program, layer: LayerProgram, tile: Tile) -> np.ndarray:
    """int64[pairs]: bits that the tile's gathers move for one image through each of ``source_maps(tile)``."""
    pairs, pair_of = source_maps(tile)
    numbers, widths = gather_numbers(tile)
    bits = np.zeros(len(pairs), np.int64)
    np.add.at(bits, pair_of[numbers], widths)
    out_hw = program.tensors[layer.output].shape[1:]
    rows = [valid_rows(layer.row_maps[row_map], out_hw, program.tensors[tensor].shape[1:]) for tensor, row_map in pairs]
    return bits * np.array(rows, np.int64).reshape(-1)
