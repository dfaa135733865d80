"""Networks: configurations fitted to a layer's integers, exactness, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.network import AcimNetwork, fitted
from tests.graphs import add_input, add_output


def product(bits: int, signed: bool, zero_point: int = 0) -> Graph:
    graph = Graph()
    add_input(graph, "x", (9, 2, 2), bits, signed)
    weights = np.random.default_rng(1).integers(-127, 128, (4, 9, 2, 1))
    graph.add("y", Conv(weights, zero_point=zero_point, pads=(1, 0, 0, 1)), ("x",))
    add_output(graph, "y")
    return graph


def inputs(graph: Graph, count: int = 12) -> np.ndarray:
    entry = graph.graph_inputs[0]
    return np.random.default_rng(2).integers(entry.lo, entry.hi + 1, (count, 9, 2, 2))


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 255, 8), (0, 256, 9), (-128, 127, 8), (0, 0, 1), (-1, 0, 1), (-3, 4, 3), (0, 5, 3), (-9, -8, 4)],
)
def test_activations_have_the_bits_of_a_layers_integers(low: int, high: int, bits: int) -> None:
    assert fitted(AcimConfig(), low, high).activation_bits == bits


def test_levels_beyond_a_layers_cycles_select_all_of_them() -> None:
    config = AcimConfig(hybrid_level=10, weight_bits=4, activation_bits=16, dac_bits=2)
    found = fitted(config, 0, 15)
    assert (found.digits, found.cycles.digital_count, found.lossless) == (2, 8, True)
    assert replace(found, activation_bits=16) == config and not config.lossless


def test_inputs_that_are_all_below_zero_leave_room_for_padding() -> None:
    graph = product(3, signed=True, zero_point=5)  # -9 to -2, and pads of 0
    found = AcimNetwork(graph, AcimConfig(adc_bits=16, hybrid_level=20)).run({"x": inputs(graph)})["y"]
    np.testing.assert_array_equal(found, run_graph(graph, {"x": inputs(graph)})["y"])


@pytest.mark.parametrize(("bits", "signed", "zero_point"), [(8, False, 0), (5, True, 0), (6, False, 11), (1, False, 0)])
@pytest.mark.parametrize("config", [AcimConfig(), AcimConfig(adc_bits=2, hybrid_level=15)])
def test_lossless_networks_are_exact(config: AcimConfig, bits: int, signed: bool, zero_point: int) -> None:
    graph = product(bits, signed, zero_point)
    x = inputs(graph)
    found = AcimNetwork(graph, config).run({"x": x})["y"]
    assert found.dtype == np.float64 and (found == run_graph(graph, {"x": x})["y"]).all()


def test_lossy_networks_run_their_layers() -> None:
    graph = product(5, True, -3)
    x, config = inputs(graph), AcimConfig(adc_bits=5, rows=10, noise_lsb=0.3)
    network = AcimNetwork(graph, lambda name, op: replace(config, weight_bits=9), seed=4)
    layer = network.layers["y"]
    assert isinstance(layer, AcimLayer)
    assert (layer.config.weight_bits, layer.config.activation_bits, layer.input_low) == (9, 5, -13)
    found = network.run({"x": x}, first_image=2)["y"]
    assert 0 < abs(found - run_graph(graph, {"x": x})["y"]).max()
    parts = [network.run({"x": x[k : k + 5]}, first_image=2 + k, threads=1)["y"] for k in (0, 5, 10)]
    assert (np.concatenate(parts) == found).all()
    assert not (AcimNetwork(graph, config, seed=5).run({"x": x}, first_image=2)["y"] == found).all()


def test_a_layer_that_does_not_fit_is_named() -> None:
    graph = product(8, False)
    with pytest.raises(AcimConfigError, match=r"layer y: weights: -?\d+ is no whole number from -8 to 7") as error:
        AcimNetwork(graph, AcimConfig(weight_bits=4))
    assert "\n" not in str(error.value)
    with pytest.raises(AcimConfigError, match="layer y: activation_bits = 17"):
        AcimNetwork(product(17, False), AcimConfig())
