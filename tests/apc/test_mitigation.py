"""The price of mitigation, by hand: two images of 16 positions on the tiny program, so 64 active rows in an array.

Its first layer has two tiles of 8 instructions and 5 columns that shift, side by side; its second one tile of 13
instructions and 11 columns, which reads a column of each tile of the first.
"""

from __future__ import annotations

import pytest

from apc.accounting import Accounts
from apc.mitigation import Mitigations, Overhead
from simulator.rtm.faults.model import Faults, Mitigation
from simulator.rtm.faults.slots import ProgramSlots
from tests.programs import tiny_program

SEARCH_CYCLES, STEP_CYCLES = 1, 2
SEARCH_ROW_J, SEARCH_KEY_COLUMN_J, SHIFT_STEP_J = 1.41e-14, 1.16e-15, 6.1e-13
LEAKAGE_W, CYCLE_S = 7.88e-8, 1e-9


def overhead(mitigation: Mitigation, events: dict[str, float], batches: tuple[int, ...] = (2,)) -> Overhead:
    program = tiny_program()
    accounts = Accounts(program)
    slots = ProgramSlots(program, accounts.counts)
    mitigations = Mitigations(accounts, slots, Faults(mitigation=mitigation).on(program.target))
    return mitigations.overhead(accounts.cost(2), batches, events)


def test_nothing_costs_nothing() -> None:
    assert overhead(Mitigation(), {"over": 3.0}) == Overhead(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_realigning() -> None:
    """One realignment in each tile of the first layer, two in the second (before instructions 5 and 10)."""
    found = overhead(Mitigation(realign_every=5), {"over": 3.0, "source_under": 1.0, "corrected": 50.0})
    first, second = 5, 2 * (11 + 2)
    cycles = [columns * (SEARCH_CYCLES + 2 * STEP_CYCLES) for columns in (first, second)]
    checks = 2 * first + second
    assert (found.realignments, found.checks, found.cycles) == (4, checks, sum(cycles))
    batch = checks * (64 * SEARCH_ROW_J + SEARCH_KEY_COLUMN_J)
    batch += (2 * cycles[0] + 3 * cycles[1]) * CYCLE_S * LEAKAGE_W
    assert found.energy_J == pytest.approx(batch / 2 + 4 * SHIFT_STEP_J)
    cost = Accounts(tiny_program()).cost(2)
    assert found.latency_s == pytest.approx(sum(cycles) * CYCLE_S)
    assert found.latency_share == pytest.approx(found.latency_s / cost.latency_s())
    assert found.energy_share == pytest.approx(found.energy_J / cost.energy_J()["total"])


def test_a_code_checks_after_every_shift_operation() -> None:
    """69 operations in each tile of the first layer; 187 in the second, and 14 in the columns that it reads."""
    found = overhead(Mitigation(correct=1, guard_domains=1), {"under": 2.0})
    assert (found.realignments, found.checks, found.cycles) == (0, 2 * 69 + 187 + 14, 69 + 187 + 14)
    batch = found.checks * (64 * SEARCH_ROW_J + SEARCH_KEY_COLUMN_J) + (2 * 69 + 3 * 201) * CYCLE_S * LEAKAGE_W
    assert found.energy_J == pytest.approx(batch / 2 + 2 * SHIFT_STEP_J)


def test_both_add_up() -> None:
    both = overhead(Mitigation(realign_every=5, correct=1, guard_domains=1), {})
    realigning, code = overhead(Mitigation(realign_every=5), {}), overhead(Mitigation(correct=1, guard_domains=1), {})
    assert both.checks == realigning.checks + code.checks and both.cycles == realigning.cycles + code.cycles
    assert both.energy_J == pytest.approx(realigning.energy_J + code.energy_J)


def test_guard_domains_lengthen_the_wires() -> None:
    found = overhead(Mitigation(guard_domains=2), {"over": 3.0})
    assert found.wire_length_share == pytest.approx(4 / 63) and found.energy_J == found.cycles == 0


def test_batches_follow_one_another() -> None:
    one, two = overhead(Mitigation(realign_every=5), {}), overhead(Mitigation(realign_every=5), {}, (2, 2))
    assert two.cycles == 2 * one.cycles and two.energy_J == pytest.approx(one.energy_J)
