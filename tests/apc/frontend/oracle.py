"""Running an imported graph beside onnxruntime or qonnx on the same model."""

from __future__ import annotations

from unittest import mock

import numpy as np
import onnx

from apc.frontend import LoadedModel, load_graph
from ir.boundary import dequantise_output, quantise_input
from ir.interpreter import run_graph


def run_imported(loaded: LoadedModel, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The network's outputs by ONNX name, through the integer graph."""
    graph = loaded.graph
    integers = {entry.name: quantise_input(entry, feeds[entry.name]) for entry in graph.graph_inputs}
    values = run_graph(graph, integers)
    return {out.name: dequantise_output(out, values[out.node]) for out in graph.outputs}


def run_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by name, without graph optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([out.name for out in session.get_outputs()], session.run(None, feeds), strict=True))


def run_qonnx(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by name, from QONNX's own executor (which makes models of onnx's newest version for onnxruntime)."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wrapped = ModelWrapper(onnx.ModelProto.FromString(model.SerializeToString())).transform(InferShapes())
    with mock.patch.object(onnx, "IR_VERSION", 10):
        return execute_onnx(wrapped, feeds)


def compare(
    model: onnx.ModelProto,
    feeds: dict[str, np.ndarray],
    step: float = 0.0,
    share: float = 0.0,
    oracle: str = "onnxruntime",
    **options: object,
) -> LoadedModel:
    """Import, run both, and assert equality: exact, or up to one ``step`` on a ``share`` of the elements."""
    loaded = load_graph(model, **options)
    expected = (run_onnxruntime if oracle == "onnxruntime" else run_qonnx)(loaded.onnx_model, feeds)
    actual = run_imported(loaded, feeds)
    assert set(actual) == set(expected)
    for name, value in actual.items():
        reference = expected[name]
        assert value.shape == reference.shape
        assert value.dtype == reference.dtype
        difference = np.abs(value.astype(np.float64) - reference.astype(np.float64))
        close = 2e-6 * max(1.0, float(np.abs(reference).max())) if value.dtype.kind == "f" else 0.0
        wrong = difference > close
        assert wrong.mean() <= share, f"{name}: {wrong.sum()} of {wrong.size} differ, by up to {difference.max()}"
        assert difference.max() <= step + close
    return loaded
