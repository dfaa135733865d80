"""The graph: naming, order, editing, verification, printing."""

from fractions import Fraction

import numpy as np
import pytest

from ir.graph import Graph, GraphError, GraphInput, GraphOutput
from ir.ops import Concat, Conv, Flatten, Input, MaxPool, Requantise, Rounding
from ir.types import IntType, QuantParams

QUANT = QuantParams(np.array([0.5], dtype=np.float32), np.zeros(1, dtype=np.int64))


def small_graph() -> Graph:
    """x -> conv -> requantise -> flatten, plus a max pool that nothing reads."""
    graph = Graph("small")
    graph.add("x", Input((1, 2, 2), IntType(4, False), QUANT, 0, 15))
    graph.graph_inputs.append(GraphInput("x", "x", (None, 1, 2, 2), "float32", QUANT.scale, QUANT.zero_point, 0, 15))
    graph.add("conv", Conv(np.array([1, -1]).reshape(2, 1, 1, 1)), ("x",))
    row = (Fraction(1, 4), Fraction(-1, 4))
    op = Requantise((row,), (Fraction(1, 2),) * 2, 0, 0, 3, IntType(2, False), Rounding.HALF_EVEN, QUANT)
    graph.add("quant", op, ("conv",))
    graph.add("spare", MaxPool((2, 2)), ("quant",))
    graph.add("flat", Flatten(), ("quant",))
    graph.outputs.append(GraphOutput("y", "flat", (None, 8), "float32", QUANT.scale, QUANT.zero_point, None))
    return graph


def test_printed_form() -> None:
    assert str(small_graph()).splitlines() == [
        "graph small {",
        "  %x = input() {type=u4} : u4[1x2x2] in [0, 15]",
        "  %conv = conv(%x) {weights=2x1x1x1, nonzero=2, strides=[1, 1], pads=[0, 0, 0, 0]} : s5[2x2x2] in [-15, 15]",
        "  %quant = requantise(%conv) {multipliers=[per_channel(-0.25..0.25)], offset=1/2, zero_point=0, clamp=[0, 3],"
        " rounding=half_even} : u2[2x2x2] in [0, 3]",
        "  %spare = maxpool(%quant) {kernel=[2, 2], strides=[1, 1], pads=[0, 0, 0, 0]} : u2[2x1x1] in [0, 3]",
        "  %flat = flatten(%quant) : u2[8x1x1] in [0, 3]",
        "  output y = %flat",
        "}",
    ]


def test_order_consumers_and_dead_nodes() -> None:
    graph = small_graph()
    graph.verify()
    assert graph.order() == ["x", "conv", "quant", "spare", "flat"]
    assert graph.consumers("quant") == ["spare", "flat"]
    assert graph.remove_dead() == ["spare"]
    assert "spare" not in graph and len(graph) == 4
    with pytest.raises(GraphError, match="still read by flat"):
        graph.remove("quant")
    with pytest.raises(GraphError, match="still read by output y"):
        graph.remove("flat")


def test_insert_after_moves_all_readers_and_outputs() -> None:
    graph = small_graph()
    graph.insert_after("quant", "pool", MaxPool((1, 1)))
    assert graph.inputs("spare") == graph.inputs("flat") == ("pool",)
    assert graph.inputs("pool") == ("quant",)
    graph.insert_after("flat", "again", Flatten())
    assert graph.outputs[0].node == "again"
    graph.verify()


def test_replace_op_refreshes_the_types_downstream() -> None:
    graph = small_graph()
    graph.remove("spare")
    graph.replace_op("conv", Conv(np.ones((2, 1, 2, 2), dtype=np.int64)))
    assert graph.type("flat").shape == (2, 1, 1)
    assert graph.type("conv").hi.tolist() == [60, 60]
    with pytest.raises(GraphError, match="%conv .* window does not fit"):
        graph.replace_op("conv", Conv(np.ones((2, 1, 3, 3), dtype=np.int64)))


def test_a_node_may_read_another_twice() -> None:
    graph = small_graph()
    graph.add("twice", Concat(), ("quant", "quant"))
    assert graph.type("twice").shape == (4, 2, 2)
    graph.replace_uses("quant", "conv")
    assert graph.inputs("twice") == ("conv", "conv")
    graph.verify()


def test_names_are_unique_and_printable() -> None:
    graph = small_graph()
    assert graph.unique_name("conv") == "conv_1"
    assert graph.unique_name("/layer1/conv 1/Conv:0") == "layer1.conv_1.Conv_0"
    assert graph.unique_name("") == "node"
    with pytest.raises(GraphError, match="already"):
        graph.add("conv", Flatten(), ("x",))
    with pytest.raises(GraphError, match="printable"):
        graph.add("a b", Flatten(), ("x",))
    with pytest.raises(GraphError, match="no node %nothing"):
        graph.add("more", Flatten(), ("nothing",))


def test_verify_finds_broken_graphs() -> None:
    graph = small_graph()
    graph.nx.nodes["flat"]["type"] = graph.type("conv")
    with pytest.raises(GraphError, match="%flat: its stored type"):
        graph.verify()
    graph = small_graph()
    graph.nx.remove_edge("x", "conv")
    with pytest.raises(GraphError, match="%conv: its edges"):
        graph.verify()
    graph = small_graph()
    graph.nx.add_edge("flat", "conv")
    with pytest.raises(GraphError, match="cycle"):
        graph.verify()
    graph = small_graph()
    graph.graph_inputs.clear()
    with pytest.raises(GraphError, match="do not match its input nodes"):
        graph.verify()
    graph = small_graph()
    graph.outputs.clear()
    with pytest.raises(GraphError, match="has no output"):
        graph.verify()


def test_networkx_copy_holds_plain_values() -> None:
    plain = small_graph().to_networkx()
    assert plain.nodes["conv"]["type"] == "s5[2x2x2] in [-15, 15]"
    assert plain.nodes["flat"]["output"] == "y"
    assert list(plain.successors("quant")) == ["spare", "flat"]
    values = [value for _, attributes in plain.nodes(data=True) for value in attributes.values()]
    assert all(isinstance(value, str) for value in values)
