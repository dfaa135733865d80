"""A layer of one position per image with its roles turned: outputs on rows, weights in the arrays, inputs broadcast.

Where a layer has one position, as a classifier has, an instruction a weight makes an instruction stream of all the
weights for a single row. Here every output is a row. The array holds the row's weights, across columns, one input after
another along the domains; they are loaded once, before the first image (``LayerProgram.resident_fields``). One
instruction an input (``Op.MAC``) multiplies its column of weights by the input's bits, which are the same for all rows
and travel in the search key. Groups of inputs are summed in a narrow field first, so that carries ripple through few
bits, and meet the wide accumulator once.

The layer stores (1, outputs, 1) in place of (outputs, 1, 1): the same values in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backends.rtm_ap.builder import Source, TileBuilder, stored_fields
from backends.rtm_ap.channels import SUM, ChannelPlan, plan_channels
from backends.rtm_ap.layers import CompiledLayer, statistics_of
from backends.rtm_ap.layout import CapacityError, Geometry
from backends.rtm_ap.requantise import Operand, emit_scale, emit_steps, scaled_sum
from ir.isa import FLAG_COLUMNS, Field, Op
from ir.lower import Layer, Linear
from ir.program import ROW_MAP, LayerProgram
from ir.requantise import ConstantPlan, Plan, ScalePlan, StepPlan, Tie
from ir.types import IntType
from ir.verify_program import MAX_RESIDENT_WIDTH

TOGETHER = (1 << 16, 32, 16, 8, 4)
"""Inputs summed in a narrow field first, to be tried; more than there are: all go straight to the accumulator."""


def can_turn(layer: Layer) -> bool:
    """Whether a layer could hold its weights: one position, sums, and nothing that reads its outputs as channels."""
    body = layer.body
    return (
        isinstance(body, Linear)
        and layer.type.positions == 1
        and not layer.read
        and body.accumulates
        and not body.operands
        and len(body.weights) > 0
    )


@dataclass(frozen=True, eq=False)
class Turned:
    """What the rows of a turned layer compute: out = plan(initial + sum weights * inputs).

    ``variables``: VARIABLE records of the inputs, each with a weight that is not zero; ``weights``: int64 [inputs,
    outputs]; ``initial``: int64 [outputs]; ``plan``: every output's, but for its initial value; ``held``: the interval
    of all sums.
    """

    variables: np.ndarray
    weights: np.ndarray
    initial: np.ndarray
    plan: Plan | None
    held: tuple[int, int]

    @property
    def inputs(self) -> list[IntType]:
        """The narrowest type of each input."""
        return [IntType.containing(int(v["lo"]), int(v["hi"])) for v in self.variables]


def turned(layer: Layer) -> Turned:
    """The layer's sums, an output a row. Raises CapacityError where the rows would have to do different things."""
    body = layer.body
    assert isinstance(body, Linear) and can_turn(layer)
    rows = _common_rows(plan_channels(layer, body))
    factors = np.array([row.factor for row in rows], np.int64)
    weights = np.zeros((len(layer.variables), len(rows)), np.int64)
    np.add.at(weights, (body.variables, body.outputs), body.weights * factors[body.outputs])
    start = np.array([row.start for row in rows], np.int64)
    one, other = (weights * layer.variables[end].astype(np.int64)[:, None] for end in ("lo", "hi"))
    held = (
        int((start + np.minimum(one, other).sum(axis=0)).min()),
        int((start + np.maximum(one, other).sum(axis=0)).max()),
    )
    fixed = layer.variables["lo"] == layer.variables["hi"]
    used = ~fixed & weights.any(axis=1)
    initial = start + layer.variables["lo"][fixed] @ weights[fixed]
    return Turned(layer.variables[used], weights[used], initial, rows[0].plan, held)


@dataclass(frozen=True)
class _Row:
    """One output: plan(start + factor * sum of its weighted inputs)."""

    factor: int
    start: int
    plan: Plan | None


def _common_rows(plans: list[ChannelPlan]) -> list[_Row]:
    """Every output's sum such that one plan serves all. Multipliers and shifts of a row's own go into its weights.
    Raises CapacityError where that is not possible."""
    rows = [_Row(plan.sign, plan.initial, _uniform(plan.plan)) for plan in plans]
    if len({row.plan for row in rows}) > 1 or isinstance(rows[0].plan, ConstantPlan):
        shift = max((plan.plan.shift for plan in plans if isinstance(plan.plan, ScalePlan)), default=0)
        rows = [_scaled(plan, shift) for plan in plans]
        common = next((row.plan for row in rows if row.plan is not None), None)
        rows = [replace(row, plan=common) if row.factor == 0 else row for row in rows]
    if len({row.plan for row in rows}) > 1 or any(plan.operands not in ((SUM,), ()) for plan in plans):
        raise CapacityError("its outputs are requantised in different ways")
    return rows


def _uniform(plan: Plan | None) -> Plan | None:
    """The plan without what a row may have of its own."""
    return replace(plan, sign=1, initial=0) if isinstance(plan, ScalePlan) else plan


def _scaled(channel: ChannelPlan, shift: int) -> _Row:
    """The output with the multiplier 1 and this shift; a constant one has no weights, and any plan."""
    plan = channel.plan
    if isinstance(plan, ConstantPlan):
        return _Row(0, plan.value << shift, None)
    if not isinstance(plan, ScalePlan) or channel.operands != (SUM,):
        raise CapacityError("its outputs are requantised in different ways")
    more = shift - plan.shift
    factor = plan.multipliers[0] << more
    start, tie = factor * channel.initial + (plan.bias << more), plan.tie
    if tie is not None and tie.shift == 0:
        # An addition to the lowest bit of the sum may be one ``more`` bits below it, to ones there.
        tie = Tie(tie.constant << more, 0, tie.sign)
        start += (1 << more) - 1 if tie.sign > 0 else 0
    elif tie is not None:
        tie = Tie(tie.constant << more, tie.shift + more, tie.sign)
    return _Row(channel.sign * factor, start, ScalePlan(1, (1,), 0, 0, shift, plan.lo, plan.hi, tie))


@dataclass(frozen=True)
class _Places:
    """Columns of one array, from the left: flags, accumulator, initial values, scratch, weights.

    The scratch columns hold the sum of a group, then the parts of a requantisation: output, total, and a bit.
    """

    accumulator: int
    initial: int
    scratch: int
    output: int
    slot: int
    columns: int

    @property
    def first_slot(self) -> int:
        return FLAG_COLUMNS + self.accumulator + self.initial + self.scratch

    @property
    def slots(self) -> int:
        """Weights that lie side by side at one domain."""
        return (self.columns - self.first_slot) // self.slot

    def weight(self, index: int, kind: IntType) -> Field:
        domain, slot = divmod(index, self.slots)
        return Field(self.first_slot + slot * self.slot, domain, kind.bits, kind.signed, across=True)

    def field(self, column: int, width: int, signed: bool) -> Field:
        """A field at domain 0, ``column`` columns after the initial values."""
        return Field(FLAG_COLUMNS + self.accumulator + self.initial + column, 0, width, signed, across=True)

    def total(self, width: int, signed: bool) -> Field:
        return self.field(self.output, width, signed)

    def tie(self) -> Field:
        return self.field(self.scratch - 1, 1, False)


def compile_broadcast(
    layer: Layer, sums: Turned, geometry: Geometry, sources: list[Source], output: int, together: int
) -> CompiledLayer:
    """Compile a layer whose ``sums`` are ``turned``; groups of ``together`` inputs are summed narrow first. Arguments
    otherwise as of ``compile_layer``. Raises CapacityError where its rows do not fit."""
    body = layer.body
    assert isinstance(body, Linear)
    kinds = [IntType.containing(int(w.min()), int(w.max())) for w in sums.weights]
    groups = [np.arange(i, min(i + together, len(kinds))) for i in range(0, len(kinds), together)]
    partial = [_sum_type(sums, group) for group in groups] if len(groups) > 1 else []
    final = _final_type(layer, sums)
    start = IntType.containing(int(sums.initial.min()), int(sums.initial.max()))
    constant = int(sums.initial[0]) if (sums.initial == sums.initial[0]).all() else None
    out = IntType.containing(int(layer.type.lo.min()), int(layer.type.hi.max()))
    total = scaled_sum(sums.plan, [sums.held], True).width if isinstance(sums.plan, ScalePlan) else 0
    places = _Places(
        final.bits,
        0 if constant is not None else start.bits,
        max([kind.bits for kind in partial] + ([out.bits + total + 1] if sums.plan is not None else [0])),
        out.bits,
        max(kind.bits for kind in kinds) if kinds else 1,
        geometry.columns,
    )
    weights = [places.weight(i, kind) for i, kind in enumerate(kinds)] if places.slots > 0 else []
    if len(weights) < len(kinds) or any(field.domain >= geometry.domains for field in weights):
        raise CapacityError(f"the weights of {len(kinds)} inputs do not fit a row")
    accumulator = Field(FLAG_COLUMNS, 0, final.bits, final.signed, across=True)
    initial = Field(FLAG_COLUMNS + final.bits, 0, start.bits, start.signed, across=True)

    builder = TileBuilder(sources)
    builder.phase("clear")
    if constant is not None:
        builder.emit(Op.CONST, accumulator, constants=(constant,))
    else:
        builder.emit(Op.COPY, accumulator, initial)
    row_maps: dict[tuple[int, ...], int] = {}
    variables = sums.variables.copy()
    for variable in variables:
        _, _, y, x = layer.row_maps[variable["row_map"]]
        variable["row_map"] = row_maps.setdefault((0, 0, y, x), len(row_maps))
    inputs = sums.inputs
    for number, group in enumerate(groups):
        builder.phase(f"sum {number}")
        target = accumulator
        if partial:
            target = places.field(0, partial[number].bits, partial[number].signed)
            builder.emit(Op.CONST, target, constants=(0,))
        for i in group.tolist():
            builder.multiply(target, weights[i], variables[i : i + 1], inputs[i])
        if partial:
            builder.emit(Op.ADD, accumulator, target)
            builder.adds += 1
            builder.bit_adds += accumulator.width
    builder.phase("requantise")
    stored = _requantise(builder, sums, accumulator, places, out)

    resident = weights if constant is not None else [*weights, initial]
    values = sums.weights if constant is not None else np.vstack([sums.weights, sums.initial])
    if any(field.width > MAX_RESIDENT_WIDTH for field in resident):
        raise CapacityError(f"an initial value has more than {MAX_RESIDENT_WIDTH} bits")
    program = LayerProgram(
        layer.name,
        layer.op,
        output,
        np.array(list(row_maps), np.int32).reshape(-1, 4).view(ROW_MAP).reshape(-1),
        [builder.tile()],
        statistics_of(layer, body, [builder]),
        stored_fields(resident, 0) if resident else np.zeros(0, stored_fields([accumulator], 0).dtype),
        values.astype(np.int32).reshape(len(resident), layer.type.channels if resident else 0),
    )
    return CompiledLayer(program, stored_fields([stored], 0), turned=True)


def _sum_type(sums: Turned, group: np.ndarray) -> IntType:
    """The type of what a group of inputs adds to any row; no narrower than an input."""
    low, high = sums.variables["lo"][group, None], sums.variables["hi"][group, None]
    one, other = sums.weights[group] * low, sums.weights[group] * high
    kind = IntType.containing(
        int(np.minimum(one, other).sum(axis=0).min()), int(np.maximum(one, other).sum(axis=0).max())
    )
    return IntType(max(kind.bits, *(sums.inputs[i].bits for i in group.tolist())), kind.signed)


def _final_type(layer: Layer, sums: Turned) -> IntType:
    """The accumulator's: of all sums, wider where the requantisation is summed in place or an input is wider."""
    lo, hi = sums.held
    if sums.plan is None:
        lo, hi = min(lo, int(layer.type.lo.min())), max(hi, int(layer.type.hi.max()))
    kind = IntType.containing(lo, hi)
    if isinstance(sums.plan, ScalePlan):
        total = scaled_sum(sums.plan, [sums.held], True)
        if total.in_place:
            kind = IntType(max(kind.bits + (total.signed and not kind.signed), total.width), total.signed)
    return IntType(max([kind.bits, *(item.bits for item in sums.inputs)]), kind.signed)


def _requantise(builder: TileBuilder, sums: Turned, accumulator: Field, places: _Places, out: IntType) -> Field:
    """Emit the plan that all rows share; returns where the outputs lie."""
    plan = sums.plan
    if plan is None:
        return accumulator
    field = places.field(0, out.bits, out.signed)
    if isinstance(plan, ScalePlan):
        emit_scale(builder, plan, [Operand(accumulator, sums.held)], True, places, field)
    else:
        assert isinstance(plan, StepPlan)
        emit_steps(builder, plan, accumulator, True, field)
    return field
