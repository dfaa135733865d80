"""Requantisation plans as instructions: what the machine computes is what the plan evaluates to."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.rtm_ap.builder import TileBuilder
from backends.rtm_ap.channels import ascending
from backends.rtm_ap.layout import AlongLayout, CapacityError, Demand, Geometry
from backends.rtm_ap.requantise import Operand, emit_scale, emit_steps, scaled_sum
from ir.isa import Field
from ir.requantise import ConstantPlan, Interval, ScalePlan, Staircase, StepPlan, plan_requantise
from ir.rounding import Rounding
from ir.types import IntType
from tests.backends.rtm_ap.execute import execute, machine_of

ROWS = 64


def room(domains: int) -> AlongLayout:
    """Totals in column 3, the lowest bit of a quotient in column 4."""
    nothing = np.zeros(0, np.int64)
    return AlongLayout(Geometry(12, domains), Demand(nothing, nothing, 0, 1, 1, (), 0, 0, 0))


def field(column: int, interval: Interval, spare: int = 0) -> Field:
    kind = IntType.containing(*interval)
    return Field(column, 1, kind.bits + spare, kind.signed)


@settings(max_examples=120)
@given(data=st.data(), seed=st.integers(0, 1 << 30))
def test_a_plan_on_the_machine_is_the_plan(data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(1, 2))
    intervals, multipliers = [], []
    for _ in range(count):
        least = data.draw(st.integers(-40, 40))
        intervals.append((least, least + data.draw(st.integers(1, 60))))
        size = data.draw(
            st.sampled_from([Fraction(1, 2), Fraction(1, 4), Fraction(3, 4), Fraction(1), Fraction(5, 17)])
        )
        multipliers.append(size * data.draw(st.sampled_from([-1, 1])))
    kind = IntType(data.draw(st.integers(1, 5)), data.draw(st.booleans()))
    offset = Fraction(data.draw(st.integers(-60, 60)), 4)
    stairs = Staircase(tuple(multipliers), offset, 0, kind.min, kind.max, Rounding.HALF_EVEN, False)
    accumulator = data.draw(st.booleans())
    plan = plan_requantise(stairs, tuple(intervals), accumulator)
    if isinstance(plan, ConstantPlan):
        return
    random = np.random.default_rng(seed)
    values = [random.integers(lo, hi + 1, ROWS) for lo, hi in intervals]
    held, within = list(values), list(intervals)
    if accumulator:  # it holds the plan's sign, and its initial value
        start = plan.initial if isinstance(plan, ScalePlan) else 0
        held[0] = plan.sign * values[0] + start
        low, high = sorted(plan.sign * end + start for end in intervals[0])
        within[0] = (low, high)
    operands = [Operand(field(6 + i, interval), interval) for i, interval in enumerate(within)]
    out = Field(9, 2, kind.bits, kind.signed)
    builder = TileBuilder([])
    if isinstance(plan, ScalePlan):
        total = scaled_sum(plan, within, accumulator)
        if total.in_place:  # the accumulator's wire has room for the total
            assert operands[0].field.domain + max(total.width, operands[0].field.width) <= 60
        emit_scale(builder, plan, operands, accumulator, room(60), out)
    else:
        emit_steps(builder, plan, operands[0].field, accumulator, out)
    machine = machine_of(ROWS, 12, 64, seed)
    for operand, column in zip(operands, held, strict=True):
        machine.cells[:, operand.field.column] = False  # an accumulator was cleared up to its last width
        machine.load(operand.field, column)
    execute(machine, builder.tile())
    np.testing.assert_array_equal(machine.read(out), plan.evaluate(values))


def test_a_descending_staircase_becomes_an_ascending_one() -> None:
    plan = StepPlan(-1, 0, ((-5, 3), (2, 7)))
    x = np.arange(-12, 13)
    assert ascending(plan).sign == 1
    np.testing.assert_array_equal(ascending(plan).evaluate([x]), plan.evaluate([x]))
    assert ascending(ascending(plan)) == ascending(plan)


def test_a_total_longer_than_a_wire_is_refused() -> None:
    plan = ScalePlan(1, (5,), 0, 3, 9, 0, 15)
    with pytest.raises(CapacityError, match="needs 12 bits, more than the 8 domains of a nanowire"):
        emit_scale(TileBuilder([]), plan, [Operand(Field(6, 0, 8), (0, 500))], False, room(8), Field(9, 0, 4))
