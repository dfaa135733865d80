"""``apc.crossbar`` and ``apc.acim``: models in, ONNX-shaped arrays out; the exact network where nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest

import apc
from apc import acim, crossbar
from apc.checks import run_onnxruntime
from apc.frontend import load_graph
from ir.errors import UserError
from ir.interpreter import run_graph
from ir.ops import Conv
from tests.apc.small import images, small_model

CELLS = crossbar.CrossbarConfig(cell_bits=7, weight_max="max")
"""Levels enough for every weight of the small network where its largest is a level too."""


class Arrays(NamedTuple):
    """Of one kind: how networks come to be on them, without errors and with."""

    load: Any
    network: Any
    ideal: Any
    noisy: Any


CROSSBAR = Arrays(
    crossbar.load_network,
    crossbar.CrossbarNetwork,
    CELLS,
    replace(CELLS, cell_bits=0, read_noise={"independent": 0.02}, programming_error={"proportional": 0.05}),
)
SRAM = Arrays(
    acim.load_network,
    acim.AcimNetwork,
    acim.AcimConfig(),
    acim.AcimConfig(noise_lsb=0.4, offset_lsb=0.3, gain_sigma=0.01, inl_lsb=0.3),
)
of_every_kind = pytest.mark.parametrize("arrays", [CROSSBAR, SRAM], ids=["crossbar", "acim"])


@of_every_kind
def test_a_network_without_errors_gives_what_onnxruntime_gives(arrays: Arrays, tmp_path: Path) -> None:
    model, inputs = small_model(), {"x": images(5)}
    onnx.save(model, tmp_path / "m.onnx")
    apc.save(apc.compile(str(tmp_path / "m.onnx")), tmp_path / "m.apc")
    names = [out.name for out in model.graph.output]
    expected = run_onnxruntime(model, inputs, names)
    for source in (tmp_path / "m.onnx", str(tmp_path / "m.apc"), load_graph(model).graph):
        outputs = arrays.load(source, arrays.ideal).run(inputs)
        assert list(outputs) == names
        for name in names:
            assert outputs[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(outputs[name], expected[name])


@of_every_kind
def test_layers_may_differ_and_are_named(arrays: Arrays) -> None:
    graph, seen = load_graph(small_model()).graph, []

    def config(name: str, op: Conv) -> Any:
        seen.append(name)
        assert op.weights.ndim == 4
        return arrays.ideal if len(seen) == 1 else arrays.noisy

    network = arrays.network(graph, config, seed=4)
    convolutions = [name for name in graph.order() if graph.op(name).kind == "conv"]
    assert seen == convolutions and len(convolutions) == 3
    values = {"x": np.random.default_rng(0).integers(0, 16, (2, 2, 6, 6))}
    exact, got = run_graph(graph, values, keep="all"), network.run(values, keep="all")
    np.testing.assert_array_equal(got[convolutions[0]], exact[convolutions[0]])
    assert not np.array_equal(got[convolutions[1]], exact[convolutions[1]])


@of_every_kind
def test_errors_and_noise_depend_on_the_seed_and_an_images_place_only(arrays: Arrays) -> None:
    inputs = {"x": images(6)}
    network = arrays.load(small_model(), arrays.noisy, seed=1)
    (whole,) = network.run(inputs, threads=1).values()
    (threaded,) = network.run(inputs, threads=3).values()
    np.testing.assert_array_equal(threaded, whole)
    (late,) = network.run({"x": images(6)[4:]}, first_image=4).values()
    np.testing.assert_array_equal(late, whole[4:])
    (again,) = arrays.load(small_model(), arrays.noisy, seed=1).run(inputs).values()
    np.testing.assert_array_equal(again, whole)
    (other,) = arrays.load(small_model(), arrays.noisy, seed=2).run(inputs).values()
    assert not np.array_equal(other, whole)


@of_every_kind
def test_inputs_must_have_the_networks_names(arrays: Arrays) -> None:
    with pytest.raises(UserError, match="named y, but the network's are x"):
        arrays.load(small_model(), arrays.ideal).run({"y": images(1)})
