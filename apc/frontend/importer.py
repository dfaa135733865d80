"""From an ONNX model to the integer graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from apc.frontend import convolution, elementwise, pooling, quantisation, shapes
from apc.frontend.builder import Builder
from apc.frontend.compiled import compiled_model
from apc.frontend.constant_folding import fold
from apc.frontend.elementwise import Handler
from apc.frontend.node import Node
from apc.frontend.onnx_reader import check_versions, initializer, inlined
from apc.frontend.values import ONE, ZERO, Const, FloatInput, Levels, Operand, Value, spread, zero_points
from ir.boundary import integer_shape
from ir.errors import UserError
from ir.graph import Graph, GraphOutput
from ir.types import IntType

ONNX_HANDLERS: dict[str, Handler] = {
    **elementwise.HANDLERS,
    **convolution.HANDLERS,
    **pooling.HANDLERS,
    **shapes.HANDLERS,
    "QuantizeLinear": quantisation.HANDLERS["QuantizeLinear"],
    "DequantizeLinear": quantisation.HANDLERS["DequantizeLinear"],
}
QONNX_HANDLERS: dict[str, Handler] = {
    name: quantisation.HANDLERS[name] for name in ("Quant", "IntQuant", "BipolarQuant", "Trunc")
}
QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
#: com.microsoft repeats these two for types that ONNX had no room for
CONTRIB_HANDLERS = {name: ONNX_HANDLERS[name] for name in ("QuantizeLinear", "DequantizeLinear")}
_QOPERATORS = ("QLinear", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantize", "QAttention")
#: handled even where every input is constant, because the constant remembers its integers
_KEPT = ("QuantizeLinear", "DequantizeLinear", *QONNX_HANDLERS)


class Importer:
    """One import. ``input_shapes``: full shapes of inputs whose axes are symbolic (the batch stays free)."""

    def __init__(
        self,
        model: onnx.ModelProto,
        input_shapes: Mapping[str, Sequence[int]] | None = None,
        ternary_tolerance: float = 0.0,
    ) -> None:
        self.opsets = check_versions(model)
        self.model = inlined(model)
        self.proto = self.model.graph
        if self.proto.sparse_initializer:
            raise UserError("sparse initializers are not supported; store the weights as dense tensors")
        self.input_shapes = dict(input_shapes or {})
        self.values: dict[str, Operand] = {}
        initial = {tensor.name: tensor for tensor in self.proto.initializer}
        inputs = [entry for entry in self.proto.input if entry.name not in initial]
        unknown = set(self.input_shapes) - {entry.name for entry in inputs}
        if unknown:
            raise UserError(f"there is no input {sorted(unknown)[0]}; the inputs are {[e.name for e in inputs]}")
        shapes_of = {entry.name: self._input_shape(entry) for entry in inputs}
        self.builder = Builder(self.proto.name or "graph", ternary_tolerance, _batch(list(shapes_of.values())))
        self.alive, self.read = self._reachable()
        for name, tensor in initial.items():
            if name in self.read:
                self.values[name] = initializer(tensor)
        for entry in inputs:
            if entry.name in self.read:
                self.values[entry.name] = self._input(entry, shapes_of[entry.name])
            else:
                self.builder.warnings.append(f"input {entry.name}: no output depends on it; it is left out")

    def run(self) -> Graph:
        """The verified integer graph. Raises UserError, NotQuantised where real activations have no quantiser."""
        for position in self.alive:
            node = self._node(position)
            for name, value in zip(node.outputs, self._evaluate(node), strict=False):
                if name:
                    self.values[name] = value
        for entry in self.proto.output:
            self._output(entry)
        self.builder.graph.remove_dead()
        self.builder.graph.verify()
        return self.builder.graph

    def compiled_model(self) -> onnx.ModelProto:
        """The model as it was compiled, after ``run``."""
        return compiled_model(self.model, self.alive, self.input_shapes, self.builder.snapped)

    def quantises_activations(self) -> bool:
        """Whether any quantiser works on what depends on the inputs (and not only on weights)."""
        operators = {node.op_type for node in self._on_activations()}
        return not operators.isdisjoint(set(_KEPT) - {"DequantizeLinear"})

    def refuse_unsupported(self) -> None:
        """Raise UserError for the first operator on activations that the importer does not know."""
        for node in self._on_activations():
            self._handler(node)

    def _on_activations(self) -> Iterator[Node]:
        """The nodes that depend on the network's inputs, in order."""
        variable = set(self.builder.raw_inputs)
        for position in self.alive:
            proto = self.proto.node[position]
            if variable.intersection(proto.input):
                variable.update(proto.output)
                yield self._node(position)

    # ---- nodes ----------------------------------------------------------------------------------------------

    def _reachable(self) -> tuple[list[int], set[str]]:
        """Positions of the nodes the outputs depend on, in order, and the names of all the tensors read."""
        producer = {name: position for position, node in enumerate(self.proto.node) for name in node.output if name}
        read: set[str] = set()
        alive: set[int] = set()
        waiting = [entry.name for entry in self.proto.output]
        while waiting:
            name = waiting.pop()
            if name in read:
                continue
            read.add(name)
            position = producer.get(name)
            if position is not None and position not in alive:
                alive.add(position)
                waiting.extend(source for source in self.proto.node[position].input if source)
        return sorted(alive), read

    def _node(self, position: int) -> Node:
        proto = self.proto.node[position]
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        attributes: dict[str, Any] = {
            attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute
        }
        return Node(
            proto.name or next((name for name in proto.output if name), f"node_{position}"),
            proto.op_type,
            domain,
            tuple(proto.input),
            tuple(proto.output),
            tuple(name in self.read for name in proto.output),
            attributes,
            proto,
            position,
        )

    def _evaluate(self, node: Node) -> list[Operand]:
        inputs: list[Operand | None] = []
        for name in node.inputs:
            if name and name not in self.values:
                raise node.error(f"reads the tensor {name}, which nothing computes before it")
            inputs.append(self.values[name] if name else None)
        constants = [value for value in inputs if value is None or isinstance(value, Const)]
        if len(constants) == len(inputs) and node.op_type not in _KEPT:
            return list(fold(node, constants, self.opsets))
        return [self._handler(node)(self.builder, node, inputs)]

    def _handler(self, node: Node) -> Handler:
        if node.domain == "" and node.op_type in ONNX_HANDLERS:
            return ONNX_HANDLERS[node.op_type]
        if node.domain in QONNX_DOMAINS and node.op_type in QONNX_HANDLERS:
            return QONNX_HANDLERS[node.op_type]
        if node.domain == "com.microsoft" and node.op_type in CONTRIB_HANDLERS:
            return CONTRIB_HANDLERS[node.op_type]
        shown = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        if node.op_type.startswith(_QOPERATORS):
            raise node.error(f"the quantised operator {shown} is not supported; export the model again in QDQ format")
        raise node.error(
            f"the operator {shown} is not supported; cut the network before it (it can run on the host) or"
            " replace it by one of " + ", ".join(sorted(set(ONNX_HANDLERS) - {"Shape", "Size"}))
        )

    # ---- inputs and outputs ---------------------------------------------------------------------------------

    def _input_shape(self, entry: onnx.ValueInfoProto) -> tuple[int | None, ...]:
        """The full ONNX shape, None for a symbolic batch."""
        tensor = entry.type.tensor_type
        declared = self.input_shapes.get(entry.name)
        if not tensor.HasField("shape") and declared is None:
            raise UserError(f"input {entry.name}: has no shape; give one with --input-shape {entry.name}=1,3,224,224")
        known: list[int | None] = [
            axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None for axis in tensor.shape.dim
        ]
        if declared is not None:
            if not tensor.HasField("shape"):
                known = [None] * len(declared)
            fits = len(declared) == len(known) and all(
                size > 0 and axis in (None, size) for axis, size in zip(known[1:], declared[1:], strict=False)
            )
            if not fits:
                raise UserError(f"input {entry.name}: the shape {tuple(declared)} does not fit the model's {known}")
            known[1:] = [int(size) for size in declared[1:]]
        if None in known[1:]:
            shown = ["?" if axis is None else axis for axis in known]
            raise UserError(
                f"input {entry.name}: its shape {shown} is symbolic beyond the batch; give it with --input-shape"
                f" {entry.name}=1,3,224,224"
            )
        if not 1 <= len(known) <= 4:
            raise UserError(f"input {entry.name}: has {len(known)} axes; supported are 1 to 4, the batch first")
        return tuple(known)

    def _input(self, entry: onnx.ValueInfoProto, full: tuple[int | None, ...]) -> Value:
        shape = tuple(size for size in full[1:] if size is not None)
        layout = integer_shape(full)
        dtype = numpy_dtype(f"input {entry.name}", entry.type.tensor_type.elem_type)
        self.builder.raw_inputs[entry.name] = (full, dtype.name)
        if dtype.kind == "f":
            return FloatInput(entry.name, shape, layout)
        if dtype.kind not in "iu" or dtype.itemsize > 4:
            raise UserError(
                f"input {entry.name}: the type {dtype} is not supported; use floats or 8 to 32 bit integers"
            )
        bits = _NARROW_BITS.get(entry.type.tensor_type.elem_type, 8 * dtype.itemsize)
        kind = IntType(bits, dtype.kind == "i")
        return self.builder.add_integer_input(entry.name, shape, layout, kind)

    def _output(self, entry: onnx.ValueInfoProto) -> None:
        """Make a value the network's output; it must be integers times a scale."""
        if entry.name not in self.values:
            raise UserError(f"output {entry.name}: nothing computes it")
        value = self.values[entry.name]
        if isinstance(value, Const):
            raise UserError(f"output {entry.name}: does not depend on the inputs; remove it from the model's outputs")
        proto = onnx.NodeProto(op_type="output", name=entry.name)
        node = Node(entry.name, "graph output", "", (), (), (), {}, proto, -1)
        dtype = numpy_dtype(f"output {entry.name}", entry.type.tensor_type.elem_type)
        levels = isinstance(value, Levels)
        integers = self.builder.integers(node, value)
        term, batch = integers.terms[0], next(iter(self.builder.raw_inputs.values()))[0][0]
        shape = (batch, *integers.shape)
        if levels or (dtype.kind in "iu" and term.scale == ONE and integers.offset == ZERO):
            output = GraphOutput(entry.name, term.node, shape, dtype.name, None, None, None)
        elif dtype.kind == "f":
            zeros = zero_points(integers)
            exact = zeros is not None and max(map(abs, zeros)) < 1 << 53
            length = max(len(term.scale), len(integers.offset))
            scale = np.array([float(s) for s in spread(term.scale, length)])
            zero = np.array(zeros if exact else [0] * length, dtype=np.int64)
            zero = np.broadcast_to(zero, length).copy()
            offset = None if exact else np.array([float(b) for b in spread(integers.offset, length)])
            output = GraphOutput(entry.name, term.node, shape, dtype.name, scale, zero, offset)
        else:
            raise node.error(f"the type {dtype} does not fit real values; make it a float output")
        self.builder.graph.outputs.append(output)


_NARROW_BITS: dict[int, int] = {
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.INT2: 2,
    onnx.TensorProto.UINT2: 2,
}


def _batch(shapes_of: list[tuple[int | None, ...]]) -> int:
    """The batch that shape arithmetic sees: the declared one, 1 where it is symbolic."""
    return next((full[0] for full in shapes_of if full[0] is not None), 1)


def numpy_dtype(what: str, element_type: int) -> np.dtype:
    """The numpy type of a graph input or output (int8 or uint8 for integers of 2 and 4 bits)."""
    if element_type in _NARROW_BITS:
        signed = element_type in (onnx.TensorProto.INT4, onnx.TensorProto.INT2)
        return np.dtype(np.int8 if signed else np.uint8)
    try:
        dtype = helper.tensor_dtype_to_np_dtype(element_type)
    except KeyError as error:
        raise UserError(f"{what}: has no tensor type; export the model again") from error
    if dtype.kind not in "fiu":
        raise UserError(f"{what}: the type {dtype} is not supported; use float32 or integers")
    return dtype
