"""Shift operations that are counted, against the expansions and by hand."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from ir.expand import Shift, expand_instruction
from simulator.rtm.faults.operations import own_operations, source_columns, source_operations
from simulator.rtm.faults.slots import ProgramSlots
from tests.programs import tiny_program
from tests.simulator.rtm.random_programs import random_program


@pytest.mark.parametrize("seed", range(6))
def test_own_operations_are_the_shifts_of_the_expansion(seed: int) -> None:
    program = random_program(Random(seed), layers=2, length=40)
    search_or = bool(program.target["features"]["search_or"])
    for layer, of_layer in zip(program.layers, ProgramSlots(program).tiles, strict=True):
        for tile, slots in zip(layer.tiles, of_layer, strict=True):
            offsets = [0] * int(program.target["array"]["columns"])
            ops = [op for record in tile.instructions for op in expand_instruction(record, tile, search_or, offsets)]
            shifts = sum(isinstance(op, Shift) for op in ops)
            assert own_operations(slots) == shifts + np.count_nonzero(offsets)


def test_source_operations_by_hand() -> None:
    """Channels of 4 bits at domains 16 to 19 of a column each: read, read, the first once more; 4 shifts each time, as
    the wire goes to 16 and up bit by bit; and both are rewound."""
    first, second = ProgramSlots(tiny_program()).tiles
    assert [source_operations(tile) for tile in first] == [Counter(), Counter()]
    assert source_operations(second[0]) == {1: 4 + 4 + 4 + 2}
    assert source_columns(second[0]) == {1: 2}
