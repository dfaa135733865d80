"""What a run counts, per layer and instruction class; one formula from passes and steps to events.

Instruction classes are the opcodes of ``ir.isa.Op`` plus REWIND, the shifts that bring every column back to offset 0
at the end of a tile. Every counter is an int64 array indexed by class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from ir.counts import StaticCounts
from ir.isa import GATHERING, Op, gather_index
from ir.program import Program, Tile

REWIND = max(Op) + 1
CLASSES = REWIND + 1
CLASS_NAMES: dict[int, str] = {**{int(op): op.name for op in Op}, REWIND: "REWIND"}


def _zeros() -> np.ndarray:
    return np.zeros(CLASSES, np.int64)


@dataclass(frozen=True)
class Rows:
    """The rows a tensor occupies: ``used`` = batch x positions, ``active`` = those of all blocks that are not gated
    off (used rows rounded up to ``row_gate_rows``), ``arrays`` = row tiles."""

    used: int
    active: int
    arrays: int

    @staticmethod
    def of(used: int, *, array_rows: int, row_gate_rows: int) -> Rows:
        return Rows(used, -(-used // row_gate_rows) * row_gate_rows, -(-used // array_rows))


def active_rows(program: Program, used: int) -> Rows:
    """The rows that ``used`` rows take on the program's target."""
    array = program.target["array"]
    return Rows.of(used, array_rows=int(array["rows"]), row_gate_rows=int(array["row_gate_rows"]))


@dataclass(eq=False)
class LayerCounters:
    """Events of one layer (or, added up, of a network).

    Per program, whatever the batch: ``instructions``, ``search_passes``, ``write_passes``, ``shift_steps``,
    ``source_search_passes``, ``source_shift_steps``. Over all arrays: ``searches``, ``writes``, ``source_searches``.
    Over all active rows: ``search_rows``, ``shifted_bits`` (row x step), ``source_search_rows``,
    ``source_shifted_bits``. Depending on the data: ``written_bits`` (cells that flipped). ``moved_bits``: bits that
    gathers carry from a source row to a row of this layer (padding moves nothing), and once to every array that holds
    rows of an image where they are broadcast. ``source_*`` happen in the arrays
    that hold the gathered tensors; a network input waits in the global buffer and causes none.
    """

    instructions: np.ndarray = field(default_factory=_zeros)
    search_passes: np.ndarray = field(default_factory=_zeros)
    write_passes: np.ndarray = field(default_factory=_zeros)
    shift_steps: np.ndarray = field(default_factory=_zeros)
    source_search_passes: np.ndarray = field(default_factory=_zeros)
    source_shift_steps: np.ndarray = field(default_factory=_zeros)
    searches: np.ndarray = field(default_factory=_zeros)
    search_rows: np.ndarray = field(default_factory=_zeros)
    writes: np.ndarray = field(default_factory=_zeros)
    written_bits: np.ndarray = field(default_factory=_zeros)
    shifted_bits: np.ndarray = field(default_factory=_zeros)
    source_searches: np.ndarray = field(default_factory=_zeros)
    source_search_rows: np.ndarray = field(default_factory=_zeros)
    source_shifted_bits: np.ndarray = field(default_factory=_zeros)
    moved_bits: np.ndarray = field(default_factory=_zeros)

    def add(self, other: LayerCounters) -> None:
        """Add ``other``'s events to these."""
        for item, value in other._arrays().items():
            self._arrays()[item][:] += value

    def totals(self) -> dict[str, int]:
        """Each counter summed over the instruction classes."""
        return {name: int(array.sum()) for name, array in self._arrays().items()}

    def as_dict(self) -> dict[str, dict[str, int]]:
        """{counter: {class name: events}} without the zeros, in a form that JSON takes."""
        return {
            name: {CLASS_NAMES[i]: int(array[i]) for i in np.flatnonzero(array).tolist()}
            for name, array in self._arrays().items()
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LayerCounters):
            return NotImplemented
        theirs = other._arrays()
        return all(np.array_equal(array, theirs[name]) for name, array in self._arrays().items())

    def _arrays(self) -> dict[str, np.ndarray]:
        return {item.name: vars(self)[item.name] for item in fields(self)}


def by_class(ops: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of per-instruction ``values`` (int64[n]) by opcode ``ops`` (u1[n]) -> int64[CLASSES]."""
    totals = _zeros()
    np.add.at(totals, ops, values)
    return totals


@dataclass(frozen=True, eq=False)
class TileEvents:
    """What one tile does whatever its rows, each an int64[CLASSES]. ``sources``: tensor index -> (searches, shift
    steps) in the arrays that hold it."""

    instructions: np.ndarray
    search_passes: np.ndarray
    write_passes: np.ndarray
    shift_steps: np.ndarray
    sources: Mapping[int, tuple[np.ndarray, np.ndarray]]


def tile_events(tile: Tile, counts: StaticCounts) -> TileEvents:
    """Sums over a tile's instructions. ``counts``: passes and steps of each, of ``ir.counts.static_counts`` or as a
    machine counted them."""
    ops = tile.instructions["op"]
    own_steps = by_class(ops, counts.shift_steps)
    own_steps[REWIND] = counts.rewind_steps
    read = np.full(len(ops), -1, np.int64)
    gathering = np.isin(ops, GATHERING)
    read[gathering] = tile.gathers["tensor"][gather_index(tile.instructions[gathering])]
    sources = {}
    for tensor, (_, _, rewind) in counts.sources.items():
        mine = read == tensor
        steps = by_class(ops[mine], counts.source_shift_steps[mine])
        steps[REWIND] = rewind
        sources[tensor] = by_class(ops[mine], counts.source_searches[mine]), steps
    return TileEvents(
        by_class(ops, np.ones(len(ops), np.int64)),
        by_class(ops, counts.searches),
        by_class(ops, counts.writes),
        own_steps,
        sources,
    )


def tile_counters(
    events: TileEvents,
    rows: Rows,
    source_rows: Mapping[int, Rows],
    written_bits: np.ndarray,
    moved_bits: np.ndarray,
) -> LayerCounters:
    """The counters of one tile that ran on ``rows``.

    ``source_rows``: the rows of each tensor (by index) that the tile's gathers read; ``written_bits``, ``moved_bits``:
    int64[CLASSES] over all rows, as counted by an engine.
    """
    result = LayerCounters(
        instructions=events.instructions.copy(),
        search_passes=events.search_passes.copy(),
        write_passes=events.write_passes.copy(),
        shift_steps=events.shift_steps.copy(),
        searches=events.search_passes * rows.arrays,
        search_rows=events.search_passes * rows.active,
        writes=events.write_passes * rows.arrays,
        shifted_bits=events.shift_steps * rows.active,
        written_bits=written_bits.astype(np.int64),
        moved_bits=moved_bits.astype(np.int64),
    )
    for tensor, (searches, steps) in events.sources.items():
        source = source_rows[tensor]
        result.source_search_passes += searches
        result.source_searches += searches * source.arrays
        result.source_search_rows += searches * source.active
        result.source_shift_steps += steps
        result.source_shifted_bits += steps * source.active
    return result
