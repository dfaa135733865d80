"""Bring exporters' graphs to one form: no constant subgraphs, batch norm folded, ReLU before max-pool.

Every rewrite keeps the network's function (batch norm folding up to float32 rounding).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from apc.quantize.onnx_graph import OnnxGraph, attribute, set_attribute

QUANTISERS = frozenset({"QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant", "Trunc"})


def normalise(graph: OnnxGraph) -> None:
    """Apply all rewrites to ``graph`` in place."""
    fold_constants(graph)
    drop_identities(graph)
    plain_gemm(graph)
    fold_batch_norm(graph)
    relu_before_max_pool(graph)


def fold_constants(graph: OnnxGraph) -> None:
    """Evaluate every node that reads constants only, but quantisers, which are kept as the model states them."""
    graph.sort()
    kept: list[onnx.NodeProto] = []
    floats = _float_tensors(graph) if any(node.op_type == "CastLike" for node in graph.nodes) else set()
    for node in graph.nodes:
        foldable = node.op_type not in QUANTISERS and node.domain in ("", "ai.onnx")
        if node.op_type == "CastLike" and node.input[0] in graph.constants and node.input[1] in floats:
            value = graph.array(node.input[0])
            graph.set_constant(node.output[0], np.asarray(value, np.float32))
        elif foldable and all(name in graph.constants for name in node.input if name):
            for name, value in zip(node.output, _evaluate(graph, node), strict=True):
                graph.set_constant(name, value)
        else:
            kept.append(node)
    graph.nodes = kept


def _float_tensors(graph: OnnxGraph) -> set[str]:
    """Names of the tensors that shape inference knows to be float32."""
    inferred = onnx.shape_inference.infer_shapes(graph.to_model()).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    return {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}


def _evaluate(graph: OnnxGraph, node: onnx.NodeProto) -> list[np.ndarray]:
    inputs = [graph.constants[name] for name in dict.fromkeys(node.input) if name]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    body = helper.make_graph([node], "constant", [], outputs, inputs)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", graph.opset)], ir_version=10)
    return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, {})]


def drop_identities(graph: OnnxGraph) -> None:
    """Remove Identity and (inference time) Dropout nodes that do not name a graph output."""
    outputs = graph.output_names
    dropped = []
    for node in graph.nodes:
        if node.op_type in ("Identity", "Dropout") and node.output[0] not in outputs:
            graph.replace_uses(node.output[0], node.input[0])
            dropped.append(node)
    graph.remove(dropped)


def plain_gemm(graph: OnnxGraph) -> None:
    """Gemm with a constant weight: stored (outputs, inputs) with transB = 1, alpha and beta multiplied in."""
    for node in graph.nodes:
        weight = graph.array(node.input[1]) if node.op_type == "Gemm" else None
        if weight is None:
            continue
        alpha, beta = np.float32(attribute(node, "alpha", 1.0)), np.float32(attribute(node, "beta", 1.0))
        if attribute(node, "transB", 0) and alpha == 1 and beta == 1:
            continue
        bias = graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if beta != 1 and len(node.input) > 2 and bias is None:
            continue
        rows = weight if attribute(node, "transB", 0) else weight.T
        node.input[1] = graph.add_constant(f"{node.input[1]}_rows", (rows * alpha).astype(weight.dtype))
        if bias is not None and beta != 1:
            node.input[2] = graph.add_constant(f"{node.input[2]}_beta", (bias * beta).astype(bias.dtype))
        set_attribute(node, "transB", 1)
        set_attribute(node, "alpha", 1.0)
        set_attribute(node, "beta", 1.0)


def fold_batch_norm(graph: OnnxGraph) -> None:
    """Fold BatchNormalization into the Conv or Gemm before it, where nothing else reads that layer's output.

    w'[c] = w[c] * g[c], b'[c] = (b[c] - mean[c]) * g[c] + beta[c] with g = gamma / sqrt(var + eps), in float64, then
    float32. All entries of a channel get the same factor, so ternary stays ternary; g may be negative.
    """
    producers, consumers, outputs = graph.producers(), graph.consumers(), graph.output_names
    folded = []
    for node in graph.nodes:
        if node.op_type != "BatchNormalization" or attribute(node, "training_mode", 0):
            continue
        layer = producers.get(node.input[0])
        if layer is None or layer.op_type not in ("Conv", "Gemm"):
            continue
        if len(consumers[node.input[0]]) > 1 or node.input[0] in outputs:
            continue
        weight = graph.array(layer.input[1])
        has_bias = len(layer.input) > 2 and layer.input[2] != ""
        bias = graph.array(layer.input[2]) if has_bias else np.zeros(1, np.float32)
        statistics = [graph.array(name) for name in node.input[1:5]]
        if weight is None or bias is None or weight.dtype != np.float32:
            continue
        known = [value.astype(np.float64) for value in statistics if value is not None]
        if len(known) < 4:
            continue
        gamma, beta, mean, variance = known
        factor = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        columns = factor.reshape(-1, *[1] * (weight.ndim - 1))
        layer.input[1] = graph.add_constant(f"{layer.input[1]}_folded", (weight * columns).astype(np.float32))
        name = graph.add_constant(f"{layer.name}_folded_bias", ((bias - mean) * factor + beta).astype(np.float32))
        if len(layer.input) > 2:
            layer.input[2] = name
        else:
            layer.input.append(name)
        layer.output[0] = node.output[0]
        folded.append(node)
    graph.remove(folded)


def relu_before_max_pool(graph: OnnxGraph) -> None:
    """MaxPool -> Relu becomes Relu -> MaxPool: the same function, and the layer before is quantised unsigned."""
    producers, consumers, outputs = graph.producers(), graph.consumers(), graph.output_names
    for relu in graph.nodes:
        pool = producers.get(relu.input[0]) if relu.op_type == "Relu" else None
        if pool is None or pool.op_type != "MaxPool" or len(pool.output) > 1:
            continue
        if len(consumers[relu.input[0]]) > 1 or relu.input[0] in outputs:
            continue
        middle, end = pool.output[0], relu.output[0]
        relu.input[0] = pool.input[0]
        relu.output[0] = middle
        pool.input[0] = middle
        pool.output[0] = end
        producers[middle], producers[end] = relu, pool
    graph.sort()
