"""What the gathers of a tile read: its sources and row maps, and how many bits they move."""

from __future__ import annotations

import numpy as np

from ir.isa import Op, gather_index, gathered_bits
from ir.program import LayerProgram, Program, Tile


def _inside(count: int, stride: int, offset: int, size: int) -> int:
    """How many output coordinates of [0, count) have a source coordinate in [0, size)."""
    source = np.arange(count, dtype=np.int64) * stride + offset
    return int(((source >= 0) & (source < size)).sum())


def valid_rows(row_map: np.void, out_hw: tuple[int, int], src_hw: tuple[int, int]) -> int:
    """How many rows of one image have a source.

    ``row_map``: one ROW_MAP record; ``out_hw``, ``src_hw``: height and width of the layer's output and of the source.
    """
    y = _inside(out_hw[0], int(row_map["stride_y"]), int(row_map["offset_y"]), src_hw[0])
    x = _inside(out_hw[1], int(row_map["stride_x"]), int(row_map["offset_x"]), src_hw[1])
    return y * x


def broadcast_arrays(rows_an_image: int, images: int, array_rows: int) -> int:
    """How many (image, array) pairs there are where the array holds rows of the image."""
    first = np.arange(images, dtype=np.int64) * rows_an_image
    return int(((first + rows_an_image - 1) // array_rows - first // array_rows + 1).sum())


def gather_numbers(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """(index into the gather table, width) of the tile's GATHER instructions, in order; int64."""
    records = tile.instructions[tile.instructions["op"] == Op.GATHER]
    numbers = gather_index(records)
    return numbers, records["r_width"].astype(np.int64)


def source_maps(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """The distinct (source tensor, row map) pairs of the tile's gather table, int64[pairs, 2], and the pair of each of
    its gathers, int64[gathers]."""
    keys = tile.gathers["tensor"].astype(np.uint64) << np.uint64(32) | tile.gathers["row_map"]
    distinct, pair_of = np.unique(keys, return_inverse=True)
    pairs = np.stack([distinct >> np.uint64(32), distinct & np.uint64(0xFFFF_FFFF)], axis=1)
    return pairs.astype(np.int64), pair_of


def moved_bits(program: Program, layer: LayerProgram, tile: Tile) -> np.ndarray:
    """int64[pairs]: bits that the tile's gathers move for one image through each of ``source_maps(tile)``."""
    pairs, pair_of = source_maps(tile)
    numbers, widths = gather_numbers(tile)
    bits = np.zeros(len(pairs), np.int64)
    np.add.at(bits, pair_of[numbers], widths)
    out_hw = program.tensors[layer.output].shape[1:]
    rows = [valid_rows(layer.row_maps[row_map], out_hw, program.tensors[tensor].shape[1:]) for tensor, row_map in pairs]
    return bits * np.array(rows, np.int64).reshape(-1)


def broadcast_bits(program: Program, layer: LayerProgram, tile: Tile) -> int:
    """Bits that the tile's MACs bring for one image to every array that holds rows of it."""
    records = tile.instructions[tile.instructions["op"] == Op.MAC]
    chosen, widths = tile.gathers[gather_index(records)], gathered_bits(records)
    total = 0
    for tensor in np.unique(chosen["tensor"]).tolist():
        mine = chosen["tensor"] == tensor
        _, height, width = program.tensors[tensor].shape
        row_maps = layer.row_maps[chosen["row_map"][mine]]
        y, x = row_maps["offset_y"], row_maps["offset_x"]
        total += int(widths[mine][(y >= 0) & (y < height) & (x >= 0) & (x < width)].sum())
    return total
