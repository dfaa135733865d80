"""``apc.crossbar``: models in, ONNX-shaped arrays out; the exact network where nothing is analog."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import apc
from apc.checks import run_onnxruntime
from apc.crossbar import CrossbarConfig, CrossbarNetwork, load_network
from apc.frontend import load_graph
from ir.errors import UserError
from ir.interpreter import run_graph
from tests.apc.small import images, small_model

IDEAL = CrossbarConfig(cell_bits=7, weight_max="max")
"""Levels enough for every weight of the small network where its largest is a level too."""
NOISY = replace(IDEAL, cell_bits=0, read_noise={"independent": 0.02}, programming_error={"proportional": 0.05})


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

    def config(name: str, op: object) -> CrossbarConfig:
        seen.append(name)
        return IDEAL if len(seen) == 1 else NOISY

    network = CrossbarNetwork(graph, config, seed=4)
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


def test_a_calibrated_adc_needs_data_first() -> None:
    config = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=10, adc_range="calibrated", adc_percentile=100)
    model = load_network(small_model(), config)
    with pytest.raises(UserError, match="calibrate"):
        model.run({"x": images(1)})
    (coarse,) = load_network(small_model(), config, calibration={"x": images(4)}).run({"x": images(4)}).values()
    (exact,) = load_network(small_model(), IDEAL).run({"x": images(4)}).values()
    assert np.abs(coarse - exact).max() <= 3 * np.abs(np.diff(np.unique(exact))).min()


def test_inputs_must_have_the_networks_names() -> None:
    with pytest.raises(UserError, match="named y, but the network's are x"):
        load_network(small_model(), IDEAL).run({"y": images(1)})
