"""Requantisation plans equal exact rational arithmetic; the oracle is ``Requantise.level`` on Fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.errors import UserError
from ir.ops import Requantise
from ir.requantise import (
    MAX_COMBINATIONS,
    ConstantPlan,
    Interval,
    Plan,
    ScalePlan,
    Staircase,
    StepPlan,
    plan_requantise,
)
from ir.rounding import Rounding
from ir.types import IntType, QuantParams

UNIT = QuantParams(np.ones(1, np.float32), np.zeros(1, np.int64))


def staircase(
    *multipliers: Fraction | int,
    offset: Fraction | int = 0,
    lo: int = 0,
    hi: int = 15,
    zero_point: int = 0,
    rounding: Rounding = Rounding.HALF_EVEN,
    bipolar: bool = False,
) -> Staircase:
    factors = tuple(map(Fraction, multipliers))
    return Staircase(factors, Fraction(offset), zero_point, lo, hi, rounding, bipolar)


def levels(stairs: Staircase, points: list[tuple[int, ...]]) -> list[int]:
    """The exact output at every point."""
    op = Requantise(
        tuple((m,) for m in stairs.multipliers), (stairs.offset,), stairs.zero_point, stairs.lo, stairs.hi,
        IntType(9, True), stairs.rounding, UNIT, stairs.bipolar,
    )  # fmt: skip
    return [
        op.level(sum((m * x for m, x in zip(stairs.multipliers, point, strict=True)), stairs.offset))
        for point in points
    ]


def equals_everywhere(plan: Plan, stairs: Staircase, intervals: tuple[Interval, ...]) -> bool:
    points = list(itertools.product(*(range(lo, hi + 1) for lo, hi in intervals)))
    operands = list(np.array(points, np.int64).T)
    return plan.evaluate(operands).tolist() == levels(stairs, points)


def magnitudes(least: int, most: int) -> st.SearchStrategy[Fraction]:
    """Powers of two (which make ties), small ratios, and what a float32 scale gives."""
    return st.one_of(
        st.integers(least, most).map(lambda power: Fraction(2) ** power),
        st.builds(Fraction, st.integers(1, 12), st.integers(2, 60)),
        st.floats(2.0**least, 2.0**most, width=32).map(Fraction),
    )


@st.composite
def problems(draw: st.DrawFn, operands: int) -> tuple[Staircase, tuple[Interval, ...], bool]:
    kind = IntType(draw(st.integers(1, 8 if operands == 1 else 4)), draw(st.booleans()))
    bipolar = operands == 1 and draw(st.integers(0, 9)) == 0
    lo = draw(st.sampled_from([kind.min, kind.min, draw(st.integers(kind.min, kind.max))]))
    hi = draw(st.sampled_from([kind.max, kind.max, draw(st.integers(lo, kind.max))]))
    rounding = draw(st.sampled_from(list(Rounding)))
    if operands > 1 and rounding in (Rounding.UP, Rounding.DOWN):
        rounding = Rounding.HALF_EVEN  # their steps are uneven about 0, which no sum of several terms has
    size = {1: 600, 2: 60, 3: 12}[operands]
    intervals: list[Interval] = []
    multipliers: list[Fraction] = []
    for _ in range(operands):
        least = draw(st.integers(-size, size))
        intervals.append((least, least + draw(st.integers(1, size))))
        multipliers.append(draw(magnitudes(-7, 1)) * draw(st.sampled_from([-1, 1])))
    middle = sum((m * Fraction(a + b, 2) for m, (a, b) in zip(multipliers, intervals, strict=True)), Fraction(0))
    offset = Fraction(round(-4 * middle), 4) if draw(st.booleans()) else Fraction(draw(st.integers(-40, 40)), 7)
    zero_point = draw(st.sampled_from([0, 0, draw(st.integers(kind.min, kind.max))]))
    stairs = Staircase(tuple(multipliers), offset, zero_point, *((-1, 1) if bipolar else (lo, hi)), rounding, bipolar)
    return stairs, tuple(intervals), draw(st.booleans())


@settings(max_examples=500)
@given(problems(1))
def test_a_plan_of_one_operand_is_exact(problem: tuple[Staircase, tuple[Interval, ...], bool]) -> None:
    stairs, intervals, accumulator = problem
    plan = plan_requantise(stairs, intervals, accumulator)
    assert equals_everywhere(plan, stairs, intervals)


@settings(max_examples=200)
@given(problems(2))
def test_a_plan_of_two_operands_is_exact(problem: tuple[Staircase, tuple[Interval, ...], bool]) -> None:
    stairs, intervals, accumulator = problem
    assert equals_everywhere(plan_requantise(stairs, intervals, accumulator), stairs, intervals)


@settings(max_examples=60)
@given(problems(3))
def test_a_plan_of_three_operands_is_exact(problem: tuple[Staircase, tuple[Interval, ...], bool]) -> None:
    stairs, intervals, accumulator = problem
    assert equals_everywhere(plan_requantise(stairs, intervals, accumulator), stairs, intervals)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("zero_point", [0, 3])
@pytest.mark.parametrize("slope", [Fraction(1, 4), Fraction(-1, 2), Fraction(3, 8)])
def test_ties_of_every_rounding_mode(rounding: Rounding, zero_point: int, slope: Fraction) -> None:
    stairs = staircase(slope, lo=-8, hi=7, zero_point=zero_point, rounding=rounding)
    plan = plan_requantise(stairs, ((-70, 70),), True)
    assert equals_everywhere(plan, stairs, ((-70, 70),))


def test_ties_to_even_of_a_sum_of_two_take_a_correction() -> None:
    stairs = staircase(Fraction(1, 2), Fraction(1, 4), lo=0, hi=15)
    plan = plan_requantise(stairs, ((0, 15), (0, 15)), False)
    assert isinstance(plan, ScalePlan) and plan.tie is not None
    assert equals_everywhere(plan, stairs, ((0, 15), (0, 15)))


def test_a_power_of_two_that_rounds_down_is_a_shift_of_the_accumulator() -> None:
    plan = plan_requantise(staircase(Fraction(1, 8), rounding=Rounding.FLOOR), ((-500, 500),), True)
    assert plan == ScalePlan(1, (1,), 0, 0, 3, 0, 15)


def test_an_accumulator_starts_at_what_rounds() -> None:
    plan = plan_requantise(staircase(Fraction(1, 8), rounding=Rounding.HALF_UP), ((0, 500),), True)
    assert isinstance(plan, ScalePlan) and (plan.multipliers, plan.bias, plan.shift) == ((1,), 0, 3)
    assert plan.initial == 4


def test_a_negative_multiplier_negates_the_sum() -> None:
    plan = plan_requantise(staircase(Fraction(-1, 8), rounding=Rounding.FLOOR), ((-500, 500),), True)
    assert isinstance(plan, ScalePlan) and plan.sign == -1 and plan.multipliers == (1,)


def test_few_levels_are_compared_with() -> None:
    stairs = staircase(Fraction(5, 777), offset=Fraction(-1, 3), lo=0, hi=1)
    assert isinstance(plan_requantise(stairs, ((-3000, 3000),), False), StepPlan)
    sign = plan_requantise(staircase(-1, bipolar=True, lo=-1, hi=1), ((-5, 5),), False)
    assert sign == StepPlan(-1, -1, ((0, 1),))


@pytest.mark.parametrize(
    ("stairs", "interval", "value"),
    [
        (staircase(Fraction(1, 100)), (-20, 20), 0),
        (staircase(1, offset=40), (-20, 20), 15),
        (staircase(1, offset=-40, lo=-3, hi=5), (-20, 20), -3),
        (staircase(Fraction(1, 100), zero_point=7), (-20, 20), 7),
        (staircase(1, bipolar=True, lo=-1, hi=1), (1, 20), 1),
        (staircase(1, bipolar=True, lo=-1, hi=1), (-20, -1), -1),
        (staircase(1, lo=4, hi=4), (-20, 20), 4),
    ],
)
def test_a_staircase_without_a_step_in_range_is_a_constant(stairs: Staircase, interval: Interval, value: int) -> None:
    assert plan_requantise(stairs, (interval,), True) == ConstantPlan(value)


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(UserError, match=f"65536 combinations .* more than the {MAX_COMBINATIONS}.*quantise the terms"):
        plan_requantise(staircase(1, 1, 1), ((0, 255), (0, 255), (0, 255)), True)


@pytest.mark.parametrize(
    "stairs",
    [
        staircase(1, 1, lo=-1, hi=1, bipolar=True),
        staircase(Fraction(1, 8), Fraction(1, 8), lo=-4, hi=4, rounding=Rounding.DOWN),
    ],
)
def test_several_operands_without_a_shift_add_form_are_refused(stairs: Staircase) -> None:
    with pytest.raises(UserError, match=f"rounding {stairs.rounding.value}.*quantise the terms of the addition first"):
        plan_requantise(stairs, ((-40, 40), (-8, 7)), False)
