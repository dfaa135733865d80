"""Sums and requantisations of one layer, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from backends.rtm_ap.arithmetic import Style, bits_needed
from backends.rtm_ap.builder import Source, TileBuilder, field_of, interval_types, variable_types
from backends.rtm_ap.channels import SUM, ChannelPlan, held_intervals, plan_channels
from backends.rtm_ap.layout import CapacityError, Demand, Geometry, Layout, layout_of
from backends.rtm_ap.requantise import Operand, ScaledSum, emit_scale, emit_steps, scaled_sum
from backends.rtm_ap.shared_sums import AccumulatorOverflow, emit_sums
from backends.rtm_ap.sharing import shared
from backends.rtm_ap.strategy import Strategy
from ir.adders import NODE, AdderDag, terms_of
from ir.cse.clusters import clusters
from ir.cse.row_sums import intervals
from ir.isa import Field, Op
from ir.lower import Layer, Linear
from ir.requantise import ConstantPlan, Interval, ScalePlan
from ir.types import IntType

TEMPORARY_COLUMNS = (96, 64, 32, 16, 8)
"""Columns tried for temporaries along wires, each in a column of its own."""
SPARE_BITS = 4
"""Bits that accumulators get at most beyond what their values need, for the offsets they are held with."""


@dataclass(frozen=True, eq=False)
class Group:
    """Inputs that are summed together. ``slots``: where each lies among the group's columns; ``variables``: indices
    into the layer's; ``dag``: the sums of a tile's outputs."""

    slots: np.ndarray
    variables: np.ndarray
    dag: AdderDag


class LinearCompiler:
    """One layer of sums under one strategy."""

    def __init__(
        self, layer: Layer, body: Linear, geometry: Geometry, sources: list[Source], strategy: Strategy
    ) -> None:
        self.layer, self.body, self.geometry, self.sources = layer, body, geometry, sources
        self.strategy = strategy
        self.plans = plan_channels(layer, body)
        self.lo, self.hi = layer.variables["lo"], layer.variables["hi"]
        self.together = max(1, min(strategy.together or body.taps, len(layer.variables)))
        self.group_of, self.slot_of = self._grouping()
        self.terms = self._signed_terms()
        self.initial = np.array([plan.initial for plan in self.plans], np.int64)
        self.held = held_intervals(layer, body, self.plans)
        self.totals = self._totals()
        self.finished = [self._finished(channel) for channel in range(len(self.plans))]
        self.output_widths, self.output_signed = interval_types(layer.type.lo, layer.type.hi)

    def _grouping(self) -> tuple[np.ndarray, np.ndarray]:
        """(group, place in it) of every variable."""
        inputs, taps = len(self.layer.variables), self.body.taps
        windows, rest = divmod(self.together, taps)
        if not self.strategy.cluster or rest or inputs % taps:
            return np.divmod(np.arange(inputs), self.together)
        terms = terms_of(self.body.outputs, self.body.variables, self.body.weights)
        group, slot = np.empty(inputs, np.int64), np.empty(inputs, np.int64)
        for number, chosen in enumerate(clusters(terms, inputs, len(self.plans), taps, windows)):
            variables = (chosen[:, None] * taps + np.arange(taps)).ravel()
            group[variables], slot[variables] = number, np.arange(len(variables))
        return group, slot

    def _signed_terms(self) -> np.ndarray:
        """All TERM records with the plans' signs, ordered by (group, output, variable)."""
        body = self.body
        useful = np.array([plan.accumulates for plan in self.plans])[body.outputs]
        useful &= (self.lo[body.variables] != 0) | (self.hi[body.variables] != 0)
        outputs, variables = body.outputs[useful], body.variables[useful]
        signs = np.array([plan.sign for plan in self.plans], np.int64)
        order = np.lexsort((variables, outputs, self.group_of[variables]))
        return terms_of(outputs[order], variables[order], (body.weights[useful] * signs[outputs])[order])

    def _totals(self) -> dict[int, ScaledSum]:
        """Of the channels with a shift-add requantisation: how its total is formed."""
        totals = {}
        for channel, plan in enumerate(self.plans):
            if isinstance(plan.plan, ScalePlan):
                own = [self.held[channel]] if plan.accumulates else []
                totals[channel] = scaled_sum(plan.plan, [*own, *self._intervals(plan, channel)], plan.accumulates)
        return totals

    def _finished(self, channel: int) -> IntType:
        """The type that a channel's accumulator has when it is summed: that of its values, wider where the
        requantisation is summed in place or readers pad the output with other values."""
        lo, hi = self.held[channel]
        if self.plans[channel].plan is None:
            return IntType.containing(
                min(lo, int(self.layer.type.lo[channel])), max(hi, int(self.layer.type.hi[channel]))
            )
        kind = IntType.containing(lo, hi)
        total = self.totals.get(channel)
        if total is not None and total.in_place:
            return IntType(max(kind.bits + (total.signed and not kind.signed), total.width), total.signed)
        return kind

    def _intervals(self, plan: ChannelPlan, channel: int) -> list[Interval]:
        """Of the gathered operands."""
        variables = [self.body.operands[i][channel] for i in plan.operands if i != SUM]
        return [(int(v["lo"]), int(v["hi"])) for v in variables]

    def compile(self, channels: np.ndarray, groups_at_most: int = 0) -> tuple[TileBuilder, list[Field], float]:
        """One tile: its instructions, where its outputs lie, and which share of its groups it has: with
        ``groups_at_most`` only so many are compiled, for a price. Raises CapacityError where the tile does not fit."""
        groups, share = self._groups(channels, groups_at_most)
        choices = TEMPORARY_COLUMNS if not self.strategy.across and self.strategy.share else (min(1, self._row_sum),)
        for spare in range(SPARE_BITS + 1):
            for temporaries in choices:
                try:
                    layout = layout_of(self.geometry, self._demand(channels, temporaries, spare), self.strategy.across)
                    return *self._emit_tile(channels, groups, layout, spare), share
                except CapacityError as error:
                    reason = error
                except AccumulatorOverflow:
                    reason = CapacityError("an accumulator is too narrow")
                    break
            else:
                break
        raise reason

    @cached_property
    def _row_sum(self) -> int:
        """Bits of the widest sum of one output's terms of one group, offsets included; 0 where none is made."""
        if not self.strategy.row_sums or not len(self.terms):
            return 0
        widths, _ = variable_types(self.sources, self.layer.variables)
        largest = np.int64(1) << (widths[self.terms["operand"]] + self.terms["shift"])
        key = self.group_of[self.terms["operand"]] * len(self.plans) + self.terms["output"]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        return int(np.add.reduceat(largest, starts).max()).bit_length() + (0 if self.strategy.offset else 1)

    def _spaces(self, channels: np.ndarray, spare: int) -> np.ndarray:
        """Bits of the accumulators: for any partial sum, and for what they hold at the end."""
        factors = self.terms["sign"].astype(np.int64) << self.terms["shift"]
        one, other = factors * self.lo[self.terms["operand"]], factors * self.hi[self.terms["operand"]]
        low, high = np.zeros(len(self.plans), np.int64), np.zeros(len(self.plans), np.int64)
        np.add.at(low, self.terms["output"], np.minimum(np.minimum(one, other), 0))
        np.add.at(high, self.terms["output"], np.maximum(np.maximum(one, other), 0))
        if self.strategy.offset:
            low, high = np.zeros_like(low), high - low
        else:
            low, high = low + self.initial, high + self.initial
        return np.array(
            [
                max(bits_needed(low[c], high[c], low[c] < 0) + spare, self.finished[c].bits)
                if self.plans[c].accumulates
                else 0
                for c in channels.tolist()
            ],
            np.int64,
        )

    def _demand(self, channels: np.ndarray, temporaries: int, spare: int) -> Demand:
        widths, _ = variable_types(self.sources, self.layer.variables)
        operands = [variable_types(self.sources, operand)[0] for operand in self.body.operands]
        raw = np.array([self.plans[c].plan is None for c in channels])
        return Demand(
            accumulators=self._spaces(channels, spare),
            outputs=np.where(raw, 0, self.output_widths[channels]),
            inputs=len(self.layer.variables),
            input_width=int(widths.max(initial=1)),
            together=self.together,
            operands=tuple(int(w.max()) for w in operands),
            total=max((self.totals[c].width for c in channels.tolist() if c in self.totals), default=1),
            row_sum=self._row_sum,
            temporaries=temporaries,
        )

    def _groups(self, channels: np.ndarray, at_most: int) -> tuple[list[Group], float]:
        """The groups that have terms in these channels, or ``at_most`` of them, and their share of all."""
        local = np.full(len(self.plans), -1)
        local[channels] = np.arange(len(channels))
        terms = self.terms[local[self.terms["output"]] >= 0]
        if not len(terms):
            return [], 1.0
        number = self.group_of[terms["operand"]]
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        spans = list(zip(starts.tolist(), [*starts[1:].tolist(), len(terms)], strict=True))
        chosen = spans if not at_most else spans[:: -(-len(spans) // at_most)]
        return [self._group(terms[a:b], local, len(channels)) for a, b in chosen], len(chosen) / len(spans)

    def _group(self, terms: np.ndarray, local: np.ndarray, outputs: int) -> Group:
        inside = terms.copy()
        variables = np.unique(inside["operand"])
        inside["operand"] = np.searchsorted(variables, inside["operand"])
        inside["output"] = local[inside["output"]]
        dag = AdderDag(self.lo[variables], self.hi[variables], np.zeros(0, NODE), inside, outputs)
        if self.strategy.share:
            dag = shared(dag, self.strategy.block, self.strategy.budget_s, self.strategy.seed)
        return Group(self.slot_of[variables], variables, dag)

    def _emit_tile(
        self, channels: np.ndarray, groups: list[Group], layout: Layout, spare: int
    ) -> tuple[TileBuilder, list[Field]]:
        builder = TileBuilder(self.sources, self.strategy.share_constants)
        accumulators = layout.accumulators()
        if not self.strategy.offset:
            builder.phase("clear")
            for place, initial in zip(accumulators, self.initial[channels].tolist(), strict=True):
                if initial:
                    kind = IntType.containing(initial, initial)
                    place["width"], place["signed"] = kind.bits, kind.signed
                    place["lo"] = place["hi"] = place["offset"] = initial
                    builder.emit(Op.CONST, field_of(place), constants=(initial,))
        self._emit_sums(builder, groups, layout, accumulators, self._spaces(channels, spare))
        builder.phase("requantise")
        outputs = []
        for index, channel in enumerate(channels.tolist()):
            out = layout.output(index, int(self.output_widths[channel]), bool(self.output_signed[channel]))
            main = self._finish(builder, accumulators[index], channel) if self.plans[channel].accumulates else None
            outputs.append(self._requantise(builder, layout, channel, main, out))
        return builder, outputs

    def _emit_sums(
        self, builder: TileBuilder, groups: list[Group], layout: Layout, accumulators: np.ndarray, rooms: np.ndarray
    ) -> None:
        """Load by load, group by group."""
        if not groups:
            return
        at_once = layout.inputs_at_once // self.together
        columns, domains = layout.input_places(at_once * self.together)
        style = Style(self.strategy.offset, self.strategy.overwrite, builder.constant(0))
        sweep = np.arange(len(accumulators))
        for load in range(0, len(groups), at_once):
            loaded = groups[load : load + at_once]
            places_of = np.concatenate([slot * self.together + group.slots for slot, group in enumerate(loaded)])
            builder.groups += 1
            builder.phase(f"load {builder.groups - 1}")
            variables = self.layer.variables[np.concatenate([group.variables for group in loaded])]
            places = builder.gather(
                variables, columns[places_of], domains[places_of], self.strategy.across, self.strategy.offset
            )
            builder.phase(f"sum {builder.groups - 1}")
            first = 0
            for group in loaded:
                mine = places[first : first + len(group.variables)]
                first += len(group.variables)
                dag = group.dag
                builder.add_group(
                    emit_sums(dag, intervals(dag), sweep, mine, accumulators, rooms, layout.region, style)
                )
                sweep = sweep[::-1] if self.strategy.across else sweep

    def _finish(self, builder: TileBuilder, accumulator: np.void, channel: int) -> Field:
        """What an accumulator holds becomes the channel's sum from its initial value, in the finished type."""
        kind, initial = self.finished[channel], int(self.initial[channel])
        summed = field_of(accumulator)
        field = replace(summed, width=kind.bits, signed=kind.signed)
        if not summed.width:
            builder.emit(Op.CONST, field, constants=(initial,))
            return field
        if summed.width < kind.bits:
            if summed.signed:
                builder.extend(replace(field, signed=True), summed.width)
            else:
                builder.emit(Op.CONST, field.bits(summed.width, signed=False), constants=(0,))
        rest = initial - int(accumulator["offset"])
        if rest % (1 << kind.bits):
            builder.emit(Op.ADDC, field, constants=(rest,))
        return field

    def _requantise(self, builder: TileBuilder, layout: Layout, channel: int, main: Field | None, out: Field) -> Field:
        """Emit one channel's plan; returns where its output lies. ``main``: the sum, where the channel has one."""
        plan = self.plans[channel]
        if plan.plan is None and main is not None:
            return main
        if isinstance(plan.plan, ConstantPlan):
            builder.emit(Op.CONST, out, constants=(plan.plan.value,))
            return out
        operands = [] if main is None else [Operand(main, self.held[channel])]
        gathered = [i for i in plan.operands if i != SUM]
        for i, interval in zip(gathered, self._intervals(plan, channel), strict=True):
            variable = self.body.operands[i][channel : channel + 1]
            place = builder.gather_one(variable, *layout.operand(i), self.strategy.across)
            operands.append(Operand(place, interval))
        if isinstance(plan.plan, ScalePlan):
            emit_scale(builder, plan.plan, operands, plan.accumulates, layout, out)
        elif plan.plan is not None:
            emit_steps(builder, plan.plan, operands[0].field, plan.accumulates, out)
        return out
