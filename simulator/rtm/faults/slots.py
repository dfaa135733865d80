"""Where faults can happen: how many slots of each kind every instruction of a program has, for one image.

The slots of a kind are numbered through the program: by layer, tile, instruction, slot in the instruction (in the order
of its micro-operations) and position, position fastest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, cached_property, lru_cache

import numpy as np

from ir.counts import StaticCounts, distinct_signatures, program_counts, searched_fields
from ir.expand import Signature, steps
from ir.isa import GATHERING, gather_index, gathered_bits
from ir.program import LayerProgram, Program, Tile
from ir.tables import Table
from simulator.rtm.prepared import tile_statics

OPERANDS = "abr"


class Kind(IntEnum):
    """What can fail; the number is part of what seeds the generator of an image."""

    SHIFT = 0
    SEARCH = 1
    WRITE = 2
    SOURCE_SHIFT = 3
    SOURCE_SEARCH = 4
    STUCK = 5


@dataclass(frozen=True, eq=False)
class Paths:
    """The micro-operations of several signatures, end to end; ``*_starts``: int64[signatures + 1], where each begins.

    ``moves``: int64[n, 3], (op, operand, bit) in the order in which an operand ("abr") turns to another bit: it is
    shifted there, if it needs to be. ``searches``: int64[n], op of each search. ``cells``: int64[n, 2], (op, index) of
    each cell written. ``last``: int64[signatures, 3], the bit each operand stays at; ``touched``: uint64[signatures,
    3], its bits as a mask.
    """

    moves: np.ndarray
    move_starts: np.ndarray
    searches: np.ndarray
    search_starts: np.ndarray
    cells: np.ndarray
    cell_starts: np.ndarray
    last: np.ndarray
    touched: np.ndarray


@dataclass(frozen=True, eq=False)
class _Path:
    moves: np.ndarray
    searches: np.ndarray
    cells: np.ndarray
    last: tuple[int, ...]
    touched: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Layout:
    """One table's micro-operations, counted from its first: how many ``ops``, when each column is ``touched`` first,
    ``searches`` and cells ``written`` as in ``Paths``."""

    ops: int
    touched: dict[str, int]
    searches: list[int]
    written: list[tuple[int, int]]


@cache
def _layout(table: Table) -> _Layout:
    layout = _Layout(table.searches + table.writes, {}, [], [])
    op = 0
    for item in table.passes:
        for search in item.searches:
            layout.searches.append(op)
            for name, _ in search:
                layout.touched.setdefault(name, op)
            op += 1
        for cell, (name, _) in enumerate(item.writes):
            layout.written.append((op, cell))
            layout.touched.setdefault(name, op)
        op += 1
    return layout


@lru_cache(maxsize=1 << 16)
def _path(sig: Signature, search_or: bool) -> _Path:
    """The path of ``ir.expand.expand(sig, search_or)``, without making its micro-operations."""
    moves: list[tuple[int, int, int]] = []
    searches: list[int] = []
    written: list[tuple[int, int]] = []
    at = dict.fromkeys(OPERANDS, -1)
    touched = dict.fromkeys(OPERANDS, 0)
    op = 0
    for step in steps(sig, search_or):
        op += (step.receive is not None) + (step.broadcast is not None)
        layout = _layout(step.table)
        for name, first in layout.touched.items():
            if name in at and at[name] != step.cells[name][1]:
                at[name] = step.cells[name][1]
                touched[name] |= 1 << at[name]
                moves.append((op + first, OPERANDS.index(name), at[name]))
        searches += [op + search for search in layout.searches]
        written += [(op + write, cell) for write, cell in layout.written]
        op += layout.ops
    return _Path(
        np.array(moves, np.int64).reshape(-1, 3),
        np.array(searches, np.int64),
        np.array(written, np.int64).reshape(-1, 2),
        tuple(at.values()),
        tuple(touched.values()),
    )


def _join(parts: list[np.ndarray], empty: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return np.concatenate([np.zeros((0, *empty), np.int64), *parts]), starts


@dataclass(frozen=True, eq=False)
class TileSlots:
    """The slots of one tile.

    ``positions``: rows of an image; ``search_or``, ``columns``: of the arrays; ``used_columns``: flags, operands,
    resident and output fields lie below; ``source_positions``: int64[instructions], rows of an image of the tensor that
    an instruction gathers from arrays, or 0; ``source_fields``: FIELD of each gather, as ``searched_fields`` gives it.
    """

    tile: Tile
    counts: StaticCounts
    positions: int
    search_or: bool
    columns: int
    used_columns: int
    source_positions: np.ndarray
    source_fields: np.ndarray
    _ends: dict[Kind, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def _signatures(self) -> tuple[Paths, np.ndarray]:
        signatures, index = distinct_signatures(self.tile)
        paths = [_path(sig, self.search_or) for sig in signatures]
        shape = (len(paths), len(OPERANDS))
        joined = Paths(
            *_join([path.moves for path in paths], (3,)),
            *_join([path.searches for path in paths], ()),
            *_join([path.cells for path in paths], (2,)),
            np.array([path.last for path in paths], np.int64).reshape(shape),
            np.array([path.touched for path in paths], np.uint64).reshape(shape),
        )
        return joined, index.astype(np.int32)

    @property
    def paths(self) -> Paths:
        """Of the signatures that occur in the tile."""
        return self._signatures[0]

    @property
    def signature(self) -> np.ndarray:
        """int32[instructions]: the signature of each, as ``paths`` counts them."""
        return self._signatures[1]

    @cached_property
    def readings(self) -> Readings:
        """Every search that the tile causes in the arrays of gathered tensors."""
        return _readings(self.tile, self.source_fields)

    def locate(self, kind: Kind, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(instruction, slot and position in it, positions a slot of it has) of slots of the tile, all int64[n]."""
        if not len(numbers):
            return numbers, numbers, np.ones(0, np.int64)
        ends = self.ends(kind)
        instruction = np.searchsorted(ends, numbers, side="right")
        positions = np.full(len(numbers), self.positions)
        if kind in (Kind.SOURCE_SHIFT, Kind.SOURCE_SEARCH):
            positions = self.source_positions[instruction]
        begins = np.where(instruction > 0, ends[instruction - 1], 0)
        return instruction, numbers - begins, positions

    def ends(self, kind: Kind) -> np.ndarray:
        """Sums of ``slots`` up to every instruction, its own included."""
        if kind not in self._ends:
            self._ends[kind] = np.cumsum(self.slots(kind))
        return self._ends[kind]

    def slots(self, kind: Kind) -> np.ndarray:
        """Slots of one image, int64[instructions + 1], the last for the rewinding; STUCK: int64[1], of the tile."""
        if kind == Kind.STUCK:
            return np.array([self.used_columns * self.positions], np.int64)
        if kind == Kind.SHIFT:
            return np.append(self.counts.shift_steps, self.counts.rewind_steps) * self.positions
        if kind == Kind.SEARCH:
            return np.append(self.counts.searches, 0) * self.positions
        if kind == Kind.WRITE:
            return np.append(np.diff(self.paths.cell_starts)[self.signature], 0) * self.positions
        if kind == Kind.SOURCE_SHIFT:
            return np.append(self.counts.source_shift_steps * self.source_positions, 0)
        return np.append(self.counts.source_searches * self.source_positions, 0)


@dataclass(frozen=True, eq=False)
class Readings:
    """Searches in the arrays of gathered tensors, in order; all int64[n] but ``wires``.

    ``bit``: of what instruction ``instruction`` gathers; ``wire``: index into ``wires`` (int64[wires, 3]: tensor, tile,
    column); ``domain``: what has to be at its port; ``steps``: shifts that takes, negative ones downwards.
    """

    instruction: np.ndarray
    bit: np.ndarray
    wire: np.ndarray
    domain: np.ndarray
    steps: np.ndarray
    wires: np.ndarray


def _readings(tile: Tile, source_fields: np.ndarray) -> Readings:
    records = tile.instructions
    gathering = np.flatnonzero(np.isin(records["op"], GATHERING))
    gather = gather_index(records[gathering])
    fields = source_fields[gather]
    widths = np.minimum(fields["width"].astype(np.int64), gathered_bits(records[gathering]))
    owner = np.repeat(np.arange(len(gathering)), widths)
    bit = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    across = fields["across"][owner].astype(bool)
    column = fields["column"][owner] + np.where(across, bit, 0)
    domain = fields["domain"][owner] + np.where(across, 0, bit)
    places = np.stack([tile.gathers["tensor"][gather[owner]].astype(np.int64), fields["tile"][owner], column], axis=1)
    wires, wire = np.unique(places, axis=0, return_inverse=True)
    wire = wire.reshape(-1)
    order = np.argsort(wire, kind="stable")
    follows = np.append(False, np.diff(wire[order]) == 0)[: len(order)]
    before = np.where(follows, np.roll(domain[order], 1), 0)
    steps = np.zeros(len(order), np.int64)
    steps[order] = domain[order] - before
    return Readings(gathering[owner], bit, wire, domain, steps, wires)


class ProgramSlots:
    """The slots of a whole program. Made once, whatever is drawn from it. ``counts``: what ``program_counts`` gives,
    where the caller has it."""

    def __init__(self, program: Program, counts: list[list[StaticCounts]] | None = None) -> None:
        counts = counts or program_counts(program)
        self.tiles = [
            [_tile_slots(program, layer, number, of_tiles[number]) for number in range(len(layer.tiles))]
            for layer, of_tiles in zip(program.layers, counts, strict=True)
        ]
        self.first = np.cumsum([0, *(len(of_layer) for of_layer in self.tiles)], dtype=np.int64)
        self._edges: dict[Kind, np.ndarray] = {}

    def edges(self, kind: Kind) -> np.ndarray:
        """int64[tiles of all layers + 1]: the first slot of each tile, and their number."""
        if kind not in self._edges:
            totals = [int(tile.slots(kind).sum()) for of_layer in self.tiles for tile in of_layer]
            self._edges[kind] = np.cumsum([0, *totals], dtype=np.int64)
        return self._edges[kind]


def _tile_slots(program: Program, layer: LayerProgram, number: int, counts: StaticCounts) -> TileSlots:
    tile, array = layer.tiles[number], program.target["array"]
    source_positions = np.zeros(len(tile.instructions), np.int64)
    gathering = np.isin(tile.instructions["op"], GATHERING)
    positions = np.array([tensor.positions if tensor.producer >= 0 else 0 for tensor in program.tensors], np.int64)
    source_positions[gathering] = positions[tile.gathers["tensor"][gather_index(tile.instructions[gathering])]]
    output = program.tensors[layer.output]
    used = tile_statics(program, layer, number).columns
    search_or = bool(program.target["features"]["search_or"])
    sources = searched_fields(tile, program.tensors)
    return TileSlots(tile, counts, output.positions, search_or, int(array["columns"]), used, source_positions, sources)
