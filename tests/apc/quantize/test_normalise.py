"""Each rewrite gives the expected operators and keeps what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from apc.quantize.normalise import normalise
from apc.quantize.onnx_graph import OnnxGraph
from ir.errors import UserError
from tests.apc.quantize.models import operators, parse, run

RANDOM = np.random.default_rng(7)


def values(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def check_rewrite(model: onnx.ModelProto, expected: list[str], shape: tuple[int, ...]) -> onnx.ModelProto:
    graph = OnnxGraph(model)
    normalise(graph)
    result = graph.to_model()
    onnx.checker.check_model(result)
    assert operators(result) == expected
    feeds = {"x": values(*shape)}
    np.testing.assert_allclose(run(result, feeds)[0], run(model, feeds)[0], rtol=1e-5, atol=1e-5)
    return result


def test_batch_norm_folds_into_conv_with_negative_gains() -> None:
    model = parse(
        """g (float[2, 3, 5, 5] x) => (float[2, 4, 3, 3] y) {
            c = Conv (x, w, b)
            y = BatchNormalization <epsilon = 0.01> (c, gamma, beta, mean, variance)
        }""",
        w=values(4, 3, 3, 3),
        b=values(4),
        gamma=np.array([1, -2, 0, -0.5], np.float32),
        beta=values(4),
        mean=values(4),
        variance=np.array([1, 0.1, 3, 2], np.float32),
    )
    check_rewrite(model, ["Conv"], (2, 3, 5, 5))


def test_batch_norm_stays_where_the_conv_has_another_reader() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) {
            c = Conv (x, w)
            n = BatchNormalization (c, s, s, s, s)
            y = Add (c, n)
        }""",
        w=values(2, 2, 1, 1),
        s=np.array([1, 2], np.float32),
    )
    check_rewrite(model, ["Conv", "BatchNormalization", "Add"], (1, 2, 4, 4))


def test_gemm_is_stored_by_outputs_with_alpha_and_beta_multiplied_in() -> None:
    model = parse(
        "g (float[2, 3] x) => (float[2, 4] y) { y = Gemm <alpha = 0.5, beta = 2.0> (x, w, b) }",
        w=values(3, 4),
        b=values(4),
    )
    result = check_rewrite(model, ["Gemm"], (2, 3))
    assert sorted(list(tensor.dims) for tensor in result.graph.initializer) == [[4], [4, 3]]


def test_relu_moves_before_max_pool() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 2, 2] y) {
            p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)
            y = Relu (p)
        }"""
    )
    check_rewrite(model, ["Relu", "MaxPool"], (1, 2, 4, 4))


def test_a_ternariser_left_in_the_graph_is_folded() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 3, 4, 4] y) {
            size = Abs (w)
            mean = ReduceMean <keepdims = 1> (size, axes)
            factor = Constant <value_float = 0.7> ()
            threshold = Mul (mean, factor)
            above = Greater (size, threshold)
            mask = Cast <to = 1> (above)
            sign = Sign (w)
            ternary = Mul (sign, mask)
            same = Identity (ternary)
            y = Conv (x, same)
        }""",
        w=values(3, 2, 1, 1),
        axes=np.array([1, 2, 3], np.int64),
    )
    check_rewrite(model, ["Conv"], (1, 2, 4, 4))


def test_weight_quantisers_are_not_folded() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 3, 4, 4] y) {
            levels = QuantizeLinear (w, s, z)
            weight = DequantizeLinear (levels, s, z)
            y = Conv (x, weight)
        }""",
        w=values(3, 2, 1, 1),
        s=np.float32(0.1),
        z=np.int8(0),
    )
    check_rewrite(model, ["QuantizeLinear", "DequantizeLinear", "Conv"], (1, 2, 4, 4))


def test_initializers_that_are_also_inputs_are_no_inputs() -> None:
    model = parse("g (float[1, 2, 1, 1] x, float[3, 2, 1, 1] w) => (float[1, 3, 1, 1] y) { y = Conv (x, w) }")
    model.graph.initializer.append(onnx.numpy_helper.from_array(values(3, 2, 1, 1), "w"))
    assert [value.name for value in OnnxGraph(model).to_model().graph.input] == ["x"]


def test_an_old_opset_is_raised() -> None:
    model = parse("g (float[1, 2] x) => (float[1, 2] y) { y = Relu (x) }")
    model.opset_import[0].version = 11
    assert OnnxGraph(model).to_model().opset_import[0].version == 13


def test_broken_graphs_are_named() -> None:
    cycle = parse("g (float[1] x) => (float[1] y) { y = Add (x, z)  z = Relu (y) }")
    with pytest.raises(UserError, match="not a valid graph"):
        OnnxGraph(cycle).sort()
    missing = parse("g (float[1] x) => (float[1] y) { y = Add (x, nothing) }")
    with pytest.raises(UserError, match="input nothing is made by no earlier node"):
        OnnxGraph(missing).sort()
    loop = parse(
        """g (float[1] x, bool c) => (float[1] y) {
            y = If (c) <
                then_branch = t () => (float[1] a) { a = Relu (x) },
                else_branch = e () => (float[1] b) { b = Abs (x) }
            >
        }"""
    )
    with pytest.raises(UserError, match="holds a subgraph"):
        OnnxGraph(loop)


def test_torch_nodes_are_called_after_their_modules() -> None:
    model = parse("g (float[1] x) => (float[1] y) { a = Relu (x)  b = Relu (a)  c = Add (a, b)  y = Abs (c) }")
    scopes = ["['', 'body', 'body.0', 'relu']", "['', 'body', 'body.0', 'relu_1']", "['', 'add_17']", None]
    for node, scope in zip(model.graph.node, scopes, strict=True):
        if scope:
            node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scope)
    result = OnnxGraph(model).to_model()
    assert [node.name for node in result.graph.node] == ["body.0.relu", "body.0.relu_2", "add", "Abs_3"]
    assert not any(node.metadata_props for node in result.graph.node)
