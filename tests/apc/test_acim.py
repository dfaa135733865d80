"""``apc.acim`` beyond what it has in common with ``apc.crossbar`` (test_analog.py)."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import apc
from apc.acim import AcimConfig, AcimLayer, AcimNetwork, layer_error, load_network
from apc.frontend import load_graph
from ir.errors import UserError
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from tests.apc.small import small_model
from tests.graphs import add_input, add_output

IDEAL = AcimConfig()


def test_the_predictor_knows_the_noise_of_a_layer_in_a_network() -> None:
    """The same image again and again, as a hidden convolution sees it behind a lossless one."""
    graph = load_graph(small_model()).graph
    name = [name for name in graph.order() if isinstance(graph.op(name), Conv)][1]
    network = AcimNetwork(graph, lambda own, _: replace(IDEAL, noise_lsb=0.4 * (own == name)), seed=3)
    image = np.random.default_rng(1).integers(0, 16, (1, 2, 6, 6))
    values, repeats = run_graph(graph, {"x": image}, keep="all"), 300
    outputs = network.run({"x": np.repeat(image, repeats, axis=0)}, keep="all")[name]
    errors = (outputs - values[name]).reshape(repeats, -1)
    layer, op = network.layers[name], graph.op(name)
    assert isinstance(layer, AcimLayer) and isinstance(op, Conv)
    x = torch.from_numpy(values[graph.inputs(name)[0]] - op.zero_point).float()
    predicted = layer_error(layer.config, layer.mac_histogram(x), layer.tiles)
    each = errors.var(axis=0, ddof=1)
    assert abs(each.mean() - predicted.noise_variance) < 4 * each.std() / np.sqrt(each.size)
    assert abs(errors.mean() - predicted.mean) < 4 * np.sqrt(predicted.noise_variance / errors.size)


def test_weights_that_do_not_fit_are_named_with_their_layer() -> None:
    graph = Graph()
    add_input(graph, "x", (9, 1, 1), 4, False)
    graph.add("y", Conv(np.full((4, 9, 1, 1), 8)), ("x",))
    add_output(graph, "y")
    with pytest.raises(UserError, match="^layer y: weights: .*weight_bits = 4"):
        load_network(graph, replace(IDEAL, weight_bits=4))


def test_it_is_there_when_it_is_asked_for() -> None:
    script = "import sys, apc\nprint('torch' in sys.modules, apc.acim.AcimConfig().rows, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("False 255 True\n", "")
    with pytest.raises(AttributeError, match="module 'apc' has no attribute 'acm'"):
        _ = apc.acm  # type: ignore[attr-defined]
