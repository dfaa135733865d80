"""Where activation quantisers go: the tensors that layers, residual additions, pools and graph outputs read.

A tensor that one of those needs is traced back through operations that only move values (max-pool, flatten, pad ...) to
the tensor that is computed, after its bias, batch norm and ReLU; the quantiser stands there, once, and every reader
reads it. Tensors that come from an existing quantiser, or only go into one, are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx

from apc.quantize.normalise import QUANTISERS
from apc.quantize.onnx_graph import OnnxGraph

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
POOLS = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
MOVES = frozenset({"MaxPool", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Pad", "Identity", "Dropout"})
TAILS = frozenset({"Relu", "Clip", "BatchNormalization", "Mul", "Sub", "Div"})
_SOURCES = frozenset({"DequantizeLinear", "Quant", "IntQuant", "BipolarQuant", "Trunc"})


@dataclass
class Point:
    """A float tensor that gets a quantiser. ``bits``: None means the width that the caller asked for."""

    tensor: str
    role: str
    bits: int | None
    non_negative: bool | None
    node: str
    group: int = field(default=0)


class Placement:
    """Traces of one normalised graph."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self.consumers = graph.consumers()
        self.inputs = {value.name for value in graph.inputs}

    def layers(self) -> list[onnx.NodeProto]:
        """Conv, Gemm and MatMul nodes with a weight (constant, or dequantised), in order."""
        return [node for node in self.graph.nodes if node.op_type in LAYERS]

    def data_inputs(self, node: onnx.NodeProto) -> list[str]:
        """The activations that the node needs quantised: none for moves and tails."""
        if node.op_type in LAYERS or node.op_type in POOLS or node.op_type == "MaxPool":
            return [node.input[0]]
        if node.op_type == "Concat" or (node.op_type == "Add" and not self._has_constant(node)):
            return list(node.input)
        return []

    def origins(self, tensor: str) -> list[str]:
        """The computed tensors whose values ``tensor`` holds (several after Concat)."""
        node = self.producers.get(tensor)
        if node is not None and node.op_type in MOVES:
            return self.origins(node.input[0])
        if node is not None and node.op_type == "Concat":
            return list(dict.fromkeys(origin for name in node.input for origin in self.origins(name)))
        return [tensor]

    def points(self, wide_last: bool) -> list[Point]:
        """All quantisers to insert, in graph order; points of one ``group`` share their scale (they are concatenated).

        ``wide_last``: an average that only the last layer reads keeps 8 bits, like that layer's weights.
        """
        layers = self.layers()
        last = layers[-1] if layers else None
        found: dict[str, Point] = {}
        group: dict[str, int] = {}

        def demand(tensor: str, role: str | None = None, bits: int | None = None) -> None:
            origins = self.origins(tensor)
            joined = {group[name] for name in origins if name in group} | {len(group)}
            for name, number in list(group.items()):
                if number in joined:
                    group[name] = min(joined)
            for name in origins:
                group[name] = min(joined)
                point = self._point(name)
                if name not in found and point is not None:
                    found[name] = point
                if name in found and role is not None:
                    found[name].role, found[name].bits = role, bits

        for value in self.graph.inputs:
            if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
                demand(value.name, "input", 8)
        for node in self.graph.nodes:
            for tensor in self.data_inputs(node):
                demand(tensor)
        for value in self.graph.outputs:
            if any(self._computes(origin) for origin in self.origins(value.name)):
                demand(value.name, "output", 8)
        for point in found.values():
            point.group = group[point.tensor]
            producer = self.producers.get(point.tensor)
            if wide_last and producer is not None and producer.op_type in POOLS and last is not None:
                readers = self._readers(point.tensor)
                if readers and all(reader is last for reader in readers):
                    point.bits = 8
        order = {name: position for position, name in enumerate([*self.inputs, *self.producers])}
        return sorted(found.values(), key=lambda point: order[point.tensor])

    def non_negative(self, tensor: str) -> bool:
        """True where no input can make the tensor negative, by its operations alone."""
        node = self.producers.get(tensor)
        if node is None:
            return False
        if node.op_type in ("Relu", "Sigmoid", "Softmax", "HardSigmoid", "Abs"):
            return True
        if node.op_type == "Clip":
            low = self.graph.array(node.input[1]) if len(node.input) > 1 and node.input[1] else None
            return (low is not None and float(low) >= 0) or self.non_negative(node.input[0])
        if node.op_type == "DequantizeLinear":
            zero_point = self.graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
            return zero_point is not None and zero_point.dtype.kind == "u" and not zero_point.any()
        if node.op_type == "Pad":
            return len(node.input) < 3 and self.non_negative(node.input[0])
        if node.op_type in MOVES or node.op_type in POOLS:
            return self.non_negative(node.input[0])
        if node.op_type in ("Add", "Concat"):
            return all(self.non_negative(name) for name in node.input)
        return False

    def trunk(self, tensor: str) -> onnx.NodeProto | None:
        """The layer, addition or pool whose result ``tensor`` is, behind bias, batch norm and ReLU."""
        node = self.producers.get(tensor)
        while node is not None and (node.op_type in TAILS or (node.op_type == "Add" and self._has_constant(node))):
            data = [name for name in node.input if name and name not in self.graph.constants]
            node = self.producers.get(data[0]) if data else None
        return node

    def _point(self, tensor: str) -> Point | None:
        """A point at ``tensor``; None where it is constant or comes from, or goes only into, a quantiser."""
        node = self.producers.get(tensor)
        if tensor in self.graph.constants or (node is not None and node.op_type in _SOURCES):
            return None
        readers = self.consumers.get(tensor, [])
        existing = bool(readers) and all(reader.op_type in QUANTISERS for reader in readers)
        if existing and tensor not in self.graph.output_names:
            return None
        trunk = self.trunk(tensor)
        sign = None if node is None else self.non_negative(tensor)
        return Point(tensor, "hidden", None, sign, tensor if trunk is None else trunk.name)

    def _computes(self, tensor: str) -> bool:
        node = self.producers.get(tensor)
        return node is not None and node.op_type in LAYERS | POOLS | TAILS | {"Add", "Concat"}

    def _has_constant(self, node: onnx.NodeProto) -> bool:
        return any(name in self.graph.constants for name in node.input)

    def _readers(self, tensor: str) -> list[onnx.NodeProto]:
        readers = []
        for node in self.consumers.get(tensor, []):
            readers += self._readers(node.output[0]) if node.op_type in MOVES else [node]
        return readers
