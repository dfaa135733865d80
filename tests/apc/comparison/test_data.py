"""What a dataset decides, against `apc.run` and the reference interpreter."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import apc
from apc.comparison.data import ACTIVITY_IMAGES, Data, run_data
from apc.frontend import load_graph
from ir.boundary import quantise_inputs
from ir.errors import UserError
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from ir.program import Program
from tests.apc.small import images, small_model
from tests.close import close


@pytest.fixture(scope="module")
def program() -> Program:
    return apc.compile(small_model())


@pytest.fixture(scope="module")
def graph(program: Program) -> Graph:
    return load_graph(onnx.load_model_from_string(program.model)).graph


def data_of(program: Program, graph: Graph, count: int, batch: int, labels: np.ndarray | None = None) -> Data:
    return run_data(program, graph, {"x": images(count)}, labels, batch, threads=1)


@pytest.mark.parametrize(("count", "batch"), [(1, 1), (5, 1), (6, 3), (2, 8)])
def test_written_bits_are_counted(program: Program, graph: Graph, count: int, batch: int) -> None:
    found = data_of(program, graph, count, batch)
    assert (found.images, found.batch) == (count, min(count, batch))
    run = apc.run(program, {"x": images(count)}, batch=batch)
    batches = len(run.batches)
    for written, layer in zip(found.written_bits, run.simulation.layers, strict=True):
        assert written * batches == close(float(layer.written_bits.sum()))


def test_a_batch_that_is_not_full_is_not_counted(program: Program, graph: Graph) -> None:
    assert data_of(program, graph, 5, 2).written_bits == data_of(program, graph, 4, 2).written_bits


def test_classes_are_those_of_the_exact_network(program: Program, graph: Graph) -> None:
    found = data_of(program, graph, 20, 8)
    integers = quantise_inputs(program.inputs, {"x": images(20)})
    (values,) = run_graph(graph, integers).values()
    np.testing.assert_array_equal(found.classes, values.reshape(20, -1).argmax(axis=1))
    np.testing.assert_array_equal(found.integers["x"], integers["x"])
    assert len(found.first["x"]) == ACTIVITY_IMAGES
    operands = {graph.inputs(name)[0] for name in graph.nx if isinstance(graph.op(name), Conv)}
    values = run_graph(graph, {"x": integers["x"][:ACTIVITY_IMAGES]}, keep="all")
    assert set(found.tensors) == operands
    for name in operands:
        np.testing.assert_array_equal(found.tensors[name], values[name])


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1], "there are 2 labels for 3 images"), ([0, 1, 3], "there is a class 3, but no output has so many")],
)
def test_labels_that_do_not_fit(program: Program, graph: Graph, labels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        data_of(program, graph, 3, 1, np.array(labels))
