"""Prices the events of an RTM-AP: energy = event counts x target figures, time = cycles of a static schedule.

A run gives counted events, a compilation static ones and expected written bits: both are priced here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.cost import CostReport, LayerCost, cost_report
from backends.target import Target, Timing

COMPONENTS = {
    "search": "sense",
    "write": "compute",
    "shift": "compute",
    "control": "control",
    "movement": "movement",
    "leakage": "leakage",
}
"""Parts of the energy of an RTM-AP, and their words in the shared vocabulary."""


@dataclass(frozen=True)
class LayerEvents:
    """The events of one layer for a whole batch, over all its arrays (floats where they are expectations).

    search_rows         (search, active row) pairs, those of gathers in the source arrays included
    search_key_columns  (search, column with a key bit, array) triples
    written_bits        cells that changed
    shifted_bits        (step, active row) pairs: nanowires moved by one domain
    control_bits        encoded instruction bits fetched (a tile once for every wave it runs in)
    moved_bits          bits moved, by distance: within an array, a tile, a bank, through the global buffer
    arrays              arrays powered while the layer runs
    cycles              of the layer's schedule
    """

    name: str
    search_rows: float
    search_key_columns: float
    written_bits: float
    shifted_bits: float
    control_bits: float
    moved_bits: tuple[float, float, float, float]
    arrays: int
    cycles: int


def layer_energy_J(events: LayerEvents, target: Target) -> dict[str, float]:
    """Joules of one layer by part (the keys of COMPONENTS, in that order)."""
    energy = target.energy
    distances = (energy.move_bit_array_J, energy.move_bit_tile_J, energy.move_bit_bank_J, energy.move_bit_global_J)
    seconds = events.cycles * target.timing.cycle_s
    return {
        "search": events.search_rows * energy.search_row_J + events.search_key_columns * energy.search_key_column_J,
        "write": events.written_bits * energy.write_bit_J,
        "shift": events.shifted_bits * energy.shift_step_J,
        "control": events.control_bits * energy.control_bit_J,
        "movement": sum(bits * figure for bits, figure in zip(events.moved_bits, distances, strict=True)),
        "leakage": events.arrays * target.device.leakage_array_W * seconds,
    }


def report(layers: Sequence[LayerEvents], target: Target, images: int = 1) -> CostReport:
    """The cost of a network: energy per image, latency of the batch of ``images``, area of all the chip's arrays.

    The nanowires keep their data without power: only the arrays that a layer runs on leak.
    """
    costs = [
        LayerCost(
            name=events.name,
            energy_J={part: value / images for part, value in layer_energy_J(events, target).items()},
            latency_s={"compute": events.cycles * target.timing.cycle_s},
            counters={
                "search_rows": events.search_rows,
                "search_key_columns": events.search_key_columns,
                "written_bits": events.written_bits,
                "shifted_bits": events.shifted_bits,
                "control_bits": events.control_bits,
                "moved_bits": sum(events.moved_bits),
                "arrays": events.arrays,
                "cycles": events.cycles,
            },
        )
        for events in layers
    ]
    area = {"compute": target.array.arrays * target.device.area_array_m2}
    return cost_report(target.name, COMPONENTS, costs, area, images)


def cycles_of(
    timing: Timing,
    rows: int,
    searches: np.ndarray | int,
    writes: np.ndarray | int,
    shift_steps: np.ndarray | int,
    transferred_columns: np.ndarray | int = 0,
    broadcast_bits: np.ndarray | int = 0,
) -> np.ndarray | int:
    """Cycles of micro-operations that follow one another in one tile, elementwise over int64 arrays or for ints.

    ``rows``: of an array; ``transferred_columns``: bit columns that gathers bring to an array, each over a link of
    ``transfer_bits_per_cycle``; ``broadcast_bits``: single bits that reach the array's key, a cycle each. Searches and
    shifts in the source arrays count like the tile's own: it waits.
    """
    transfer = -(-rows // timing.transfer_bits_per_cycle)
    return (
        searches * timing.search_cycles
        + writes * timing.write_cycles
        + shift_steps * timing.shift_cycles
        + transferred_columns * transfer
        + broadcast_bits
    )
