"""The most written cells of a run, and how long the chip lives with them at what a cell endures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from apc.accounting import Accounts
from simulator.rtm.wear import LayerWear

SECONDS_PER_YEAR = 365.25 * 24 * 3600


@dataclass(frozen=True)
class Lifetime:
    """``array``: the one whose hottest cell is worn most; ``writes``: at most so many does that cell take for one
    batch; ``years``: at least so long it lives if the chip runs batch after batch without a pause."""

    array: int
    writes: int
    years: float


class HottestCell(NamedTuple):
    """Of a layer: in the arrays of ``tile``, ``row`` of the batch (image after image)."""

    tile: int
    row: int
    column: int
    domain: int
    writes: int


@dataclass(frozen=True)
class RunWear:
    """``layers``: the cell of each that one batch writes most; ``lifetime``: of a chip that runs the most wearing batch
    again and again."""

    layers: list[HottestCell]
    lifetime: Lifetime

    @staticmethod
    def of_batch(accounts: Accounts, wear: Sequence[LayerWear], images: int) -> RunWear:
        """``wear``: one a layer, as a batch of ``images`` leaves it."""
        return RunWear([HottestCell(*layer.hottest) for layer in wear], lifetime(accounts, wear, images))

    def worse(self, other: RunWear) -> RunWear:
        """The worse of two batches, layer by layer and over all."""
        layers = [
            max(mine, theirs, key=lambda cell: cell.writes)
            for mine, theirs in zip(self.layers, other.layers, strict=True)
        ]
        return RunWear(layers, min(self.lifetime, other.lifetime, key=lambda life: life.years))


def years_of_life(endurance_writes: float, writes: float, seconds: float) -> float:
    """Of a cell that is written ``writes`` times every ``seconds``."""
    return endurance_writes / writes * seconds / SECONDS_PER_YEAR if writes else float("inf")


def lifetime(accounts: Accounts, wear: Sequence[LayerWear], images: int) -> Lifetime:
    """Of the chip that runs the program on batches of ``images``, each worn as ``wear`` (one a layer) says.

    Every job (tile on the rows of one array) that an array runs is counted with its own hottest cell, as if that were
    the same cell for all of them: an upper bound of what any cell takes.
    """
    hottest = [layer.hottest_writes for layer in wear]
    arrays = [
        np.asarray(plan.placement.array_of(plan.timetable.rank[:, None] * jobs.shape[1] + np.arange(jobs.shape[1])))
        for plan, jobs in zip(accounts.plans(images), hottest, strict=True)
    ]
    writes = np.bincount(np.concatenate([*map(np.ravel, arrays)]), np.concatenate([*map(np.ravel, hottest)]))
    array = int(writes.argmax())
    seconds = accounts.cycles(images) * accounts.target.timing.cycle_s
    most = int(writes[array])
    return Lifetime(array, most, years_of_life(accounts.target.device.endurance_writes, most, seconds))
