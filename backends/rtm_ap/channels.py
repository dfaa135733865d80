"""How every output channel of a linear layer is computed: signs folded, initial values, and the requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ir.lower import Layer, Linear
from ir.ops import Requantise
from ir.requantise import ConstantPlan, Plan, ScalePlan, Staircase, StepPlan, plan_requantise

SUM = -1
"""In ``ChannelPlan.operands``: the accumulator."""


@dataclass(frozen=True)
class ChannelPlan:
    """One output channel.

    ``sign``: what the accumulator holds is sign * sum; ``initial``: where it starts; ``operands``: for every
    operand of the plan, SUM or an index into ``Linear.operands``; ``plan`` None: the accumulator is the output.
    """

    sign: int
    initial: int
    operands: tuple[int, ...]
    plan: Plan | None

    @property
    def accumulates(self) -> bool:
        return SUM in self.operands


def plan_channels(layer: Layer, body: Linear) -> list[ChannelPlan]:
    """A plan for every output channel. Raises UserError where none can be proven."""
    lo, hi = sum_intervals(layer, body)
    return [_plan_channel(body, o, (int(lo[o]), int(hi[o]))) for o in range(layer.type.channels)]


def sum_intervals(layer: Layer, body: Linear) -> tuple[np.ndarray, np.ndarray]:
    """The exact interval of every sum, int64 (channels,): each term at its extremes, from the initial value."""
    lo, hi = body.initial.copy(), body.initial.copy()
    low = body.weights * layer.variables["lo"][body.variables]
    high = body.weights * layer.variables["hi"][body.variables]
    np.add.at(lo, body.outputs, np.minimum(low, high))
    np.add.at(hi, body.outputs, np.maximum(low, high))
    return lo, hi


def held_intervals(layer: Layer, body: Linear, plans: list[ChannelPlan]) -> list[tuple[int, int]]:
    """The exact interval of what every finished accumulator holds: sign * sum, moved to the plan's initial value."""
    result = []
    for plan, lo, hi, initial in zip(plans, *sum_intervals(layer, body), body.initial, strict=True):
        moved = plan.initial - plan.sign * int(initial)
        ends = plan.sign * int(lo) + moved, plan.sign * int(hi) + moved
        result.append((min(ends), max(ends)))
    return result


def _plan_channel(body: Linear, channel: int, sum_interval: tuple[int, int]) -> ChannelPlan:
    initial = int(body.initial[channel])
    op = body.requantise
    if op is None:
        return ChannelPlan(1, initial, (SUM,), None)
    gathered = [(int(v["lo"][channel]), int(v["hi"][channel])) for v in body.operands]
    intervals = [sum_interval, *gathered] if body.accumulates else gathered
    names = [SUM, *range(len(gathered))] if body.accumulates else list(range(len(gathered)))
    stairs, active = _staircase(op, channel, intervals)
    if not active:
        return ChannelPlan(1, 0, (), ConstantPlan(_constant(stairs)))
    operands = tuple(names[i] for i in active)
    plan = plan_requantise(stairs, tuple(intervals[i] for i in active), operands[0] == SUM)
    if isinstance(plan, ConstantPlan) or operands[0] != SUM:
        return ChannelPlan(1, 0, () if isinstance(plan, ConstantPlan) else operands, plan)
    offset = plan.initial if isinstance(plan, ScalePlan) else 0
    return ChannelPlan(plan.sign, plan.sign * initial + offset, operands, plan)


def _staircase(op: Requantise, channel: int, intervals: list[tuple[int, int]]) -> tuple[Staircase, list[int]]:
    """The channel's staircase over the operands that matter; those with one value join the offset."""
    offset = Fraction(op.offset[channel])
    active, multipliers = [], []
    for i, (factors, (lo, hi)) in enumerate(zip(op.multipliers, intervals, strict=True)):
        if lo == hi or factors[channel] == 0:
            offset += factors[channel] * lo
        else:
            active.append(i)
            multipliers.append(Fraction(factors[channel]))
    return Staircase(tuple(multipliers), offset, op.zero_point, op.lo, op.hi, op.rounding, op.bipolar), active


def _constant(stairs: Staircase) -> int:
    value = stairs.lowest
    for level, boundary, inclusive in stairs.levels():
        if stairs.offset > boundary or (inclusive and stairs.offset == boundary):
            value = level
    return value


def ascending(plan: StepPlan) -> StepPlan:
    """The same staircase over the operand itself: steps with ``x >= threshold``, sign +1."""
    if plan.sign > 0:
        return plan
    values = [plan.lowest, *(value for _, value in plan.steps)]
    steps = tuple((1 - plan.steps[i][0], values[i]) for i in reversed(range(len(plan.steps))))
    return StepPlan(1, values[-1], steps)
