"""The fast engine: the layers of a program over bit planes, in blocks of rows, on several threads.

A tensor is int32[channels, words * 64] here: ``words`` row words, the rows beyond batch x positions meaningless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from ir.errors import UserError
from ir.program import LayerProgram, Program, StoredTensor, Tile
from simulator.rtm import kernels
from simulator.rtm.counters import CLASSES
from simulator.rtm.gather import source_maps

ROWS_PER_WORD = 64
BLOCK_COST = {4: 24, 8: 31, 16: 45}
"""Words run at once -> time of one addition, about ns. Each key is a specialisation of the kernel, 4 s to compile."""
TASKS_PER_THREAD = 4

T = TypeVar("T")


class SimulationError(UserError):
    """A program or input that the simulator cannot execute."""


@dataclass(frozen=True)
class LayerResult:
    """``output``: the layer's tensor; ``written_bits``: int64[tiles, CLASSES], cells flipped by opcode;
    ``contents``: where asked for, uint64[columns, domains, words] of each tile's arrays at the end."""

    output: np.ndarray
    written_bits: np.ndarray
    contents: list[np.ndarray]


def row_words(rows: int, row_gate_rows: int) -> int:
    """Words of 64 rows that are active where ``rows`` rows are used; empty rows are gated in ``row_gate_rows``."""
    return -(-rows // row_gate_rows) * row_gate_rows // ROWS_PER_WORD


@dataclass(frozen=True)
class _RowTables:
    """``kernels.fill_row_table`` for several row maps: one row of each array a map."""

    indices: np.ndarray
    valid: np.ndarray
    padding: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class _Job:
    """A tile with everything its kernel needs; see ``kernels.run_words``."""

    tile: Tile
    sources: np.ndarray
    tables: _RowTables
    resident_cells: np.ndarray
    resident_bits: np.ndarray
    stores: np.ndarray
    output: np.ndarray
    contents: np.ndarray
    columns: int
    pitch: int

    def run(self, part: tuple[int, int], lanes: int) -> np.ndarray:
        """Execute the row words [part[0], part[1]) -> int64[CLASSES], flips by opcode."""
        written = np.zeros(CLASSES, np.int64)
        tables = self.tables
        kernels.run_words(
            self.tile.instructions, self.tile.constants, self.sources, tables.indices, tables.valid, tables.padding,
            tables.first, self.resident_cells, self.resident_bits, self.stores, self.output, self.contents,
            self.columns, self.pitch, part[0], part[1], written, (0,) * lanes,
        )  # fmt: skip
        return written


def _choose_lanes(words: int, tiles: int, threads: int) -> int:
    """Words to run at once, for the least expected time of a layer of ``tiles`` tiles on ``words`` row words."""
    return min(BLOCK_COST, key=lambda lanes: -(-tiles * -(-words // lanes) // threads) * BLOCK_COST[lanes])


def check_storable(tensor: StoredTensor) -> None:
    """Raise SimulationError unless every value of the tensor's fields is an int32."""
    bits = tensor.fields["width"].astype(np.int64) + (tensor.fields["signed"] == 0)
    if bits.max(initial=0) > 32:
        channel = int(bits.argmax())
        raise SimulationError(
            f"tensor {tensor.name}: channel {channel} needs {bits[channel]} bits; the simulator stores at most 32"
            " between layers, requantise it"
        )


def _resident_planes(
    layer: LayerProgram, resident: np.ndarray, pitch: int, batch: int, words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells (int64[n]) of the ``resident`` fields of a layer (indices), and their bits in all rows (uint64[n,
    words])."""
    fields = layer.resident_fields[resident]
    widths = fields["width"].astype(np.int64)
    first = fields["column"].astype(np.int64) * pitch + fields["domain"]
    owner = np.repeat(np.arange(len(fields)), widths)
    bit = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    cells = first[owner] + bit * np.where(fields["across"], pitch, 1)[owner]
    planes = np.zeros((len(owner), words), np.uint64)
    rows = np.zeros(words * ROWS_PER_WORD, np.uint8)
    for index, (number, position) in enumerate(zip(resident[owner].tolist(), bit.tolist(), strict=True)):
        held = layer.resident_values[number] >> position & 1
        rows[: batch * len(held)] = np.tile(held, batch)
        planes[index] = np.packbits(rows, bitorder="little").view(np.uint64)
    return cells, planes


Geometry = tuple[int, int, int, int, int, int, int]
"""What a row table depends on: strides and offsets of the map, source height and width, source rows allocated."""


@dataclass
class FastEngine:
    """Runs layers for one batch size. ``pool``: executor of ``threads`` threads, or None for the calling one.

    Row tables are kept for as long as layers of the same shape follow one another.
    """

    program: Program
    batch: int
    row_gate_rows: int
    threads: int = 1
    pool: Executor | None = None
    _tables: dict[tuple[tuple[int, int], tuple[Geometry, ...]], _RowTables] = field(default_factory=dict)

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray], keep_contents: bool = False) -> LayerResult:
        """Compute the output tensor of layer ``index`` from ``tensors`` (by index into ``Program.tensors``)."""
        layer = self.program.layers[index]
        target = self.program.tensors[layer.output]
        check_storable(target)
        words = row_words(self.batch * target.positions, self.row_gate_rows)
        output = np.zeros((target.channels, words * ROWS_PER_WORD), np.int32)
        written = np.zeros((len(layer.tiles), CLASSES), np.int64)
        jobs = [
            self._prepare(layer, tile, number, tensors, output, keep_contents)
            for number, tile in enumerate(layer.tiles)
        ]
        tasks, owners = [], []
        lanes = _choose_lanes(words, len(jobs), self.threads)
        parts = self._parts(words, lanes, len(jobs))
        for number, job in enumerate(jobs):
            tasks += [partial(job.run, part, lanes) for part in parts]
            owners += [number] * len(parts)
        for number, bits in zip(owners, self._map(tasks), strict=True):
            written[number] += bits
        domains = self.program.target["array"]["domains"]
        return LayerResult(output, written, [job.contents[:, :domains] for job in jobs] if keep_contents else [])

    def _prepare(
        self,
        layer: LayerProgram,
        tile: Tile,
        number: int,
        tensors: Mapping[int, np.ndarray],
        output: np.ndarray,
        keep_contents: bool,
    ) -> _Job:
        target = self.program.tensors[layer.output]
        columns, domains = kernels.extent(tile.instructions)
        channels = np.flatnonzero(target.fields["tile"] == number)
        fields = target.fields[channels]
        widths = fields["width"].astype(np.int64)
        across = fields["across"] != 0
        resident = np.flatnonzero(layer.resident_fields["tile"] == number)
        for placed in (fields, layer.resident_fields[resident]):
            extent = np.where(placed["across"], placed["width"], 1).astype(np.int64)
            depth = np.where(placed["across"], 1, placed["width"]).astype(np.int64)
            columns = int(max(columns, (placed["column"] + extent).max(initial=0)))
            domains = int(max(domains, (placed["domain"] + depth).max(initial=0)))
        if keep_contents:
            array = self.program.target["array"]
            columns, domains = int(array["columns"]), int(array["domains"])
        pitch = domains | 1  # odd, so that one domain of many columns does not share cache sets
        cells = fields["column"].astype(np.int64) * pitch + fields["domain"]
        stores = np.stack([channels, cells, np.where(across, pitch, 1), widths, fields["signed"]], axis=1)
        pairs, pair_of = source_maps(tile)
        sources = np.zeros((len(tile.gathers), 3), np.int64)
        for tensor in np.unique(tile.gathers["tensor"]).tolist():
            values = tensors[tensor]
            if values.dtype != np.int32 or not values.flags.c_contiguous:
                raise ValueError(f"tensor {tensor} must be a C-contiguous int32 array, it is read by address")
            mine = tile.gathers["tensor"] == tensor
            sources[mine, 0] = values.ctypes.data + values.strides[0] * tile.gathers["channel"][mine].astype(np.int64)
        sources[:, 1] = pair_of
        sources[:, 2] = tile.gathers["pad_value"]
        shape = (columns, pitch, output.shape[1] // ROWS_PER_WORD) if keep_contents else (0, 0, 0)
        return _Job(
            tile,
            sources,
            self._row_tables(layer, pairs, tensors, (target.shape[1], target.shape[2])),
            *_resident_planes(layer, resident, pitch, self.batch, output.shape[1] // ROWS_PER_WORD),
            stores.astype(np.int64),
            output,
            np.zeros(shape, np.uint64),
            columns,
            pitch,
        )

    def _row_tables(
        self, layer: LayerProgram, pairs: np.ndarray, tensors: Mapping[int, np.ndarray], out_hw: tuple[int, int]
    ) -> _RowTables:
        geometries: list[Geometry] = []
        for tensor, number in pairs.tolist():
            stride_y, stride_x, offset_y, offset_x = layer.row_maps[number].tolist()
            _, height, width = self.program.tensors[tensor].shape
            geometries.append((stride_y, stride_x, offset_y, offset_x, height, width, tensors[tensor].shape[1]))
        key = out_hw, tuple(geometries)
        if key not in self._tables:
            if any(shape != out_hw for shape, _ in self._tables):
                self._tables.clear()
            self._tables[key] = self._fill_tables(geometries, out_hw)
        return self._tables[key]

    def _fill_tables(self, geometries: Sequence[Geometry], out_hw: tuple[int, int]) -> _RowTables:
        words = row_words(self.batch * out_hw[0] * out_hw[1], self.row_gate_rows)
        maps = len(geometries)
        tables = _RowTables(
            np.empty((maps, words * ROWS_PER_WORD), np.int32),
            np.empty((maps, words), np.uint64),
            np.empty((maps, words), np.uint64),
            np.empty((maps, words), np.int64),
        )

        def fill(number: int) -> Callable[[], int]:
            stride_y, stride_x, offset_y, offset_x, height, width, rows = geometries[number]
            return lambda: kernels.fill_row_table(
                (stride_y, stride_x, offset_y, offset_x), out_hw, (height, width), self.batch, rows,
                tables.indices[number], tables.valid[number], tables.padding[number], tables.first[number],
            )  # fmt: skip

        self._map([fill(number) for number in range(maps)])
        return tables

    def _parts(self, words: int, lanes: int, tiles: int) -> list[tuple[int, int]]:
        """Word ranges, of whole blocks of ``lanes`` words, that are a task each."""
        blocks = -(-words // lanes)
        wanted = 1 if self.pool is None else -(-self.threads * TASKS_PER_THREAD // tiles)
        edges = np.linspace(0, blocks, min(blocks, wanted) + 1).astype(np.int64) * lanes
        return [(int(begin), int(min(end, words))) for begin, end in zip(edges[:-1], edges[1:], strict=True)]

    def _map(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        if self.pool is None or len(tasks) == 1:
            return [task() for task in tasks]
        return [future.result() for future in [self.pool.submit(task) for task in tasks]]
