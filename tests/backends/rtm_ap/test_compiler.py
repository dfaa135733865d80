"""Compiled random graphs compute what the reference interpreter computes, in every stored tensor."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apc.accounting import Accounts
from backends.rtm_ap import builder
from backends.rtm_ap.layout import CapacityError
from backends.target import load_target
from ir.errors import UserError
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Concat, Conv, Flatten, MaxPool, Pad, Requantise, SumPool
from ir.program import Program
from ir.rounding import Rounding
from ir.types import IntType
from ir.verify_program import verify_program
from simulator.rtm import machine
from simulator.rtm.run import SimulationResult, run_program
from tests.graphs import (
    LEVELS,
    NORMAL,
    TINY,
    add_input,
    add_output,
    program_of,
    random_graph,
    random_inputs,
    requantise,
)


def compare(
    graph: Graph, program: Program, inputs: Mapping[str, np.ndarray], engine: Literal["fast", "reference"] = "fast"
) -> SimulationResult:
    """Run and hold every stored tensor, and every output, against the interpreter."""
    verify_program(program)
    expected = run_graph(graph, dict(inputs), keep="all")
    result = run_program(program, inputs, keep="all", engine=engine, threads=2)
    for index, tensor in enumerate(program.tensors):
        values = expected[tensor.name].reshape(-1, *tensor.shape)  # where weights are held, (channels, 1, 1) is turned
        np.testing.assert_array_equal(result.tensors[index], values, tensor.name)
    for boundary, output in zip(program.outputs, graph.outputs, strict=True):
        values = result.tensors[boundary.tensor]
        np.testing.assert_array_equal(values, expected[output.node].reshape(values.shape), output.node)
    return result


@settings(max_examples=250)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_random_graphs_on_arrays_of_the_usual_size(random: Random, batch: int) -> None:
    graph = random_graph(random)
    program = program_of(graph, level=random.choice(LEVELS))
    compare(graph, program, random_inputs(graph, batch, random.randrange(1 << 30)))


@settings(max_examples=250)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_random_graphs_on_tiny_arrays(random: Random, batch: int) -> None:
    """What does not fit is refused; what is compiled is right."""
    graph = random_graph(random, operations=5)
    try:
        program = program_of(graph, TINY, random.choice(LEVELS))
    except CapacityError:
        return
    compare(graph, program, random_inputs(graph, batch, random.randrange(1 << 30)))


def test_most_random_graphs_fit_tiny_arrays() -> None:
    """Or the test above would look at nothing."""
    refused = 0
    for seed in range(40):
        try:
            program_of(random_graph(Random(seed), operations=5), TINY)
        except CapacityError:
            refused += 1
    assert refused < 20


@settings(max_examples=12)
@given(st.randoms(use_true_random=False), st.integers(1, 2))
def test_both_engines_count_alike_and_static_counts_are_theirs(random: Random, batch: int) -> None:
    graph = random_graph(random, operations=3)
    program = program_of(graph, level=random.choice(LEVELS))
    inputs = random_inputs(graph, batch, random.randrange(1 << 30))
    fast, reference = compare(graph, program, inputs), compare(graph, program, inputs, engine="reference")
    assert fast.layers == reference.layers
    for statics, counters in zip(Accounts(program).layers(), reference.layers, strict=True):
        totals = counters.totals()
        assert statics.instructions == totals["instructions"]
        assert statics.search_passes == totals["search_passes"] + totals["source_search_passes"]
        assert statics.write_passes == totals["write_passes"]
        assert statics.shift_steps == totals["shift_steps"] + totals["source_shift_steps"]


@settings(max_examples=12)
@given(st.randoms(use_true_random=False))
def test_what_arrays_hold_before_makes_no_difference(random: Random) -> None:
    graph = random_graph(random, operations=3)
    program = program_of(graph, level=random.choice(LEVELS))
    inputs = random_inputs(graph, 1, random.randrange(1 << 30))

    class Used(machine.Machine):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.cells[:] = np.random.default_rng(5).random(self.cells.shape) < 0.5

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "Machine", Used)
        compare(graph, program, inputs, engine="reference")


def residual_network(channels: int) -> Graph:
    """Stem, pooling, a residual block, classifier: more channels than a tiny array holds."""
    random = np.random.default_rng(channels)
    graph = Graph("residual")
    add_input(graph, "x", (3, 9, 9), 8, True)

    def scaled(count: int, size: int, kind: IntType) -> Requantise:
        factors = [
            Fraction(float(np.float32(random.uniform(0.5, 1) / size * random.choice([-1, 1])))) for _ in range(count)
        ]
        offsets = [Fraction(float(np.float32(random.normal()))) for _ in range(count)]
        return requantise([factors], offsets, kind)

    def ternary(*shape: int) -> np.ndarray:
        return random.integers(-1, 2, shape)

    u4, s4 = IntType(4, False), IntType(4, True)
    graph.add("stem", Conv(random.integers(-127, 128, (channels, 3, 3, 3)), (2, 2), (1, 1, 1, 1)), ["x"])
    graph.add("q0", scaled(channels, 3000, u4), ["stem"])
    graph.add("pool", MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), ["q0"])
    graph.add("conv1", Conv(ternary(channels, channels, 3, 3), (1, 1), (1, 1, 1, 1)), ["pool"])
    graph.add("q1", scaled(channels, 8, u4), ["conv1"])
    graph.add("conv2", Conv(ternary(channels, channels, 3, 3), (1, 1), (1, 1, 1, 1)), ["q1"])
    graph.add("q2", scaled(channels, 8, s4), ["conv2"])
    halves = [[Fraction(3, 4)] * channels, [Fraction(1, 2)] * channels]
    graph.add("add", requantise(halves, [Fraction(0)] * channels, u4), ["q2", "pool"])
    graph.add("mean", SumPool((5, 5)), ["add"])
    graph.add("q3", scaled(channels, 25, IntType(5, True)), ["mean"])
    graph.add("fc", Conv(random.integers(-127, 128, (10, channels, 1, 1))), ["q3"])
    graph.add("y", scaled(10, 30, IntType(8, True)), ["fc"])
    add_output(graph, "y")
    return graph


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("channels", [6, 24])
def test_a_residual_network_in_many_tiles_and_load_groups(channels: int, level: str) -> None:
    graph = residual_network(channels)
    inputs = random_inputs(graph, 2, 0)
    whole = program_of(graph, level=level)
    if level == "O0":
        assert all(len(layer.tiles) == 1 for layer in whole.layers)
    target = load_target("rtm-ap-published", ["array.rows=64", "array.columns=24", "array.domains=40"])
    cut = program_of(graph, target, level)
    assert channels < 24 or max(len(layer.tiles) for layer in cut.layers) > 1
    assert channels < 24 or max(layer.statistics["groups"] / len(layer.tiles) for layer in cut.layers) >= 2
    one, many = compare(graph, whole, inputs), compare(graph, cut, inputs)
    for index, values in one.tensors.items():
        np.testing.assert_array_equal(values, many.tensors[index].reshape(values.shape))
    if level == "O0":
        assert [sums.statistics["adds"] for sums in whole.layers] == [sums.statistics["adds"] for sums in cut.layers]


def test_statistics_of_a_convolution() -> None:
    """Weights 1, -1, 0 and 5 = 4 + 1 on two channels: 3 nonzero, 4 digits summed."""
    graph = Graph("g")
    add_input(graph, "x", (2, 3, 3), 4, False)
    graph.add("sum", Conv(np.array([[1, -1], [0, 5]]).reshape(2, 2, 1, 1)), ["x"])
    add_output(graph, "sum")
    statistics = program_of(graph).layers[0].statistics
    assert statistics["nonzero_weights"] == 3 and statistics["adds_naive"] == 1
    assert statistics["adds"] == 2 and statistics["groups"] == 1  # the first term of each output is copied
    # minus 0..15 from 0..15, signed; a shift of 2 on top, up to 75
    assert statistics["bit_adds"] == 5 + 5


def special(name: str) -> Graph:
    """Graphs that random ones rarely hold."""
    graph = Graph(name)
    add_input(graph, "x", (2, 4, 4), 4, False)
    u4 = IntType(4, False)
    if name == "padding outside the channel's interval":
        graph.add("q", requantise([[Fraction(1, 8)] * 2], [Fraction(2), Fraction(0)], u4), ["x"])
        graph.add("y", Conv(np.ones((1, 2, 3, 3), np.int64), pads=(1, 1, 1, 1), zero_point=9), ["q"])
    elif name == "negative padding of an unsigned sum":
        graph.add("sum", Conv(np.ones((2, 2, 1, 1), np.int64)), ["x"])
        graph.add("padded", Pad((1, 0, 0, 1), -7), ["sum"])
        graph.add("y", MaxPool((2, 2)), ["padded"])
    elif name == "wide padding of a signed sum":
        graph.add("sum", Conv(np.array([1, -1]).reshape(1, 2, 1, 1)), ["x"])
        graph.add("y", Pad((1, 0, 0, 1), 3000), ["sum"])
    elif name == "padding wider than the input":
        graph.add("padded", Pad((0, 1, 1, 0), -100), ["x"])
        graph.add("y", Conv(np.ones((2, 2, 2, 2), np.int64)), ["padded"])
    elif name == "dead channels":
        weights = np.ones((3, 2, 1, 1), np.int64)
        weights[1] = 0
        graph.add("sum", Conv(weights), ["x"])
        factors = [Fraction(1, 2), Fraction(1, 2), Fraction(0)]
        graph.add("q", requantise([factors], [Fraction(0), Fraction(3), Fraction(5)], u4), ["sum"])
        graph.add("y", Conv(np.ones((1, 3, 3, 3), np.int64), pads=(1, 1, 1, 1), zero_point=2), ["q"])
    elif name == "everything is constant":
        graph.add("sum", Conv(np.zeros((2, 2, 3, 3), np.int64)), ["x"])
        graph.add("y", requantise([[Fraction(1)] * 2], [Fraction(3), Fraction(-3)], u4), ["sum"])
    elif name == "zero multiplier of the sum in a residual":
        graph.add("sum", Conv(np.ones((2, 2, 1, 1), np.int64)), ["x"])
        rows = [[Fraction(0), Fraction(1, 4)], [Fraction(1, 2), Fraction(0)]]
        graph.add("y", requantise(rows, [Fraction(0)] * 2, u4), ["sum", "x"])
    elif name == "two sums in one requantisation":
        graph.add("a", Conv(np.ones((2, 2, 1, 1), np.int64)), ["x"])
        graph.add("b", Conv(np.array([[1, -1], [-1, 1]]).reshape(2, 2, 1, 1)), ["x"])
        graph.add("y", requantise([[Fraction(1, 4)] * 2] * 2, [Fraction(0)] * 2, u4), ["a", "b"])
    elif name == "bipolar":
        graph.add("sum", Conv(np.array([[1, -1], [-1, 1]]).reshape(2, 2, 1, 1)), ["x"])
        op = requantise([[Fraction(1), Fraction(-2)]], [Fraction(0)] * 2, IntType(2, True), bipolar=True, lo=-1, hi=1)
        graph.add("y", op, ["sum"])
    elif name == "the same view as two outputs":
        graph.add("y", Flatten(), ["x"])
        graph.add("z", Concat(), ["x", "x"])
        add_output(graph, "y")
        add_output(graph, "z")
    elif name == "an input is an output":
        add_output(graph, "x")
        graph.add("y", MaxPool((2, 2)), ["x"])
    elif name == "pooled before it is flattened":
        graph.add("padded", Pad((1, 1, 1, 1), 2), ["x"])
        graph.add("flat", Flatten(), ["padded"])
        graph.add("y", Conv(np.random.default_rng(0).integers(-3, 4, (3, 72, 1, 1)), zero_point=2), ["flat"])
    add_output(graph, "y")
    return graph


@pytest.mark.parametrize(
    "name",
    [
        "padding outside the channel's interval",
        "negative padding of an unsigned sum",
        "wide padding of a signed sum",
        "padding wider than the input",
        "dead channels",
        "everything is constant",
        "zero multiplier of the sum in a residual",
        "two sums in one requantisation",
        "bipolar",
        "the same view as two outputs",
        "an input is an output",
        "pooled before it is flattened",
    ],
)
def test_special_graphs_on_both_engines(name: str) -> None:
    graph = special(name)
    program = program_of(graph)
    inputs = random_inputs(graph, 2, 1)
    assert compare(graph, program, inputs).layers == compare(graph, program, inputs, engine="reference").layers


@pytest.mark.parametrize("rounding", list(Rounding))
def test_every_rounding_on_the_machine(rounding: Rounding) -> None:
    graph = Graph("g")
    add_input(graph, "x", (6, 4, 4), 5, True)
    factors = [Fraction(1, 4), Fraction(-1, 4), Fraction(3, 8), Fraction(-1, 2), Fraction(1), Fraction(1, 3)]
    offsets = [Fraction(0), Fraction(1, 4), Fraction(-1, 8), Fraction(1, 2), Fraction(1, 2), Fraction(0)]
    graph.add("y", requantise([factors], offsets, IntType(4, True), zero_point=1, rounding=rounding), ["x"])
    add_output(graph, "y")
    values = np.arange(-16, 16).repeat(6).reshape(2, 4, 4, 6).transpose(0, 3, 1, 2)
    compare(graph, program_of(graph), {"x": values})


def test_a_layer_that_fits_no_array_is_named() -> None:
    graph = residual_network(6)
    short = load_target("rtm-ap-published", ["array.domains=10"])
    with pytest.raises(CapacityError, match="^layer stem: .*a value of 20 bits does not fit a nanowire of 10 domains"):
        program_of(graph, short)


def test_a_tile_with_too_many_constants_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = residual_network(6)
    one = program_of(graph)
    most = max(len(tile.constants) for layer in one.layers for tile in layer.tiles)
    monkeypatch.setattr(builder, "MAX_CONSTANTS", most - 1)
    several = program_of(graph)
    assert sum(len(layer.tiles) for layer in several.layers) > len(one.layers) == sum(len(a.tiles) for a in one.layers)
    compare(graph, several, random_inputs(graph, 1, 0))
    monkeypatch.setattr(builder, "MAX_CONSTANTS", 1)
    with pytest.raises(CapacityError, match="a tile needs more than 1 constants"):
        program_of(graph)


def test_a_requantisation_without_a_plan_names_its_layer_once() -> None:
    graph = Graph("g")
    add_input(graph, "x", (1, 2, 2), 8, True)
    rows = [[Fraction(1, 8)]] * 4
    graph.add("q", requantise(rows, [Fraction(0)], IntType(4, True)), ["x", "x", "x", "x"])
    add_output(graph, "q")
    with pytest.raises(UserError, match="^layer q: a sum is requantised whose terms take 16777216 combinations"):
        program_of(graph, NORMAL)


def test_compiling_twice_gives_the_same_program() -> None:
    first, second = (program_of(residual_network(6)) for _ in range(2))
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.statistics == other.statistics
        for a, b in zip(one.tiles, other.tiles, strict=True):
            assert a.instructions.tobytes() == b.instructions.tobytes() and a.phases == b.phases
            assert a.constants.tobytes() == b.constants.tobytes() and a.gathers.tobytes() == b.gathers.tobytes()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("columns", [16, 18, 24])
def test_few_columns_compile_right_or_are_refused(columns: int, level: str) -> None:
    """Layers without sums of their own (a residual addition) need no column for inputs."""
    graph = residual_network(8)
    target = load_target("rtm-ap-published", [f"array.columns={columns}", "array.domains=48"])
    compare(graph, program_of(graph, target, level), random_inputs(graph, 1, 3))
