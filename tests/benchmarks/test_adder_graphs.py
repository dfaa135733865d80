"""Additions of adder graphs: what is counted, and that nothing is lost on the way into groups."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.adder_graphs import additions, groups, naive, widths
from ir.adders import AdderDag
from ir.cse import share_pairs
from ir.lower import VARIABLE, Layer, Linear
from ir.types import IntType, TensorType

OUTPUTS, CHANNELS, TAPS = 12, 5, 9


@pytest.fixture
def layer() -> Layer:
    """A ternary convolution of 4-bit inputs in which every output has weights."""
    random = np.random.default_rng(3)
    matrix = random.choice(np.array([-1, 0, 1]), size=(CHANNELS * TAPS, OUTPUTS), p=[0.2, 0.6, 0.2])
    inputs, outputs = np.nonzero(matrix)
    variables = np.zeros(CHANNELS * TAPS, VARIABLE)
    variables["hi"] = 15
    zeros = np.zeros(OUTPUTS, np.int64)
    body = Linear(outputs, inputs, matrix[inputs, outputs], TAPS, zeros, [], None, True)
    kind = TensorType((OUTPUTS, 1, 1), IntType(16, True), np.full(OUTPUTS, -999), np.full(OUTPUTS, 999))
    return Layer("conv", "conv", "conv", kind, body, variables, [], [])


def as_it_is(dag: AdderDag) -> AdderDag:
    return dag


@pytest.mark.parametrize("channels", [1, 2, CHANNELS])
@pytest.mark.parametrize("cluster", [False, True])
def test_without_sharing_there_are_as_many_additions_as_weights_less_one_an_output(
    layer: Layer, channels: int, cluster: bool
) -> None:
    assert additions([layer], as_it_is, channels, cluster=cluster).count == naive([layer])


@pytest.mark.parametrize("cluster", [False, True])
def test_groups_hold_every_weight_once_and_whole_windows(layer: Layer, cluster: bool) -> None:
    dags = list(groups(layer, 2, cluster=cluster))
    assert len(dags) == 3
    assert sum(len(dag.terms) for dag in dags) == len(layer.body.weights)
    assert all(dag.inputs <= 2 * TAPS for dag in dags)
    values = np.full((1, 1), 7)
    sums = sum(dag.evaluate(np.repeat(values, dag.inputs, axis=0)) for dag in dags)
    expected = np.zeros(OUTPUTS, np.int64)
    np.add.at(expected, layer.body.outputs, 7 * layer.body.weights)
    assert (sums[:, 0] == expected).all()


def test_a_shared_group_is_counted_as_its_temporaries_and_its_further_terms(layer: Layer) -> None:
    (dag,) = groups(layer, CHANNELS, cluster=False)
    shared = share_pairs(dag)
    counted = additions([layer], share_pairs, CHANNELS)
    assert counted.count == len(shared.temporaries) + len(shared.terms) - OUTPUTS < naive([layer])


def test_bits_are_those_of_the_exact_intervals(layer: Layer) -> None:
    lo, hi = np.array([0, 0, -1, -8, -9, 0]), np.array([0, 15, 0, 7, 0, 16])
    each = [IntType.containing(a, b).bits for a, b in zip(lo.tolist(), hi.tolist(), strict=True)]
    assert widths(lo, hi) == sum(each)
    plain, shared = additions([layer], as_it_is, 1), additions([layer], share_pairs, CHANNELS)
    assert shared.bits < plain.bits < 16 * plain.count
