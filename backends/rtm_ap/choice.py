"""Which strategy a layer is compiled with: the level's candidates, priced by exact counts on the target."""

from __future__ import annotations

from dataclasses import replace

from backends.rtm_ap.builder import Source
from backends.rtm_ap.layers import CompiledLayer, Strategy, compile_layer
from backends.rtm_ap.layout import CapacityError, Geometry
from backends.target import Target
from ir.counts import expected_written_bits, static_counts
from ir.isa import RECORD_BITS
from ir.lower import Layer, Linear

PLAIN = Strategy()
PUBLISHED = Strategy(share=True)
"""The published recipe: subexpressions shared within one input channel, fields along nanowires."""
NARROW = Strategy(together=1)
"""Needs the fewest columns: what fits no other way."""

WINDOWS_TOGETHER = (1, 2, 3)
INPUTS_TOGETHER = (8, 12, 16, 24)
"""Inputs of a group where one window is a single input, or too wide."""
WIDE_WINDOW = 25
SHARED_OUTPUTS = 64
"""Outputs of a tile whose sums are shared: more share more, and keep more temporaries alive."""


FALLBACKS: dict[str, tuple[Strategy, ...]] = {
    "O0": (PLAIN, NARROW),
    "O1": (PUBLISHED, PLAIN, NARROW),
    "O2": (PUBLISHED, PLAIN, NARROW),
    "O3": (PUBLISHED, PLAIN, NARROW),
}
"""What each level tries, the first that fits: all there is to -O0 and -O1; -O2 and -O3 price ``candidates`` first."""
PRICED = ("O2", "O3")
SEARCH_S = 0.01
"""Work that -O3 spends on improving the sharing of one group."""


def candidates(layer: Layer) -> list[Strategy]:
    """The strategies of -O2 and -O3, to be priced."""
    across = Strategy(across=True)
    if not isinstance(layer.body, Linear) or not len(layer.body.weights):
        return [across]
    taps = layer.body.taps
    single = taps == 1 or taps > WIDE_WINDOW
    plain = [replace(across, together=inputs) for inputs in (INPUTS_TOGETHER if single else [taps])]
    if abs(layer.body.weights).max() > 1:
        return plain  # the temporaries of shared multi-bit weights do not fit beside their inputs
    together = INPUTS_TOGETHER if single else [taps * windows for windows in WINDOWS_TOGETHER]
    return plain + [Strategy(inputs, share=True, across=True, outputs=SHARED_OUTPUTS) for inputs in together]


def compile_best(layer: Layer, target: Target, sources: list[Source], output: int, level: str) -> CompiledLayer:
    """Compile a layer with the level's strategy: of several that are priced, the one of the least expected energy for
    one image, compared by their first tiles. Raises UserError where none fits."""
    geometry = Geometry(target.array.columns, target.array.domains)
    prices: list[tuple[float, int]] = []
    tried = candidates(layer) if level in PRICED else []
    for index, strategy in enumerate(tried):
        try:
            sample = compile_layer(layer, geometry, sources, output, strategy, sample=True)
            prices.append((expected_energy_J(sample, layer, target), index))
        except CapacityError:
            continue
    fitting = [tried[index] for _, index in sorted(prices)]
    searched = [replace(fitting[0], search_s=SEARCH_S)] if level == "O3" and fitting and fitting[0].share else []
    for strategy in [*searched, *fitting, *FALLBACKS[level]]:
        try:
            return compile_layer(layer, geometry, sources, output, strategy)
        except CapacityError as error:
            reason = error
    raise reason


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
        total += active * float(per_row) + len(tile.instructions) * RECORD_BITS * energy.control_bit_J
    return total * compiled.tiles / len(compiled.program.tiles)
