"""What a layer of sums is, apart from the strategy that it is compiled with."""

from __future__ import annotations

from functools import cache

import numpy as np

from backends.rtm_ap.builder import Source, interval_types, variable_types
from backends.rtm_ap.channels import SUM, held_intervals, plan_channels
from backends.rtm_ap.requantise import ScaledSum, scaled_sum
from ir.adders import terms_of
from ir.cse.clusters import clusters
from ir.lower import Layer, Linear
from ir.requantise import Interval, ScalePlan
from ir.types import IntType


class LayerSums:
    """One layer of sums: how its outputs are requantised, and the terms of its sums.

    ``plans``, ``held``, ``finished``: of every output channel: how it is computed, the interval of its finished sum,
    and the type this has; ``totals``: of those with a shift-add requantisation; ``terms``: TERM records with the plans'
    signs, ordered by (output, variable); ``low``, ``high``: int64 per channel, between which any partial sum lies that
    starts at 0; ``variable_widths``: bits as the sources store them.
    """

    def __init__(self, layer: Layer, body: Linear, sources: list[Source]) -> None:
        self.layer, self.body, self.sources = layer, body, sources
        self.lo, self.hi = layer.variables["lo"], layer.variables["hi"]
        self.variable_widths, _ = variable_types(sources, layer.variables)
        self.plans = plan_channels(layer, body)
        self.initial = np.array([plan.initial for plan in self.plans], np.int64)
        self.held = held_intervals(layer, body, self.plans)
        self.totals = self._totals()
        self.finished = [self._finished(channel) for channel in range(len(self.plans))]
        self.output_widths, self.output_signed = interval_types(layer.type.lo, layer.type.hi)
        self.terms = self._signed_terms()
        self.low, self.high = self._partial_sums()
        self.grouping = cache(self._grouping)

    def _signed_terms(self) -> np.ndarray:
        body = self.body
        useful = np.array([plan.accumulates for plan in self.plans])[body.outputs]
        useful &= (self.lo[body.variables] != 0) | (self.hi[body.variables] != 0)
        outputs, variables = body.outputs[useful], body.variables[useful]
        signs = np.array([plan.sign for plan in self.plans], np.int64)
        order = np.lexsort((variables, outputs))
        return terms_of(outputs[order], variables[order], (body.weights[useful] * signs[outputs])[order])

    def _totals(self) -> dict[int, ScaledSum]:
        totals = {}
        for channel, plan in enumerate(self.plans):
            if isinstance(plan.plan, ScalePlan):
                own = [self.held[channel]] if plan.accumulates else []
                totals[channel] = scaled_sum(plan.plan, [*own, *self.intervals(channel)], plan.accumulates)
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

    def intervals(self, channel: int) -> list[Interval]:
        """Of the gathered operands of a channel's requantisation."""
        variables = [self.body.operands[i][channel] for i in self.plans[channel].operands if i != SUM]
        return [(int(v["lo"]), int(v["hi"])) for v in variables]

    def _partial_sums(self) -> tuple[np.ndarray, np.ndarray]:
        factors = self.terms["sign"].astype(np.int64) << self.terms["shift"]
        ends = factors * self.lo[self.terms["operand"]], factors * self.hi[self.terms["operand"]]
        starts = np.flatnonzero(np.diff(self.terms["output"], prepend=-1))
        low, high = np.zeros(len(self.plans), np.int64), np.zeros(len(self.plans), np.int64)
        if len(starts):
            low[self.terms["output"][starts]] = np.add.reduceat(np.minimum(np.minimum(*ends), 0), starts)
            high[self.terms["output"][starts]] = np.add.reduceat(np.maximum(np.maximum(*ends), 0), starts)
        return low, high

    def _grouping(self, together: int, cluster: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(group, place in it) of every variable, and ``terms`` ordered by (group, output, variable). ``together``:
        inputs of a group; ``cluster``: windows that share much form one, else neighbours do."""
        inputs, taps = len(self.layer.variables), self.body.taps
        windows, rest = divmod(together, taps)
        if not cluster or rest or inputs % taps:
            group, slot = np.divmod(np.arange(inputs), together)
        else:
            group, slot = np.empty(inputs, np.int64), np.empty(inputs, np.int64)
            for number, chosen in enumerate(clusters(self.terms, inputs, len(self.plans), taps, windows)):
                variables = (chosen[:, None] * taps + np.arange(taps)).ravel()
                group[variables], slot[variables] = number, np.arange(len(variables))
        order = np.argsort(group[self.terms["operand"]], kind="stable")
        return group, slot, self.terms[order]
