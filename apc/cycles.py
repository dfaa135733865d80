"""The cycles of instruction streams: by instruction, by class, and of a layer's schedule (docs/machine.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backends.rtm_ap.chip import LayerPlan
from backends.rtm_ap.cost import cycles_of
from backends.target import Target
from ir.counts import StaticCounts
from ir.isa import Op, gathered_bits
from ir.program import Tile
from simulator.rtm.counters import CLASS_NAMES, REWIND, by_class

READ_OUT = "READ_OUT"
"""What takes a tile's output to the global buffer, beside the classes of ``simulator.rtm.counters.CLASS_NAMES``."""


def instruction_cycles(tile: Tile, counts: StaticCounts, target: Target) -> np.ndarray:
    """Cycles of every instruction of a tile on one array, int64[instructions]: its micro-operations, those in the
    arrays it gathers from, and the transfers."""
    ops, received = tile.instructions["op"], gathered_bits(tile.instructions)
    cycles = cycles_of(
        target.timing,
        target.array.rows,
        counts.searches + counts.source_searches,
        counts.writes,
        counts.shift_steps + counts.source_shift_steps,
        np.where(ops == Op.GATHER, received, 0),
        np.where(ops == Op.MAC, received, 0),
    )
    return np.asarray(cycles, np.int64)


def rewind_cycles(counts: StaticCounts, target: Target) -> int:
    """Cycles that bring all columns back to offset 0 at the end of a tile, its own and those it has gathered from."""
    steps = counts.rewind_steps + sum(rewind for _, _, rewind in counts.sources.values())
    return steps * target.timing.shift_cycles


def cycles_by_class(tile: Tile, counts: StaticCounts, target: Target) -> np.ndarray:
    """Cycles of a tile on one array by instruction class, int64[simulator.rtm.counters.CLASSES]."""
    cycles = by_class(tile.instructions["op"], instruction_cycles(tile, counts, target))
    cycles[REWIND] = rewind_cycles(counts, target)
    return cycles


def schedule_by_class(plan: LayerPlan, of_tiles: Sequence[np.ndarray]) -> dict[str, int]:
    """The cycles of a layer by the class of what the longest tile of each wave is doing; they sum to ``plan.cycles``.
    ``of_tiles``: ``cycles_by_class`` of every tile. Classes that take no cycle are left out."""
    longest = plan.timetable.longest
    total = np.stack(of_tiles)[longest].sum(axis=0)
    cycles = {name: int(total[number]) for number, name in CLASS_NAMES.items()}
    cycles[READ_OUT] = int(plan.export_cycles[longest].sum())
    return {name: count for name, count in cycles.items() if count}
