"""How long a chip lives: what its most written cell takes a second, against what a cell endures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
