"""What data do to the energy of a crossbar: how often input bits are one and change, and what the cells hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from backends.crossbar.workload import LayerWork, fed_type, is_bipolar
from ir.graph import Graph
from ir.ops import Conv

RELU_SIGMA = 0.25
"""Standard deviation, in full scale, of the Gaussian whose positive part stands for unmeasured inputs: truncated to
bits it gives the bit densities 0.164 (8 bits) and 0.091 (4 bits) of NeuroSim's synthetic traces, with their sign
plane."""


@dataclass(frozen=True)
class LayerActivity:
    """Measured on a layer's input. ``bit_density``: share of ones in each bit plane, most significant first (two's
    complement where signed); ``toggle``: share of bits that differ between neighbouring positions."""

    bit_density: tuple[float, ...]
    toggle: float


@dataclass(frozen=True)
class Activity:
    """Measured activity by name of the Conv; layers that are missing use the rules of this module."""

    layers: Mapping[str, LayerActivity] = field(default_factory=dict)

    @staticmethod
    def from_graph(graph: Graph, tensors: Mapping[str, np.ndarray] | None = None) -> Activity:
        """Measures every Conv whose operand is in ``tensors``: node name -> integers (N, C, H, W)."""
        layers: dict[str, LayerActivity] = {}
        for name in graph.order():
            op = graph.op(name)
            if isinstance(op, Conv) and tensors is not None and graph.inputs(name)[0] in tensors:
                source = graph.inputs(name)[0]
                layers[name] = _measure(graph, source, op.zero_point, tensors[source])
        return Activity(layers)


def _measure(graph: Graph, source: str, zero_point: int, values: np.ndarray) -> LayerActivity:
    fed, subtracted = fed_type(graph.type(source), zero_point)
    if zero_point == 0 and is_bipolar(graph, source):
        bits, data = 1, (values.astype(np.int64) + 1) // 2
    else:
        bits, data = fed.bits, values.astype(np.int64) - subtracted
    densities, changes = [], []
    for bit in reversed(range(bits)):
        plane = (data >> bit) & 1
        densities.append(float(plane.mean()))
        if plane.shape[-1] > 1:
            changes.append(float((plane[..., 1:] != plane[..., :-1]).mean()))
        else:
            changes.append(2 * densities[-1] * (1 - densities[-1]))
    return LayerActivity(tuple(densities), sum(changes) / len(changes))


@lru_cache(maxsize=64)
def default_densities(bits: int, signed: bool) -> tuple[float, ...]:
    """Bit densities of unmeasured inputs, most significant plane first.

    Unsigned: the positive part of N(0, RELU_SIGMA) truncated to ``bits`` bits of full scale 1; one bit is 1 in half of
    the cases. Signed: 0.5 in every plane, that of a value symmetric about 0 in two's complement.
    """
    if signed or bits == 1:
        return (0.5,) * bits
    densities = []
    for bit in range(1, bits + 1):
        step = 0.5**bit
        ones = sum(_above(k * step) - _above((k + 1) * step) for k in range(1, 1 << min(bit, 12), 2))
        densities.append(ones / 2 if bit <= 12 else 0.25)
    return tuple(densities)


def _above(x: float) -> float:
    """P(|n| > x), n of N(0, RELU_SIGMA)."""
    return math.erfc(x / (RELU_SIGMA * math.sqrt(2)))


def default_toggle(densities: tuple[float, ...]) -> float:
    """Changes of independent bits: 2 d (1 - d), mean over the planes."""
    return sum(2 * d * (1 - d) for d in densities) / len(densities)


@dataclass(frozen=True)
class Cell:
    """A cell of ``bits`` bits, linear in level between its conductances, behind its access device."""

    bits: int
    on_S: float
    off_S: float
    access_ohm: float

    def conductance_S(self, level: int) -> float:
        own = self.off_S + (self.on_S - self.off_S) * level / ((1 << self.bits) - 1)
        return own / (1 + own * self.access_ohm)


@lru_cache(maxsize=4096)
def mean_conductance_S(
    weight_values: tuple[tuple[int, int], ...], weight_bits: int, cell: Cell, differential: bool
) -> float:
    """Mean over all cells, access devices included.

    Offset: digits of w + 2**(weight_bits - 1), 1-bit weights (w + 1) / 2. Differential: a pair of cells a digit, one
    holding the digit of |w|, the other 0. Weights that need fewer bits than a cell has use its whole range. Weights
    without values count as uniform over all codes.
    """
    cell = replace(cell, bits=min(cell.bits, magnitude_bits(weight_bits, differential)))
    levels = [cell.conductance_S(level) for level in range(1 << cell.bits)]
    if not weight_values:
        uniform = sum(levels) / len(levels)
        return (uniform + levels[0]) / 2 if differential else uniform
    digits = cells_per_weight(weight_bits, cell.bits, differential)
    top, digits = len(levels) - 1, digits // 2 if differential else digits
    total, sum_S = 0, 0.0
    for value, count in weight_values:
        if differential:
            code = min(abs(value), (1 << max(1, weight_bits - 1)) - 1)
        else:
            code = value + (1 << (weight_bits - 1)) if weight_bits > 1 else (value + 1) // 2
        held = 0.0
        for _ in range(digits):
            held += levels[code & top]
            code >>= cell.bits
        total += count
        sum_S += count * held
    mean = sum_S / (total * digits)
    return (mean + levels[0]) / 2 if differential else mean


def cells_per_weight(weight_bits: int, cell_bits: int, differential: bool) -> int:
    """Columns a weight takes: offset ceil(bits / cell bits); differential twice that of the magnitude."""
    digits = -(-magnitude_bits(weight_bits, differential) // cell_bits)
    return 2 * digits if differential else digits


def magnitude_bits(weight_bits: int, differential: bool) -> int:
    """Bits that are split into digits: all of an offset code, those of the magnitude in a pair."""
    return max(1, weight_bits - 1) if differential else weight_bits


def input_planes(work: LayerWork, bits: int, sign_plane: bool, measured: LayerActivity | None) -> tuple[float, ...]:
    """Densities of the ``bits`` bit planes that are sent, most significant first. An unsigned input with a sign plane
    gives its lowest bit for it, so that the planes are the activation's bits, as in NeuroSim. Where the setting differs
    from the bits that were measured, low planes are dropped or high ones added: copies of the sign, else empty."""
    own = bits - 1 if sign_plane and not work.signed and bits > 1 else bits
    held = measured.bit_density if measured is not None else default_densities(own, work.signed)
    high = held[0] if work.signed else 0.0
    return (high,) * (bits - min(own, len(held))) + held[:own]
