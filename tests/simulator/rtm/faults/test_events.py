"""The events of small tiles, worked out by hand, and what is counted of them."""

from __future__ import annotations

import numpy as np
import pytest

from ir.isa import Field, Op
from ir.program import ROW_MAP, LayerProgram, Program, StoredTensor
from simulator.rtm.faults.events import DISPLACE, STUCK, TAG, UNSWITCHED
from simulator.rtm.faults.model import (
    FaultError,
    Faults,
    Mitigation,
    SearchFaults,
    ShiftFaults,
    StuckWires,
    WriteFaults,
)
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.faults.slots import Kind, ProgramSlots
from tests.programs import fields, macro, tile
from tests.simulator.rtm.random_programs import program_of, target_table

LOW, HIGH = Field(3, 0, 1), Field(3, 200, 1)


def program() -> Program:
    """A constant far up a nanowire of 255 domains, then one at its beginning; two rows an image, nothing gathered."""
    code = tile([macro(Op.CONST, HIGH, imm=0), macro(Op.CONST, LOW, imm=0)], [1], [], [])
    image = StoredTensor("image", (1, 1, 2), -1, fields((0, Field(0, 0, 1))))
    result = StoredTensor("result", (1, 1, 2), 0, fields((0, LOW)))
    layer = LayerProgram("only", "test", 1, np.zeros(0, ROW_MAP), [code], {})
    made = program_of([image, result], [layer], target_table(64))
    made.target["array"]["domains"] = 255
    return made


def plan(faults: Faults, images: int = 1) -> FaultPlan:
    return FaultPlan(program(), faults, seed=1, images=images)


def test_slots_of_one_image() -> None:
    """Each CONST is one search and one write of one cell; 200 steps up, 200 down, nothing to rewind; columns 0 to 3."""
    edges = {kind: ProgramSlots(program()).edges(kind).tolist() for kind in Kind}
    assert edges == {
        Kind.SHIFT: [0, 2 * 400],
        Kind.SEARCH: [0, 2 * 2],
        Kind.WRITE: [0, 2 * 2],
        Kind.SOURCE_SHIFT: [0, 0],
        Kind.SOURCE_SEARCH: [0, 0],
        Kind.STUCK: [0, 2 * 4],
    }


def test_a_wire_pinned_at_the_first_step_misses_all_of_them_in_pieces_that_fit() -> None:
    pinned = plan(Faults(ShiftFaults(pinning=1)))
    events = pinned.faults_of(0, 0, {}).events
    up = [(0, 0, DISPLACE, 3, amount, row) for row in (0, 1) for amount in (-127, -73)]
    down = [(1, 0, DISPLACE, 3, amount, row) for row in (0, 1) for amount in (127, 73)]
    assert events.tolist() == up + down
    assert pinned.counts() == [{"pinned": 4}]


def test_what_a_code_corrects_is_counted_and_has_no_effect() -> None:
    mitigation = Mitigation(correct=200, guard_domains=200)
    corrected = plan(Faults(ShiftFaults(pinning=1), mitigation=mitigation), images=3)
    assert len(corrected.faults_of(0, 0, {}).events) == 0
    assert corrected.counts() == [{"pinned": 12, "corrected": 12}]


def test_searches_and_cells_are_named_by_operation() -> None:
    events = plan(Faults(search=SearchFaults(0, 1), write=WriteFaults(1)), images=2).faults_of(0, 0, {}).events
    rows = range(4)
    first, second = (
        [(number, 0, TAG, 2, 0, row) for row in rows] + [(number, 1, UNSWITCHED, 0, 0, row) for row in rows]
        for number in (0, 1)
    )
    assert events.tolist() == first + second


def test_stuck_wires_are_those_of_the_columns_in_use() -> None:
    stuck = plan(Faults(stuck=StuckWires(one=1)), images=2)
    wires = stuck.faults_of(0, 0, {}).stuck
    assert wires.dtype == STUCK
    assert wires.tolist() == [(column, row, 1) for column in range(4) for row in range(4)]
    assert stuck.counts() == [{"stuck_one": 16}]


def test_a_tile_without_failures_has_no_events() -> None:
    found = plan(Faults()).faults_of(0, 0, {})
    assert len(found.events) == len(found.stuck) == len(found.patches) == 0


def test_a_code_needs_the_guard_domains_of_the_target_or_of_the_file() -> None:
    faults = Faults(mitigation=Mitigation(correct=1))
    with pytest.raises(FaultError, match="mitigation.correct is 1, but there are only 0 guard domains"):
        plan(faults)
    made = program()
    made.target["wire"] = {"guard_domains": 1, "entering_bit": 1}
    model = FaultPlan(made, faults, seed=1, images=1).model
    assert (model.guard_domains, model.entering_bit) == (1, 1)
