from __future__ import annotations

import numpy as np

from apc.array_configs import narrowest_bits
from apc.comparison.workload import workload
from ir.graph import Graph
from ir.ops import Conv, Flatten
from tests.graphs import add_input, add_output


def test_counts_of_a_network_by_hand() -> None:
    """A grouped convolution with stride and padding, 6x6 -> 3x3, and a classifier of 36 inputs."""
    graph = Graph("net")
    x = add_input(graph, "x", (4, 6, 6), 4, signed=False)
    weights = np.zeros((4, 2, 3, 3), np.int64)
    weights[:, 0, 1, 1] = [1, -1, 1, 1]
    graph.add("conv", Conv(weights, strides=(2, 2), pads=(1, 1, 1, 1), groups=2), (x,))
    graph.add("flat", Flatten(), ("conv",))
    graph.add("fc", Conv(np.full((5, 36, 1, 1), -100)), ("flat",))
    add_output(graph, "fc")
    found = workload(graph, "net", "hash", batch=3)
    assert found.macs == 4 * 2 * 9 * 9 + 5 * 36
    assert found.nonzero_macs == 4 * 9 + 5 * 36
    assert (found.weights, found.nonzero_weights) == (72 + 180, 4 + 180)
    assert found.weight_bits == (2, 8)
    assert found.activation_bits == (4, 5)  # the second layer reads the sum of one weight: signed
    assert (found.name, found.layers, found.batch) == ("net", 2, 3)


def test_bits_of_weights() -> None:
    for values, bits, with_opposites in (
        ([1, 0], 2, 2),
        ([1, -1], 2, 2),
        ([-2, 1], 2, 3),
        ([127], 8, 8),
        ([-128], 8, 9),
        ([0], 1, 2),
    ):
        op = Conv(np.array(values).reshape(1, -1, 1, 1))
        assert (narrowest_bits(op.weights), narrowest_bits(op.weights, with_opposites=True)) == (bits, with_opposites)
