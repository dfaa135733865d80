"""Lowering: what is stored, how views are addressed, and what a layer knows of what it reads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ir.graph import Graph
from ir.lower import Copy, Linear, Maximum, lower
from ir.ops import Concat, Conv, Flatten, MaxPool, Pad, Requantise, SumPool
from ir.types import IntType
from tests.graphs import add_input, add_output, requantise


def graph_with_input(channels: int = 2, size: int = 4) -> Graph:
    graph = Graph("g")
    add_input(graph, "x", (channels, size, size), 4, False)
    return graph


def quantised(channels: int, factor: Fraction = Fraction(1, 4), operands: int = 1) -> Requantise:
    return requantise([[factor] * channels] * operands, [Fraction(0)] * channels, IntType(4, False))


def conv(
    outputs: int, inputs: int, kernel: int = 1, *, pads: tuple[int, int, int, int] = (0, 0, 0, 0), zero_point: int = 0
) -> Conv:
    return Conv(np.ones((outputs, inputs, kernel, kernel), np.int64), pads=pads, zero_point=zero_point)


def test_a_requantisation_joins_the_sum_that_only_it_reads() -> None:
    graph = graph_with_input()
    graph.add("sum", conv(3, 2), ["x"])
    graph.add("q", quantised(3), ["sum"])
    add_output(graph, "q")
    (layer,) = lower(graph).layers
    assert (layer.name, layer.op, layer.node) == ("sum", "conv", "q")
    assert isinstance(layer.body, Linear) and layer.body.requantise is not None


@pytest.mark.parametrize("reason", ["output", "second reader", "read twice"])
def test_a_sum_that_others_read_is_stored(reason: str) -> None:
    graph = graph_with_input()
    graph.add("sum", conv(2, 2), ["x"])
    graph.add("q", quantised(2, operands=2), ["sum", "sum" if reason == "read twice" else "x"])
    if reason == "second reader":
        graph.add("other", MaxPool((2, 2)), ["sum"])
        add_output(graph, "other")
    if reason == "output":
        add_output(graph, "sum")
    add_output(graph, "q")
    assert [layer.node for layer in lower(graph).layers][:2] == ["sum", "q"] or reason == "second reader"
    assert {layer.op for layer in lower(graph).layers} >= {"conv", "requantise"}


def test_the_sum_comes_first_among_the_operands() -> None:
    graph = graph_with_input()
    graph.add("sum", conv(2, 2), ["x"])
    factors = [[Fraction(1, 3)] * 2, [Fraction(1, 5)] * 2]
    graph.add("q", requantise(factors, [Fraction(0)] * 2, IntType(4, False)), ["x", "sum"])
    add_output(graph, "q")
    (layer,) = lower(graph).layers
    assert isinstance(layer.body, Linear) and layer.body.requantise is not None
    assert layer.body.requantise.multipliers == ((Fraction(1, 5),) * 2, (Fraction(1, 3),) * 2)
    assert len(layer.body.operands) == 1


def test_views_cost_no_layer() -> None:
    graph = graph_with_input()
    graph.add("both", Concat(), ["x", "x"])
    graph.add("padded", Pad((1, 1, 1, 1), 0), ["both"])
    graph.add("sum", conv(1, 4, 3), ["padded"])
    graph.add("flat", Flatten(), ["sum"])
    graph.add("fc", conv(2, 16), ["flat"])
    add_output(graph, "fc")
    lowered = lower(graph)
    assert [layer.node for layer in lowered.layers] == ["sum", "fc"]
    first, second = lowered.layers
    assert first.sources == ["x"] and first.variables["channel"].tolist() == sorted([0, 1] * 9) * 2
    assert first.row_maps[0] == (1, 1, -1, -1) and first.row_maps[8] == (1, 1, 1, 1)
    assert second.row_maps == [(1, 1, y, x) for y in range(4) for x in range(4)]


def test_outputs_that_are_views_are_copied_or_aliased() -> None:
    graph = graph_with_input(size=1)
    graph.add("q", quantised(2), ["x"])
    graph.add("same", Flatten(), ["q"])
    graph.add("swapped", Concat(), ["q", "q"])
    for node in ("same", "swapped"):
        add_output(graph, node)
    lowered = lower(graph)
    assert lowered.aliases == {"same": "q"}
    assert [(layer.node, type(layer.body)) for layer in lowered.layers] == [("q", Linear), ("swapped", Copy)]


def test_padding_of_another_value_is_stored_first() -> None:
    """The convolution's own padding is 0, the pad's 3: one gather has only one value for what lies outside."""
    for value, layers in ((0, ["sum"]), (3, ["padded", "sum"])):
        graph = graph_with_input()
        graph.add("padded", Pad((1, 0, 0, 0), value), ["x"])
        graph.add("sum", conv(1, 2, 3, pads=(1, 1, 1, 1)), ["padded"])
        add_output(graph, "sum")
        assert [layer.node for layer in lower(graph).layers] == layers


def test_intervals_hold_padding_only_where_it_is_read() -> None:
    graph = graph_with_input(channels=1, size=4)
    offset = requantise([[Fraction(1, 4)]], [Fraction(5)], IntType(4, False))
    graph.add("q", offset, ["x"])  # 5 to 9
    graph.add("sum", conv(1, 1, 3, pads=(1, 0, 0, 0)), ["q"])
    add_output(graph, "sum")
    variables = lower(graph).layers[1].variables
    assert variables["lo"].tolist() == [0, 0, 0, 5, 5, 5, 5, 5, 5]
    assert variables["hi"].tolist() == [9] * 9


def test_a_tap_that_only_reads_padding_is_known() -> None:
    graph = graph_with_input(channels=1, size=1)
    graph.add("sum", conv(1, 1, 3, pads=(1, 1, 1, 1), zero_point=7), ["x"])
    add_output(graph, "sum")
    variables = lower(graph).layers[0].variables
    assert variables["lo"].tolist() == [7] * 4 + [0] + [7] * 4
    assert variables["hi"].tolist() == [7] * 4 + [15] + [7] * 4


def test_strides_reach_what_they_reach() -> None:
    """A stride of 2 over 4 positions with kernel 2: nothing outside is read, so padding stays out of the interval."""
    graph = graph_with_input(channels=1, size=4)
    graph.add("sum", SumPool((2, 2), (2, 2), (0, 0, 1, 1), zero_point=1), ["x"])
    add_output(graph, "sum")
    variables = lower(graph).layers[0].variables
    assert variables["pad_value"].tolist() == [0] * 4
    assert variables["lo"].tolist() == [0] * 4


def test_fields_are_wide_enough_for_what_readers_pad_with() -> None:
    """q holds 0 to 3; the pool passes it on; the convolution's padding is 12."""
    graph = graph_with_input(channels=1)
    graph.add("q", quantised(1, Fraction(1, 5)), ["x"])
    graph.add("pool", MaxPool((2, 2)), ["q"])
    graph.add("sum", conv(1, 1, 3, pads=(1, 1, 1, 1), zero_point=12), ["pool"])
    add_output(graph, "sum")
    q, pool, _ = lower(graph).layers
    assert isinstance(pool.body, Maximum)
    assert (q.type.lo.tolist(), q.type.hi.tolist()) == ([0], [12])
    assert (pool.type.lo.tolist(), pool.type.hi.tolist()) == ([0], [12])
    assert graph.type("q").hi.tolist() == [3]
