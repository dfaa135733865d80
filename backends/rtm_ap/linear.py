"""Sums and requantisations of one layer, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from zlib import crc32

import numpy as np

from backends.rtm_ap.arithmetic import Style, bits_needed
from backends.rtm_ap.builder import TileBuilder, field_of, variable_types
from backends.rtm_ap.channels import SUM
from backends.rtm_ap.layout import CapacityError, Demand, Geometry, Layout, layout_of
from backends.rtm_ap.requantise import Operand, emit_scale, emit_steps
from backends.rtm_ap.shared_sums import AccumulatorOverflow, emit_sums
from backends.rtm_ap.sharing import shared
from backends.rtm_ap.strategy import Strategy
from backends.rtm_ap.sums import LayerSums
from ir.adders import NODE, AdderDag
from ir.cse.row_sums import intervals
from ir.isa import Field, Op
from ir.requantise import ConstantPlan, ScalePlan
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

    def __init__(self, sums: LayerSums, geometry: Geometry, strategy: Strategy) -> None:
        self.sums, self.geometry, self.strategy = sums, geometry, strategy
        self.together = max(1, min(strategy.together or sums.body.taps, len(sums.layer.variables)))
        self.group_of, self.slot_of, self.terms = sums.grouping(self.together, strategy.cluster)

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
        largest = np.int64(1) << (self.sums.variable_widths[self.terms["operand"]] + self.terms["shift"])
        key = self.group_of[self.terms["operand"]] * len(self.sums.plans) + self.terms["output"]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        return int(np.add.reduceat(largest, starts).max()).bit_length() + (0 if self.strategy.offset else 1)

    def _spaces(self, channels: np.ndarray, spare: int) -> np.ndarray:
        """Bits of the accumulators: for any partial sum, and for what they hold at the end."""
        sums = self.sums
        if self.strategy.offset:
            low, high = np.zeros_like(sums.low), sums.high - sums.low
        else:
            low, high = sums.low + sums.initial, sums.high + sums.initial
        return np.array(
            [
                max(bits_needed(low[c], high[c], low[c] < 0) + spare, sums.finished[c].bits)
                if sums.plans[c].accumulates
                else 0
                for c in channels.tolist()
            ],
            np.int64,
        )

    def _demand(self, channels: np.ndarray, temporaries: int, spare: int) -> Demand:
        sums = self.sums
        operands = [variable_types(sums.sources, operand)[0] for operand in sums.body.operands]
        raw = np.array([sums.plans[c].plan is None for c in channels])
        return Demand(
            accumulators=self._spaces(channels, spare),
            outputs=np.where(raw, 0, sums.output_widths[channels]),
            inputs=len(sums.layer.variables),
            input_width=int(sums.variable_widths.max(initial=1)),
            together=self.together,
            operands=tuple(int(w.max()) for w in operands),
            total=max((sums.totals[c].width for c in channels.tolist() if c in sums.totals), default=1),
            row_sum=self._row_sum,
            temporaries=temporaries,
        )

    def _groups(self, channels: np.ndarray, at_most: int) -> tuple[list[Group], float]:
        """The groups that have terms in these channels, or ``at_most`` of them, and their share of all."""
        local = np.full(len(self.sums.plans), -1)
        local[channels] = np.arange(len(channels))
        terms = self.terms[local[self.terms["output"]] >= 0]
        if not len(terms):
            return [], 1.0
        number = self.group_of[terms["operand"]]
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        spans = list(zip(starts.tolist(), [*starts[1:].tolist(), len(terms)], strict=True))
        chosen = spans if not at_most else spans[:: -(-len(spans) // at_most)]
        return [self._group(terms[a:b], local, channels) for a, b in chosen], len(chosen) / len(spans)

    def _group(self, terms: np.ndarray, local: np.ndarray, channels: np.ndarray) -> Group:
        inside = terms.copy()
        variables = np.unique(inside["operand"])
        inside["operand"] = np.searchsorted(variables, inside["operand"])
        inside["output"] = local[inside["output"]]
        dag = AdderDag(self.sums.lo[variables], self.sums.hi[variables], np.zeros(0, NODE), inside, len(channels))
        strategy = self.strategy
        if strategy.share:
            who = f"{strategy.seed} {self.sums.layer.name} {channels[0]} {variables[0]}"
            dag = shared(dag, strategy.block, strategy.least_uses, strategy.term_budget_s, crc32(who.encode()))
        return Group(self.slot_of[variables], variables, dag)

    def _emit_tile(
        self, channels: np.ndarray, groups: list[Group], layout: Layout, spare: int
    ) -> tuple[TileBuilder, list[Field]]:
        builder = TileBuilder(self.sums.sources, self.strategy.share_constants)
        accumulators = layout.accumulators()
        if not self.strategy.offset:
            builder.phase("clear")
            for place, initial in zip(accumulators, self.sums.initial[channels].tolist(), strict=True):
                if initial:
                    kind = IntType.containing(initial, initial)
                    place["width"], place["signed"] = kind.bits, kind.signed
                    place["lo"] = place["hi"] = place["offset"] = initial
                    builder.emit(Op.CONST, field_of(place), constants=(initial,))
        self._emit_sums(builder, groups, layout, accumulators, self._spaces(channels, spare))
        builder.phase("requantise")
        outputs = []
        for index, channel in enumerate(channels.tolist()):
            out = layout.output(index, int(self.sums.output_widths[channel]), bool(self.sums.output_signed[channel]))
            main = self._finish(builder, accumulators[index], channel) if self.sums.plans[channel].accumulates else None
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
            variables = self.sums.layer.variables[np.concatenate([group.variables for group in loaded])]
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
        kind, initial = self.sums.finished[channel], int(self.sums.initial[channel])
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
        plan = self.sums.plans[channel]
        if plan.plan is None and main is not None:
            return main
        if isinstance(plan.plan, ConstantPlan):
            builder.emit(Op.CONST, out, constants=(plan.plan.value,))
            return out
        operands = [] if main is None else [Operand(main, self.sums.held[channel])]
        gathered = [i for i in plan.operands if i != SUM]
        for i, interval in zip(gathered, self.sums.intervals(channel), strict=True):
            variable = self.sums.body.operands[i][channel : channel + 1]
            place = builder.gather_one(variable, *layout.operand(i), self.strategy.across)
            operands.append(Operand(place, interval))
        if isinstance(plan.plan, ScalePlan):
            emit_scale(builder, plan.plan, operands, plan.accumulates, layout, out)
        elif plan.plan is not None:
            emit_steps(builder, plan.plan, operands[0].field, plan.accumulates, out)
        return out
