"""A small mutable view of an ONNX graph: nodes, constants, who makes and who reads each tensor."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ir.errors import UserError

IR_VERSION = 10
MINIMUM_OPSET = 13
TORCH_SCOPES = "pkg.torch.onnx.name_scopes"


class OnnxGraph:
    """A copy of a model's main graph; ``to_model`` writes it back.

    ``constants`` holds every initializer by name as the stored TensorProto, so that untouched ones keep their bytes;
    ``inputs`` are the real inputs only (initializers that are also listed as inputs are left out).
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if self.opset < MINIMUM_OPSET:
            model = _raise_opset(model, self.opset)
            self.opset = MINIMUM_OPSET
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        graph = self._model.graph
        self.name = graph.name
        self.nodes: list[onnx.NodeProto] = list(graph.node)
        self.constants: dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name not in self.constants]
        self.outputs: list[onnx.ValueInfoProto] = list(graph.output)
        self._names = set(self.constants) | {value.name for value in self.inputs}
        name_by_module(self.nodes)
        for index, node in enumerate(self.nodes):
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
            self._names.update(node.output)
            if any(entry.type == onnx.AttributeProto.GRAPH for entry in node.attribute):
                raise UserError(f"node {node.name or index}: {node.op_type} holds a subgraph; avoid control flow")
            if not node.name:
                node.name = f"{node.op_type}_{index}"

    @property
    def output_names(self) -> set[str]:
        return {value.name for value in self.outputs}

    def array(self, name: str) -> np.ndarray | None:
        """The value of a constant, or None where the tensor is computed."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def set_constant(self, name: str, value: np.ndarray) -> None:
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        self._names.add(name)

    def add_constant(self, name: str, value: np.ndarray) -> str:
        """Store a new constant under ``name`` or the first free name derived from it; the name used."""
        fresh = self.fresh(name)
        self.set_constant(fresh, value)
        return fresh

    def fresh(self, name: str) -> str:
        """``name``, or ``name_2``, ``name_3`` ... where taken; reserves it."""
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate

    def producers(self) -> dict[str, onnx.NodeProto]:
        return {output: node for node in self.nodes for output in node.output if output}

    def consumers(self) -> dict[str, list[onnx.NodeProto]]:
        """Every reader of each tensor, once a node."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                readers.setdefault(name, []).append(node)
        return readers

    def replace_uses(self, old: str, new: str) -> None:
        for node in self.nodes:
            for position, name in enumerate(node.input):
                if name == old:
                    node.input[position] = new

    def remove(self, nodes: Iterable[onnx.NodeProto]) -> None:
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def sort(self) -> None:
        """Order the nodes so that each stands behind those it reads, otherwise as they stand.

        UserError where a tensor is made by no node or by a cycle.
        """
        producers, known = self.producers(), set(self.constants) | {value.name for value in self.inputs} | {""}
        ordered: list[onnx.NodeProto] = []
        waiting: set[int] = set()
        for root in self.nodes:
            stack = [root]
            while stack:
                node = stack[-1]
                if known.issuperset(node.output):
                    stack.pop()
                    continue
                needed = [name for name in node.input if name not in known]
                bad = [name for name in needed if name not in producers or id(producers[name]) in waiting]
                if bad:
                    raise UserError(f"node {node.name}: input {bad[0]} is made by no earlier node; not a valid graph")
                if needed:
                    waiting.add(id(node))
                    stack += [producers[name] for name in reversed(needed)]
                else:
                    ordered.append(stack.pop())
                    known.update(node.output)
                    waiting.discard(id(node))
        self.nodes = ordered

    def to_model(self) -> onnx.ModelProto:
        """The model with this graph, without unused constants and stale shape annotations."""
        self.sort()
        used = {name for node in self.nodes for name in node.input} | self.output_names
        graph = onnx.GraphProto(name=self.name)
        graph.node.extend(self.nodes)
        graph.initializer.extend(tensor for name, tensor in self.constants.items() if name in used)
        graph.input.extend(self.inputs)
        graph.output.extend(self.outputs)
        domains = {node.domain for node in self.nodes} - {"", "ai.onnx"}
        imports = [helper.make_opsetid("", self.opset)]
        imports += [entry for entry in self._model.opset_import if entry.domain in domains]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="apc")
        model.functions.extend(self._model.functions)
        return model


def name_by_module(nodes: Iterable[onnx.NodeProto]) -> None:
    """Call nodes of torch's dynamo exporter after their module ("layer1.0.add"), by the scopes it leaves on them."""
    taken: set[str] = set()
    for node in nodes:
        scopes = next((entry.value for entry in node.metadata_props if entry.key == TORCH_SCOPES), "")
        path = re.findall(r"'([\w.]+)'", scopes)
        if path:
            name = ".".join([*path[-2:-1], re.sub(r"_\d+$", "", path[-1])])
            unique = next(
                candidate
                for candidate in itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
                if candidate not in taken
            )
            node.name = unique
        taken.add(node.name)


def attribute(node: onnx.NodeProto, name: str, default: int | float) -> int | float:
    """A scalar attribute of a node."""
    for entry in node.attribute:
        if entry.name == name:
            return entry.i if entry.type == onnx.AttributeProto.INT else entry.f
    return default


def set_attribute(node: onnx.NodeProto, name: str, value: int | float) -> None:
    for entry in list(node.attribute):
        if entry.name == name:
            node.attribute.remove(entry)
    node.attribute.append(helper.make_attribute(name, value))


def _raise_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(model, MINIMUM_OPSET)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the model uses opset {opset} and cannot be converted to {MINIMUM_OPSET} ({reason}); re-export it"
        ) from error
