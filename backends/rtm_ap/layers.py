"""One layer of the network becomes tiles of instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backends.rtm_ap.builder import Source, TileBuilder, field_of, interval_types, stored_fields, variable_types
from backends.rtm_ap.channels import SUM, ChannelPlan, plan_channels
from backends.rtm_ap.layout import Geometry, TileLayout, inputs_at_once, place_inputs, tile_layer
from backends.rtm_ap.requantise import Operand, Room, emit_scale, emit_steps, scaled_sum
from backends.rtm_ap.terms import PLACE, final_states, start
from ir.adders import NODE, AdderDag, terms_of
from ir.errors import UserError
from ir.isa import Field, Op
from ir.lower import Copy, Layer, Linear, Maximum
from ir.program import ROW_MAP, LayerProgram, Tile
from ir.requantise import ConstantPlan, Interval, ScalePlan
from ir.types import IntType

STATISTICS = ("nonzero_weights", "adds_naive", "adds", "bit_adds", "groups")
"""Counts of a layer: weights that are not zero; additions without any sharing (nonzero weights minus outputs); those
in the program, requantisation included; the sum of their result widths; how often inputs are loaded."""


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """The layer's program and, for every output channel, where it lies (FIELD records)."""

    program: LayerProgram
    fields: np.ndarray


def compile_layer(layer: Layer, geometry: Geometry, sources: list[Source], output: int) -> CompiledLayer:
    """``sources``: where the layer's sources are stored; ``output``: index into Program.tensors of what it stores.

    Raises UserError (CapacityError where it fits no tiling), naming the layer.
    """
    try:
        if isinstance(layer.body, Linear):
            parts, statistics = LinearCompiler(layer, layer.body, geometry, sources).compile()
        else:
            parts, statistics = _compile_moves(layer, layer.body, geometry, sources), dict.fromkeys(STATISTICS, 0)
    except UserError as error:
        raise type(error)(f"layer {layer.name}: {error}") from None
    fields = np.concatenate([stored_fields(outputs, index) for index, (_, outputs) in enumerate(parts)])
    row_maps = np.array(layer.row_maps, np.int32).reshape(-1, 4).view(ROW_MAP).reshape(-1)
    program = LayerProgram(layer.name, layer.op, output, row_maps, [tile for tile, _ in parts], statistics)
    return CompiledLayer(program, fields)


def _compile_moves(
    layer: Layer, body: Maximum | Copy, geometry: Geometry, sources: list[Source]
) -> list[tuple[Tile, list[Field]]]:
    """Layers without sums: every output has the type its inputs are stored with."""
    taps = body.taps if isinstance(body, Maximum) else 1
    variables = layer.variables.reshape(-1, taps)
    widths, signed = variable_types(sources, variables[:, 0])
    parts = []
    for layout in tile_layer(geometry, np.zeros(len(widths), np.int64), widths, operands=1, inputs=0):
        builder = TileBuilder(sources)
        outputs = _output_fields(layout, widths, signed)
        builder.phase(layer.op)
        for channel, output in zip(layout.channels, outputs, strict=True):
            builder.gather_one(variables[channel, :1], output.column, output.domain)
            for tap in range(1, taps):
                other = builder.gather_one(variables[channel, tap : tap + 1], layout.operand_columns[0])
                builder.emit(Op.MAX, output, other)
        parts.append((builder.tile(), outputs))
    return parts


def _output_fields(layout: TileLayout, widths: np.ndarray, signed: np.ndarray) -> list[Field]:
    places = zip(layout.channels, layout.output_column, layout.output_domain, strict=True)
    return [Field(int(c), int(d), int(widths[channel]), bool(signed[channel])) for channel, c, d in places]


class LinearCompiler:
    """Sums and requantisations of one layer, tile by tile."""

    def __init__(self, layer: Layer, body: Linear, geometry: Geometry, sources: list[Source]) -> None:
        self.layer, self.body, self.geometry, self.sources = layer, body, geometry, sources
        self.plans = plan_channels(layer, body)
        self.lo, self.hi = layer.variables["lo"], layer.variables["hi"]
        self.terms = self._signed_terms()
        initial = np.array([plan.initial for plan in self.plans], np.int64)
        self.states = final_states(initial, self.terms, self.lo, self.hi)
        self.space = np.array([self._accumulator_width(channel) for channel in range(len(self.plans))], np.int64)
        self.output_widths, self.output_signed = interval_types(layer.type.lo, layer.type.hi)

    def _signed_terms(self) -> np.ndarray:
        """All TERM records with the plans' signs, ordered by (channel, output, window position)."""
        body = self.body
        useful = np.array([plan.accumulates for plan in self.plans])[body.outputs]
        useful &= (self.lo[body.variables] != 0) | (self.hi[body.variables] != 0)
        outputs, variables = body.outputs[useful], body.variables[useful]
        signs = np.array([plan.sign for plan in self.plans], np.int64)
        order = np.lexsort((variables, outputs, variables // body.taps))
        return terms_of(outputs[order], variables[order], (body.weights[useful] * signs[outputs])[order])

    def _accumulator_width(self, channel: int) -> int:
        """Bits an accumulator needs: its own, or its total's where the requantisation is summed in place."""
        plan, state = self.plans[channel], self.states[channel]
        if not plan.accumulates:
            return 0
        if plan.plan is None:
            return self._stored_sum(channel, int(state["width"]), bool(state["signed"])).bits
        if isinstance(plan.plan, ScalePlan):
            intervals = [(int(state["lo"]), int(state["hi"])), *self._intervals(plan, channel)]
            total = scaled_sum(plan.plan, intervals, accumulator=True)
            if total.in_place:
                return max(int(state["width"]), total.width)
        return int(state["width"])

    def _stored_sum(self, channel: int, width: int, signed: bool) -> IntType:
        """The type of a sum that is the output: as it was summed, or wider where readers pad it with more."""
        summed = IntType(width, signed)
        lo, hi = int(self.layer.type.lo[channel]), int(self.layer.type.hi[channel])
        return IntType.containing(min(lo, summed.min), max(hi, summed.max))

    def _intervals(self, plan: ChannelPlan, channel: int) -> list[Interval]:
        """Of the gathered operands."""
        variables = [self.body.operands[i][channel] for i in plan.operands if i != SUM]
        return [(int(v["lo"]), int(v["hi"])) for v in variables]

    def compile(self) -> tuple[list[tuple[Tile, list[Field]]], dict[str, int]]:
        stored_in_place = np.array([plan.plan is None for plan in self.plans])
        outputs = np.where(stored_in_place, 0, self.output_widths)
        layouts = tile_layer(self.geometry, self.space, outputs, len(self.body.operands), len(self.layer.variables))
        per_output = np.bincount(self.body.outputs, minlength=len(self.plans))
        statistics = dict.fromkeys(STATISTICS, 0)
        statistics["nonzero_weights"] = len(self.body.weights)
        statistics["adds_naive"] = int(np.maximum(per_output - 1, 0).sum())
        parts = []
        for layout in layouts:
            builder = TileBuilder(self.sources)
            parts.append((builder, self._emit_tile(builder, layout)))
            statistics["adds"] += builder.adds
            statistics["bit_adds"] += builder.bit_adds
            statistics["groups"] += builder.groups
        return [(builder.tile(), outputs) for builder, outputs in parts], statistics

    def _groups(self, layout: TileLayout) -> Iterator[tuple[np.ndarray, AdderDag]]:
        """The inputs (indices of variables) that are loaded together, and what is to be summed of them."""
        local = np.full(len(self.plans), -1)
        local[layout.channels] = np.arange(len(layout.channels))
        terms = self.terms[local[self.terms["output"]] >= 0]
        used = np.unique(terms["operand"])
        if not len(used):
            return
        widths, _ = variable_types(self.sources, self.layer.variables[used])
        at_once = inputs_at_once(layout, self.geometry.domains, self.body.taps, int(widths.max()))
        for first in range(0, len(used), at_once):
            variables = used[first : first + at_once]
            inside = terms[(terms["operand"] >= variables[0]) & (terms["operand"] <= variables[-1])]
            inside["operand"] = np.searchsorted(variables, inside["operand"])
            inside["output"] = local[inside["output"]]
            lo, hi = self.lo[variables], self.hi[variables]
            yield variables, AdderDag(lo, hi, np.zeros(0, NODE), inside, len(layout.channels))

    def _emit_tile(self, builder: TileBuilder, layout: TileLayout) -> list[Field]:
        plans = [self.plans[channel] for channel in layout.channels]
        accumulators = np.zeros(len(plans), PLACE)
        accumulators["column"], accumulators["domain"] = layout.accumulator_column, layout.accumulator_domain
        accumulators["width"], accumulators["signed"] = self.space[layout.channels], True
        running = start(np.array([plan.initial for plan in plans], np.int64))
        builder.phase("clear")
        for plan, place in zip(plans, accumulators, strict=True):
            if plan.accumulates:
                builder.emit(Op.CONST, field_of(place), constants=(plan.initial,))
        for index, (variables, dag) in enumerate(self._groups(layout)):
            builder.groups += 1
            builder.phase(f"load {index}")
            records = self.layer.variables[variables]
            width = int(variable_types(self.sources, records)[0].max())
            places = builder.gather(records, *place_inputs(layout, self.body.taps, width, len(variables)))
            builder.phase(f"sum {index}")
            builder.add_terms(running, dag, places, accumulators)
        accumulators["width"], accumulators["signed"] = running["width"], running["signed"]
        builder.phase("requantise")
        outputs = _output_fields(layout, self.output_widths, self.output_signed)
        for o, channel in enumerate(layout.channels.tolist()):
            total = Operand(field_of(accumulators[o]), (int(running["lo"][o]), int(running["hi"][o])))
            outputs[o] = self._requantise(builder, layout, channel, total, outputs[o])
        return outputs

    def _requantise(self, builder: TileBuilder, layout: TileLayout, channel: int, total: Operand, out: Field) -> Field:
        """Emit one channel's plan; returns where its output lies."""
        plan = self.plans[channel]
        if plan.plan is None:
            summed = total.field
            kind = self._stored_sum(channel, summed.width, summed.signed)
            stored = Field(summed.column, summed.domain, kind.bits, kind.signed)
            if summed.signed and stored.width > summed.width:
                builder.extend(stored, summed.width)
            return stored
        if isinstance(plan.plan, ConstantPlan):
            builder.emit(Op.CONST, out, constants=(plan.plan.value,))
            return out
        gathered = [i for i in plan.operands if i != SUM]
        operands = [total] if plan.accumulates else []
        for i, interval in zip(gathered, self._intervals(plan, channel), strict=True):
            variable = self.body.operands[i][channel : channel + 1]
            operands.append(Operand(builder.gather_one(variable, layout.operand_columns[i]), interval))
        if isinstance(plan.plan, ScalePlan):
            room = Room(layout.total_column, layout.tie_column, self.geometry.domains)
            emit_scale(builder, plan.plan, operands, plan.accumulates, room, out)
        else:
            emit_steps(builder, plan.plan, operands[0].field, plan.accumulates, out)
        return out
