"""Inputs and outputs against onnxruntime's own QuantizeLinear and DequantizeLinear."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ir.boundary import BoundaryError, dequantise_output, integer_shape, quantise_input
from ir.graph import GraphInput, GraphOutput


def run_linear(op_type: str, x: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """One QuantizeLinear or DequantizeLinear along axis 1, by onnxruntime."""
    to_float = op_type == "DequantizeLinear"
    kind = helper.np_dtype_to_tensor_dtype(zero_point.dtype)
    graph = helper.make_graph(
        [helper.make_node(op_type, ["x", "s", "z"], ["y"], axis=1)],
        "g",
        [helper.make_tensor_value_info("x", kind if to_float else TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT if to_float else kind, x.shape)],
        [numpy_helper.from_array(scale, "s"), numpy_helper.from_array(zero_point, "z")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantise_and_dequantise_equal_onnxruntime(channels: int, dtype: type) -> None:
    generator = np.random.default_rng(3)
    scale = generator.uniform(0.01, 0.3, channels).astype(np.float32)
    zero_point = np.full(channels, 7, dtype=dtype)
    given = (scale, zero_point) if channels > 1 else (scale[0], zero_point[0])
    limits = np.iinfo(dtype)
    # exact halves of the first scale, plain noise, and values far out of range
    x = np.concatenate([np.arange(-300, 300) * scale[0] / 2, generator.normal(0, 10, 3390), [1e30, -1e30] * 5])
    x = x.astype(np.float32).reshape(4, 5, 10, 20)
    boundary = GraphInput(
        "x", "x", (None, 5, 10, 20), "float32", scale, zero_point.astype(np.int64), limits.min, limits.max
    )
    integers = quantise_input(boundary, x)
    expected = run_linear("QuantizeLinear", x, np.array(given[0]), np.array(given[1]))
    np.testing.assert_array_equal(integers, expected)
    out = GraphOutput("y", "y", (None, 5, 10, 20), "float32", scale, zero_point.astype(np.int64), None)
    real = dequantise_output(out, integers)
    assert real.dtype == np.float32
    np.testing.assert_array_equal(
        real, run_linear("DequantizeLinear", expected, np.array(given[0]), np.array(given[1]))
    )


def test_shapes() -> None:
    assert integer_shape((None, 3, 8, 9)) == (3, 8, 9)
    assert integer_shape((None, 3, 8)) == (3, 1, 8)
    assert integer_shape((4, 10)) == (10, 1, 1)
    assert integer_shape((4,)) == (1, 1, 1)
    with pytest.raises(BoundaryError, match="at most N, C, H, W"):
        integer_shape((None, 1, 2, 3, 4))
    integers = np.arange(12).reshape(2, 6, 1, 1)
    out = GraphOutput("y", "y", (1, 6), "float32", np.array([0.5, 1, 1, 1, 1, 2]), None, np.arange(6.0))
    assert dequantise_output(out, integers).tolist()[1] == [3.0, 8.0, 10.0, 12.0, 14.0, 27.0]
    plain = GraphOutput("y", "y", (1, 6, 1), "uint8", None, None, None)
    assert dequantise_output(plain, integers).shape == (2, 6, 1)
    assert dequantise_output(plain, integers).dtype == np.uint8


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2, 3)), "has dtype float64, expected float32"),
        (np.zeros((1, 2, 4), dtype=np.float32), r"shape \(1, 2, 4\), expected \(N, 2, 3\)"),
        (np.zeros((2, 3), dtype=np.float32), r"shape \(2, 3\), expected \(N, 2, 3\)"),
        (np.zeros((0, 2, 3), dtype=np.float32), "holds no image"),
        (np.full((1, 2, 3), np.nan, dtype=np.float32), "NaN or infinite"),
        (np.full((1, 2, 3), np.inf, dtype=np.float32), "NaN or infinite"),
    ],
)
def test_bad_real_inputs(x: np.ndarray, message: str) -> None:
    one = np.ones(1)
    boundary = GraphInput("x", "x", (None, 2, 3), "float32", one, np.zeros(1, dtype=np.int64), 0, 255)
    with pytest.raises(BoundaryError, match="input x: .*" + message):
        quantise_input(boundary, x)


def test_integer_inputs_are_checked_for_their_range() -> None:
    boundary = GraphInput("x", "x", (None, 2), "int8", None, None, -4, 3)
    x = np.array([[-4, 3]], dtype=np.int8)
    assert quantise_input(boundary, x).ravel().tolist() == [-4, 3]
    with pytest.raises(BoundaryError, match=r"values \[-4, 4\] are out of the range \[-4, 3\]"):
        quantise_input(boundary, np.array([[-4, 4]], dtype=np.int8))
