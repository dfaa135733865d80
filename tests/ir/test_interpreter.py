"""run_graph: values, what is kept, and its refusals."""

import numpy as np
import pytest

from ir.graph import Graph, GraphError, GraphInput, GraphOutput
from ir.interpreter import run_graph
from ir.ops import Conv, Flatten, Input, MaxPool
from ir.types import IntType


def two_input_graph() -> Graph:
    graph = Graph("two")
    for name in ("a", "b"):
        graph.add(f"in_{name}", Input((1, 2, 2), IntType(3, False), None, 0, 7))
        graph.graph_inputs.append(GraphInput(name, f"in_{name}", (None, 1, 2, 2), "uint8", None, None, 0, 7))
    graph.add("pool", MaxPool((2, 2)), ("in_a",))
    graph.add("sum", Conv(np.ones((1, 1, 2, 2), dtype=np.int64)), ("in_b",))
    graph.add("flat", Flatten(), ("sum",))
    graph.outputs = [GraphOutput(n, n, (None, 1), "int64", None, None, None) for n in ("pool", "flat")]
    return graph


def test_values_and_what_is_kept() -> None:
    x = np.arange(8).reshape(2, 1, 2, 2).astype(np.uint8)
    values = run_graph(two_input_graph(), {"a": x, "b": x})
    assert set(values) == {"pool", "flat"}
    assert values["pool"].ravel().tolist() == [3, 7]
    assert values["flat"].ravel().tolist() == [6, 22]
    everything = run_graph(two_input_graph(), {"a": x, "b": x}, keep="all")
    assert list(everything) == ["in_a", "in_b", "pool", "sum", "flat"]
    assert all(value.dtype == np.int64 for value in everything.values())


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (None, r"has the inputs \['a', 'b'\], not \['a'\]"),
        (np.zeros((2, 1, 2, 3), dtype=np.int64), r"input b: expected the shape \(N, \(1, 2, 2\)\)"),
        (np.zeros((3, 1, 2, 2), dtype=np.int64), "its batch of 3 differs"),
        (np.zeros((2, 1, 2, 2)), "expected integers, not float64"),
        (np.full((2, 1, 2, 2), 8), r"values \[8, 8\] exceed \[0, 7\]"),
    ],
)
def test_refusals(b: np.ndarray | None, message: str) -> None:
    feeds = {"a": np.zeros((2, 1, 2, 2), dtype=np.int64)} | ({} if b is None else {"b": b})
    with pytest.raises(GraphError, match=message):
        run_graph(two_input_graph(), feeds)
