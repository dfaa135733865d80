"""Faults that a plan draws leave the same distribution of values as drawing every event of every slot singly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ir.isa import Field, Op
from ir.program import ROW_MAP, LayerProgram, Program, StoredTensor
from simulator.rtm.faults.model import Faults, Mitigation, SearchFaults, ShiftFaults, StuckWires, WriteFaults
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.faults.singly import SinglyOfTiles
from simulator.rtm.faults.slots import ProgramSlots
from simulator.rtm.reference import InjectorOfTile, ReferenceEngine
from tests.programs import fields, macro, tile
from tests.simulator.rtm.random_programs import DOMAINS, program_of, target_table

IMAGES = 2
"""Each fails on its own: images that failed alike would be no samples of that distribution."""
SIDES = 32, 64
RUNS = 2
SHIFTS = ShiftFaults(over=0.03, under=0.02, pinning=0.02)


def small_program() -> Program:
    """Two inputs, their sum and a multiple in one layer, a difference of what that stored in the next. All rows hold
    the same, so that each row of a run is a sample."""
    shape = (2, *SIDES)
    x, y = Field(3, 2, 4), Field(4, DOMAINS - 2, 3, across=True)
    total, difference = Field(8, 1, 5), Field(9, 3, 6, signed=True)
    first = [
        macro(Op.GATHER, x, imm=0),
        macro(Op.GATHER, y, imm=1),
        macro(Op.ADDO, total, x, y),
        macro(Op.ADD, total, x),
    ]
    second = [macro(Op.GATHER, total, imm=0), macro(Op.GATHER, y, imm=1), macro(Op.SUBO, difference, total, y)]
    image = StoredTensor("image", shape, -1, fields((0, Field(0, 0, 4)), (0, Field(0, 0, 3))))
    sums = StoredTensor("sums", shape, 0, fields((0, total), (0, y)))
    result = StoredTensor("result", shape, 1, fields((0, difference), (0, total)))
    here = np.array([(1, 1, 0, 0)], ROW_MAP)
    layers = [
        LayerProgram("sum", "test", 1, here, [tile(first, [], [(0, 0, 0, 0), (0, 1, 0, 0)], [])], {}),
        LayerProgram("difference", "test", 2, here, [tile(second, [], [(1, 0, 0, 0), (1, 1, 0, 0)], [])], {}),
    ]
    return program_of([image, sums, result], layers, target_table(64))


def samples(program: Program, faults: InjectorOfTile) -> list[np.ndarray]:
    """The values of all channels in one number a row, for each layer; int64[rows]."""
    image = np.repeat(np.array([[5], [3]], np.int32), IMAGES * SIDES[0] * SIDES[1], axis=1)
    engine = ReferenceEngine(program, IMAGES, faults)
    tensors = {0: image}
    for index, layer in enumerate(program.layers):
        tensors[layer.output] = engine.run_layer(index, tensors).output
    stored = [tensors[number].astype(np.int64) & 63 for number in (1, 2)]
    return [first * 64 + second for first, second in stored]


CASES = {
    "shift": (Faults(SHIFTS), 0),
    "shift, other bit": (Faults(SHIFTS), 1),
    "pinning": (Faults(ShiftFaults(pinning=0.05)), 0),
    "by distance": (Faults(ShiftFaults(by_distance=(0.02, 0.2, 0.5))), 0),
    "realigned": (Faults(SHIFTS, mitigation=Mitigation(realign_every=2, guard_domains=1)), 1),
    "corrected": (Faults(ShiftFaults(0.1, 0.1, 0.1), mitigation=Mitigation(correct=1, guard_domains=1)), 0),
    "false match": (Faults(search=SearchFaults(false_match=0.05)), 0),
    "search": (Faults(search=SearchFaults(0.02, 0.05)), 0),
    "write": (Faults(write=WriteFaults(0.05)), 0),
    "stuck": (Faults(stuck=StuckWires(0.03, 0.05)), 0),
    "stuck and displaced": (Faults(ShiftFaults(over=0.2), stuck=StuckWires(zero=0.2)), 1),
    "all": (Faults(SHIFTS, SearchFaults(0.01, 0.01), WriteFaults(0.01), StuckWires(0.01, 0.01)), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_plan_and_single_draws_agree(name: str) -> None:
    faults, entering_bit = CASES[name]
    program = small_program()
    program.target["wire"] = {"guard_domains": 0, "entering_bit": entering_bit}
    slots = ProgramSlots(program)
    generator = np.random.default_rng(4)
    planned, single = [], []
    for seed in range(RUNS):
        planned.append(samples(program, FaultPlan(program, faults, seed, IMAGES, slots=slots).injector))
        single.append(samples(program, SinglyOfTiles(program, faults, IMAGES, generator)))
    for layer in range(2):
        one, other = (np.concatenate([run[layer] for run in runs]) for runs in (planned, single))
        counts = np.stack([np.bincount(values, minlength=1 << 12) for values in (one, other)])
        common = counts.sum(axis=0) >= 20
        table = np.concatenate([counts[:, common], counts[:, ~common].sum(axis=1, keepdims=True)], axis=1)
        table = table[:, table.sum(axis=0) > 0]
        assert table.shape[1] > 3
        assert stats.chi2_contingency(table).pvalue > 1e-3
