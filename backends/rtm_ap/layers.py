"""One layer of the network becomes tiles of instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.rtm_ap.builder import Source, TileBuilder, stored_fields, variable_types
from backends.rtm_ap.decisions import Decision
from backends.rtm_ap.layout import CapacityError, Demand, Geometry, layout_of
from backends.rtm_ap.linear import LinearCompiler
from backends.rtm_ap.strategy import Strategy
from backends.rtm_ap.sums import LayerSums
from ir.counts import NOTHING_RESIDENT
from ir.errors import UserError
from ir.isa import Field, Op
from ir.lower import Copy, Layer, Linear, Maximum
from ir.program import ROW_MAP, LayerProgram, Tile

STATISTICS = ("nonzero_weights", "adds_naive", "adds", "bit_adds", "groups")
"""Counts of a layer: weights that are not zero; additions without any sharing (nonzero weights minus outputs); those
of its sums in the program, requantisation not included (of a layer whose weights lie in the arrays: one a bit of an
input, for all outputs at once); the sum of their result widths; how often inputs are loaded."""


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """The layer's program; where each output channel lies (FIELD records); how it came about, where there was a choice.
    ``turned``: its (outputs, 1, 1) are stored as (1, outputs, 1), see ``broadcast``."""

    program: LayerProgram
    fields: np.ndarray
    decision: Decision | None = None
    turned: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """A part of a layer, for a price. ``tile``: its first one; ``tiles``: how many there are; ``share``: of the groups
    of the first that were compiled, where its phases "load ..." and "sum ..." have only these; ``resident``: fields
    that hold weights, and these."""

    tile: Tile
    tiles: int = 1
    share: float = 1.0
    resident: tuple[np.ndarray, np.ndarray] = NOTHING_RESIDENT


def sums_of(layer: Layer, sources: list[Source]) -> LayerSums | None:
    """What the sums of a layer are, for every strategy, if it has any. Raises UserError, naming the layer."""
    if not isinstance(layer.body, Linear):
        return None
    try:
        return LayerSums(layer, layer.body, sources)
    except UserError as error:
        raise type(error)(f"layer {layer.name}: {error}") from None


def compile_layer(
    layer: Layer, sums: LayerSums | None, geometry: Geometry, sources: list[Source], output: int, strategy: Strategy
) -> CompiledLayer:
    """``sums``: the layer's ``sums_of``; ``sources``: where the layer's sources are stored; ``output``: index into
    Program.tensors of what it stores.

    Raises UserError (CapacityError where it fits no tiling), naming the layer.
    """
    try:
        if isinstance(layer.body, Linear):
            assert sums is not None
            compiler = LinearCompiler(sums, geometry, strategy)
            built = _first_fit(layer.type.channels, strategy.outputs, geometry, compiler.compile)
            parts = [(builder.tile(), outputs) for builder, outputs, _ in built]
            statistics = statistics_of(layer, layer.body, [builder for builder, _, _ in built])
        else:
            parts = _compile_moves(layer, layer.body, geometry, sources, strategy.across)
            statistics = dict.fromkeys(STATISTICS, 0)
    except UserError as error:
        raise type(error)(f"layer {layer.name}: {error}") from None
    fields = np.concatenate([stored_fields(outputs, index) for index, (_, outputs) in enumerate(parts)])
    row_maps = np.array(layer.row_maps, np.int32).reshape(-1, 4).view(ROW_MAP).reshape(-1)
    program = LayerProgram(layer.name, layer.op, output, row_maps, [tile for tile, _ in parts], statistics)
    return CompiledLayer(program, fields)


def sample_layer(sums: LayerSums, geometry: Geometry, strategy: Strategy, groups: int) -> Sample:
    """The first tile of a layer of sums with at most about ``groups`` of its groups. Raises CapacityError where it fits
    no tiling."""
    compiler = LinearCompiler(sums, geometry, strategy)
    for ranges in tilings(len(sums.plans), strategy.outputs):
        try:
            builder, _, share = compiler.compile(ranges[0], groups)
            return Sample(builder.tile(), len(ranges), share)
        except CapacityError as error:
            reason = error
    raise reason


def tilings(outputs: int, most: int) -> Iterator[list[np.ndarray]]:
    """Cuts of ``outputs`` channels into equal ranges, the fewest first: ranges of at most ``most`` channels and of at
    least half as many, or (0) of any size."""
    tiles = -(-outputs // most) if most else 1
    while most == 0 or tiles <= -(-2 * outputs // most):
        yield np.array_split(np.arange(outputs), tiles)
        if tiles == outputs:
            return
        tiles = min(outputs, tiles + max(1, tiles // 8))


def _first_fit(count: int, most: int, geometry: Geometry, compile_tile: Callable[[np.ndarray], Any]) -> list[Any]:
    """What ``compile_tile`` makes of the fewest ranges of channels that all fit."""
    for ranges in tilings(count, most):
        try:
            return [compile_tile(channels) for channels in ranges]
        except CapacityError as error:
            reason = error
    raise CapacityError(
        f"not even one output channel fits an array of {geometry.columns} columns x {geometry.domains} domains "
        f"({reason}): use a target with larger arrays, or fewer activation bits"
    )


def statistics_of(layer: Layer, body: Linear, builders: list[TileBuilder]) -> dict[str, int]:
    """STATISTICS of a layer of sums, of its tiles' builders."""
    per_output = np.bincount(body.outputs, minlength=layer.type.channels)
    return {
        "nonzero_weights": len(body.weights),
        "adds_naive": int(np.maximum(per_output - 1, 0).sum()),
        "adds": sum(builder.adds for builder in builders),
        "bit_adds": sum(builder.bit_adds for builder in builders),
        "groups": sum(builder.groups for builder in builders),
    }


def _compile_moves(
    layer: Layer, body: Maximum | Copy, geometry: Geometry, sources: list[Source], across: bool
) -> list[tuple[Tile, list[Field]]]:
    """Layers without sums: every output has the type its inputs are stored with."""
    taps = body.taps if isinstance(body, Maximum) else 1
    variables = layer.variables.reshape(-1, taps)
    widths, signed = variable_types(sources, variables[:, 0])

    def compile_tile(channels: np.ndarray) -> tuple[Tile, list[Field]]:
        nothing = np.zeros(len(channels), np.int64)
        demand = Demand(nothing, widths[channels], 0, 1, 1, (int(widths[channels].max()),), 0, 0, 0)
        layout = layout_of(geometry, demand, across)
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
