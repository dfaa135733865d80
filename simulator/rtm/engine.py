"""The fast engine: the layers of a program over bit planes, in blocks of rows, on several threads.

A tensor is an integer array [channels, words * 64] here, of the narrowest type that holds its fields: ``words`` row
words, the rows beyond batch x positions meaningless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from ir.errors import UserError
from ir.program import LayerProgram, Program, StoredTensor, Tile
from simulator.rtm import kernels
from simulator.rtm.counters import CLASSES, active_rows
from simulator.rtm.faults.plan import RunAll
from simulator.rtm.kernels import Outcome, TileCode
from simulator.rtm.lanes import ROWS_PER_WORD
from simulator.rtm.micro.code import encode
from simulator.rtm.micro.plan import NO_FAULTS, Singles, TileFaults, no_singles, plan_singles
from simulator.rtm.prepared import Part, Prepared, TileStatics
from simulator.rtm.prepared_kernels import resident_planes
from simulator.rtm.row_tables import Geometry, RowTables, build_row_tables, side_by_side, split_phases
from simulator.rtm.wear import NO_WEAR, LayerWear, TileWear, no_wear
from simulator.rtm.wires import Wires


class FaultsOfTile(Protocol):
    """What fails in a tile: see ``FaultPlan.faults_of``."""

    def __call__(
        self, layer: int, tile: int, wires: Mapping[int, Wires], threads: int, run_all: RunAll
    ) -> TileFaults: ...


BLOCK_COST = {4: 18, 8: 23, 16: 40, 32: 73}
"""Words run at once -> time of one addition, about ns. Each key is a specialisation of the kernel, 7 s to compile."""
WEAR_LANES = 4
"""The counters of more words at once do not fit the caches."""
TASKS_PER_THREAD = 16

T = TypeVar("T")


class SimulationError(UserError):
    """A program or input that the simulator cannot execute."""


@dataclass(frozen=True)
class LayerResult:
    """``output``: the layer's tensor; ``written_bits``: int64[tiles, CLASSES], cells flipped by opcode;
    ``contents``: where asked for, uint64[columns, domains, words] of each tile's arrays at the end; ``wear``: where
    asked for."""

    output: np.ndarray
    written_bits: np.ndarray
    contents: list[np.ndarray]
    wear: LayerWear | None = None


@dataclass(frozen=True)
class _Job:
    """A tile with everything its kernel needs; see ``kernels.run_words``."""

    code: TileCode
    tables: RowTables
    output: np.ndarray
    singles: Singles
    columns: np.ndarray
    contents: np.ndarray
    wear: TileWear
    array_rows: int

    def run(self, words: tuple[int, int], lanes: int) -> tuple[np.ndarray, TileWear]:
        """Execute the row words [words[0], words[1]) -> (int64[CLASSES], flips by opcode; wear)."""
        written = np.zeros(CLASSES, np.int64)
        wear = TileWear(self.wear.writes.copy(), self.wear.hottest.copy())
        outcome = Outcome(
            self.output.view(np.uint8),
            self.output.itemsize,
            written,
            self.columns,
            self.contents,
            wear.writes,
            wear.hottest,
            self.array_rows,
        )
        memory = _working_memory(kernels.planes_size(self.code, lanes))
        kernels.run_words(self.code, self.tables, self.singles, outcome, memory, *words, (0,) * lanes)
        return written, wear


_of_thread = threading.local()


def _working_memory(size: int) -> np.ndarray:
    """uint64[at least ``size``] with anything in it, the same for every call of a thread: fresh pages would cost more
    than the work of small tiles."""
    memory: np.ndarray | None = getattr(_of_thread, "memory", None)
    if memory is None or len(memory) < size:
        memory = _of_thread.memory = np.empty(size, np.uint64)
    return memory


def choose_lanes(words: int, tiles: int, threads: int) -> int:
    """Words to run at once, for the least expected time of a layer of ``tiles`` tiles on ``words`` row words."""
    return min(BLOCK_COST, key=lambda lanes: -(-tiles * -(-words // lanes) // threads) * BLOCK_COST[lanes])


def storage_type(tensor: StoredTensor) -> np.dtype:
    """The narrowest signed integer type that holds every value of the tensor's fields. Raises SimulationError where
    that is none of int8, int16, int32."""
    bits = tensor.fields["width"].astype(np.int64) + (tensor.fields["signed"] == 0)
    most = int(bits.max(initial=0))
    for dtype in (np.int8, np.int16, np.int32):
        if most <= np.iinfo(dtype).bits:
            return np.dtype(dtype)
    raise SimulationError(
        f"tensor {tensor.name}: channel {int(bits.argmax())} needs {most} bits; the simulator stores at most 32"
        " between layers, requantise it"
    )


@dataclass(frozen=True)
class _Source:
    """A tensor as one layer gathers it. ``values``: [channels, rows], C-contiguous; ``split``: how far apart rows of
    an image are that lie side by side in it (see ``row_tables.split_phases``)."""

    values: np.ndarray
    split: tuple[int, int]


@dataclass
class FastEngine:
    """Runs layers for one batch size. ``pool``: executor of ``threads`` threads, or None for the calling one.

    ``faults``: what fails, if anything may; ``wires``: then those of the tensors computed so far, by index
    into ``Program.tensors``. ``count_wear``: count the writes of every cell, which is slow. ``lanes``: row words to
    run at once, one of BLOCK_COST; None: for each layer what is expected to be fastest.
    Row tables are kept for as long as layers of the same shape follow one another.
    """

    prepared: Prepared
    batch: int
    threads: int = 1
    pool: Executor | None = None
    faults: FaultsOfTile | None = None
    count_wear: bool = False
    lanes: int | None = None
    wires: dict[int, Wires] = field(default_factory=dict)
    _tables: dict[tuple[tuple[int, int], tuple[Geometry, ...]], RowTables] = field(default_factory=dict)

    @property
    def program(self) -> Program:
        return self.prepared.program

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray], keep_contents: bool = False) -> LayerResult:
        """Compute the output tensor of layer ``index`` from ``tensors`` (by index into ``Program.tensors``)."""
        layer = self.program.layers[index]
        target = self.program.tensors[layer.output]
        words = self._words(target)
        output = np.empty((target.channels, words * ROWS_PER_WORD), storage_type(target))
        written = np.zeros((len(layer.tiles), CLASSES), np.int64)
        sources = self._sources(index, tensors)
        wires = Wires.empty(target.fields, self._array("domains"), words) if self.faults else None
        fastest = WEAR_LANES if self.count_wear else choose_lanes(words, len(layer.tiles), self.threads)
        lanes = self.lanes or fastest
        jobs = [
            self._job(index, number, sources, output, wires, keep_contents, lanes) for number in range(len(layer.tiles))
        ]
        tasks, owners = [], []
        ranges = self._ranges(words, lanes, len(jobs))
        for number, job in enumerate(jobs):
            tasks += [partial(job.run, some, lanes) for some in ranges]
            owners += [number] * len(ranges)
        worn = [job.wear for job in jobs]
        for number, (bits, wear) in zip(owners, self._map(tasks), strict=True):
            written[number] += bits
            if self.count_wear:
                worn[number] += wear
        contents = [job.contents for job in jobs] if keep_contents else []
        if wires is not None:
            for number, held in enumerate(contents):  # kept apart; otherwise the jobs have filled in the wires
                here = wires.of_tile(number)
                wires.planes[here] = held[wires.places[here, 1]]
            self.wires[layer.output] = wires
        return LayerResult(output, written, contents, LayerWear(worn) if self.count_wear else None)

    def _array(self, figure: str) -> int:
        """One of the target's figures of an array."""
        return int(self.program.target["array"][figure])

    def _words(self, tensor: StoredTensor) -> int:
        """Row words that a tensor's rows take, the empty ones of blocks that are not gated included."""
        return active_rows(self.program, self.batch * tensor.positions).active // ROWS_PER_WORD

    def _sources(self, index: int, tensors: Mapping[int, np.ndarray]) -> dict[int, _Source]:
        """The tensors that the layer's tiles gather, each split by the strides it is gathered with."""
        layer = self.program.layers[index]
        _, *out_hw = self.program.tensors[layer.output].shape
        read = np.concatenate([self.prepared.tile(index, number).maps for number in range(len(layer.tiles))])
        sources = {}
        for number in np.unique(read[:, 0]).tolist():
            values, (_, *src_hw) = tensors[number], self.program.tensors[number].shape
            if values.dtype.kind != "i" or values.itemsize > 4 or not values.flags.c_contiguous:
                raise ValueError(
                    f"tensor {number} must be a C-contiguous array of int8, int16 or int32, it is read by address"
                )
            maps = layer.row_maps[read[read[:, 0] == number, 1]]
            split = tuple(
                side_by_side(size, out_size, maps[f"stride_{axis}"])
                for size, out_size, axis in zip(src_hw, out_hw, "yx", strict=True)
            )
            sources[number] = self._split(values, (src_hw[0], src_hw[1]), (split[0], split[1]))
        return sources

    def _split(self, values: np.ndarray, src_hw: tuple[int, int], split: tuple[int, int]) -> _Source:
        if split == (1, 1):
            return _Source(values, split)
        phase_rows = self.batch * -(-src_hw[0] // split[0]) * -(-src_hw[1] // split[1])
        rows = split[0] * split[1] * phase_rows + ROWS_PER_WORD  # a word that begins in the last row can be read whole
        apart = np.zeros((len(values), rows), values.dtype)
        if split == src_hw:  # every position a phase of its own
            images = values[:, : self.batch * src_hw[0] * src_hw[1]].reshape(len(values), self.batch, -1)
            apart[:, :-ROWS_PER_WORD] = images.swapaxes(1, 2).reshape(len(values), -1)
            return _Source(apart, split)
        chunks = np.array_split(np.arange(len(values)), min(len(values), self.threads * TASKS_PER_THREAD))

        def take(channels: np.ndarray) -> None:
            for channel in channels.tolist():
                split_phases(values[channel], src_hw, split, self.batch, apart[channel])

        self._map([partial(take, chunk) for chunk in chunks])
        return _Source(apart, split)

    def _job(
        self,
        index: int,
        number: int,
        sources: Mapping[int, _Source],
        output: np.ndarray,
        wires: Wires | None,
        keep_contents: bool,
        lanes: int,
    ) -> _Job:
        layer = self.program.layers[index]
        tile = layer.tiles[number]
        faults = self.faults(index, number, self.wires, self.threads, self._map) if self.faults else NO_FAULTS
        part: Part = "arrays" if keep_contents else "wires" if self.faults or self.count_wear else "cells"
        statics = self.prepared.tile(index, number, part, faults.guard)
        words, domains = output.shape[1] // ROWS_PER_WORD, self._array("domains")
        columns, contents = np.zeros(0, np.int64), np.zeros((0, 0, 0), np.uint64)
        if keep_contents:
            columns, contents = np.arange(statics.columns), np.zeros((statics.columns, domains, words), np.uint64)
        elif wires is not None:
            here = wires.of_tile(number)
            columns, contents = wires.places[here, 1].copy(), wires.planes[here]
        return _Job(
            self._code(layer, tile, statics, sources, words),
            self._row_tables(layer, statics.maps, sources),
            output,
            self._singles(tile, faults, words, lanes),
            columns,
            contents,
            self._no_wear(words),
            self._array("rows"),
        )

    def _code(
        self, layer: LayerProgram, tile: Tile, statics: TileStatics, sources: Mapping[int, _Source], words: int
    ) -> TileCode:
        gathers = np.zeros((len(tile.gathers), 4), np.int64)
        for tensor in np.unique(statics.maps[:, 0]).tolist():
            values, mine = sources[tensor].values, tile.gathers["tensor"] == tensor
            gathers[mine, 0] = values.ctypes.data + values.strides[0] * tile.gathers["channel"][mine].astype(np.int64)
            gathers[mine, 1] = values.itemsize
        gathers[:, 2], gathers[:, 3] = statics.map_of, tile.gathers["pad_value"]
        resident_bits = np.zeros((len(statics.resident_cells), words), np.uint64)
        if len(resident_bits):
            widths = layer.resident_fields["width"][statics.resident].astype(np.int64)
            resident_planes(layer.resident_values[statics.resident], widths, self.batch, resident_bits)
        return TileCode(
            tile.instructions,
            tile.constants,
            gathers,
            statics.resident_cells,
            resident_bits,
            statics.spans,
            statics.wires,
            statics.stores,
            statics.columns,
            statics.pitch,
        )

    def _singles(self, tile: Tile, faults: TileFaults, words: int, lanes: int) -> Singles:
        """What runs one micro-operation at a time, in blocks of ``lanes`` of the ``words`` row words."""
        if not self.faults and not self.count_wear:
            return no_singles(-(-words // lanes))
        search_or = bool(self.program.target["features"]["search_or"])
        microcode = encode(tile, search_or) if self.count_wear else faults.microcode(tile, search_or)
        return plan_singles(microcode, faults, self._array("domains"), words, lanes, self.count_wear)

    def _no_wear(self, words: int) -> TileWear:
        if not self.count_wear:
            return NO_WEAR
        row_tiles = -(-words * ROWS_PER_WORD // self._array("rows"))
        return no_wear(self._array("columns"), self._array("domains"), row_tiles, self._array("rows"))

    def _row_tables(self, layer: LayerProgram, maps: np.ndarray, sources: Mapping[int, _Source]) -> RowTables:
        _, *out_hw = self.program.tensors[layer.output].shape
        geometries: list[Geometry] = []
        for tensor, number in maps.tolist():
            _, height, width = self.program.tensors[tensor].shape
            source = sources[tensor]
            row_map = tuple(layer.row_maps[number].tolist())
            geometries.append(Geometry(row_map, (height, width), source.split, source.values.shape[1]))
        key = (out_hw[0], out_hw[1]), tuple(geometries)
        if key not in self._tables:
            if any(shape != key[0] for shape, _ in self._tables):
                self._tables.clear()
            words = self._words(self.program.tensors[layer.output])
            self._tables[key] = build_row_tables(geometries, key[0], self.batch, words, self._map)
        return self._tables[key]

    def _ranges(self, words: int, lanes: int, tiles: int) -> list[tuple[int, int]]:
        """Word ranges, of whole blocks of ``lanes`` words, that are a task each."""
        blocks = -(-words // lanes)
        wanted = 1 if self.pool is None else -(-self.threads * TASKS_PER_THREAD // tiles)
        edges = np.linspace(0, blocks, min(blocks, wanted) + 1).astype(np.int64) * lanes
        return [(int(begin), int(min(end, words))) for begin, end in zip(edges[:-1], edges[1:], strict=True)]

    def _map(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        if self.pool is None or len(tasks) == 1:
            return [task() for task in tasks]
        return [future.result() for future in [self.pool.submit(task) for task in tasks]]
