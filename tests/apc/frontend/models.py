"""A short way to write down small ONNX models."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Model:
    """Nodes and initializers in order; every method returns the name of the tensor it makes."""

    def __init__(self, opset: int = 18, seed: int = 0) -> None:
        self.opset = opset
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.domains: dict[str, int] = {"": opset}

    def const(self, value: Any, dtype: Any = np.float32, name: str = "") -> str:
        """An initializer."""
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def packed(self, values: np.ndarray, element_type: int, name: str) -> str:
        """An initializer of a type that numpy lacks (INT2, INT4 ...)."""
        tensor = helper.make_tensor(name, element_type, values.shape, values.ravel().tolist())
        self.initializers.append(tensor)
        return name

    def node(self, op_type: str, *inputs: str, domain: str = "", version: int = 1, **attributes: Any) -> str:
        """A node with one output."""
        output = f"t{len(self.nodes)}"
        if domain:
            self.domains[domain] = version
        self.nodes.append(
            helper.make_node(op_type, inputs, [output], name=f"{op_type}_{output}", domain=domain, **attributes)
        )
        return output

    def quantise(
        self,
        x: str,
        scale: float = 0.25,
        zero_point: int = 0,
        dtype: Any = np.uint8,
        clip: tuple[int, int] | None = None,
    ) -> str:
        """QuantizeLinear, Clip where asked for, DequantizeLinear."""
        parameters = self.const(scale), self.const(zero_point, dtype)
        q = self.node("QuantizeLinear", x, *parameters)
        if clip is not None:
            q = self.node("Clip", q, self.const(clip[0], dtype), self.const(clip[1], dtype))
        return self.node("DequantizeLinear", q, *parameters)

    def quant(self, x: str, scale: Any = 0.25, bits: int = 4, zero_point: float = 0.0, **attributes: Any) -> str:
        """QONNX Quant."""
        settings = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"} | attributes
        parameters = self.const(scale), self.const(zero_point), self.const(bits)
        return self.node("Quant", x, *parameters, domain=QONNX, **settings)

    def ternary(self, *shape: int, scale: Any = 0.5) -> np.ndarray:
        """Random ternary weights times a scale; no channel is all zero."""
        values = self.random.integers(-1, 2, shape)
        values.reshape(shape[0], -1)[:, 0] = 1
        return (values * np.asarray(scale, dtype=np.float32)).astype(np.float32)

    def conv(self, x: str, *shape: int, scale: Any = 0.5, bias: bool = False, **attributes: Any) -> str:
        """A convolution with random ternary weights of this shape."""
        inputs = [x, self.const(self.ternary(*shape, scale=scale))]
        if bias:
            inputs.append(self.const(self.random.integers(-8, 9, shape[0]) / 8))
        return self.node("Conv", *inputs, **attributes)

    def build(
        self,
        *outputs: str,
        shape: tuple[int | str, ...] = ("n", 3, 8, 8),
        dtype: int = TensorProto.FLOAT,
        output_dtype: int = TensorProto.FLOAT,
        ir_version: int = 10,
    ) -> onnx.ModelProto:
        """The model with the one input "x" and these outputs."""
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("x", dtype, shape)],
            [helper.make_tensor_value_info(name, output_dtype, None) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.domains.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)

    def images(self, *shape: int) -> dict[str, np.ndarray]:
        """Real inputs on and between the quantisation levels of 1/4, with exact halves."""
        return {"x": (self.random.integers(-64, 65, shape) / 8).astype(np.float32)}
