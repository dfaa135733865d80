"""How a batch uses the machine: what its layers' schedules are made of, and how busy arrays and rows are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from apc.accounting import Accounts
from apc.cycles import schedule_by_class
from backends.rtm_ap.placement import Distance


@dataclass(frozen=True)
class MachineUse:
    """Sums over the schedule of a layer, or of several: uses add up.

    ``cycles``: of the schedule by what the longest tile of each wave is doing, an instruction class or READ_OUT.
    ``instructions_fetched``: a tile's instructions once for every wave it runs in. ``gathered_bits``: int64[4] by
    Distance; ``read_out_bits``: those that leave for the global buffer besides.
    ``array_cycles``: the layer's arrays x its cycles; ``used_array_cycles``: those in which an array works (else it
    waits for the longest tile of the wave, or has no job in it). ``powered_row_cycles``: rows of all blocks that are
    not gated x the cycles that their arrays work; ``used_row_cycles``: those of rows that hold a position.
    """

    cycles: Counter[str] = field(default_factory=Counter)
    instructions_fetched: int = 0
    gathered_bits: np.ndarray = field(default_factory=lambda: np.zeros(len(Distance), np.int64))
    read_out_bits: int = 0
    array_cycles: int = 0
    used_array_cycles: int = 0
    powered_row_cycles: int = 0
    used_row_cycles: int = 0

    def __add__(self, other: MachineUse) -> MachineUse:
        return MachineUse(
            cycles=self.cycles + other.cycles,
            instructions_fetched=self.instructions_fetched + other.instructions_fetched,
            gathered_bits=self.gathered_bits + other.gathered_bits,
            read_out_bits=self.read_out_bits + other.read_out_bits,
            array_cycles=self.array_cycles + other.array_cycles,
            used_array_cycles=self.used_array_cycles + other.used_array_cycles,
            powered_row_cycles=self.powered_row_cycles + other.powered_row_cycles,
            used_row_cycles=self.used_row_cycles + other.used_row_cycles,
        )

    @property
    def array_utilisation(self) -> float:
        """Share of the arrays' time in which they work, 0 to 1."""
        return _share(self.used_array_cycles, self.array_cycles)

    @property
    def row_utilisation(self) -> float:
        """Share of the powered rows that are used, 0 to 1."""
        return _share(self.used_row_cycles, self.powered_row_cycles)


def machine_use(accounts: Accounts, images: int) -> list[MachineUse]:
    """Of every layer, for a batch. Static: no run is needed."""
    return [_layer_use(accounts, index, images) for index in range(len(accounts.program.layers))]


def _layer_use(accounts: Accounts, index: int, images: int) -> MachineUse:
    plan = accounts.plans(images)[index]
    lengths = np.array([len(tile.instructions) for tile in accounts.program.layers[index].tiles], np.int64)
    streams = int(plan.run_cycles.sum())
    return MachineUse(
        cycles=Counter(schedule_by_class(plan, accounts.cycles_by_class[index])),
        instructions_fetched=int((lengths * plan.timetable.fetches).sum()),
        gathered_bits=plan.gathered_bits,
        read_out_bits=plan.exported_columns * plan.rows,
        array_cycles=plan.placement.arrays * plan.cycles,
        used_array_cycles=streams * plan.row_tiles,
        powered_row_cycles=streams * plan.active_rows,
        used_row_cycles=streams * plan.rows,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
