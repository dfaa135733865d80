import math
from fractions import Fraction

import numpy as np
import pytest

from backends.activity import Activity, LayerActivity, default_densities, default_toggle, input_planes
from backends.crossbar.networks import resnet18
from backends.workload import conv_work
from ir.graph import Graph
from ir.ops import Conv
from ir.types import IntType
from tests.close import close
from tests.graphs import add_input, requantise


@pytest.mark.parametrize(("bits", "density"), [(8, 0.164), (4, 0.091), (1, 0.5)])
def test_unmeasured_densities_are_those_of_the_reference_traces(bits: int, density: float) -> None:
    # crossbar_cost.md 6: "Bit density of the synthetic ReLU traces 0.164 (8 bit), 0.091 (4), 0.5 (1)", sign included
    planes = input_planes(resnet18(8, bits)[1], bits, True, None)
    assert len(planes) == bits and (planes[0] == 0 or bits == 1)
    assert sum(planes) / bits == close(density, rel=0.015)


@pytest.mark.parametrize("bits", [2, 3, 5])
def test_densities_are_those_of_a_truncated_half_normal(bits: int) -> None:
    def below(x: float) -> float:
        return 0.5 * (1 + math.erf(x / 0.25 / math.sqrt(2)))

    expected = [0.0] * bits
    for code in range(1 << bits):
        share = below((code + 1) / (1 << bits)) - below(code / (1 << bits))
        for place in range(bits):
            expected[place] += share * ((code >> (bits - 1 - place)) & 1)
    assert default_densities(bits, False) == close(expected, abs=1e-4)  # what is above 1 counts apart
    assert default_densities(bits, True) == (0.5,) * bits


def test_planes_that_are_sent() -> None:
    unsigned, signed = conv_work("u", (4, 4), 1, 1), conv_work("s", (4, 4), 1, 1, signed=True)
    measured = LayerActivity((0.1, 0.2, 0.3, 0.4), 0.2)
    assert input_planes(unsigned, 4, False, measured) == (0.1, 0.2, 0.3, 0.4)
    assert input_planes(unsigned, 4, True, measured) == (0, 0.1, 0.2, 0.3)
    assert input_planes(signed, 4, True, measured) == (0.1, 0.2, 0.3, 0.4)
    assert input_planes(unsigned, 2, False, measured) == (0.1, 0.2)
    assert input_planes(unsigned, 6, False, measured) == (0, 0, 0.1, 0.2, 0.3, 0.4)
    assert input_planes(unsigned, 6, True, measured) == (0, 0, 0.1, 0.2, 0.3, 0.4)
    assert input_planes(signed, 6, False, measured) == (0.1, 0.1, 0.1, 0.2, 0.3, 0.4)  # the sign, extended
    assert len(input_planes(signed, 3, True, None)) == 3
    assert default_toggle((0.5, 0.0)) == 0.25


def test_measured_planes_and_toggles_by_hand() -> None:
    graph = Graph()
    add_input(graph, "x", (1, 2, 3), 3, signed=False)
    graph.add("c", Conv(np.ones((1, 1, 1, 1), dtype=np.int64)), ("x",))
    values = np.array([[[[5, 4, 0], [7, 7, 2]]]])
    activity = Activity.from_graph(graph, {"x": values}).layers["c"]
    # planes, high first: 110 110 | 000 111 | 100 110; neighbours that differ: 1+1, 0+0, 1+1 of 4 each
    assert activity.bit_density == close((4 / 6, 3 / 6, 3 / 6))
    changes = [[p[0] != p[1], p[1] != p[2]] for p in ([1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0])]
    assert activity.toggle == close(sum(map(sum, changes)) / 12)
    assert Activity.from_graph(graph).layers == {}
    assert Activity.from_graph(graph, {"other": values}).layers == {}


def test_signed_shifted_and_bipolar_inputs_are_measured_as_they_are_sent() -> None:
    graph = Graph()
    add_input(graph, "x", (1, 1, 4), 3, signed=True)
    ones = np.ones((1, 1, 1, 1), dtype=np.int64)
    graph.add("signed", Conv(ones), ("x",))
    third = [[Fraction(1)]]
    graph.add("s", requantise(third, [Fraction(0)], IntType(2, True), bipolar=True), ("x",))
    graph.add("bipolar", Conv(ones), ("s",))
    x, s = np.array([[[[-1, -4, 3, 0]]]]), np.array([[[[1, -1, 1, 1]]]])
    layers = Activity.from_graph(graph, {"x": x, "s": s}).layers
    assert layers["signed"].bit_density == (0.5, 0.5, 0.5)  # 111, 100, 011, 000
    assert layers["bipolar"].bit_density == (0.75,)
