"""Years of life, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apc.accounting import Accounts
from apc.wear import Lifetime, lifetime, years_of_life
from simulator.rtm.wear import LayerWear, TileWear
from tests.programs import tiny_program


def worn(*writes: list[int]) -> LayerWear:
    """A layer whose tiles' hottest cells take ``writes``, one a row tile."""
    return LayerWear([TileWear(np.zeros((0, 0), np.int64), np.array([(0, 0, 0, w) for w in tile])) for tile in writes])


def test_an_accumulator_that_is_written_every_64_nanoseconds_lives_twenty_years() -> None:
    """docs/: 1e16 writes at 1.6e7 a second are 6.4e8 s."""
    assert years_of_life(1e16, 1, 64e-9) == pytest.approx(6.4e8 / (365.25 * 86400))
    assert 20 < years_of_life(1e16, 1, 64e-9) < 21


def test_nothing_wears_out_what_is_not_written() -> None:
    assert years_of_life(1e16, 0, 1.0) == math.inf


def test_the_jobs_of_an_array_wear_it_together() -> None:
    """The tiny program's layers share arrays: 5 images of 16 positions are two row tiles of 64 rows."""
    accounts = Accounts(tiny_program())
    plans = accounts.plans(5)
    assert [plan.row_tiles for plan in plans] == [2, 2]
    wear = [worn([10, 20], [30, 40]), worn([100, 200])]
    expected: dict[int, int] = {}
    for plan, layer in zip(plans, wear, strict=True):
        for job, writes in enumerate(layer.hottest_writes.ravel().tolist()):
            array = int(plan.placement.array_of(job))
            expected[array] = expected.get(array, 0) + writes
    array, writes = max(expected.items(), key=lambda item: (item[1], -item[0]))
    seconds = accounts.cycles(5) * accounts.target.timing.cycle_s
    years = accounts.target.device.endurance_writes / writes * seconds / (365.25 * 86400)
    assert lifetime(accounts, wear, 5) == Lifetime(array, writes, pytest.approx(years))
