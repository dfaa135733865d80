"""What data do to the energy of arrays: how often input bits are one, and how often they change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from backends.workload import LayerWork, fed_type, is_bipolar
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


def input_planes(work: LayerWork, bits: int, sign_plane: bool, measured: LayerActivity | None) -> tuple[float, ...]:
    """Densities of the ``bits`` bit planes that are sent, most significant first. An unsigned input with a sign plane
    gives its lowest bit for it, so that the planes are the activation's bits, as in NeuroSim. Where the setting differs
    from the bits that were measured, low planes are dropped or high ones added: copies of the sign, else empty."""
    own = bits - 1 if sign_plane and not work.signed and bits > 1 else bits
    held = measured.bit_density if measured is not None else default_densities(own, work.signed)
    high = held[0] if work.signed else 0.0
    return (high,) * (bits - min(own, len(held))) + held[:own]


def with_density(planes: tuple[float, ...], density: float) -> tuple[float, ...]:
    """Planes of a given mean density: shared evenly by those that hold ones, by all where that is not enough."""
    filled = sum(1 for plane in planes if plane > 0)
    if density * len(planes) > filled:
        return (density,) * len(planes)
    each = density * len(planes) / filled if filled else 0.0
    return tuple(each if plane > 0 else 0.0 for plane in planes)
