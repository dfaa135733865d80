"""Which strategy a layer is compiled with: the level's candidates, priced by exact counts on the target."""

from __future__ import annotations

from dataclasses import replace

from backends.rtm_ap.builder import Source
from backends.rtm_ap.layers import CompiledLayer, Strategy, compile_layer
from backends.rtm_ap.layout import CapacityError, Geometry
from backends.target import Target
from ir.counts import expected_written_bits, static_counts
from ir.lower import Layer, Linear

PLAIN = Strategy()
PUBLISHED = Strategy(share=True)
"""The published recipe: subexpressions shared within one input channel, fields along nanowires."""

WINDOWS_TOGETHER = (1, 2, 3)
INPUTS_TOGETHER = (8, 12, 16, 24)
WIDE_WINDOW = 25
OUTPUTS_OF_A_TILE = (64, 128)


def candidates(level: str, layer: Layer) -> list[Strategy]:
    """The strategies a level tries on a layer."""
    if level == "O0":
        return [PLAIN]
    if level == "O1":
        return [PUBLISHED]
    across = Strategy(across=True)
    if not isinstance(layer.body, Linear) or not len(layer.body.weights):
        return [across]
    taps = layer.body.taps
    together = [taps * windows for windows in WINDOWS_TOGETHER] if taps <= WIDE_WINDOW else []
    together += [inputs for inputs in INPUTS_TOGETHER if taps == 1 or taps > WIDE_WINDOW]
    shared = [
        Strategy(inputs, share=True, across=True, outputs=outputs)
        for inputs in together
        for outputs in OUTPUTS_OF_A_TILE
        if outputs <= OUTPUTS_OF_A_TILE[0] or layer.type.channels > outputs // 2
    ]
    return [across, replace(across, together=min(taps, INPUTS_TOGETHER[0])), *shared, PUBLISHED]


def compile_best(
    layer: Layer, target: Target, sources: list[Source], output: int, level: str
) -> CompiledLayer:
    """Compile a layer with the level's candidate of the least expected energy for one image.

    Candidates are compared by their first tile, times their number of tiles. Raises UserError where none fits.
    """
    geometry = Geometry(target.array.columns, target.array.domains)
    tried = candidates(level, layer)
    if len(tried) == 1:
        return compile_layer(layer, geometry, sources, output, tried[0])
    prices: list[tuple[float, int]] = []
    for index, strategy in enumerate(tried):
        try:
            compiled = compile_layer(layer, geometry, sources, output, strategy, sample=True)
        except CapacityError as error:
            reason = error
            continue
        prices.append((expected_energy_J(compiled, layer, target), index))
    if not prices:
        raise reason
    return compile_layer(layer, geometry, sources, output, tried[min(prices)[1]])


def expected_energy_J(compiled: CompiledLayer, layer: Layer, target: Target) -> float:
    """Search, write, shift and fetch energy of one image in a layer's own arrays, from exact counts and expected
    written bits; of a sample, times the tiles it stands for."""
    energy, gate = target.energy, target.array.row_gate_rows
    active = -(-layer.type.positions // gate) * gate
    total = 0.0
    for tile in compiled.program.tiles:
        counts = static_counts(
            tile, source_fields=None, search_or=target.features.search_or, columns=target.array.columns
        )
        per_row = (
            counts.searches.sum() * energy.search_row_J
            + expected_written_bits(tile).sum() * energy.write_bit_J
            + (counts.shift_steps.sum() + counts.rewind_steps) * energy.shift_step_J
        )
        total += active * float(per_row) + len(tile.instructions) * 128 * energy.control_bit_J
    return total * compiled.tiles / len(compiled.program.tiles)
