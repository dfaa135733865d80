"""Reference execution of the integer graph: the truth every lowering is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np

from ir.graph import Graph, GraphError
from ir.ops import Input


def run_graph(
    graph: Graph, inputs: Mapping[str, np.ndarray], keep: Literal["outputs", "all"] = "outputs"
) -> dict[str, np.ndarray]:
    """Evaluate the graph exactly.

    ``inputs``: for every graph input, by its ONNX name, an integer array (N, C, H, W) with values in the input's
    interval. Returns int64 arrays (N, C, H, W) by node name: of the outputs' nodes, or of all. Raises GraphError for
    missing or unknown inputs, wrong shapes and values out of range.
    """
    values = feed(graph, inputs)
    wanted = {out.node for out in graph.outputs} if keep == "outputs" else set(graph.nx)
    uses = Counter(source for name in graph.nx for source in set(graph.inputs(name)))
    for name in graph.order():
        op = graph.op(name)
        if not isinstance(op, Input):
            values[name] = op.evaluate([values[source] for source in graph.inputs(name)])
        for source in set(graph.inputs(name)):
            uses[source] -= 1
            if not uses[source] and source not in wanted:
                del values[source]
    return {name: value for name, value in values.items() if name in wanted}


def feed(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """int64 (N, C, H, W) by the names of the input nodes. Raises GraphError for what does not fit."""
    names = {entry.name for entry in graph.graph_inputs}
    if set(inputs) != names:
        raise GraphError(f"graph {graph.name} has the inputs {sorted(names)}, not {sorted(inputs)}")
    values = {}
    batch: int | None = None
    for entry in graph.graph_inputs:
        value, expected = np.asarray(inputs[entry.name]), graph.type(entry.node)
        if value.dtype.kind not in "iu":
            raise GraphError(f"input {entry.name}: expected integers, not {value.dtype}")
        if value.ndim != 4 or value.shape[1:] != expected.shape:
            raise GraphError(f"input {entry.name}: expected the shape (N, {expected.shape}), not {value.shape}")
        if batch not in (None, value.shape[0]):
            raise GraphError(f"input {entry.name}: its batch of {value.shape[0]} differs from the others' {batch}")
        batch = value.shape[0]
        if value.size and (value.min() < expected.lo.min() or value.max() > expected.hi.max()):
            raise GraphError(
                f"input {entry.name}: values [{value.min()}, {value.max()}] exceed"
                f" [{expected.lo.min()}, {expected.hi.max()}]"
            )
        values[entry.node] = value.astype(np.int64)
    return values
