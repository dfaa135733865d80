"""A configuration fitted to a layer's integers, and what that makes exact."""

import numpy as np
import pytest

from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.crossbar_network import CrossbarNetwork, fitted
from simulator.analog.layer import CrossbarLayer
from tests.graphs import add_input, add_output

SLICED = CrossbarConfig(cell_bits=7, dac_bits=8, dac_signed=False, input_slice_bits=2)


@pytest.mark.parametrize(
    ("interval", "bits", "expected"),
    [
        ((0, 15), 8, (4, False, (0.0, 15.0), 2)),
        ((0, 9), 8, (4, False, (0.0, 15.0), 2)),
        ((0, 255), 8, (8, False, (0.0, 255.0), 2)),
        ((0, 255), 4, (4, False, (0.0, 255.0), 2)),
        ((-128, 127), 8, (8, True, (-127.0, 127.0), 2)),
        ((-127, 128), 16, (9, True, (-255.0, 255.0), 2)),
        ((-1, 1), 8, (2, True, (-1.0, 1.0), 1)),
        ((0, 1), 8, (1, False, (0.0, 1.0), 1)),
        ((0, 0), 8, (1, False, (0.0, 1.0), 1)),
        ((-8, 7), 1, (2, True, (-7.0, 7.0), 1)),
    ],
)
def test_integers_become_levels_of_the_dac(
    interval: tuple[int, int], bits: int, expected: tuple[int, bool, tuple[float, float], int]
) -> None:
    config = CrossbarConfig(dac_bits=bits, dac_signed=False, input_slice_bits=min(2, bits))
    found = fitted(config, *interval)
    assert (found.dac_bits, found.dac_signed, found.input_range, found.input_slice_bits) == expected


def test_without_a_dac_only_full_scale_is_fitted() -> None:
    found = fitted(CrossbarConfig(), -5, 3)
    assert (found.dac_bits, found.input_slice_bits, found.dac_signed, found.input_range) == (0, 0, True, (-7.0, 7.0))


def product(bits: int, signed: bool, zero_point: int) -> Graph:
    graph = Graph()
    add_input(graph, "x", (9, 1, 1), bits, signed)
    weights = np.random.default_rng(1).integers(-127, 128, (4, 9, 1, 1))
    weights[0, 0] = 127
    graph.add("y", Conv(weights, zero_point=zero_point), ("x",))
    add_output(graph, "y")
    return graph


@pytest.mark.parametrize(("bits", "signed", "zero_point"), [(8, False, 0), (5, True, 0), (6, False, 11), (1, False, 0)])
def test_without_errors_and_adc_the_network_is_exact(bits: int, signed: bool, zero_point: int) -> None:
    graph = product(bits, signed, zero_point)
    entry = graph.graph_inputs[0]
    values = np.random.default_rng(2).integers(max(entry.lo, -(2 ** (bits - 1)) + 1), entry.hi + 1, (20, 9, 1, 1))
    wanted = run_graph(graph, {"x": values})["y"]
    for config in (SLICED, CrossbarConfig(cell_bits=7), CrossbarConfig(cell_bits=8, mapping="offset", dac_bits=9)):
        np.testing.assert_array_equal(CrossbarNetwork(graph, config).run({"x": values})["y"], wanted)


def test_the_lowest_integer_is_clipped_by_a_dac() -> None:
    graph = product(8, True, 0)
    lowest = np.full((1, 9, 1, 1), -128)
    (got,) = CrossbarNetwork(graph, SLICED).run({"x": lowest}).values()
    np.testing.assert_array_equal(got, run_graph(graph, {"x": lowest + 1})["y"])


def test_a_layer_that_cannot_be_mapped_is_named() -> None:
    with pytest.raises(CrossbarConfigError, match="^layer y: weights: .* binary_mapping"):
        CrossbarNetwork(product(4, False, 0), CrossbarConfig(binary_mapping="xnor_rows"))


def test_layers_have_errors_of_their_own() -> None:
    graph, weights = Graph(), np.arange(-8, 8).reshape(4, 4, 1, 1)
    add_input(graph, "x", (4, 1, 1), 4, signed=False)
    graph.add("y", Conv(weights), ("x",))
    graph.add("z", Conv(weights), ("x",))
    add_output(graph, "y")
    config = CrossbarConfig(programming_error={"independent": 0.1})  # type: ignore[arg-type]
    cells = []
    for seed in (1, 2):
        for layer in CrossbarNetwork(graph, config, seed).layers.values():
            assert isinstance(layer, CrossbarLayer)
            cells.append(layer.conductances().tobytes())
    assert len(set(cells)) == 4
