"""A network of one layer, compiled and run: whether everything works together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apc.doctor.findings import Finding

if TYPE_CHECKING:
    import onnx

_SIDE, _CHANNELS = 4, 3


def self_test() -> Iterator[Finding]:
    """Compiles a ternary convolution, runs two images, and compares every value with the reference interpreter."""
    import numpy as np

    from apc.driver import compile_model, run_model

    started = time.perf_counter()
    program = compile_model(_network()).program
    images = np.arange(2 * _SIDE * _SIDE, dtype=np.float32).reshape(2, 1, _SIDE, _SIDE) % 13
    result = run_model(program, {"image": images}, check="reference")
    took_s = time.perf_counter() - started
    if result.check is None or result.check.mismatches:
        remedy = "do not trust results of this installation: install again, and report it with this output"
        yield Finding("FAIL", "self-test", "a small network does not compute what it should", remedy)
    else:
        text = f"a small network compiled, ran and equals the reference in {result.check.elements} values"
        yield Finding("ok", "self-test", f"{text}, {took_s:.1f} s")


def _network() -> onnx.ModelProto:
    """input -> quantised to 4 bits -> convolution with weights of -1, 0 and 1."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = (np.arange(_CHANNELS * 9).reshape(_CHANNELS, 1, 3, 3) * 5 % 3 - 1).astype(np.float32)
    constants = [
        numpy_helper.from_array(np.array(1, np.float32), "scale"),
        *(
            numpy_helper.from_array(np.array(value, np.uint8), name)
            for name, value in (("zero", 0), ("low", 0), ("high", 15))
        ),
        numpy_helper.from_array(weights, "weights"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
        helper.make_node("Clip", ["q", "low", "high"], ["clipped"]),
        helper.make_node("DequantizeLinear", ["clipped", "scale", "zero"], ["x"]),
        helper.make_node("Conv", ["x", "weights"], ["sums"], name="conv"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, _SIDE, _SIDE])
    sums = helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["n", _CHANNELS, _SIDE - 2, _SIDE - 2])
    graph = helper.make_graph(nodes, "self-test", [image], [sums], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
