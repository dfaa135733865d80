"""Years of life, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apc.accounting import Accounts
from apc.wear import lifetime, years_of_life
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
    """A chip of 4 arrays of 64 rows; 9 images of 16 positions are 3 row tiles.

    The first layer has 2 x 3 jobs, so two waves on arrays 0 1 2 3 0 1, and tile 1, made the longer one, goes first: its
    row tiles run on arrays 0, 1, 2, those of tile 0 on 3, 0, 1. The second layer's 3 jobs run on arrays 0, 1, 2.
    Hottest cells: array 0: 20 + 7 + 30 = 57, array 1: 40 + 50 + 10 = 100, array 2: 10 + 60 = 70, array 3: 5.
    (With tile 0 first it would be array 2, with 50 + 60 = 110.) Tile 1, and with it the first wave, takes 1147 cycles,
    tile 0 takes 992, and the second layer's tile 1939: 4078 ns for 100 writes.
    """
    program = tiny_program()
    conv, every = program.layers
    longer = conv.tiles[1]
    longer.instructions = np.concatenate([longer.instructions, longer.instructions[-1:]])
    # Without its weights, which would give the second layer arrays of its own.
    every.tiles[0].instructions = every.tiles[0].instructions[:-1]
    every.resident_fields, every.resident_values = every.resident_fields[:0], every.resident_values[:0]
    program.target["array"] |= {"arrays": 4}
    accounts = Accounts(program)
    assert [plan.row_tiles for plan in accounts.plans(9)] == [3, 3]
    wear = [worn([5, 7, 50], [20, 40, 10]), worn([30, 10, 60])]
    found = lifetime(accounts, wear, 9)
    assert (found.array, found.writes) == (1, 100)
    assert found.years == pytest.approx(1e16 / 100 * 4078e-9 / (365.25 * 86400))
