"""Each kind of fault on a few wires, with answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ir.expand import Search, SearchOr, Shift, TagAll, Write
from ir.isa import Field, Op
from ir.program import Tile
from simulator.rtm.counters import Rows
from simulator.rtm.faults.events import DISPLACE, EVENT, PATCH, STUCK, TAG, UNSWITCHED, WHERE_MATCH, WHERE_MISMATCH
from simulator.rtm.faults.injector import Reading
from simulator.rtm.faults.model import (
    Faults,
    Mitigation,
    SearchFaults,
    ShiftFaults,
    StuckWires,
    WireFaults,
    WriteFaults,
)
from simulator.rtm.faults.scheduled import Scheduled
from simulator.rtm.faults.singly import Singly
from simulator.rtm.machine import Layout, Machine, TileRun, run_tile
from simulator.rtm.wires import Wires
from tests.programs import macro, tile

COLUMN, DOMAINS = 3, 6


def machine(faults: Faults, content: str = "110100", guard: int = 0, entering: int = 0, used: int = 1) -> Machine:
    """Two rows of 5 columns; both hold ``content`` (lowest domain first) in column 3, but only ``used`` can fail."""
    injector = Singly(WireFaults(faults, guard, entering), np.random.default_rng(0), used, {}, {})
    made = Machine(2, 5, DOMAINS, injector)
    made.cells[:, COLUMN] = [bit == "1" for bit in content]
    injector.begin(made)
    return made


def shown(made: Machine, row: int = 0) -> str:
    """What the port would show at every offset, guard domains in brackets."""
    bits = "".join(str(int(bit)) for bit in made.nanowires[row, COLUMN])
    guard = (len(bits) - DOMAINS) // 2
    return f"({bits[:guard]}){bits[guard : guard + DOMAINS]}({bits[guard + DOMAINS :]})" if guard else bits


@pytest.mark.parametrize(
    ("shift", "steps", "expected"),
    [
        (ShiftFaults(over=1), [1], "101000"),  # one step too far: domain k shows what k + 1 held
        (ShiftFaults(under=1), [1], "011010"),  # one short: domain k shows what k - 1 held
        (ShiftFaults(pinning=1), [1], "011010"),
        (ShiftFaults(over=1), [3], "100000"),  # every step fails, three too far
        (ShiftFaults(pinning=1), [3], "000110"),  # pinned at the first step, three short
        (ShiftFaults(over=1), [2, -1], "001000"),  # two up, then one too far down: one up, what left is lost
        (ShiftFaults(by_distance=(0, 0, 1)), [2], "110100"),
        (ShiftFaults(), [5], "110100"),
    ],
)
def test_a_failed_shift_displaces_the_wire_for_good(shift: ShiftFaults, steps: list[int], expected: str) -> None:
    made = machine(Faults(shift))
    for distance in steps:
        made.execute(Shift(COLUMN, distance))
    assert shown(made) == expected
    assert shown(made, row=1) == "110100"  # an empty row does not fail
    assert made.offsets[COLUMN] == sum(steps)


def test_a_failure_by_distance_is_one_step_whatever_the_distance() -> None:
    seen = set()
    for seed in range(20):
        model = WireFaults(Faults(ShiftFaults(by_distance=(0, 1))))
        injector = Singly(model, np.random.default_rng(seed), 1, {}, {})
        made = Machine(1, 5, DOMAINS, injector)
        made.cells[0, COLUMN] = [1, 1, 0, 1, 0, 0]
        made.execute(Shift(COLUMN, 5))
        seen.add(shown(made))
    assert seen == {"101000", "011010"}


@pytest.mark.parametrize(
    ("guard", "entering", "displaced", "realigned"),
    [
        (0, 0, "110010", "011001"),  # the lowest domain is lost
        (0, 1, "110011", "111001"),
        (1, 0, "(1)110010(0)", "(0)111001(0)"),  # the guard domain keeps it
        (1, 1, "(1)110011(1)", "(1)111001(1)"),
    ],
)
def test_what_leaves_a_wire_is_lost(guard: int, entering: int, displaced: str, realigned: str) -> None:
    made = machine(Faults(ShiftFaults(over=1)), "111001", guard, entering)
    made.execute(Shift(COLUMN, 1))
    assert shown(made) == displaced
    made.faults.end(made)
    assert shown(made) == realigned


def test_a_code_puts_back_what_one_operation_displaces_by_little() -> None:
    made = machine(Faults(ShiftFaults(over=1), mitigation=Mitigation(correct=2)), guard=2)
    made.execute(Shift(COLUMN, 2))
    assert shown(made) == "(00)110100(00)"
    made.execute(Shift(COLUMN, 3))
    assert shown(made) == "(10)100000(00)"
    made.faults.end(made)
    assert shown(made) == "(00)010100(00)"


def test_wrong_searches_flip_the_answer_of_that_search_alone() -> None:
    key = (((COLUMN, 0), 1),)
    for search, match, mismatch in ((SearchFaults(1, 0), 1, 1), (SearchFaults(0, 1), 0, 0), (SearchFaults(1, 1), 0, 1)):
        made = machine(Faults(search=search))
        made.execute(Search(key))
        assert made.tags.tolist() == [bool(match), True]
        made.execute(Search((((COLUMN, 0), 0),)))
        assert made.tags.tolist() == [bool(mismatch), False]
        made.execute(TagAll())
        made.execute(SearchOr(key))
        assert made.tags.tolist() == [True, True]


def test_a_cell_that_does_not_switch_has_still_cost_its_energy() -> None:
    made = machine(Faults(write=WriteFaults(1)))
    made.execute(TagAll())
    made.execute(Write((((COLUMN, 0), 0), ((4, 0), 0))))
    assert made.cells[:, COLUMN, 0].tolist() == [True, False]
    assert made.events.written_bits == 2


def test_a_stuck_wire_reads_as_it_is_stuck_and_is_neither_written_nor_displaced() -> None:
    made = machine(Faults(ShiftFaults(over=1), stuck=StuckWires(one=1)))
    assert shown(made) == "111111"
    made.execute(TagAll())
    made.execute(Write((((COLUMN, 0), 0),)))
    made.execute(Write((((COLUMN, 0), 1),)))
    assert made.events.written_bits == 2 + 1  # row 0 tries once, row 1 flips twice
    made.execute(Shift(COLUMN, 2))
    assert shown(made) == "111111"
    assert shown(made, row=1) == "110100"


def test_a_stuck_source_wire_shows_its_value_however_it_is_displaced() -> None:
    """Four rows of ones, of which rows 1 and 3 are stuck at 1, are displaced by 2, then read in the highest domain: the
    zeros that have entered show in rows 0 and 2."""
    wires = Wires(np.array([[0, COLUMN]]), np.full((1, DOMAINS, 1), 0b1111, np.uint64))
    stuck = {(1, 0): {(1, COLUMN): True, (2, COLUMN + 1): True, (3, COLUMN): True}}
    injector = Singly(WireFaults(Faults(ShiftFaults(over=1))), np.random.default_rng(0), 4, {1: wires}, stuck)
    reading = Reading(1, 0, COLUMN, DOMAINS - 1, 2, np.array([0, 1, 2, 3]))
    assert injector.received(np.ones(4, bool), 0, reading).tolist() == [False, True, False, True]


# --- scheduled ----------------------------------------------------------------------------------------------------

A, R, S = Field(3, 1, 3), Field(4, 0, 4), Field(5, 0, 4)
COPIES = tile([macro(Op.COPY, R, A), macro(Op.COPY, S, A)], [], [], [])
"""Each copy, for each bit: 0 search a = 0, r = 1; 1 write r = 0; 2 search a = 1, r = 0; 3 write r = 1; 4 to 7 and 8 to
11 the same for the next bits; 12 search r = 1, 13 write r = 0 for the fourth."""


def run(code: Tile, model: WireFaults, events: list[tuple[int, ...]], stuck: list[tuple[int, ...]] = ()) -> TileRun:
    """Two rows whose field A holds 5 = 101, bits 1 to 3 of the wire."""
    injector = Scheduled(model, np.array(events, EVENT), np.array(list(stuck), STUCK), np.zeros(0, PATCH))
    return run_tile(
        code, np.zeros(0), [], {}, Layout(1, 1, 2), Rows.of(2, array_rows=64, row_gate_rows=2), columns=6, domains=6,
        search_or=False, array_rows=64, resident=[(A, np.array([5, 5]))], faults=injector,
    )  # fmt: skip


def test_a_displacement_lasts_until_the_end_of_the_tile() -> None:
    """Before the first search for bit 1 the wire 010100 is displaced by +1 and shows 101000: bits 1 and 2 read 1 and 0
    where they were 0 and 1, and the whole field reads 010 = 2 from then on."""
    first_of_bit_1 = 4
    plain = run(COPIES, WireFaults(), [])
    assert (plain.machine.read(R).tolist(), plain.machine.read(S).tolist()) == ([5, 5], [5, 5])
    faulty = run(COPIES, WireFaults(), [(0, first_of_bit_1, DISPLACE, 3, 1, 1)])
    assert faulty.machine.read(R).tolist() == [5, 0b011]
    assert faulty.machine.read(S).tolist() == [5, 0b010]
    assert faulty.machine.read(A).tolist() == [5, 5]  # back in its place, and nothing was lost


def test_realigning_ends_a_displacement() -> None:
    model = WireFaults(Faults(mitigation=Mitigation(realign_every=1)))
    faulty = run(COPIES, model, [(0, 4, DISPLACE, 3, 1, 1)])
    assert faulty.machine.read(R).tolist() == [5, 0b011]
    assert faulty.machine.read(S).tolist() == [5, 5]


def test_a_displacement_while_rewinding_acts_before_the_output_is_read() -> None:
    """By +3 and back: what lay in the lowest three domains is lost, 010100 ends as 000100."""
    faulty = run(COPIES, WireFaults(), [(2, 0, DISPLACE, 3, 3, 0)])
    assert faulty.machine.read(A).tolist() == [4, 5]


@pytest.mark.parametrize(
    ("op", "where", "expected"),
    [
        (2, WHERE_MATCH, 0b100),  # a = 1, r = 0 of bit 0, as it is: not found, r stays 0
        (2, WHERE_MISMATCH, 0b101),
        (6, WHERE_MISMATCH, 0b111),  # the same of bit 1, where a = 0: found, r is set
        (6, WHERE_MATCH, 0b101),
    ],
)
def test_a_wrong_search_acts_only_where_it_should(op: int, where: int, expected: int) -> None:
    done = run(COPIES, WireFaults(), [(0, op, TAG, where, 0, 0)])
    assert done.machine.read(R).tolist() == [expected, 5]
    assert done.machine.read(S).tolist() == [5, 5]


def test_an_unswitched_cell_keeps_what_it_held() -> None:
    done = run(COPIES, WireFaults(), [(0, 3, UNSWITCHED, 0, 0, 0)])
    assert done.machine.read(R).tolist() == [4, 5]
    assert done.written_bits[Op.COPY] == 8  # two ones in two copies of two rows: the attempt counts
    assert run(COPIES, WireFaults(), [(0, 1, UNSWITCHED, 0, 0, 0)]).machine.read(R).tolist() == [5, 5]


def test_a_stuck_wire_overrides_what_was_loaded() -> None:
    done = run(COPIES, WireFaults(), [], [(3, 1, 1), (4, 0, 0)])
    assert done.machine.read(A).tolist() == [5, 7]
    assert done.machine.read(R).tolist() == [0, 7]
    assert done.machine.read(S).tolist() == [5, 7]
