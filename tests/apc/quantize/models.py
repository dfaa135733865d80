"""Small ONNX models for the quantiser's tests, and ways to run them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator


def parse(text: str, **constants: np.ndarray | np.generic) -> onnx.ModelProto:
    """A model from ONNX's text form of a graph, opset 20, with further initializers."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> {text}')
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray], extra: dict[str, int] | None = None) -> list[np.ndarray]:
    """Outputs of onnxruntime without optimisation; ``extra``: inner tensors to return too, by element type."""
    if extra:
        exposed = onnx.ModelProto()
        exposed.CopyFrom(model)
        for name, kind in extra.items():
            exposed.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
        model = exposed
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def run_reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of onnx's numpy evaluator, which sums in another order."""
    return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feeds)]


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == name)


def residual_net(seed: int = 0, batch: str = "N") -> onnx.ModelProto:
    """Stem, max-pool, one residual block, average, classifier; 3x8x8 images, 5 classes.

    Weights are called as PyTorch calls them (``stem.weight``), which ONNX's text form does not allow.
    """
    generator = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return (generator.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    model = parse(
        f"""
        net (float[{batch}, 3, 8, 8] x) => (float[{batch}, 5] y) {{
            stem = Conv <pads = [1, 1, 1, 1]> (x, stem_weight, stem_bias)
            stem_relu = Relu (stem)
            pooled = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (stem_relu)
            a = Conv <pads = [1, 1, 1, 1]> (pooled, a_weight)
            a_norm = BatchNormalization (a, gamma, beta, mean, variance)
            a_relu = Relu (a_norm)
            b = Conv <pads = [1, 1, 1, 1]> (a_relu, b_weight)
            sum = Add (b, pooled)
            sum_relu = Relu (sum)
            average = GlobalAveragePool (sum_relu)
            flat = Flatten (average)
            y = Gemm <transB = 1> (flat, fc_weight, fc_bias)
        }}""",
        **{
            "stem_weight": normal(6, 3, 3, 3),
            "stem_bias": normal(6),
            "a_weight": normal(6, 6, 3, 3),
            "b_weight": normal(6, 6, 3, 3),
            "fc_weight": normal(5, 6),
            "fc_bias": normal(5),
            "gamma": np.array([1, -1.5, 0.5, 2, -0.25, 1], np.float32),
            "beta": normal(6),
            "mean": normal(6),
            "variance": generator.uniform(0.5, 2, 6).astype(np.float32),
        },
    )
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("_", ".")
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            if name.endswith(("_weight", "_bias")):
                node.input[position] = name.replace("_", ".")
    return model


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 100).normal(size=(count, 3, 8, 8)).astype(np.float32)
