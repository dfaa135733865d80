"""Instructions of one channel's requantisation: shift-add and clamp, steps, or a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backends.rtm_ap.builder import TileBuilder
from backends.rtm_ap.channels import ascending
from ir.adders import signed_digits
from ir.isa import Field, Op
from ir.requantise import Interval, ScalePlan, StepPlan
from ir.types import IntType


class Scratch(Protocol):
    """Places for the parts of a requantisation: of ``layout.Layout``."""

    def total(self, width: int, signed: bool) -> Field: ...

    def tie(self) -> Field: ...


@dataclass(frozen=True)
class Operand:
    """A value to be scaled: where it lies, and its exact interval."""

    field: Field
    interval: Interval


@dataclass(frozen=True)
class ScaledSum:
    """The total of a ScalePlan: one factor an operand. The first operand may be the accumulator, which holds the
    plan's sign and initial value already; else the sign is in its factor and ``bias`` in the total."""

    factors: tuple[int, ...]
    bias: int
    width: int
    signed: bool
    in_place: bool


def scaled_sum(plan: ScalePlan, intervals: list[Interval], accumulator: bool) -> ScaledSum:
    """How a plan's total is formed, for operand 0 in an accumulator or not; ``intervals`` of the operands as held."""
    factors = (plan.multipliers[0] * (1 if accumulator else plan.sign), *plan.multipliers[1:])
    bias = plan.bias + (0 if accumulator else plan.multipliers[0] * plan.initial)
    ends = [sorted((f * lo, f * hi)) for f, (lo, hi) in zip(factors, intervals, strict=True)]
    lo, hi = bias + sum(e[0] for e in ends), bias + sum(e[1] for e in ends)
    if plan.tie is not None:
        nudge = 1 << plan.tie.shift
        lo, hi = min(lo, lo + plan.tie.constant - nudge), max(hi, hi + plan.tie.constant + nudge)
    width = max(IntType.containing(lo, hi).bits, plan.shift + 1)
    return ScaledSum(factors, bias, width, lo < 0, accumulator and factors[0] == 1 and bias == 0)


def emit_scale(
    builder: TileBuilder, plan: ScalePlan, operands: list[Operand], accumulator: bool, layout: Scratch, out: Field
) -> None:
    """out <- clamp(total >> shift). The total is summed in its own place, or in the accumulator itself."""
    total = scaled_sum(plan, [operand.interval for operand in operands], accumulator)
    digits = [(i, *digit) for i, factor in enumerate(total.factors) for digit in signed_digits(factor)]
    main = operands[0].field
    if total.in_place:
        place = Field(main.column, main.domain, max(main.width, total.width), total.signed, main.across)
        if main.signed and place.width > main.width:
            builder.extend(place, main.width)
        digits = digits[1:]
    else:
        place = layout.total(total.width, total.signed)
        copied = next((d for d in digits if d[0] == 0 and d[2] > 0 and d[1] < total.width), None)
        if accumulator and total.bias == 0 and copied is not None:
            digits.remove(copied)
            builder.emit(Op.COPY, place.bits(copied[1]), main)
            if copied[1]:
                builder.emit(Op.CONST, place.bits(0, copied[1], signed=False), constants=(0,))
        else:
            builder.emit(Op.CONST, place, constants=(total.bias,))
    for i, shift, sign in digits:
        if shift < place.width:
            builder.emit(Op.ADD if sign > 0 else Op.SUB, place.bits(shift), operands[i].field)
    if plan.tie is not None:
        odd = layout.tie()
        builder.emit(Op.COPY, odd, place.bits(plan.shift, plan.shift + 1, signed=False))
        builder.emit(Op.ADDC, place, constants=(plan.tie.constant,))
        builder.emit(Op.ADD if plan.tie.sign > 0 else Op.SUB, place.bits(plan.tie.shift), odd)
    builder.emit(Op.CLAMP, out, place.bits(plan.shift), constants=(plan.lo, plan.hi))


def emit_steps(builder: TileBuilder, plan: StepPlan, main: Field, accumulator: bool, out: Field) -> None:
    """out <- the staircase of the operand; an accumulator holds the plan's sign already."""
    steps = StepPlan(1, plan.lowest, plan.steps) if accumulator else ascending(plan)
    builder.emit(Op.CONST, out, constants=(steps.lowest,))
    for threshold, value in steps.steps:
        builder.emit(Op.STEP, out, main, constants=(threshold, value))
