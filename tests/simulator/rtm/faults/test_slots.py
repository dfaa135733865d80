"""Where the operations of an instruction are, against its expansion."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ir.expand import Search, SearchOr, Write, expand, signature
from simulator.rtm.faults.slots import OPERANDS, ProgramSlots
from tests.simulator.rtm.random_programs import random_program


@pytest.mark.parametrize("seed", range(8))
def test_paths_are_those_of_the_expansions(seed: int) -> None:
    program = random_program(Random(seed), layers=1, length=60)
    search_or = program.target["features"]["search_or"]
    code = program.layers[0].tiles[0]
    slots = ProgramSlots(program).tiles[0][0]
    paths = slots.paths
    for number, record in enumerate(code.instructions):
        mine = int(slots.signature[number])
        ops = list(enumerate(expand(signature(record, code.constants), search_or)))
        searches = [op for op, what in ops if isinstance(what, Search | SearchOr)]
        cells = [(op, cell) for op, what in ops if isinstance(what, Write) for cell in range(len(what.values))]
        np.testing.assert_array_equal(paths.searches[slice(*paths.search_starts[mine : mine + 2])], searches)
        np.testing.assert_array_equal(
            paths.cells[slice(*paths.cell_starts[mine : mine + 2])], np.array(cells).reshape(-1, 2)
        )
        moves, at = [], {}
        for op, what in ops:
            touched = (
                what.key if isinstance(what, Search | SearchOr) else what.values if isinstance(what, Write) else ()
            )
            for (name, bit), _ in touched:
                if name in OPERANDS and at.get(name) != bit:
                    moves.append((op, OPERANDS.index(name), bit))
                    at[name] = bit
        found = paths.moves[slice(*paths.move_starts[mine : mine + 2])]
        np.testing.assert_array_equal(found, np.array(moves).reshape(-1, 3))


def test_readings_shift_as_the_counts_say() -> None:
    program = random_program(Random(3), layers=3, length=30)
    for of_layer in ProgramSlots(program).tiles[1:]:
        for slots in of_layer:
            readings, count = slots.readings, len(slots.tile.instructions)
            steps = np.bincount(readings.instruction, np.abs(readings.steps), count)
            np.testing.assert_array_equal(steps, slots.counts.source_shift_steps)
            np.testing.assert_array_equal(
                np.bincount(readings.instruction, minlength=count), slots.counts.source_searches
            )
