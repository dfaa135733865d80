"""Which strategy a layer is compiled with: the pipeline's candidates, priced by exact counts on the target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from backends.rtm_ap.broadcast import TOGETHER, can_turn, compile_broadcast, turned
from backends.rtm_ap.builder import Source
from backends.rtm_ap.decisions import Candidate, Decision
from backends.rtm_ap.layers import CompiledLayer, Sample, compile_layer, sample_layer, sums_of
from backends.rtm_ap.layout import CapacityError, Geometry
from backends.rtm_ap.passes import (
    Cse,
    Encoding,
    Pipeline,
    Placement,
    RowSums,
    Selection,
    ShareRequantise,
    Tiling,
    Widths,
)
from backends.rtm_ap.strategy import Strategy
from backends.rtm_ap.sums import LayerSums
from backends.target import Target
from ir.counts import expected_written_bits, static_counts
from ir.isa import RECORD_BITS
from ir.lower import Layer, Linear

WINDOWS_TOGETHER = (1, 2, 3, 4, 5, 6)
INPUTS_TOGETHER = (8, 16, 24, 32, 40, 48)
"""Inputs of a group where one window is a single input, or too wide."""
INPUTS_OF_A_POINT = 9
"""Inputs that share like a channel where a window is one point, and has nothing to share: as many as 3x3 has."""
WIDE_WINDOW = 25
BLOCKS = (0, 12, 24, 48)
"""Consecutive outputs that share: fewer share less, but their temporaries need not be held for long."""
LEAST_USES = (3, 4, 6)
"""A sum of its own costs writes: it may have to be used so often to pay."""
OUTPUTS = (64, 128, 256)
"""Output channels of a tile at most: more load inputs less often, and leave fewer columns."""
SAMPLE_GROUPS = 4
"""Groups of a layer's first tile that are compiled for a price."""
COMPACT_BITS = 15
"""Bits of an instruction in the compact encoding, for a price: the average of a ternary ResNet-18."""


@dataclass
class Search:
    """Prices strategies for one layer, each once."""

    layer: Layer
    sums: LayerSums | None
    geometry: Geometry
    target: Target
    instruction_bits: int
    tried: dict[Strategy, Candidate] = field(default_factory=dict)

    def price(self, strategy: Strategy) -> float:
        """Expected joules of an image; infinite where the strategy does not fit."""
        if strategy not in self.tried:
            assert self.sums is not None, "there is one strategy for layers without sums"
            try:
                sample = sample_layer(self.sums, self.geometry, strategy, SAMPLE_GROUPS)
                energy = expected_energy_J(sample, self.layer.type.positions, self.target, self.instruction_bits)
                self.tried[strategy] = Candidate(str(strategy), sample.tiles, energy)
            except CapacityError as error:
                self.tried[strategy] = Candidate(str(strategy), refused=str(error))
        candidate = self.tried[strategy]
        return math.inf if candidate.refused else candidate.total_J

    def energy_J(self, compiled: CompiledLayer) -> float:
        """Expected energy of an image in all tiles of a layer that is compiled."""
        rows = self.layer.type.positions
        samples = [Sample(tile) for tile in compiled.program.tiles]
        return sum(sum(expected_energy_J(s, rows, self.target, self.instruction_bits).values()) for s in samples)

    def best(self, strategies: list[Strategy]) -> Strategy:
        """The cheapest, the first of equals."""
        return min(map(self.plainest, strategies), key=self.price)

    def plainest(self, strategy: Strategy) -> Strategy:
        """The same without limits that are none: more inputs or outputs than the layer has."""
        inputs, channels = len(self.layer.variables), self.layer.type.channels
        outputs = min(strategy.outputs, channels)
        block = strategy.block if strategy.share and strategy.block < (outputs or channels) else 0
        return replace(strategy, together=min(strategy.together, inputs), outputs=outputs, block=block)

    def price_all(self, strategies: list[Strategy]) -> None:
        """Price these too, for ``ranked``."""
        for strategy in strategies:
            self.price(self.plainest(strategy))

    def ranked(self) -> list[Strategy]:
        """All that fit, the cheapest first."""
        return sorted((s for s, c in self.tried.items() if not c.refused), key=self.price)


def compile_best(
    layer: Layer, sources: list[Source], output: int, *, target: Target, pipeline: Pipeline, term_budget_s: float
) -> CompiledLayer:
    """Compile a layer, independent of all others, with the strategy of the least expected energy for one image, among
    those the pipeline allows.

    ``sources``: where its sources are stored; ``output``: index into Program.tensors of what it stores;
    ``term_budget_s``: work to improve what is shared, once the strategy is chosen, in seconds for each term; where that
    ends in a dearer layer, it goes without. Raises UserError where no strategy fits.
    """
    geometry = Geometry(target.array.columns, target.array.domains)
    bits = RECORD_BITS if pipeline.get(Encoding) is None else COMPACT_BITS
    sums = sums_of(layer, sources)
    search = Search(layer, sums, geometry, target, bits)
    held, unfit = _weights_held(search, sources, output, pipeline)
    tiling = pipeline.get(Tiling)
    only_held = bool(held) and tiling is not None and tiling.stationary == "weights"
    ranked = [] if only_held else _explore(search, pipeline)

    def decided(result: CompiledLayer, taken: Candidate) -> CompiledLayer:
        tried = [*search.tried.values(), *(candidate for candidate, _ in held), *unfit]
        return replace(result, decision=_decision(layer, taken, tried))

    if held:
        candidate, result = min(held, key=lambda pair: pair[0].total_J)
        if only_held or candidate.total_J <= min(map(search.price, ranked), default=math.inf):
            return decided(result, candidate)
    for strategy in [*ranked, *(s for s in _fallbacks(pipeline) if s not in ranked)]:
        try:
            compiled = compile_layer(layer, sums, geometry, sources, output, replace(strategy, term_budget_s=0.0))
            if strategy.share and term_budget_s:
                improved = replace(strategy, term_budget_s=term_budget_s)
                other = compile_layer(layer, sums, geometry, sources, output, improved)
                compiled = min(compiled, other, key=search.energy_J)
            return decided(compiled, search.tried.get(strategy, Candidate(str(strategy))))
        except CapacityError as error:
            search.tried[strategy], reason = Candidate(str(strategy), refused=str(error)), error
    if held:  # nothing else fits after all
        return decided(result, candidate)
    raise reason


def _weights_held(
    search: Search, sources: list[Source], output: int, pipeline: Pipeline
) -> tuple[list[tuple[Candidate, CompiledLayer]], list[Candidate]]:
    """The ways to hold the layer's weights in the arrays, priced, and those that do not fit; none where that is off, or
    the layer does not allow it."""
    layer, tiling = search.layer, pipeline.get(Tiling)
    if tiling is None or tiling.stationary == "activations" or not can_turn(layer):
        return [], []
    try:
        sums = turned(layer)
        array = search.target.array
        if 2 * -(-layer.type.channels // array.rows) > array.arrays:
            raise CapacityError("its outputs need more than half of the chip's arrays")
    except CapacityError as error:
        return [], [Candidate("weights in the arrays", refused=str(error))]
    held: list[tuple[Candidate, CompiledLayer]] = []
    unfit: list[Candidate] = []
    inputs = len(sums.weights)
    for together in dict.fromkeys(min(together, max(1, inputs)) for together in TOGETHER):
        words = f"{together} inputs summed first" if together < inputs else "no sums of groups"
        name = f"weights in the arrays, {words}"
        try:
            result = compile_broadcast(layer, sums, search.geometry, sources, output, together)
        except CapacityError as error:
            unfit.append(Candidate(name, refused=str(error)))
            continue
        sample = Sample(result.program.tiles[0], resident=result.program.resident(0))
        energy = expected_energy_J(sample, layer.type.channels, search.target, search.instruction_bits)
        held.append((Candidate(name, 1, energy), result))
    return held, unfit


def _decision(layer: Layer, taken: Candidate, tried: list[Candidate]) -> Decision:
    others = [candidate for candidate in tried if candidate != taken]
    others.sort(key=lambda candidate: (candidate.refused != "", candidate.total_J))
    return Decision(layer.name, layer.op, layer.type.positions, taken, tuple(others))


# --- candidates ---------------------------------------------------------------------------------------------------


def _base(pipeline: Pipeline) -> Strategy:
    """What the pipeline says without a choice."""
    cse, placement, tiling = pipeline.get(Cse), pipeline.get(Placement), pipeline.get(Tiling)
    return Strategy(
        cluster=cse is not None and cse.cluster,
        share=cse is not None,
        row_sums=pipeline.get(RowSums) is not None,
        across=placement is not None and placement.fields != "along",
        outputs=tiling.outputs if tiling is not None else 0,
        offset=pipeline.get(Widths) is not None,
        overwrite=pipeline.get(Selection) is not None,
        share_constants=pipeline.get(ShareRequantise) is not None,
        seed=cse.seed if cse is not None else 0,
    )


def _fallbacks(pipeline: Pipeline) -> Iterator[Strategy]:
    """Ever plainer strategies, for what fits no other way: the last needs the fewest columns."""
    base = replace(_base(pipeline), outputs=0)
    for strategy in (base, replace(base, across=False), replace(base, across=False, share=False, row_sums=False)):
        yield strategy
        yield replace(strategy, together=1)


def _explore(search: Search, pipeline: Pipeline) -> list[Strategy]:
    """Price strategies and rank them: inputs together and outputs of a tile without sharing, which is quick to price,
    then how sums are held, then what shares."""
    body, base = search.layer.body, _base(pipeline)
    cse, tiling, placement = pipeline.get(Cse), pipeline.get(Tiling), pipeline.get(Placement)
    auto = placement is not None and placement.fields == "auto"
    if not isinstance(body, Linear) or not len(body.weights):
        return [base]
    if tiling is None:
        group = _grouped(base, body, cse.channels) if cse is not None else base
        search.price_all([group, replace(group, across=False)] if auto else [])
        return search.ranked() if auto else [group]
    channels = search.layer.type.channels
    sizes = [base.outputs]
    if not tiling.outputs:
        sizes = [OUTPUTS[0], *(outputs for outputs in OUTPUTS[1:] if outputs < 2 * channels)]
    groups = _together(replace(base, share=False), body, cse)
    grid = [replace(group, outputs=outputs) for outputs in sizes for group in groups]
    best = search.best(grid)
    if auto and math.isinf(search.price(best)):
        grid = [replace(strategy, across=False) for strategy in grid]
        best = search.best(grid)
    held = search.best([best, *_ways_to_hold(best, pipeline)])
    if held != best:
        best = search.best([replace(s, row_sums=held.row_sums, offset=held.offset) for s in grid])
    if cse is not None:
        blocks = BLOCKS if best.across else (0,)
        ways = [replace(best, share=True, block=block) for block in blocks]
        ways += [replace(best, share=True, least_uses=least) for least in LEAST_USES]
        shared = search.best(ways)
        best = search.best([best, *(replace(shared, block=block) for block in blocks)])
        best = search.best([best, *_ways_to_hold(best, pipeline)])
    if auto:
        search.price_all([replace(best, across=False, block=0)])
    return search.ranked()


def _ways_to_hold(strategy: Strategy, pipeline: Pipeline) -> list[Strategy]:
    """Row sums of their own, and constants above values, each with and without where the passes leave it to the price:
    such a sum is overwritten every time, and such a constant flips bits where the value is 0."""
    sums, widths = pipeline.get(RowSums), pipeline.get(Widths)
    row_sums = [False, True] if sums is not None and sums.when == "auto" else [sums is not None]
    offset = [False, True] if widths is not None and widths.when == "auto" else [widths is not None]
    return [replace(strategy, row_sums=first, offset=above) for first in row_sums for above in offset]


def _grouped(base: Strategy, body: Linear, channels: int) -> Strategy:
    """Groups of so many channels."""
    return replace(base, together=max(1, channels) * (INPUTS_OF_A_POINT if body.taps == 1 else body.taps))


def _together(base: Strategy, body: Linear, cse: Cse | None) -> list[Strategy]:
    """Strategies with every number of inputs together that is to be tried."""
    if cse is not None and cse.channels:
        return [_grouped(base, body, cse.channels)]
    single = body.taps == 1 or body.taps > WIDE_WINDOW
    counts = INPUTS_TOGETHER if single else [body.taps * windows for windows in WINDOWS_TOGETHER]
    return [replace(base, together=count) for count in counts]


# --- prices -------------------------------------------------------------------------------------------------------


def expected_energy_J(
    sample: Sample, rows: int, target: Target, instruction_bits: int = RECORD_BITS
) -> dict[str, float]:
    """Search, write, shift and fetch energy of one image in a layer's own arrays, from exact counts and expected
    written bits of a sample, times what it stands for. ``rows``: of an image, in each of the layer's tiles."""
    energy, gate, tile = target.energy, target.array.row_gate_rows, sample.tile
    active = -(-rows // gate) * gate * sample.tiles
    counts = static_counts(tile, source_fields=None, search_or=target.features.search_or, columns=target.array.columns)
    weight = _stands_for(sample)
    written = expected_written_bits(tile, resident=sample.resident)
    return {
        "search": active * float(counts.searches @ weight) * energy.search_row_J,
        "write": rows * sample.tiles * float(written @ weight) * energy.write_bit_J,
        "shift": active * (float(counts.shift_steps @ weight) + counts.rewind_steps) * energy.shift_step_J,
        "control": sample.tiles * float(weight.sum()) * instruction_bits * energy.control_bit_J,
    }


def _stands_for(sample: Sample) -> np.ndarray:
    """How many instructions of the tile each one of the sample stands for, float64[instructions]."""
    weights = np.ones(len(sample.tile.instructions))
    starts = [start for _, start in sample.tile.phases]
    for (name, start), end in zip(sample.tile.phases, [*starts[1:], len(weights)], strict=True):
        if name.startswith(("load", "sum")):
            weights[start:end] = 1 / sample.share
    return weights
