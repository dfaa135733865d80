"""The whole quantiser: what the ONNX file says, and what onnxruntime makes of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from apc.quantize import quantize_model
from ir.errors import UserError
from tests.apc.quantize.models import constant, images, operators, parse, residual_net, run, run_reference

UINT8, INT8 = onnx.TensorProto.UINT8, onnx.TensorProto.INT8


def test_the_patterns_of_a_residual_net() -> None:
    quantised = quantize_model(residual_net(), calibration={"x": images(8)}).model
    weight, wide = ["DequantizeLinear"], ["QuantizeLinear", "DequantizeLinear"]
    narrow = ["QuantizeLinear", "Clip", "DequantizeLinear"]
    expected = [*wide, *weight, "Conv", "Relu", *narrow, "MaxPool", *weight, "Conv", "Relu", *narrow, *weight, "Conv"]
    expected += [*narrow, "Add", "Relu", *narrow, "GlobalAveragePool", *wide, "Flatten", *weight, "Gemm", *wide]
    assert operators(quantised) == expected
    assert quantised.ir_version == 10
    assert [(entry.domain, entry.version) for entry in quantised.opset_import] == [("", 20)]
    assert [value.name for value in quantised.graph.output] == ["y"]
    onnx.checker.check_model(quantised, full_check=True)
    readers = [node for node in quantised.graph.node if node.op_type in ("QuantizeLinear", "Clip")]
    shapes = {tensor.name: list(tensor.dims) for tensor in quantised.graph.initializer}
    assert {str(shapes[name]) for node in readers for name in node.input if name in shapes} == {"[]"}


def test_weights_and_activations_hold_the_levels_they_may() -> None:
    result = quantize_model(residual_net(), calibration={"x": images(8)})
    model = result.model
    for name, most in (("a.weight_folded", 1), ("b.weight", 1), ("stem.weight", 127), ("fc.weight", 127)):
        levels = constant(model, f"{name}_quantized")
        assert levels.dtype == np.int8 and np.abs(levels).max() == most
        assert (constant(model, f"{name}_scale") > 0).all()
    found = run(
        model, {"x": images(4, seed=1)}, {"stem_relu_clipped": UINT8, "b_clipped": INT8, "average_quantized": UINT8}
    )
    assert (found[1].min(), found[1].max()) == (0, 15)
    assert found[2].min() >= -8 and found[2].max() <= 7 and found[2].min() < 0
    assert found[3].dtype == np.uint8
    bits = {layer["activation"]: layer["activation_bits"] for layer in result.layers}
    assert bits == {"x": 8, "stem_relu": 4, "a_relu": 4, "b": 4, "sum_relu": 4, "average": 8, "y": 8}


def test_the_report_states_the_formulas_of_the_layer() -> None:
    result = quantize_model(residual_net(), calibration={"x": images(8)}, method="minmax")
    records = {layer["layer"]: layer for layer in result.layers}
    assert list(records)[0] == "x" and set(records) >= {"stem", "a", "b", "fc"}
    weight = constant(residual_net(), "b.weight").reshape(6, -1).astype(np.float64)
    kept = np.abs(weight) > 0.7 * np.abs(weight).mean(axis=1, keepdims=True)
    scale = (np.abs(weight) * kept).sum(axis=1, keepdims=True) / kept.sum(axis=1, keepdims=True)
    assert records["b"]["sparsity"] == 1 - kept.mean()
    error = np.linalg.norm(weight - np.sign(weight) * kept * scale) / np.linalg.norm(weight)
    assert records["b"]["weight_error"] == pytest.approx(error, rel=1e-6)
    branch = run(residual_net(), {"x": images(8)}, {"b": onnx.TensorProto.FLOAT})[1]
    scale = max(branch.max() / 7, -branch.min() / 8)
    assert records["b"]["activation_scale"] == pytest.approx(scale, rel=1e-5)
    rounded = np.clip(np.round(branch / scale), -8, 7) * scale
    error = np.linalg.norm(branch - rounded) / np.linalg.norm(branch)
    assert records["b"]["activation_error"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize(
    ("weights", "activations", "most"), [("int8", 8, 0.05), ("int4", 6, 0.3), ("ternary", 4, 1.0), ("binary", 4, 1.3)]
)
def test_the_quantised_net_stays_near_the_float_one(weights: str, activations: int, most: float) -> None:
    model, data = residual_net(), images(16)
    quantised = quantize_model(model, weights=weights, activations=activations, calibration={"x": data}).model
    exact, rounded = run(model, {"x": data})[0], run(quantised, {"x": data})[0]
    assert np.linalg.norm(exact - rounded) / np.linalg.norm(exact) < most


def test_keep_leaves_ternary_weights_bit_for_bit() -> None:
    model = residual_net()
    ternary = quantize_model(model, first_last="same", calibration={"x": images(8)}).model
    floats = parse_with_ternary_weights(ternary)
    kept = quantize_model(floats, weights="keep", first_last="same", calibration={"x": images(8)})
    for name in ("stem.weight", "b.weight"):
        levels, scale = (constant(kept.model, f"{name}_{part}") for part in ("quantized", "scale"))
        assert set(np.unique(levels)) <= {-1, 0, 1}
        assert np.array_equal(levels * scale.reshape(-1, 1, 1, 1), constant(floats, name))
    assert {layer["weights"] for layer in kept.layers} == {None, "ternary"}
    assert max(layer["weight_error"] or 0 for layer in kept.layers) == 0


def parse_with_ternary_weights(ternary: onnx.ModelProto) -> onnx.ModelProto:
    """The float residual net with the weights that ``ternary`` has, batch norm folded or not."""
    model = residual_net()
    for tensor in model.graph.initializer:
        if tensor.name in ("stem.weight", "b.weight", "a.weight", "fc.weight"):
            name = "a.weight_folded" if tensor.name == "a.weight" else tensor.name
            levels, scale = (constant(ternary, f"{name}_{part}") for part in ("quantized", "scale"))
            value = levels * scale.reshape(-1, *[1] * (levels.ndim - 1))
            tensor.CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float32), tensor.name))
    return model


def test_keep_leaves_other_weights_float() -> None:
    kept = quantize_model(residual_net(), weights="keep", first_last="same", calibration={"x": images(4)}).model
    assert np.array_equal(constant(kept, "b.weight"), constant(residual_net(), "b.weight"))
    ends = quantize_model(residual_net(), weights="keep", first_last="int8", calibration={"x": images(4)}).model
    assert constant(ends, "stem.weight_quantized").dtype == np.int8
    assert np.array_equal(constant(ends, "b.weight"), constant(residual_net(), "b.weight"))


def test_quantising_again_changes_nothing() -> None:
    once = quantize_model(residual_net(), calibration={"x": images(8)}).model
    twice = quantize_model(once, calibration={"x": images(8)})
    assert twice.model.SerializeToString() == once.SerializeToString()
    assert twice.layers == []


def test_the_same_call_gives_the_same_bytes() -> None:
    first, second = (quantize_model(residual_net(), seed=3).model.SerializeToString() for _ in range(2))
    assert first == second


def test_without_calibration_there_is_a_warning() -> None:
    result = quantize_model(residual_net())
    assert len(result.warnings) == 1 and "no calibration data" in result.warnings[0]
    assert quantize_model(residual_net(), calibration={"x": images(2)}).warnings == []


@pytest.mark.parametrize("weights", ["ternary", "int8"])
def test_exact_scales_make_two_float_evaluators_agree(weights: str) -> None:
    data = images(32)
    result = quantize_model(residual_net(), weights=weights, exact=True, calibration={"x": data})
    assert result.warnings == []
    for layer in result.layers:
        if layer["activation"]:
            assert np.frexp(layer["activation_scale"])[0] == 0.5
    feeds = {"x": images(64, seed=5)}
    assert np.array_equal(run(result.model, feeds)[0], run_reference(result.model, feeds)[0])


def test_exact_warns_where_float32_is_too_short() -> None:
    model = parse(
        "g (float[1, 40000] x) => (float[1, 2] y) { y = Gemm <transB = 1> (x, w) }",
        w=np.ones((2, 40000), np.float32),
    )
    result = quantize_model(model, exact=True, calibration={"x": np.ones((1, 40000), np.float32)})
    assert "sums exceed float32's 24 bits" in result.warnings[0]


def test_dead_activations_get_scale_one() -> None:
    model = parse(
        "g (float[1, 2] x) => (float[1, 2] y) { a = Gemm (x, w)  r = Relu (a)  y = Gemm (r, w) }",
        w=-np.ones((2, 2), np.float32),
    )
    result = quantize_model(model, calibration={"x": np.ones((3, 2), np.float32)})
    scales = {layer["activation"]: layer["activation_scale"] for layer in result.layers}
    assert scales["r"] == 1 and scales["y"] == 1


def test_concatenated_branches_share_one_scale() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) {
            a = Conv (x, small)
            b = Conv (x, large)
            c = Concat <axis = 1> (a, b)
            y = Conv (c, last)
        }""",
        small=np.full((1, 2, 1, 1), 0.01, np.float32),
        large=np.full((1, 2, 1, 1), 5, np.float32),
        last=np.ones((2, 2, 1, 1), np.float32),
    )
    data = np.random.default_rng(0).normal(size=(4, 2, 4, 4)).astype(np.float32)
    scales = {
        layer["activation"]: layer["activation_scale"]
        for layer in quantize_model(model, calibration={"x": data}).layers
    }
    assert scales["a"] == scales["b"]


@pytest.mark.parametrize("dynamo", [True, False])
def test_a_torch_export_is_quantised(dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU()]
    head = [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)]
    net = nn.Sequential(*body, *head)
    net(torch.randn(16, 3, 8, 8))
    data = images(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(
                net.eval(), (torch.from_numpy(data),), dynamo=True, input_names=["x"], verbose=False, optimize=False
            )
            assert program is not None
            model = program.model_proto
        else:
            model = export_by_torchscript(net.eval(), torch.from_numpy(data), tmp_path / "net.onnx")
    assert "BatchNormalization" in operators(model)
    quantised = quantize_model(model, weights="int8", activations=8, calibration={"x": data})
    assert "BatchNormalization" not in operators(quantised.model)
    assert [layer["layer"] for layer in quantised.layers if layer["weights"]] == ["0", "4", "8"]
    exact, rounded = run(model, {"x": data})[0], run(quantised.model, {"x": data})[0]
    assert np.abs(exact - rounded).max() < 0.05 * np.abs(exact).max()


def export_by_torchscript(net: nn.Module, example: torch.Tensor, path: Path) -> onnx.ModelProto:
    training = torch.onnx.TrainingMode.PRESERVE  # EVAL would fold batch norm
    torch.onnx.export(net, (example,), path, dynamo=False, input_names=["x"], training=training)
    return onnx.load(path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": "int9"}, "choose ternary, binary, keep or int2 to int8"),
        ({"first_last": "ternary"}, "choose ternary, binary, keep or int2 to int8"),
        ({"activations": 1}, "choose 2 to 8"),
        ({"activations": 9}, "choose 2 to 8"),
        ({"method": "mse"}, "choose percentile or minmax"),
        ({"percentile": 0.999}, "choose more than 50"),
        ({"percentile": float("nan")}, "choose more than 50"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        quantize_model(residual_net(), **options)


def test_weights_that_are_not_finite_are_refused_by_layer() -> None:
    model = residual_net()
    broken = constant(model, "b.weight").copy()
    broken[0, 0, 0, 0] = np.inf
    for tensor in model.graph.initializer:
        if tensor.name == "b.weight":
            tensor.CopyFrom(onnx.numpy_helper.from_array(broken, "b.weight"))
    with pytest.raises(UserError):
        quantize_model(model, calibration={"x": images(2)})


def test_double_precision_is_refused() -> None:
    with pytest.raises(UserError, match="input x has type DOUBLE; export the model in float32"):
        quantize_model(parse("g (double[1] x) => (double[1] y) { y = Relu (x) }"))


def test_a_model_that_is_not_valid_onnx_is_refused_in_one_line() -> None:
    model = residual_net()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UserError, match="^the model is not valid ONNX and cannot be quantised: .*shape.*; export it"):
        quantize_model(model)
