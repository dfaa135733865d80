"""The model that a load returns imports again, alone, to the same graph, and is what onnxruntime should run."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from apc.frontend import load_graph
from ir.errors import UserError
from ir.ops import Conv
from tests.apc.frontend.models import Model
from tests.apc.frontend.oracle import compare


def nearly_ternary(model: Model, *shape: int) -> np.ndarray:
    """Ternary weights of size 1/2 with noise of 1/1000 of it, and a scale that stays a short number when averaged."""
    weights = model.ternary(*shape)
    noise = np.where(np.arange(weights.size).reshape(shape) % 2, 1, -1) / 2048
    return np.where(weights, weights + noise, 0).astype(np.float32)


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
def test_snapped_weights_are_in_the_model(kind: str) -> None:
    model = Model()
    x = model.quantise("x")
    if kind == "Conv":
        y = model.node("Conv", x, model.const(nearly_ternary(model, 4, 3, 3, 3), name="body.weight"))
    else:
        weights = model.const(nearly_ternary(model, 5, 192).T, name="body.weight")
        y = model.node(kind, model.node("Flatten", x), weights)
    built = model.build(model.quantise(y, 0.5, 100))
    with pytest.raises(UserError, match="layer body: its weights are not ternary"):
        load_graph(built)
    before = built.SerializeToString()
    loaded = compare(built, model.images(2, 3, 8, 8), step=0.5, share=0.001, ternary_tolerance=0.01)
    assert built.SerializeToString() == before
    assert len(loaded.warnings) == 1
    assert loaded.warnings[0].startswith("layer body: weights snapped to ternary, giving up a residual of 0.00")
    again = load_graph(loaded.onnx_model)
    assert str(again.graph) == str(loaded.graph)
    first, second = (graph.op("body") for graph in (again.graph, loaded.graph))
    assert isinstance(first, Conv) and isinstance(second, Conv)
    assert np.array_equal(first.weights, second.weights)


def test_given_shapes_are_in_the_model() -> None:
    model = Model()
    y = model.quantise(model.conv(model.quantise("x"), 4, 3, 3, 3), 0.5)
    built = model.build(y, shape=("n", 3, "h", "w"))
    loaded = load_graph(built, input_shapes={"x": (1, 3, 6, 9)})
    assert str(load_graph(loaded.onnx_model).graph) == str(loaded.graph)
    axes = loaded.onnx_model.graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in axes] == ["n", 3, 6, 9]


def test_unread_inputs_and_dead_nodes_are_not_in_the_model() -> None:
    model = Model()
    y = model.quantise(model.conv(model.quantise("x"), 4, 3, 3, 3), 0.5)
    model.node("Softmax", "spare")
    built = model.build(y)
    built.graph.input.append(onnx.helper.make_tensor_value_info("spare", TensorProto.FLOAT, (1, 3)))
    loaded = compare(built, model.images(2, 3, 8, 8))
    assert [entry.name for entry in loaded.onnx_model.graph.input] == ["x"]


def test_a_model_of_the_newest_ir_version_becomes_readable_for_onnxruntime() -> None:
    model = Model()
    y = model.quantise(model.conv(model.quantise("x"), 4, 3, 3, 3), 0.5)
    loaded = compare(model.build(y, ir_version=onnx.IR_VERSION), model.images(2, 3, 8, 8))
    assert loaded.onnx_model.ir_version <= 13
