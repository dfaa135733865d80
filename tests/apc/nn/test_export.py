"""Exported models: the integers in the file, the same results in onnxruntime and behind ``apc compile``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import apc
import apc.nn
from apc.frontend import load_graph
from apc.nn import ActivationQuantiser, ConversionError, Quantisation, Software
from apc.nn.calibration import simulated_layers
from apc.quantize import quantize_model
from ir.boundary import dequantise_output, quantise_inputs
from ir.errors import UserError
from ir.interpreter import run_graph
from simulator.analog.acim.config import AcimConfig
from tests.apc.nn.nets import ConvNet, Transformer, random, seeded


class Plain(nn.Module):
    """What ``apc compile`` reads without more: convolutions, pools of integers, a residual sum of integers, logits."""

    def __init__(self, bits: Quantisation) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.kept = ActivationQuantiser(bits)
        self.branch = nn.Conv2d(6, 6, 3, padding="same", groups=2)
        self.added = ActivationQuantiser(bits)
        self.pooled = ActivationQuantiser(bits)
        self.head = nn.Linear(6 * 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.kept(torch.relu(self.stem(x)))
        x = self.pooled(torch.relu(self.added(self.branch(x)) + x))
        return self.head(nn.functional.avg_pool2d(x, 4).flatten(1))


def reference(model: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:
    """The logits of exact integer arithmetic."""
    graph = load_graph(model).graph
    values = run_graph(graph, quantise_inputs(graph.graph_inputs, {"input": x.numpy()}))
    (out,) = graph.outputs
    return dequantise_output(out, values[out.node])


def in_onnxruntime(model: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"input": x.numpy()})[0]


@pytest.mark.parametrize(
    "quantisation",
    [
        Quantisation(power_of_two=True, weights="ternary", activation_bits=3, activation_scale="learned"),
        Quantisation(power_of_two=True, weights="binary", activation_bits=4),
        Quantisation(
            power_of_two=True, weight_bits=3, activation_bits=8, weight_scale="learned", activation_scale="percentile"
        ),
        Quantisation(power_of_two=True, per_channel=False, activation_bits=6),
    ],
)
def test_a_fine_tuned_model_equals_its_export_bit_for_bit(quantisation: Quantisation) -> None:
    torch.manual_seed(0)
    net, x = Plain(quantisation), random(40, 1, 8, 8)
    model = apc.nn.convert(net, AcimConfig(noise_lsb=0.4), quantisation=quantisation, calibration=[x]).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(2):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(40) % 5).backward()
        optimiser.step()
    proto = apc.nn.export(model, x[:1])
    for layer in simulated_layers(model):
        layer.hardware = Software()
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    assert len(np.unique(expected)) > 20
    assert np.array_equal(reference(proto, x), expected)
    assert np.array_equal(in_onnxruntime(proto, x), expected)


def test_the_compiled_file_runs_to_the_same_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    quantisation = Quantisation(power_of_two=True, weights="ternary", activation_bits=4)
    x = random(20, 1, 8, 8)
    model = apc.nn.convert(Plain(quantisation).eval(), Software(), quantisation=quantisation, calibration=[x])
    path = tmp_path / "net.onnx"
    apc.nn.export(model, x[:2], path)
    outputs = apc.run(apc.compile(path), {"input": x.numpy()}).outputs
    with torch.no_grad():
        assert np.array_equal(next(iter(outputs.values())), model(x).numpy())


def test_the_file_holds_integers_and_layers_by_name() -> None:
    x = random(4, 1, 8, 8)
    quantisation = Quantisation(weight_bits=5, activation_bits=6)
    model = apc.nn.convert(seeded(ConvNet), AcimConfig(), quantisation=quantisation, calibration=[x])
    proto = apc.nn.export(model, x)
    onnx.checker.check_model(proto)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for layer in simulated_layers(model):
        levels, scale = layer.levels()
        assert values[f"{layer.name}.weight_levels"].dtype == np.int8
        assert np.array_equal(values[f"{layer.name}.weight_levels"], levels.numpy())
        assert np.array_equal(values[f"{layer.name}.weight_scale"], scale.numpy())
    kinds = {node.name.rsplit(".", 1)[0]: node.op_type for node in proto.graph.node if node.op_type in ("Conv", "Gemm")}
    assert kinds == {"stem": "Conv", "body.0": "Conv", "head": "Gemm"}
    assert proto.ir_version <= 10 and "/" not in str(proto.graph.doc_string)
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param


@pytest.mark.parametrize("make", [ConvNet, Transformer])
@torch.no_grad()
def test_any_model_exports_what_software_computes(make: type[nn.Module]) -> None:
    x = random(12, 1, 8, 8)
    model = apc.nn.convert(seeded(make), AcimConfig(), calibration=[x])
    near = in_onnxruntime(apc.nn.export(model, x[:1]), x)
    assert np.abs(near - model(x).numpy()).max() < 0.02 * np.abs(near).max()


@torch.no_grad()
def test_what_is_left_in_floats_is_quantised_by_apc_quantize() -> None:
    x = random(40, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), Software(), calibration=[x])
    proto = apc.nn.export(model, x)
    with pytest.raises(UserError, match="apc quantize"):
        load_graph(proto)
    quantised = quantize_model(proto, weights="keep", activations=8, calibration={"input": x.numpy()}).model
    assert np.abs(reference(quantised, x) - model(x).numpy()).max() < 0.05 * float(model(x).abs().max())


def test_the_model_is_as_before() -> None:
    x = random(4, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), AcimConfig(noise_lsb=0.4), calibration=[x]).train()
    before = model.state_dict()
    apc.nn.export(model, x)
    assert model.training and model.state_dict().keys() == before.keys()
    with torch.no_grad():
        assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize(
    "quantisation, message",
    [
        (Quantisation(weight_bits=9), "layer 0: more than 8 bits of weights cannot be exported"),
        (Quantisation(activation_bits=9), "layer 0: activation_bits = 9: at most 8 can be exported"),
    ],
)
def test_wide_integers_are_refused(quantisation: Quantisation, message: str) -> None:
    x = random(4, 6)
    model = apc.nn.convert(nn.Sequential(nn.Linear(6, 2)), Software(), quantisation=quantisation, calibration=[x])
    with pytest.raises(ConversionError, match=f"^{message}"):
        apc.nn.export(model, x)


def test_a_model_that_is_not_calibrated_is_refused() -> None:
    with pytest.raises(ConversionError, match="^layer 0: inputs have no range yet"):
        apc.nn.export(apc.nn.convert(nn.Sequential(nn.Linear(6, 2)), Software()), random(4, 6))


@pytest.mark.parametrize("example", [{"input": random(4, 6)}, ({"x": random(4, 6)}, 3), None])
def test_examples_by_name_are_refused(example: object) -> None:
    model = apc.nn.convert(nn.Sequential(nn.Linear(6, 2)), Software(), calibration=random(4, 6))
    with pytest.raises(ConversionError, match="^Sequential: give the example's tensors by position"):
        apc.nn.export(model, example)


def test_a_forward_that_fixes_the_batch_is_refused() -> None:
    class Fixed(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).reshape(len(x), -1)

    x = random(4, 6)
    model = apc.nn.convert(Fixed(nn.Linear(6, 2)), Software(), calibration=[x])
    with pytest.raises(ConversionError, match="^Fixed: its forward fixes the number of images: take x.shape"):
        apc.nn.export(model, x)
