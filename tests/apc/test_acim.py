"""``apc.acim``: models in, ONNX-shaped arrays out; the exact network where nothing is lost."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import apc
from apc.acim import AcimConfig, AcimLayer, AcimNetwork, layer_error, load_network
from apc.checks import run_onnxruntime
from apc.frontend import load_graph
from ir.errors import UserError
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from tests.apc.small import images, small_model
from tests.graphs import add_input, add_output

IDEAL = AcimConfig()
NOISY = replace(IDEAL, noise_lsb=0.4, offset_lsb=0.3, gain_sigma=0.01, inl_lsb=0.3)


def test_a_network_without_errors_gives_what_onnxruntime_gives(tmp_path: Path) -> None:
    model, inputs = small_model(), {"x": images(5)}
    onnx.save(model, tmp_path / "m.onnx")
    apc.save(apc.compile(str(tmp_path / "m.onnx")), tmp_path / "m.apc")
    names = [out.name for out in model.graph.output]
    expected = run_onnxruntime(model, inputs, names)
    for source in (tmp_path / "m.onnx", str(tmp_path / "m.apc"), load_graph(model).graph):
        outputs = load_network(source, IDEAL).run(inputs)
        assert list(outputs) == names
        for name in names:
            assert outputs[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(outputs[name], expected[name])


def test_layers_may_differ_and_are_named() -> None:
    graph, seen = load_graph(small_model()).graph, []

    def config(name: str, op: Conv) -> AcimConfig:
        seen.append(name)
        assert op.weights.ndim == 4
        return IDEAL if len(seen) == 1 else NOISY

    network = AcimNetwork(graph, config, seed=4)
    convolutions = [name for name in graph.order() if graph.op(name).kind == "conv"]
    assert seen == convolutions and len(convolutions) == 3
    values = {"x": np.random.default_rng(0).integers(0, 16, (2, 2, 6, 6))}
    exact, got = run_graph(graph, values, keep="all"), network.run(values, keep="all")
    np.testing.assert_array_equal(got[convolutions[0]], exact[convolutions[0]])
    assert not np.array_equal(got[convolutions[1]], exact[convolutions[1]])


def test_errors_and_noise_depend_on_the_seed_and_an_images_place_only() -> None:
    inputs = {"x": images(6)}
    network = load_network(small_model(), NOISY, seed=1)
    (whole,) = network.run(inputs, threads=1).values()
    (threaded,) = network.run(inputs, threads=3).values()
    np.testing.assert_array_equal(threaded, whole)
    (late,) = network.run({"x": images(6)[4:]}, first_image=4).values()
    np.testing.assert_array_equal(late, whole[4:])
    (again,) = load_network(small_model(), NOISY, seed=1).run(inputs).values()
    np.testing.assert_array_equal(again, whole)
    (other,) = load_network(small_model(), NOISY, seed=2).run(inputs).values()
    assert not np.array_equal(other, whole)


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


def test_inputs_must_have_the_networks_names() -> None:
    with pytest.raises(UserError, match="named y, but the network's are x"):
        load_network(small_model(), IDEAL).run({"y": images(1)})


def test_it_is_there_when_it_is_asked_for() -> None:
    script = "import sys, apc\nprint('torch' in sys.modules, apc.acim.AcimConfig().rows, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("False 255 True\n", "")
    with pytest.raises(AttributeError, match="module 'apc' has no attribute 'acm'"):
        _ = apc.acm  # type: ignore[attr-defined]
