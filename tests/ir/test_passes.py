"""Every pass on a small graph, its result literally; the manager."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest

from ir.errors import UserError
from ir.graph import Graph, GraphError
from ir.ops import Conv, MaxPool
from ir.passes import LEVELS, PASSES
from ir.passes.dead_code import DeadCode
from ir.passes.manager import run_passes
from ir.passes.merge_duplicates import MergeDuplicates
from ir.passes.options import parse_passes
from ir.types import IntType
from tests.graphs import add_input, add_output, requantise


def example() -> Graph:
    """x -> twice the same requantisation, a different one and one that nothing reads; y = pool(a), z = pool(b)."""
    graph = Graph("g")
    add_input(graph, "x", (1, 2, 2), 4, False)
    for name, factor in (("a", 2), ("b", 2), ("c", 4), ("unread", 8)):
        graph.add(name, requantise([[Fraction(1, factor)]], [Fraction(0)], IntType(3, False)), ["x"])
    graph.add("sum", requantise([[Fraction(1)]] * 3, [Fraction(0)], IntType(4, False)), ["a", "b", "c"])
    add_output(graph, "sum")
    return graph


MERGED = """\
graph g {
  %x = input() {type=u4} : u4[1x2x2] in [0, 15]
  %a = requantise(%x) {multipliers=[1/2], offset=0, zero_point=0, clamp=[0, 7], rounding=half_even} : u3[1x2x2] in [0, 7]
  %c = requantise(%x) {multipliers=[1/4], offset=0, zero_point=0, clamp=[0, 7], rounding=half_even} : u3[1x2x2] in [0, 4]
  %sum = requantise(%a, %a, %c) {multipliers=[1, 1, 1], offset=0, zero_point=0, clamp=[0, 15], rounding=half_even} : u4[1x2x2] in [0, 15]
  output y0 = %sum
}"""  # noqa: E501


def test_dead_code_and_duplicates() -> None:
    graph = example()
    statistics = run_passes(graph, [DeadCode(), MergeDuplicates()])
    assert str(graph) == MERGED
    assert [(s.name, s.nodes_before, s.nodes_after) for s in statistics] == [
        ("dead-code", 6, 5),
        ("merge-duplicates", 5, 4),
    ]


def test_dead_code_removes_chains_and_keeps_inputs() -> None:
    graph = Graph("g")
    add_input(graph, "x", (1, 4, 4), 4, False)
    add_input(graph, "unused", (1, 4, 4), 4, False)
    graph.add("read", MaxPool((2, 2)), ["x"])
    graph.add("first", MaxPool((2, 2)), ["unused"])
    graph.add("second", MaxPool((2, 2)), ["first"])
    add_output(graph, "read")
    run_passes(graph, [DeadCode()])
    assert graph.order() == ["x", "unused", "read"]


def test_outputs_and_operations_that_differ_stay() -> None:
    graph = Graph("g")
    add_input(graph, "x", (1, 4, 4), 4, False)
    for name, weight in (("a", 1), ("same", 1), ("other", -1)):
        graph.add(name, Conv(np.full((1, 1, 1, 1), weight)), ["x"])
        add_output(graph, name)
    run_passes(graph, [MergeDuplicates()])
    assert graph.order() == ["x", "a", "same", "other"]


def test_after_sees_each_result() -> None:
    seen: list[tuple[str, int]] = []
    run_passes(example(), [DeadCode(), MergeDuplicates()], lambda name, graph: seen.append((name, len(graph))))
    assert seen == [("dead-code", 5), ("merge-duplicates", 4)]


def test_graphs_are_verified_before_and_after() -> None:
    class Breaks:
        name: ClassVar[str] = "breaks"

        def run(self, graph: Graph) -> None:
            graph.nx.remove_edge("x", "a")

    with pytest.raises(GraphError, match="%a: its edges"):
        run_passes(example(), [Breaks()])
    graph = example()
    graph.outputs.clear()
    with pytest.raises(GraphError, match="no output"):
        run_passes(graph, [])


def test_names_of_passes() -> None:
    assert parse_passes(" dead-code, merge-duplicates,dead-code", PASSES) == [DeadCode(), MergeDuplicates(), DeadCode()]
    assert parse_passes("", PASSES) == []
    with pytest.raises(UserError, match="there is no pass 'inline': choose from dead-code, merge-duplicates"):
        parse_passes("dead-code,inline", PASSES)
    for names in LEVELS.values():
        assert set(names) <= set(PASSES)
