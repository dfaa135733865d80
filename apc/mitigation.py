"""What realigning wires, correcting them and lengthening them costs, at a target's figures (docs/faults.md).

Assumed, as nothing is published: a check of a column is one search over its active rows; a realignment then takes two
steps of the column (all wires that are too far one way, then the others); a step that failed is shifted back once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apc.accounting import Accounts
from backends.cost import CostReport
from backends.rtm_ap.chip import LayerPlan
from backends.rtm_ap.cost import LayerEvents, cycles_of, layer_energy_J
from backends.rtm_ap.placement import schedule
from ir.isa import FLAG_COLUMNS
from simulator.rtm.faults.model import WireFaults
from simulator.rtm.faults.operations import own_operations, source_columns, source_operations
from simulator.rtm.faults.slots import ProgramSlots, TileSlots

FAILED_STEPS = ("over", "under", "pinned", "source_over", "source_under", "source_pinned")
"""Events after which a wire has to be shifted back."""


@dataclass(frozen=True)
class Overhead:
    """``realignments`` of tiles and ``checks`` of columns (before realigning or after shifting) of the program whatever
    the batch; ``cycles`` and ``latency_s`` of all images, ``energy_J`` per image. ``*_share``: of what the run takes;
    ``wire_length_share``: guard domains, of the 2 D - 1 domains that a wire of D data domains has. The area of an array
    is that of its transistors and stays."""

    realignments: int
    checks: int
    cycles: int
    latency_s: float
    energy_J: float
    latency_share: float
    energy_share: float
    wire_length_share: float


@dataclass(frozen=True)
class _TileChecks:
    """Checks of columns that a tile makes: ``own``; ``sources``, by tensor; ``steps``: shift steps of columns after
    them."""

    realignments: int
    own: int
    sources: Counter[int]
    steps: int

    @property
    def total(self) -> int:
        return self.own + self.sources.total()


class Mitigations:
    """The cost of what ``model`` does against faults in the program of ``accounts``."""

    def __init__(self, accounts: Accounts, slots: ProgramSlots, model: WireFaults) -> None:
        self.accounts = accounts
        self.slots = slots
        self.model = model

    def overhead(self, cost: CostReport, batches: Sequence[int], events: Mapping[str, float]) -> Overhead:
        """Of a run of ``batches`` (images of each) that costs ``cost`` without it; ``events``: mean number an image, by
        kind."""
        target, images = self.accounts.target, sum(batches)
        extra = [self._extra(batch) for batch in batches]
        cycles = sum(layer.cycles for batch in extra for layer in batch)
        joules = sum(sum(layer_energy_J(layer, target).values()) for batch in extra for layer in batch) / images
        if self._moves_back:
            joules += target.energy.shift_step_J * sum(events.get(kind, 0) for kind in FAILED_STEPS)
        latency = cycles * target.timing.cycle_s
        guard = self.model.guard_domains
        return Overhead(
            sum(tile.realignments for layer in self._checks for tile in layer),
            sum(tile.total for layer in self._checks for tile in layer),
            cycles,
            latency,
            joules,
            latency / cost.latency_s(),
            joules / cost.energy_J()["total"],
            2 * guard / (2 * target.array.domains - 1),
        )

    @property
    def _moves_back(self) -> bool:
        mitigation = self.model.faults.mitigation
        return bool(mitigation.realign_every or mitigation.correct)

    @cached_property
    def _checks(self) -> list[list[_TileChecks]]:
        """Of every tile of every layer."""
        return [[self._tile_checks(tile) for tile in layer] for layer in self.slots.tiles]

    def _tile_checks(self, tile: TileSlots) -> _TileChecks:
        mitigation = self.model.faults.mitigation
        own, steps, realignments = 0, 0, 0
        sources: Counter[int] = Counter()
        if every := mitigation.realign_every:
            realignments = max(len(tile.tile.instructions) - 1, 0) // every
            own = realignments * max(tile.used_columns - FLAG_COLUMNS, 0)
            sources.update({tensor: realignments * columns for tensor, columns in source_columns(tile).items()})
            steps = 2 * (own + sources.total())
        if mitigation.correct:
            own += own_operations(tile)
            sources.update(source_operations(tile))
        return _TileChecks(realignments, own, sources, steps)

    def _extra(self, images: int) -> list[LayerEvents]:
        """The events of the checks of a batch, layer by layer."""
        plans = self.accounts.plans(images)
        return [self._layer_extra(index, plan, plans) for index, plan in enumerate(plans)]

    def _layer_extra(self, index: int, plan: LayerPlan, plans: Sequence[LayerPlan]) -> LayerEvents:
        checks, array = self._checks[index], self.accounts.target.array
        extra = cycles_of(
            self.accounts.target.timing,
            array.rows,
            np.array([tile.total for tile in checks], np.int64),
            0,
            np.array([tile.steps for tile in checks], np.int64),
        )
        own = sum(tile.own for tile in checks)
        rows, keys = own * plan.active_rows, own * plan.row_tiles
        for tensor, count in sum((tile.sources for tile in checks), Counter()).items():
            source = plans[self.accounts.program.tensors[tensor].producer]
            rows += count * source.active_rows
            keys += count * source.row_tiles
        return LayerEvents(
            name=plan.name,
            search_rows=rows,
            search_key_columns=keys,
            written_bits=0,
            shifted_bits=0,
            control_bits=0,
            moved_bits=(0, 0, 0, 0),
            arrays=plan.powered_arrays,
            cycles=schedule(plan.run_cycles + extra, plan.row_tiles, plan.placement.arrays).cycles - plan.cycles,
        )
