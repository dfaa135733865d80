"""Facts of the layers and tiles of a program for the page's summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from apc.accounting import Accounts
from apc.cycles import instruction_cycles, schedule_by_class
from backends.cost import CostReport
from ir.counts import StaticCounts
from ir.isa import GATHERING
from ir.program import LayerProgram


@dataclass(frozen=True, eq=False)
class Spent:
    """Where the energies come from: ``run``, an apc.run/1 object, or else ``estimate``, for one image."""

    run: dict[str, Any] | None
    estimate: CostReport

    def energy_J(self, index: int) -> dict[str, float]:
        """Of one layer by component, and their total, per image."""
        if self.run is not None:
            return dict(self.run["layers"][index]["energy_J"])
        parts = self.estimate.layers[index].energy_J
        return {**parts, "total": sum(parts.values())}

    def summary(self) -> dict[str, Any]:
        """``images``: of the run; the estimate is for one."""
        energy = self.estimate.energy_J() if self.run is None else self.run["energy_J"]
        return {
            "estimate": self.run is None,
            "images": 1 if self.run is None else self.run["images"],
            "total_J": energy["total"],
            "components": [name for name in energy if name != "total"],
        }

    def counters(self, index: int) -> dict[str, float] | None:
        """Events of one layer per image, where they were counted."""
        return None if self.run is None else dict(self.run["layers"][index]["counters"])

    def wear(self, index: int) -> dict[str, Any] | None:
        """The most written cell of one layer, where a run has counted writes."""
        wear = None if self.run is None else self.run.get("wear")
        return None if wear is None else dict(wear["layers"][index])


def layer_facts(accounts: Accounts, spent: Spent) -> list[dict[str, Any]]:
    """Of every layer, in order. Counts and cycles are static, of one image; ``start_cycle``: from the first layer's
    first instruction."""
    facts, start = [], 0
    for index in range(len(accounts.program.layers)):
        facts.append(_layer_facts(accounts, spent, index, start))
        start += facts[-1]["cycles"]
    return facts


def _layer_facts(accounts: Accounts, spent: Spent, index: int, start_cycle: int) -> dict[str, Any]:
    program, plan, statics = accounts.program, accounts.plans(1)[index], accounts.layers()[index]
    layer = program.layers[index]
    sources = np.unique(np.concatenate([tile.gathers["tensor"] for tile in layer.tiles]))
    return {
        "index": index,
        "name": layer.name,
        "op": layer.op,
        "output": layer.output,
        "shape": list(program.tensors[layer.output].shape),
        "sources": sources.tolist(),
        "row_maps": layer.row_maps.tolist(),
        "statistics": layer.statistics,
        "instructions": statics.instructions,
        "encoded_bits": statics.encoded_bits,
        "adds": layer.statistics.get("adds", 0),
        "bit_adds": layer.statistics.get("bit_adds", 0),
        "search_passes": statics.search_passes,
        "write_passes": statics.write_passes,
        "shift_steps": statics.shift_steps,
        "cycles": statics.cycles,
        "start_cycle": start_cycle,
        "latency_s": statics.cycles * accounts.target.timing.cycle_s,
        "columns": statics.columns,
        "arrays": statics.arrays,
        "row_tiles": plan.row_tiles,
        "waves": plan.placement.waves,
        "positions": statics.positions,
        "cycles_by_class": schedule_by_class(plan, accounts.cycles_by_class[index]),
        "energy_J": spent.energy_J(index),
        "counters": spent.counters(index),
        "wear": spent.wear(index),
        "tiles": [_tile_facts(accounts, layer, index, number) for number in range(len(layer.tiles))],
    }


def _tile_facts(accounts: Accounts, layer: LayerProgram, index: int, number: int) -> dict[str, Any]:
    """``totals``: of its instructions, rewinding and read-out left out."""
    tile, counts = layer.tiles[number], accounts.counts[index][number]
    cycles = int(instruction_cycles(tile, counts, accounts.target).sum())
    return {
        "instructions": len(tile.instructions),
        "constants": len(tile.constants),
        "gathers": len(tile.gathers),
        "gathering": int(np.isin(tile.instructions["op"], GATHERING).sum()),
        "phases": [[name, start] for name, start in tile.phases],
        "resident": _resident(layer, number),
        "rewind_steps": counts.rewind_steps,
        "totals": {**_totals(counts), "cycles": cycles},
    }


def _resident(layer: LayerProgram, number: int) -> list[list[int]]:
    """[column, domain, width, signed, across, least value, greatest value] of every resident field of a tile."""
    fields, values = layer.resident(number)
    if not len(fields):
        return []
    places = fields[["column", "domain", "width", "signed", "across"]].tolist()
    ends = zip(values.min(axis=1).tolist(), values.max(axis=1).tolist(), strict=True)
    return [[*place, *pair] for place, pair in zip(places, ends, strict=True)]


def _totals(counts: StaticCounts) -> dict[str, int]:
    return {
        "search_passes": int(counts.searches.sum()),
        "write_passes": int(counts.writes.sum()),
        "shift_steps": int(counts.shift_steps.sum()),
        "source_search_passes": int(counts.source_searches.sum()),
        "source_shift_steps": int(counts.source_shift_steps.sum()),
    }
