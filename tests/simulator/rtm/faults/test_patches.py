"""What a tile receives from displaced wires and wrong answers, against moving every wire by hand."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.isa import Field, Op
from ir.program import ROW_MAP, LayerProgram, Program, StoredTensor
from simulator.rtm.counters import Rows
from simulator.rtm.faults.events import PATCH, WHERE_MATCH, WHERE_MISMATCH
from simulator.rtm.faults.injector import Injector, Reading, moved
from simulator.rtm.faults.model import Faults, Mitigation, ShiftFaults, StuckWires, WireFaults
from simulator.rtm.faults.patches import SourceFaults, source_patches
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.faults.slots import ProgramSlots
from simulator.rtm.machine import Layout, Machine, run_tile
from simulator.rtm.reference import ReferenceEngine
from simulator.rtm.wires import Wires
from tests.programs import fields, macro, tile
from tests.simulator.rtm.faults.test_plan import stored
from tests.simulator.rtm.random_programs import DOMAINS, program_of, random_images, random_program, target_table


class ByHand(Injector):
    """Displaces and flips what it is told to, reading by reading, and notes what the tile receives wrongly."""

    def __init__(self, faults: SourceFaults, model: WireFaults, wires: dict[int, Wires]) -> None:
        self.faults, self.model, self.wires = faults, model, wires
        self.readings = self.instruction = 0
        self.strands: dict[tuple[int, int, int, int], np.ndarray] = {}
        self.amounts: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self.patches: dict[tuple[int, int], int] = defaultdict(int)

    def next_instruction(self, machine: Machine, number: int) -> None:
        self.instruction = number
        every = self.model.faults.mitigation.realign_every
        if every and number and number % every == 0:
            for strand, amount in list(self.amounts.items()):
                self.move(strand, -amount)

    def move(self, strand: tuple[int, int, int, int], amount: int) -> None:
        self.amounts[strand] += amount
        self.strands[strand] = moved(self.strands[strand], amount, bool(self.model.entering_bit))

    def received(self, bits: np.ndarray, bit: int, reading: Reading) -> np.ndarray:
        number, self.readings = self.readings, self.readings + 1
        faults, guard = self.faults, self.model.guard_domains
        column = self.wires[reading.tensor].content(reading.tile, reading.column)
        for index in np.flatnonzero(faults.displaced == number).tolist():
            row = int(faults.row[index])
            strand = reading.tensor, reading.tile, reading.column, row
            self.strands.setdefault(strand, np.pad(column[row], guard, constant_values=bool(self.model.entering_bit)))
            self.move(strand, int(faults.amount[index]))
        answers = column[:, reading.domain].copy()
        for (*wire, row), content in self.strands.items():
            if wire == [reading.tensor, reading.tile, reading.column]:
                answers[row] = content[guard + reading.domain]
        for index in np.flatnonzero(faults.answered == number).tolist():
            row = int(faults.asked[index])
            answers[row] ^= bool(faults.where[index] & (WHERE_MATCH if answers[row] else WHERE_MISMATCH))
        for row, source in enumerate(reading.rows.tolist()):
            if source >= 0 and answers[source] != bits[row]:
                self.patches[self.instruction, row] ^= 1 << bit
        return bits


def draw_faults(random: Random, steps: np.ndarray, rows: np.ndarray) -> SourceFaults:
    """Some displacements and wrong answers for readings of these ``steps`` in arrays of so many used ``rows``; in few
    rows, so that they meet."""
    moves, answers = [], []
    pools = {used: sorted(random.sample(range(used), min(used, 4))) for used in sorted(set(rows.tolist()))}
    for reading, (distance, used) in enumerate(zip(steps.tolist(), rows.tolist(), strict=True)):
        moves += [(reading, row, random.choice((-3, -1, 1, 2))) for row in pools[used] if distance and chance(random)]
        answers += [(reading, row, random.randint(1, 3)) for row in pools[used] if chance(random)]
    moved, wrong = (np.array(part, np.int64).reshape(-1, 3).T for part in (moves, answers))
    return SourceFaults(*moved, *wrong)


def chance(random: Random) -> bool:
    return random.random() < 0.3


@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 3))
def test_patches_are_what_moving_every_wire_gives(random: Random, batch: int) -> None:
    program = random_program(random, layers=2, length=8)
    every, guard = random.choice((0, 1, 2, 5)), random.choice((0, 0, 2))
    model = WireFaults(Faults(mitigation=Mitigation(realign_every=every)), guard, random.randint(0, 1))
    engine = ReferenceEngine(program, batch, lambda layer, tile, wires: Injector())
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}
    tensors[1] = engine.run_layer(0, tensors).output
    layer, array = program.layers[1], program.target["array"]
    output = program.tensors[layer.output]
    for slots, code in zip(ProgramSlots(program).tiles[1], layer.tiles, strict=True):
        readings = slots.readings
        used = slots.source_positions[readings.instruction] * batch
        faults = draw_faults(random, readings.steps, used)
        hand = ByHand(faults, model, engine.wires)
        rows = batch * output.positions
        run_tile(
            code, layer.row_maps, program.tensors, tensors, Layout(batch, *output.shape[1:]),
            Rows(rows, rows, 1), columns=array["columns"], domains=array["domains"],
            search_or=program.target["features"]["search_or"], array_rows=rows, faults=hand,
        )  # fmt: skip
        assert hand.readings == len(readings.bit)
        wanted = [(*place, bits) for place, bits in sorted(hand.patches.items()) if bits]
        found = source_patches(program, layer, code, readings, faults, model, engine.wires)
        np.testing.assert_array_equal(found, np.array(wanted, PATCH))


def gathering_program(row_map: tuple[int, int, int, int], domain: int = 0) -> Program:
    """A layer that stores two bits of an image of 2 x 2 from ``domain`` on in column 3, and one that gathers them."""
    place = Field(3, domain, 2)
    shape = (1, 2, 2)
    image = StoredTensor("image", shape, -1, fields((0, Field(0, 0, 2))))
    tensors = [image, *(StoredTensor(name, shape, index, fields((0, place))) for index, name in enumerate("ab"))]
    layers = [
        LayerProgram(
            name, "test", index + 1, np.array([row_map], ROW_MAP),
            [tile([macro(Op.GATHER, place, imm=0)], [], [(index, 0, 0, 0)], [])], {},
        )
        for index, name in enumerate("ab")
    ]  # fmt: skip
    return program_of(tensors, layers, target_table(64))


def patches_of(program: Program, **faults: list[int]) -> list[tuple[int, int, int]]:
    """Those of the second layer, where source rows 0 to 3 hold 0, 1, 2 and 3, and 1 in domain 2."""
    planes = np.zeros((1, 16, 1), np.uint64)
    planes[0, :3, 0] = 0b1010, 0b1100, 0b1111
    wires = {1: Wires(np.array([[0, 3]]), planes)}
    layer = program.layers[1]
    readings = ProgramSlots(program).tiles[1][0].readings
    names = ("displaced", "row", "amount", "answered", "asked", "where")
    given_faults = SourceFaults(*(np.array(faults.get(name, []), np.int64) for name in names))
    return source_patches(program, layer, layer.tiles[0], readings, given_faults, WireFaults(), wires).tolist()


def test_a_wrong_answer_goes_to_all_rows_that_receive_it_in_their_order() -> None:
    """All lines of the output receive the second of the source: rows 2 and 3."""
    stretched = gathering_program((0, 1, 1, 0))
    every = WHERE_MATCH | WHERE_MISMATCH
    assert patches_of(stretched, answered=[0, 0, 0], asked=[0, 2, 3], where=[every] * 3) == [
        (0, row, 1) for row in range(4)
    ]
    assert patches_of(stretched, answered=[0, 1], asked=[3, 3], where=[WHERE_MATCH, WHERE_MISMATCH]) == [
        (0, 1, 1),
        (0, 3, 1),
    ]


def test_a_displaced_wire_shows_its_neighbouring_domains() -> None:
    """Displaced by +1 before bit 0 is read, row 1 (1, 0, then 1) shows 0 and 1; before bit 1, that alone changes."""
    plain = gathering_program((1, 1, 0, 0))
    assert patches_of(plain, displaced=[0], row=[1], amount=[1]) == [(0, 1, 0b11)]
    assert patches_of(plain, displaced=[1], row=[1], amount=[1]) == [(0, 1, 0b10)]
    assert patches_of(plain, displaced=[1], row=[3], amount=[1]) == []
    both = {"answered": [1], "asked": [1], "where": [WHERE_MATCH]}
    assert patches_of(plain, displaced=[1], row=[1], amount=[1], **both) == []


@pytest.mark.parametrize(("entering_bit", "patches"), [(0, [(0, row, 0b11) for row in range(4)]), (1, [])])
def test_certain_displacements_show_the_bit_that_enters(entering_bit: int, patches: list[tuple[int, ...]]) -> None:
    """Every step of a wire of ones is one too far: the top two domains are lost before they are read."""
    assert planned_patches(entering_bit, Faults(ShiftFaults(over=1))) == patches


@pytest.mark.parametrize("entering_bit", [0, 1])
@pytest.mark.parametrize("one", [0, 1])
def test_stuck_wires_show_their_value_when_displaced(entering_bit: int, one: int) -> None:
    """Whatever enters: rows receive what their wires are stuck at, which is what is stored, and nothing is flipped."""
    faults = Faults(ShiftFaults(over=1), stuck=StuckWires(1 - one, one))
    assert planned_patches(entering_bit, faults, one) == []


def planned_patches(entering_bit: int, faults: Faults, stored_bit: int = 1) -> list[tuple[int, int, int]]:
    """Those of a plan for the second layer, which gathers the top two domains of four wires that hold ``stored_bit``
    throughout. Each of the 15 steps that take a wire to its top domain is one too far, stuck or not."""
    program = gathering_program((1, 1, 0, 0), DOMAINS - 2)
    program.target["wire"]["entering_bit"] = entering_bit
    plane = np.full((1, DOMAINS, 1), 0b1111 * stored_bit, np.uint64)
    plan = FaultPlan(program, faults, seed=1, images=1)
    found = plan.faults_of(1, 0, {1: Wires(np.array([[0, 3]]), plane)})
    assert plan.counts()[1]["source_over"] == 4 * (DOMAINS - 1)
    return found.patches.tolist()
