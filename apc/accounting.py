"""What a program costs: static counts of its tiles, their place on the chip, and the events that a target prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apc.cycles import cycles_by_class
from backends.cost import CostReport
from backends.rtm_ap.chip import LayerPlan, plan_chip
from backends.rtm_ap.cost import LayerEvents, report
from backends.target import Target
from ir.counts import StaticCounts, expected_written_bits, program_counts, search_key_columns
from ir.encoding import encoded_bits
from ir.isa import FLAG_COLUMNS, R_ACROSS
from ir.program import LayerProgram, Program, Tile


@dataclass(frozen=True)
class LayerStatics:
    """Exact counts of one layer that hold before anything runs: sums over its tiles' instruction streams, each
    counted once whatever the number of rows. ``cycles``: of one image's schedule on the target; ``resident_bits``:
    cells that are loaded once, before the first image."""

    name: str
    op: str
    positions: int
    instructions: int
    encoded_bits: int
    search_passes: int
    write_passes: int
    shift_steps: int
    columns: int
    tiles: int
    arrays: int
    cycles: int
    resident_bits: int


class Accounts:
    """Static counts of a program, computed once (``counts``: of every tile of every layer); prices for any batch and
    any written bits."""

    def __init__(self, program: Program, target: Target | None = None) -> None:
        """``target``: prices other than those the program was compiled with (its array must be the same)."""
        self.program = program
        self.target = Target.from_table(program.target) if target is None else target
        self.counts = program_counts(program)
        self._plans: dict[int, list[LayerPlan]] = {}

    def layers(self) -> list[LayerStatics]:
        """For one image."""
        return [self._layer_statics(index, plan) for index, plan in enumerate(self.plans(1))]

    def _layer_statics(self, index: int, plan: LayerPlan) -> LayerStatics:
        layer, counts = self.program.layers[index], self.counts[index]
        instructions = sum(len(tile.instructions) for tile in layer.tiles)
        return LayerStatics(
            name=layer.name,
            op=layer.op,
            positions=self.program.tensors[layer.output].positions,
            instructions=instructions,
            encoded_bits=sum(self._encoded_bits[index]),
            search_passes=sum(int(c.searches.sum() + c.source_searches.sum()) for c in counts),
            write_passes=sum(int(c.writes.sum()) for c in counts),
            shift_steps=sum(_all_steps(c) for c in counts),
            columns=max([_columns_used(tile) for tile in layer.tiles] + [_columns_held(layer)]),
            tiles=len(layer.tiles),
            arrays=len(layer.tiles) * plan.row_tiles,
            cycles=plan.cycles,
            resident_bits=layer.resident_bits,
        )

    def plans(self, images: int) -> list[LayerPlan]:
        """Where every layer lies and when it runs, for a batch."""
        if images not in self._plans:
            cycles = [[int(of_tile.sum()) for of_tile in of_tiles] for of_tiles in self.cycles_by_class]
            self._plans[images] = plan_chip(self.program, self.target, cycles, self._encoded_bits, images)
        return self._plans[images]

    @cached_property
    def cycles_by_class(self) -> list[list[np.ndarray]]:
        """Of every tile of every layer on one array: int64[simulator.rtm.counters.CLASSES]."""
        return [
            [cycles_by_class(tile, counts, self.target) for tile, counts in zip(layer.tiles, of_tiles, strict=True)]
            for layer, of_tiles in zip(self.program.layers, self.counts, strict=True)
        ]

    @cached_property
    def _encoded_bits(self) -> list[list[int]]:
        """Of every tile of every layer."""
        encoding = self.program.encoding
        return [[encoded_bits(tile, encoding) for tile in layer.tiles] for layer in self.program.layers]

    def cost(self, images: int, written_bits: Sequence[float] | None = None) -> CostReport:
        """The priced events of a batch. ``written_bits``: counted in each layer; by default what is expected of
        independent bits, so that the report is an estimate."""
        written = self.expected_written_bits(images) if written_bits is None else written_bits
        plans = self.plans(images)
        events = [self._events(index, plan, images, float(written[index])) for index, plan in enumerate(plans)]
        return report(events, self.target, images)

    def cycles(self, images: int) -> int:
        """Cycles from the first instruction to the last for a batch."""
        return sum(plan.cycles for plan in self.plans(images))

    def expected_written_bits(self, images: int) -> list[float]:
        """Expected written bits of every layer for a batch: of its used rows, as little switches in empty ones."""
        plans = self.plans(images)
        return [expected * plan.rows for expected, plan in zip(self._expected_per_row, plans, strict=True)]

    @cached_property
    def _expected_per_row(self) -> list[float]:
        return [
            sum(
                float(expected_written_bits(tile, resident=layer.resident(index)).sum())
                for index, tile in enumerate(layer.tiles)
            )
            for layer in self.program.layers
        ]

    def _events(self, index: int, plan: LayerPlan, images: int, written_bits: float) -> LayerEvents:
        layer, plans = self.program.layers[index], self.plans(images)
        search_rows = shifted = keys = 0
        for tile, counts in zip(layer.tiles, self.counts[index], strict=True):
            search_rows += int(counts.searches.sum()) * plan.active_rows
            shifted += (int(counts.shift_steps.sum()) + counts.rewind_steps) * plan.active_rows
            keys += int(search_key_columns(tile, self.target.features.search_or).sum()) * plan.row_tiles
            for tensor, (searches, steps, rewind) in counts.sources.items():
                source = plans[self.program.tensors[tensor].producer]
                search_rows += searches * source.active_rows
                shifted += (steps + rewind) * source.active_rows
                keys += searches * source.row_tiles
        return plan.events(search_rows, keys, written_bits, shifted)


def _all_steps(counts: StaticCounts) -> int:
    """Shift steps of a tile in its own arrays and in its sources', rewinding included."""
    return int(counts.shift_steps.sum()) + counts.rewind_steps + sum(s + r for _, s, r in counts.sources.values())


def _columns_held(layer: LayerProgram) -> int:
    """How many columns there are up to the last resident field."""
    fields = layer.resident_fields
    extent = np.where(fields["across"] != 0, fields["width"], 1)
    return int((fields["column"].astype(np.int64) + extent).max(initial=0))


def _columns_used(tile: Tile) -> int:
    """How many columns a tile's fields and flags occupy, up to the last one."""
    records = tile.instructions
    if not len(records):
        return FLAG_COLUMNS
    across = (records["flags"] & R_ACROSS) != 0
    return int((records["r_column"].astype(np.int64) + np.where(across, records["r_width"], 1)).max())
