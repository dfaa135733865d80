"""What is computed: the network, its multiply-accumulates and weights, the bits of both operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apc.array_configs import narrowest_bits
from ir.graph import Graph
from ir.ops import Conv


@dataclass(frozen=True)
class Workload:
    """``macs``: per image, output positions x outputs x taps of every convolution and matrix product, strides and
    groups as they are, taps on padding counted: what an array that holds the whole kernel executes.
    ``nonzero_macs``: those whose weight is not zero. ``weight_bits`` and ``activation_bits``: two's complement or
    unsigned bits of the operands, ascending. ``batch``: images that are priced together."""

    name: str
    model_sha256: str
    layers: int
    macs: int
    nonzero_macs: int
    weights: int
    nonzero_weights: int
    weight_bits: tuple[int, ...]
    activation_bits: tuple[int, ...]
    batch: int


def workload(graph: Graph, name: str, model_sha256: str, batch: int) -> Workload:
    """Of a canonical graph."""
    convolutions = [(node, op) for node in graph.order() if isinstance(op := graph.op(node), Conv)]
    positions = [graph.type(node).positions for node, _ in convolutions]
    weights = [op.weights.size for _, op in convolutions]
    nonzero = [int(np.count_nonzero(op.weights)) for _, op in convolutions]
    return Workload(
        name=name,
        model_sha256=model_sha256,
        layers=len(convolutions),
        macs=sum(size * count for size, count in zip(weights, positions, strict=True)),
        nonzero_macs=sum(size * count for size, count in zip(nonzero, positions, strict=True)),
        weights=sum(weights),
        nonzero_weights=sum(nonzero),
        weight_bits=tuple(sorted({narrowest_bits(op.weights) for _, op in convolutions})),
        activation_bits=tuple(sorted({graph.type(graph.inputs(node)[0]).dtype.bits for node, _ in convolutions})),
        batch=batch,
    )
