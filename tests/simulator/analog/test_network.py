"""A network on exact layers is the reference interpreter; what is real, split or calibrated, on small examples."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.graph import Graph, GraphError
from ir.interpreter import run_graph
from ir.ops import Conv, Op
from ir.rounding import Rounding
from ir.types import IntType
from ir.windows import convolve
from simulator.analog.network import AnalogNetwork
from simulator.analog.requantise import Requantiser
from tests.graphs import add_input, add_output, random_graph, random_inputs, requantise


class Layer:
    """A convolution in int64 plus ``error``, which remembers what it was calibrated on."""

    def __init__(self, op: Op, error: float = 0.0) -> None:
        assert isinstance(op, Conv)
        self.op, self.error = op, error
        self.seen: list[np.ndarray] = []
        self.places: list[int] = []

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        self.places.append(first_image)
        op, integers = self.op, x.double().numpy().astype(np.int64)
        exact = convolve(integers, op.weights, op.strides, op.pads, op.dilations, op.groups)
        return torch.from_numpy(exact + self.error)

    def calibrate(self, x: torch.Tensor) -> None:
        self.seen.append(x.numpy().copy())


def network(graph: Graph, error: float = 0.0) -> AnalogNetwork:
    return AnalogNetwork(
        graph, {name: Layer(graph.op(name), error) for name in graph.order() if isinstance(graph.op(name), Conv)}
    )


@given(st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_exact_layers_give_what_the_interpreter_gives(random: Random, threads: int) -> None:
    graph = random_graph(random)
    inputs = random_inputs(graph, 3, seed=random.randrange(1 << 30))
    wanted = run_graph(graph, inputs, keep="all")
    got = network(graph).run(inputs, threads=threads, keep="all")
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(got[name], values, err_msg=f"{name}\n{graph}")


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("denominator", [8, 3, 7 * 11 * 13])
def test_ties_and_near_ties_of_integers_are_decided_exactly(rounding: Rounding, denominator: int) -> None:
    kind = IntType(12, signed=True)
    rows = [[Fraction(1, denominator), Fraction(-5, 2 * denominator)], [Fraction(1, 2), Fraction(1, denominator)]]
    op = requantise(rows, [Fraction(1, 2), Fraction(3, denominator)], kind, zero_point=-3, rounding=rounding)
    x = np.arange(-600, 600).reshape(1, 1, 30, 40).repeat(2, axis=1)
    y = (x * 7) % 61 - 30
    got = Requantiser(op)([torch.from_numpy(x).float(), torch.from_numpy(y).float()])
    np.testing.assert_array_equal(got.numpy(), op.evaluate([x, y]))


def test_three_operands_and_bipolar_levels() -> None:
    kind = IntType(2, signed=True)
    thirds = [[Fraction(k, 3)] for k in (1, -1, 2)]
    op = requantise(thirds, [Fraction(0)], kind, bipolar=True, lo=-1, hi=1)
    x, y, z = (np.random.default_rng(seed).integers(-4, 5, (2, 1, 9, 9)) for seed in range(3))
    got = Requantiser(op)([torch.from_numpy(v).float() for v in (x, y, z)])
    np.testing.assert_array_equal(got.numpy(), op.evaluate([x, y, z]))


def test_real_accumulators_round_as_reals() -> None:
    op = requantise([[Fraction(1)]], [Fraction(0)], IntType(4, signed=False))
    x = torch.tensor([0.49, 0.51, 2.5, 3.5, 99.0, -1.0, 7.499999]).view(1, 1, 1, 7)
    assert Requantiser(op)([x]).flatten().tolist() == [0, 1, 2, 4, 15, 0, 7]


def small_graph() -> Graph:
    """x -> conv (zero point 2) -> requantise -> conv, the output."""
    graph = Graph()
    add_input(graph, "x", (2, 4, 4), 3, signed=False)
    weights = np.arange(-9, 9).reshape(1, 2, 3, 3)
    graph.add("first", Conv(weights, pads=(1, 1, 1, 1), zero_point=2), ("x",))
    graph.add("levels", requantise([[Fraction(1, 4)]], [Fraction(5)], IntType(4, signed=False)), ("first",))
    graph.add("second", Conv(np.array([[[[3]]], [[[-2]]]])), ("levels",))
    add_output(graph, "second")
    return graph


def test_layers_see_integers_less_their_zero_point_and_their_images_place() -> None:
    graph = small_graph()
    net = network(graph)
    x = random_inputs(graph, 5, seed=1)
    net.calibrate(x)
    first, second = net.layers["first"], net.layers["second"]
    assert isinstance(first, Layer) and isinstance(second, Layer)
    np.testing.assert_array_equal(first.seen[0], x["x"] - 2)
    np.testing.assert_array_equal(second.seen[0], run_graph(graph, x, keep="all")["levels"])
    first.places.clear()
    net.run(x, threads=2, first_image=10)
    assert sorted(first.places) == [10, 13]  # three images and two: small ones run together


def test_errors_of_a_layer_reach_the_output() -> None:
    graph = small_graph()
    x = random_inputs(graph, 3, seed=2)
    exact = run_graph(graph, x)["second"]
    got = network(graph, error=0.25).run(x)["second"]
    levels = np.clip(np.rint((run_graph(graph, x, keep="all")["first"] + 0.25) / 4 + 5), 0, 15)
    np.testing.assert_array_equal(got, np.concatenate([3 * levels, -2 * levels], axis=1) + 0.25)
    assert not np.array_equal(got, exact)


def test_inputs_are_checked_as_the_interpreter_checks_them() -> None:
    with pytest.raises(GraphError, match="exceed"):
        network(small_graph()).run({"x": np.full((1, 2, 4, 4), 8)})


def test_there_must_be_an_image() -> None:
    with pytest.raises(GraphError, match="no image"):
        network(small_graph()).run({"x": np.zeros((0, 2, 4, 4), np.int64)})
