"""The reference machine: one micro-operation at a time, written to be read.

It decides what a program means and costs; ``simulator.rtm.engine`` must agree with it in every cell and counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ir.counts import StaticCounts
from ir.expand import (
    KEY_LINE,
    Broadcast,
    MicroOp,
    Place,
    Receive,
    Search,
    SearchOr,
    Shift,
    TagAll,
    Write,
    expand_instruction,
)
from ir.isa import GATHERING, Field, Op, gather_index, gathered_bits
from ir.program import StoredTensor, Tile
from simulator.rtm.counters import CLASSES, Rows
from simulator.rtm.faults.injector import NOTHING_FAILS, Injector, Reading


@dataclass
class Events:
    """What a machine has counted so far: passes, single steps, flipped cells."""

    searches: int = 0
    writes: int = 0
    shift_steps: int = 0
    written_bits: int = 0


class Machine:
    """Arrays of nanowires that all follow one instruction stream.

    ``cells``: bool[rows, columns, domains]; ``offsets``: the domain at the port of each column; ``tags``: bool[rows],
    the tag register; ``key_line``: bool[rows], the broadcast bit in each row's key. Rows beyond one array belong to
    further arrays; nothing here depends on where they are cut. ``nanowires``: the cells with the guard domains at both
    ends of each wire, of which ``cells`` is a view. ``faults`` decides what goes wrong.
    """

    def __init__(self, rows: int, columns: int, domains: int, faults: Injector = NOTHING_FAILS) -> None:
        guard = faults.guard_domains
        # A micro-operation touches one domain of a column in all rows: in memory these lie side by side.
        self.nanowires = np.zeros((columns, domains + 2 * guard, rows), bool).transpose(2, 0, 1)
        self.cells = self.nanowires[:, :, guard : guard + domains]
        self.faults = faults
        self.offsets = [0] * columns
        self.tags = np.zeros(rows, bool)
        self.key_line = np.zeros(rows, bool)
        self.events = Events()

    def execute(self, op: MicroOp, received: np.ndarray | None = None) -> None:
        """Execute one micro-operation. ``received``: for Receive and Broadcast, the bit each row gathers,
        bool[rows]."""
        self.faults.before(self, op)
        match op:
            case Shift(column, steps):
                self.offsets[column] += steps
                self.events.shift_steps += abs(steps)
                assert 0 <= self.offsets[column] < self.cells.shape[2], f"column {column} leaves its nanowires"
                self.faults.shifted(self, column, steps)
            case Search(key):
                self.tags = self._matches(key)
            case SearchOr(key):
                self.tags = self.tags | self._matches(key)
            case TagAll():
                self.tags = np.ones_like(self.tags)
            case Receive():
                assert received is not None, "nothing to receive"
                self.tags = received.copy()
            case Broadcast():
                assert received is not None, "nothing to broadcast"
                self.key_line = received.copy()
            case Write(values):
                self.events.writes += 1
                for index, ((column, domain), bit) in enumerate(values):
                    cell = self._at_port(column, domain)
                    changing = self.tags & (cell != bit)
                    self.events.written_bits += int(np.count_nonzero(changing))
                    cell[changing & ~self.faults.stays(index, changing)] = bit
                    self.faults.written(self, column)

    def rewind(self) -> None:
        """Shift every column back to offset 0."""
        for column, offset in enumerate(self.offsets):
            if offset:
                self.execute(Shift(column, -offset))

    def load(self, field: Field, values: np.ndarray) -> None:
        """Put an integer into the first rows, without counting it. ``values``: int64[at most rows], taken modulo
        2**width."""
        for bit in range(field.width):
            column, domain = field.cell(bit)
            self.cells[: len(values), column, domain] = values >> bit & 1

    def read(self, field: Field) -> np.ndarray:
        """The integer in every row, int64[rows]."""
        values = np.zeros(len(self.cells), np.int64)
        for bit in range(field.width):
            column, domain = field.cell(bit)
            sign = -1 if field.signed and bit == field.width - 1 else 1
            values += self.cells[:, column, domain] * np.int64(sign << bit)
        return values

    def _matches(self, key: Sequence[tuple[Place, int]]) -> np.ndarray:
        self.events.searches += 1
        matches = np.ones_like(self.tags)
        for place, bit in key:
            matches &= (self.key_line if place == KEY_LINE else self._at_port(*place)) == bit
        return self.faults.answers(matches)

    def _at_port(self, column: int, domain: int) -> np.ndarray:
        """A view of the cells of ``column`` that are at their ports, which must be those of ``domain``."""
        assert self.offsets[column] == domain, f"column {column}: {self.offsets[column]} is at the port, not {domain}"
        return self.cells[:, column, domain]


@dataclass(frozen=True)
class Layout:
    """The rows of a layer: ``batch`` images of ``height`` x ``width`` output positions."""

    batch: int
    height: int
    width: int

    @property
    def used(self) -> int:
        return self.batch * self.height * self.width


def source_positions(row_map: np.void, layout: Layout, source_shape: tuple[int, int, int]) -> np.ndarray:
    """The row of the source tensor that each used row receives from, or -1 where that lies outside: int64[used]."""
    _, source_height, source_width = source_shape
    image, y, x = np.indices((layout.batch, layout.height, layout.width), np.int64)
    y = y * int(row_map["stride_y"]) + int(row_map["offset_y"])
    x = x * int(row_map["stride_x"]) + int(row_map["offset_x"])
    inside = (0 <= y) & (y < source_height) & (0 <= x) & (x < source_width)
    return np.where(inside, (image * source_height + y) * source_width + x, -1).ravel()


class _Gatherer:
    """Reads gathered channels, and keeps the ports and counts of the arrays they lie in."""

    def __init__(
        self,
        tile: Tile,
        row_maps: np.ndarray,
        tensors: Sequence[StoredTensor],
        sources: Mapping[int, np.ndarray],
        layout: Layout,
    ) -> None:
        self.tile = tile
        self.row_maps = row_maps
        self.tensors = tensors
        self.sources = sources
        self.layout = layout
        self.offsets: dict[int, dict[tuple[int, int], int]] = {}
        self.searches: dict[int, int] = {}
        self.steps: dict[int, int] = {}

    def values(self, gather: int, active: int) -> tuple[np.ndarray, int]:
        """(int64[active] what each row receives, how many rows receive from a row of the source)."""
        entry = self.tile.gathers[gather]
        tensor = int(entry["tensor"])
        rows = source_positions(self.row_maps[int(entry["row_map"])], self.layout, self.tensors[tensor].shape)
        channel = self.sources[tensor][int(entry["channel"])]
        received = np.zeros(active, np.int64)
        received[: len(rows)] = np.where(rows >= 0, channel[rows], int(entry["pad_value"]))
        return received, int(np.count_nonzero(rows >= 0))

    def broadcasts(self, gather: int, array_rows: int) -> int:
        """How many (row of the source, array) pairs there are where rows of the array receive from that row."""
        entry = self.tile.gathers[gather]
        shape = self.tensors[int(entry["tensor"])].shape
        rows = source_positions(self.row_maps[int(entry["row_map"])], self.layout, shape)
        return len({(row, index // array_rows) for index, row in enumerate(rows.tolist()) if row >= 0})

    def search_source(self, gather: int, bit: int) -> Reading | None:
        """Search for a bit of the source where it lies: in arrays, or else (None) in the global buffer."""
        entry = self.tile.gathers[gather]
        number = int(entry["tensor"])
        tensor = self.tensors[number]
        if tensor.producer < 0:
            return None
        place = tensor.fields[int(entry["channel"])]
        field = Field(int(place["column"]), int(place["domain"]), int(place["width"]), across=bool(place["across"]))
        column, domain = field.cell(bit)
        offsets = self.offsets.setdefault(number, {})
        wire = (int(place["tile"]), column)
        steps = domain - offsets.get(wire, 0)
        offsets[wire] = domain
        self.searches[number] = self.searches.get(number, 0) + 1
        self.steps[number] = self.steps.get(number, 0) + abs(steps)
        rows = source_positions(self.row_maps[int(entry["row_map"])], self.layout, tensor.shape)
        return Reading(number, *wire, domain, steps, rows)

    def totals(self) -> dict[int, tuple[int, int, int]]:
        """Tensor index -> (searches, shift steps, rewind steps)."""
        return {
            tensor: (self.searches[tensor], self.steps[tensor], sum(offsets.values()))
            for tensor, offsets in self.offsets.items()
        }


@dataclass(eq=False)
class TileRun:
    """What a tile left behind: the machine, and its events per instruction and (int64[CLASSES]) per class."""

    machine: Machine
    counts: StaticCounts
    written_bits: np.ndarray
    moved_bits: np.ndarray


def run_tile(
    tile: Tile,
    row_maps: np.ndarray,
    tensors: Sequence[StoredTensor],
    sources: Mapping[int, np.ndarray],
    layout: Layout,
    rows: Rows,
    *,
    columns: int,
    domains: int,
    search_or: bool,
    array_rows: int,
    resident: Sequence[tuple[Field, np.ndarray]] = (),
    faults: Injector = NOTHING_FAILS,
) -> TileRun:
    """Run a legal tile from arrays that are empty but for the ``resident`` fields (int64[used rows] each).

    ``row_maps``: those of its layer; ``tensors``: the program's; ``sources``: tensor index -> integer array
    (channels, batch x positions) of each tensor that the tile gathers; ``rows``: of the layer (all active rows are
    simulated; rows beyond the used ones gather 0), ``array_rows`` of them in each array; ``faults``: what goes wrong.
    """
    machine = Machine(rows.active, columns, domains, faults)
    for field, held in resident:
        machine.load(field, held)
    faults.begin(machine)
    gatherer = _Gatherer(tile, row_maps, tensors, sources, layout)
    per_instruction = np.zeros((5, len(tile.instructions)), np.int64)
    written_bits, moved_bits = np.zeros(CLASSES, np.int64), np.zeros(CLASSES, np.int64)
    for index, record in enumerate(tile.instructions):
        opcode = Op(int(record["op"]))
        machine.events = Events()
        faults.next_instruction(machine, index)
        source = np.zeros(2, np.int64)
        values = np.zeros(rows.active, np.int64)
        if opcode in GATHERING:
            values, valid = gatherer.values(int(gather_index(record)), rows.active)
            moved = gatherer.broadcasts(int(gather_index(record)), array_rows) if opcode == Op.MAC else valid
            moved_bits[opcode] += moved * int(gathered_bits(record))
        for op in expand_instruction(record, tile, search_or, list(machine.offsets)):
            received = None
            if isinstance(op, Receive | Broadcast):
                received = (values >> op.bit & 1).astype(bool)
                reading = gatherer.search_source(op.gather, op.bit)
                if reading is not None:
                    source += 1, abs(reading.steps)
                    received = faults.received(received, op.bit, reading)
            machine.execute(op, received)
        events = machine.events
        per_instruction[:, index] = (events.searches, events.writes, events.shift_steps, *source)
        written_bits[opcode] += events.written_bits
    machine.events = Events()
    faults.rewinding(len(tile.instructions))
    machine.rewind()
    faults.end(machine)
    searches, writes, steps, source_searches, source_steps = per_instruction
    rewind_steps = machine.events.shift_steps
    counts = StaticCounts(searches, writes, steps, source_searches, source_steps, rewind_steps, gatherer.totals())
    return TileRun(machine, counts, written_bits, moved_bits)
