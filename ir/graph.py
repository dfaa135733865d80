"""The integer graph of a network, on a networkx DiGraph."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np

from ir.errors import UserError
from ir.ops import Input, Op, OpError
from ir.types import TensorType

_NAME = re.compile(r"[A-Za-z0-9_.]+")


class GraphError(UserError):
    """A graph that is not well formed."""


@dataclass(frozen=True, eq=False)
class GraphInput:
    """An ONNX graph input and the ``Input`` node it feeds.

    The fields mean what those of ``ir.program.Boundary`` do: ``shape`` is the ONNX graph's, with None for a symbolic
    axis, ``dtype`` a numpy name, ``scale`` and ``zero_point`` have shape (1,) or (C,), ``scale`` None: the integers
    themselves cross.
    """

    name: str
    node: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: np.ndarray | None
    zero_point: np.ndarray | None
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class GraphOutput:
    """An ONNX graph output and the node that computes it: real = (q - zero_point) * scale + offset."""

    name: str
    node: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: np.ndarray | None
    zero_point: np.ndarray | None
    offset: np.ndarray | None


@dataclass
class Graph:
    """Named operations in a directed acyclic graph.

    ``nx`` holds one vertex a node with the attributes ``op``, ``inputs`` (ordered names) and ``type``; its edges
    follow ``inputs``. Methods raise GraphError for names that do not exist or exist already and for operations
    that do not fit their operands.
    """

    name: str = "graph"
    nx: nx.DiGraph = field(default_factory=nx.DiGraph)
    graph_inputs: list[GraphInput] = field(default_factory=list)
    outputs: list[GraphOutput] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self.nx

    def __len__(self) -> int:
        return len(self.nx)

    def _node(self, name: str) -> dict[str, object]:
        if name not in self.nx:
            raise GraphError(f"graph {self.name}: there is no node %{name}")
        return self.nx.nodes[name]

    def _infer(self, name: str, op: Op, inputs: tuple[str, ...]) -> TensorType:
        try:
            return op.infer([self.type(source) for source in inputs])
        except OpError as error:
            raise GraphError(f"node %{name} ({op.kind}): {error}") from error

    def unique_name(self, wanted: str) -> str:
        """A printable name that is still free: ``wanted`` with odd characters replaced, and a number if taken."""
        base = re.sub(r"[^A-Za-z0-9_.]+", "_", wanted.replace("/", ".")).strip(".") or "node"
        name, number = base, 1
        while name in self.nx:
            name, number = f"{base}_{number}", number + 1
        return name

    def add(self, name: str, op: Op, inputs: tuple[str, ...] | list[str] = ()) -> str:
        """Add a node of exactly this name, infer its type, return the name."""
        if name in self.nx:
            raise GraphError(f"graph {self.name}: there is a node %{name} already")
        if not _NAME.fullmatch(name):
            raise GraphError(f"graph {self.name}: {name!r} is not a printable node name")
        sources = tuple(inputs)
        inferred = self._infer(name, op, sources)
        self.nx.add_node(name, op=op, inputs=sources, type=inferred)
        self.nx.add_edges_from((source, name) for source in sources)
        return name

    def op(self, name: str) -> Op:
        op = self._node(name)["op"]
        assert isinstance(op, Op)
        return op

    def inputs(self, name: str) -> tuple[str, ...]:
        inputs = self._node(name)["inputs"]
        assert isinstance(inputs, tuple)
        return inputs

    def type(self, name: str) -> TensorType:
        tensor = self._node(name)["type"]
        assert isinstance(tensor, TensorType)
        return tensor

    def consumers(self, name: str) -> list[str]:
        """The nodes that read ``name``, each once, in the order they were added."""
        self._node(name)
        return list(self.nx.successors(name))

    def order(self) -> list[str]:
        """A topological order; among nodes that are ready, the one added first comes first."""
        rank = {name: position for position, name in enumerate(self.nx)}
        waiting = {name: self.nx.in_degree(name) for name in self.nx}
        ready = [(rank[name], name) for name, count in waiting.items() if count == 0]
        heapq.heapify(ready)
        result: list[str] = []
        while ready:
            name = heapq.heappop(ready)[1]
            result.append(name)
            for consumer in self.nx.successors(name):
                waiting[consumer] -= 1
                if waiting[consumer] == 0:
                    heapq.heappush(ready, (rank[consumer], consumer))
        if len(result) != len(self.nx):
            raise GraphError(f"graph {self.name}: its nodes form a cycle")
        return result

    def replace_op(self, name: str, op: Op, inputs: tuple[str, ...] | list[str] | None = None) -> None:
        """Give a node another operation (and other operands); the types downstream follow."""
        sources = self.inputs(name) if inputs is None else tuple(inputs)
        self.nx.add_node(name, op=op, inputs=sources, type=self._infer(name, op, sources))
        self.nx.remove_edges_from(list(self.nx.in_edges(name)))
        self.nx.add_edges_from((source, name) for source in sources)
        self._refresh_after(name)

    def _refresh_after(self, name: str) -> None:
        affected = nx.descendants(self.nx, name)
        for node in self.order():
            if node in affected:
                self.nx.nodes[node]["type"] = self._infer(node, self.op(node), self.inputs(node))

    def replace_uses(self, old: str, new: str) -> None:
        """Every node and graph output that reads ``old`` reads ``new`` instead (``new`` itself excepted)."""
        self._node(new)
        for consumer in self.consumers(old):
            if consumer != new:
                sources = tuple(new if source == old else source for source in self.inputs(consumer))
                self.replace_op(consumer, self.op(consumer), sources)
        self.outputs = [replace(out, node=new) if out.node == old else out for out in self.outputs]

    def insert_after(self, name: str, new: str, op: Op) -> str:
        """Put a one-operand node between ``name`` and all that reads it."""
        self.add(new, op, (name,))
        self.replace_uses(name, new)
        return new

    def remove(self, name: str) -> None:
        """Remove a node that nothing reads."""
        readers = self.consumers(name) + [f"output {out.name}" for out in self.outputs if out.node == name]
        if readers:
            raise GraphError(f"graph {self.name}: %{name} is still read by {', '.join(readers)}")
        self.nx.remove_node(name)
        self.graph_inputs = [entry for entry in self.graph_inputs if entry.node != name]

    def remove_dead(self) -> list[str]:
        """Remove the nodes no output depends on, inputs excepted; returns their names."""
        alive: set[str] = {out.node for out in self.outputs} | {entry.node for entry in self.graph_inputs}
        for out in self.outputs:
            alive |= nx.ancestors(self.nx, out.node)
        dead = [name for name in self.nx if name not in alive]
        self.nx.remove_nodes_from(dead)
        return dead

    def verify(self) -> None:
        """Raise GraphError unless edges, types, inputs and outputs are consistent."""
        for name in self.order():
            op, sources = self.op(name), self.inputs(name)
            if set(self.nx.predecessors(name)) != set(sources):
                raise GraphError(f"node %{name}: its edges do not follow its operands {sources}")
            fresh, stored = self._infer(name, op, sources), self.type(name)
            same = fresh.shape == stored.shape and fresh.dtype == stored.dtype and fresh.quant == stored.quant
            if not (same and np.array_equal(fresh.lo, stored.lo) and np.array_equal(fresh.hi, stored.hi)):
                raise GraphError(f"node %{name}: its stored type {stored} is not the inferred one, {fresh}")
            if fresh.dtype.min > int(fresh.lo.min()) or fresh.dtype.max < int(fresh.hi.max()):
                raise GraphError(f"node %{name}: its interval does not fit {fresh.dtype}")
        fed = [entry.node for entry in self.graph_inputs]
        nodes = [name for name in self.nx if isinstance(self.op(name), Input)]
        if sorted(fed) != sorted(nodes):
            raise GraphError(f"graph {self.name}: inputs {fed} do not match its input nodes {nodes}")
        if not self.outputs:
            raise GraphError(f"graph {self.name}: has no output")
        for out in self.outputs:
            self._node(out.node)

    def __str__(self) -> str:
        lines = [f"graph {self.name} {{"]
        for name in self.order():
            op = self.op(name)
            operands = ", ".join(f"%{source}" for source in self.inputs(name))
            attributes = ", ".join(f"{key}={value}" for key, value in op.attributes().items())
            shown = f" {{{attributes}}}" if attributes else ""
            lines.append(f"  %{name} = {op.kind}({operands}){shown} : {self.type(name)}")
        lines += [f"  output {out.name} = %{out.node}" for out in self.outputs]
        return "\n".join([*lines, "}"])

    def to_networkx(self) -> nx.DiGraph:
        """A copy whose attributes are plain strings and numbers, for DOT, GraphML or analysis."""
        plain = nx.DiGraph(name=self.name)
        for name in self.order():
            op, tensor = self.op(name), self.type(name)
            plain.add_node(name, kind=op.kind, type=str(tensor), **{f"attr_{k}": v for k, v in op.attributes().items()})
            for position, source in enumerate(self.inputs(name)):
                plain.add_edge(source, name, operand=position)
        for out in self.outputs:
            plain.nodes[out.node]["output"] = out.name
        return plain
