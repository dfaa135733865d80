"""One layer of the network becomes tiles of instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.rtm_ap.builder import Source, TileBuilder, field_of, interval_types, stored_fields, variable_types
from backends.rtm_ap.channels import SUM, ChannelPlan, held_intervals, plan_channels
from backends.rtm_ap.layout import AcrossLayout, AlongLayout, CapacityError, Demand, Geometry, Layout
from backends.rtm_ap.requantise import Operand, ScaledSum, emit_scale, emit_steps, scaled_sum
from backends.rtm_ap.shared_sums import emit_dag
from backends.rtm_ap.sharing import shared
from backends.rtm_ap.terms import running_extremes, start
from ir.adders import NODE, AdderDag, terms_of
from ir.cse.row_sums import intervals
from ir.errors import UserError
from ir.isa import Field, Op
from ir.lower import Copy, Layer, Linear, Maximum
from ir.program import ROW_MAP, LayerProgram, Tile
from ir.requantise import ConstantPlan, Interval, ScalePlan
from ir.types import IntType

STATISTICS = ("nonzero_weights", "adds_naive", "adds", "bit_adds", "groups")
"""Counts of a layer: weights that are not zero; additions without any sharing (nonzero weights minus outputs); those
in the program, requantisation included; the sum of their result widths; how often inputs are loaded."""

TEMPORARY_COLUMNS = (8, 16, 32, 64, 96)
"""Columns tried for temporaries along wires, each in a column of its own."""


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """The layer's program and, for every output channel, where it lies (FIELD records).

    ``tiles``: how many tiles the layer has; of a sample, only the first is there.
    """

    program: LayerProgram
    fields: np.ndarray
    tiles: int


@dataclass(frozen=True)
class Strategy:
    """How a layer is cut and laid out.

    ``together``: how many inputs are summed together, in columns of their own; 0: the window of one channel;
    ``share``: common subexpressions of a group are shared, and what a group adds to an output is summed before it
    meets the accumulator; ``across``: fields across columns, else along nanowires; ``outputs``: most output channels
    of a tile, 0 for as many as fit; ``search_s``: work to spend on each group's sharing, in seconds of a typical core.
    """

    together: int = 0
    share: bool = False
    across: bool = False
    outputs: int = 0
    search_s: float = 0.0


Parts = list[tuple[Tile, list[Field]]]
"""The tiles of a layer, each with the fields of its output channels."""


def compile_layer(
    layer: Layer,
    geometry: Geometry,
    sources: list[Source],
    output: int,
    strategy: Strategy,
    sample: bool = False,
) -> CompiledLayer:
    """``sources``: where the layer's sources are stored; ``output``: index into Program.tensors of what it stores;
    ``sample``: compile only the first tile, for a price.

    Raises UserError (CapacityError where it fits no tiling), naming the layer.
    """
    try:
        if isinstance(layer.body, Linear):
            tiles, parts, statistics = LinearCompiler(layer, layer.body, geometry, sources, strategy).compile(sample)
        else:
            tiles, parts = _compile_moves(layer, layer.body, geometry, sources, strategy.across)
            statistics = dict.fromkeys(STATISTICS, 0)
    except UserError as error:
        raise type(error)(f"layer {layer.name}: {error}") from None
    fields = np.concatenate([stored_fields(outputs, index) for index, (_, outputs) in enumerate(parts)])
    row_maps = np.array(layer.row_maps, np.int32).reshape(-1, 4).view(ROW_MAP).reshape(-1)
    program = LayerProgram(layer.name, layer.op, output, row_maps, [tile for tile, _ in parts], statistics)
    return CompiledLayer(program, fields, tiles)


def tilings(outputs: int, most: int) -> Iterator[list[np.ndarray]]:
    """Cuts of ``outputs`` channels into equal ranges, the fewest first: ranges of at most ``most`` channels and of at
    least half as many, or (0) of any size."""
    tiles = -(-outputs // most) if most else 1
    while most == 0 or tiles <= -(-2 * outputs // most):
        yield np.array_split(np.arange(outputs), tiles)
        if tiles == outputs:
            return
        tiles = min(outputs, tiles + max(1, tiles // 8))


def _first_fit(
    count: int, most: int, geometry: Geometry, compile_tile: Callable[[np.ndarray], Any], sample: bool = False
) -> tuple[int, list[Any]]:
    """The fewest ranges of channels that all fit: how many, and what ``compile_tile`` makes of each (of a sample: of
    the first)."""
    for ranges in tilings(count, most):
        try:
            return len(ranges), [compile_tile(channels) for channels in ranges[: 1 if sample else None]]
        except CapacityError as error:
            reason = error
    raise CapacityError(
        f"not even one output channel fits an array of {geometry.columns} columns x {geometry.domains} domains "
        f"({reason}): use a target with larger arrays, or fewer activation bits"
    )


def _layout(geometry: Geometry, demand: Demand, across: bool) -> Layout:
    return AcrossLayout(geometry, demand) if across else AlongLayout(geometry, demand)


def _compile_moves(
    layer: Layer, body: Maximum | Copy, geometry: Geometry, sources: list[Source], across: bool
) -> tuple[int, Parts]:
    """Layers without sums: every output has the type its inputs are stored with."""
    taps = body.taps if isinstance(body, Maximum) else 1
    variables = layer.variables.reshape(-1, taps)
    widths, signed = variable_types(sources, variables[:, 0])

    def compile_tile(channels: np.ndarray) -> tuple[Tile, list[Field]]:
        nothing = np.zeros(len(channels), np.int64)
        demand = Demand(nothing, widths[channels], 0, 1, 1, (int(widths[channels].max()),), 0, 0)
        layout = _layout(geometry, demand, across)
        builder = TileBuilder(sources)
        builder.phase(layer.op)
        outputs = []
        for index, channel in enumerate(channels.tolist()):
            output = layout.output(index, int(widths[channel]), bool(signed[channel]))
            builder.gather_one(variables[channel, :1], output.column, output.domain, across)
            for tap in range(1, taps):
                other = builder.gather_one(variables[channel, tap : tap + 1], *layout.operand(0), across)
                builder.emit(Op.MAX, output, other)
            outputs.append(output)
        return builder.tile(), outputs

    return _first_fit(len(widths), 0, geometry, compile_tile)


class LinearCompiler:
    """Sums and requantisations of one layer, tile by tile."""

    def __init__(
        self, layer: Layer, body: Linear, geometry: Geometry, sources: list[Source], strategy: Strategy
    ) -> None:
        self.layer, self.body, self.geometry, self.sources = layer, body, geometry, sources
        self.strategy = strategy
        self.plans = plan_channels(layer, body)
        self.lo, self.hi = layer.variables["lo"], layer.variables["hi"]
        self.together = max(1, min(strategy.together or body.taps, len(layer.variables)))
        self.terms = self._signed_terms()
        self.initial = np.array([plan.initial for plan in self.plans], np.int64)
        self.held = held_intervals(layer, body, self.plans)
        self.totals: dict[int, ScaledSum] = {}
        self.space = self._accumulator_widths()
        self.output_widths, self.output_signed = interval_types(layer.type.lo, layer.type.hi)

    def _signed_terms(self) -> np.ndarray:
        """All TERM records with the plans' signs, ordered by (group, output, variable)."""
        body = self.body
        useful = np.array([plan.accumulates for plan in self.plans])[body.outputs]
        useful &= (self.lo[body.variables] != 0) | (self.hi[body.variables] != 0)
        outputs, variables = body.outputs[useful], body.variables[useful]
        signs = np.array([plan.sign for plan in self.plans], np.int64)
        order = np.lexsort((variables, outputs, variables // self.together))
        return terms_of(outputs[order], variables[order], (body.weights[useful] * signs[outputs])[order])

    def _accumulator_widths(self) -> np.ndarray:
        """Bits every accumulator needs: for any partial sum, and for its total where the requantisation is summed in
        place. Fills ``totals``."""
        widths, signed = interval_types(*running_extremes(self.initial, self.terms, self.lo, self.hi))
        for channel, plan in enumerate(self.plans):
            if not plan.accumulates:
                widths[channel] = 0
            elif plan.plan is None:
                widths[channel] = self._stored_sum(channel, int(widths[channel]), bool(signed[channel])).bits
            if isinstance(plan.plan, ScalePlan):
                own = [self.held[channel]] if plan.accumulates else []
                total = scaled_sum(plan.plan, [*own, *self._intervals(plan, channel)], plan.accumulates)
                self.totals[channel] = total
                if total.in_place:
                    widths[channel] = max(widths[channel], total.width)
        return widths

    def _stored_sum(self, channel: int, width: int, signed: bool) -> IntType:
        """The type of a sum that is the output: as it was summed, or wider where readers pad it with more."""
        summed = IntType(width, signed)
        lo, hi = int(self.layer.type.lo[channel]), int(self.layer.type.hi[channel])
        return IntType.containing(min(lo, summed.min), max(hi, summed.max))

    def _intervals(self, plan: ChannelPlan, channel: int) -> list[Interval]:
        """Of the gathered operands."""
        variables = [self.body.operands[i][channel] for i in plan.operands if i != SUM]
        return [(int(v["lo"]), int(v["hi"])) for v in variables]

    def compile(self, sample: bool = False) -> tuple[int, Parts, dict[str, int]]:
        """How many tiles, the tiles (of a sample: the first), and the layer's statistics."""
        per_output = np.bincount(self.body.outputs, minlength=len(self.plans))
        statistics = dict.fromkeys(STATISTICS, 0)
        statistics["nonzero_weights"] = len(self.body.weights)
        statistics["adds_naive"] = int(np.maximum(per_output - 1, 0).sum())
        most = self.strategy.outputs
        tiles, built = _first_fit(len(self.plans), most, self.geometry, self._compile_tile, sample)
        for builder, _ in built:
            statistics["adds"] += builder.adds
            statistics["bit_adds"] += builder.bit_adds
            statistics["groups"] += builder.groups
        return tiles, [(builder.tile(), outputs) for builder, outputs in built], statistics

    def _compile_tile(self, channels: np.ndarray) -> tuple[TileBuilder, list[Field]]:
        """Raises CapacityError where the tile does not fit, whatever the columns given to temporaries."""
        groups = list(self._groups(channels))
        choices = TEMPORARY_COLUMNS if self.strategy.share and not self.strategy.across else (0,)
        for temporaries in choices:
            try:
                layout = _layout(self.geometry, self._demand(channels, temporaries), self.strategy.across)
                return self._emit_tile(channels, groups, layout)
            except CapacityError as error:
                reason = error
        raise reason

    def _demand(self, channels: np.ndarray, temporaries: int) -> Demand:
        widths, _ = variable_types(self.sources, self.layer.variables)
        operands = [variable_types(self.sources, operand)[0] for operand in self.body.operands]
        raw = np.array([self.plans[c].plan is None for c in channels])
        return Demand(
            accumulators=self.space[channels],
            outputs=np.where(raw, 0, self.output_widths[channels]),
            inputs=len(self.layer.variables),
            input_width=int(widths.max(initial=1)),
            together=self.together,
            operands=tuple(int(w.max()) for w in operands),
            total=max((self.totals[c].width for c in channels if c in self.totals), default=1),
            temporaries=temporaries,
        )

    def _groups(self, channels: np.ndarray) -> Iterator[tuple[int, np.ndarray, AdderDag]]:
        """Group after group: its number, the inputs it uses (indices of variables), and the sums."""
        local = np.full(len(self.plans), -1)
        local[channels] = np.arange(len(channels))
        terms = self.terms[local[self.terms["output"]] >= 0]
        if not len(terms):
            return
        number = terms["operand"] // self.together
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        for first, end in zip(starts, np.append(starts[1:], len(terms)), strict=True):
            inside = terms[first:end].copy()
            variables = np.unique(inside["operand"])
            inside["operand"] = np.searchsorted(variables, inside["operand"])
            inside["output"] = local[inside["output"]]
            lo, hi = self.lo[variables], self.hi[variables]
            dag = AdderDag(lo, hi, np.zeros(0, NODE), inside, len(channels))
            yield int(number[first]), variables, shared(dag, self.strategy.search_s) if self.strategy.share else dag

    def _emit_tile(
        self, channels: np.ndarray, groups: list[tuple[int, np.ndarray, AdderDag]], layout: Layout
    ) -> tuple[TileBuilder, list[Field]]:
        builder = TileBuilder(self.sources)
        plans = [self.plans[channel] for channel in channels]
        accumulators = layout.accumulators()
        builder.phase("clear")
        for plan, place in zip(plans, accumulators, strict=True):
            if plan.accumulates:
                builder.emit(Op.CONST, field_of(place), constants=(plan.initial,))
        running = start(self.initial[channels])
        self._emit_sums(builder, groups, layout, accumulators, running)
        accumulators["width"], accumulators["signed"] = running["width"], running["signed"]
        builder.phase("requantise")
        outputs = []
        for index, channel in enumerate(channels.tolist()):
            total = Operand(field_of(accumulators[index]), self.held[channel])
            out = layout.output(index, int(self.output_widths[channel]), bool(self.output_signed[channel]))
            outputs.append(self._requantise(builder, layout, channel, total, out))
        return builder, outputs

    def _emit_sums(
        self,
        builder: TileBuilder,
        groups: list[tuple[int, np.ndarray, AdderDag]],
        layout: Layout,
        accumulators: np.ndarray,
        running: np.ndarray,
    ) -> None:
        """Load by load, group by group. Raises CapacityError where temporaries do not fit."""
        if not groups:
            return
        at_once = layout.inputs_at_once // self.together
        columns, domains = layout.input_places(at_once * self.together)
        zero = builder.constant(0)
        sweep = np.arange(len(accumulators))
        for load in range(0, len(groups), at_once):
            loaded = groups[load : load + at_once]
            variables = np.concatenate([used for _, used, _ in loaded])
            places_of = np.concatenate(
                [slot * self.together + used % self.together for slot, (_, used, _) in enumerate(loaded)]
            )
            builder.groups += 1
            builder.phase(f"load {builder.groups - 1}")
            records = self.layer.variables[variables]
            places = builder.gather(records, columns[places_of], domains[places_of], self.strategy.across)
            builder.phase(f"sum {builder.groups - 1}")
            first = 0
            for _, used, dag in loaded:
                mine = places[first : first + len(used)]
                first += len(used)
                emission = emit_dag(dag, intervals(dag), sweep, mine, accumulators, running, layout.region, zero)
                if emission is None:
                    raise CapacityError("too many temporaries are alive at a time")
                builder.add_group(emission)
                sweep = sweep[::-1] if self.strategy.across else sweep

    def _requantise(self, builder: TileBuilder, layout: Layout, channel: int, total: Operand, out: Field) -> Field:
        """Emit one channel's plan; returns where its output lies."""
        plan = self.plans[channel]
        if plan.plan is None:
            summed = total.field
            kind = self._stored_sum(channel, summed.width, summed.signed)
            stored = replace(summed, width=kind.bits, signed=kind.signed)
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
            place = builder.gather_one(variable, *layout.operand(i), self.strategy.across)
            operands.append(Operand(place, interval))
        if isinstance(plan.plan, ScalePlan):
            emit_scale(builder, plan.plan, operands, plan.accumulates, layout, out)
        else:
            emit_steps(builder, plan.plan, operands[0].field, plan.accumulates, out)
        return out
