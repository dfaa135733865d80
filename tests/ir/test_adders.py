"""Signed digits and adder DAGs against plain integer arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.adders import NODE, TERM, AdderDag, adds, signed_digits, terms_of, without_dead


def fewest_digits(value: int) -> int:
    """The least number of +-2^k that sum to a small value, by trying all."""
    powers = [sign * (1 << k) for k in range(8) for sign in (1, -1)]
    return next(n for n in range(5) if any(sum(c) == value for c in itertools.combinations_with_replacement(powers, n)))


@pytest.mark.parametrize("value", range(-70, 71))
def test_signed_digits_are_as_few_as_can_be(value: int) -> None:
    digits = signed_digits(value)
    assert sum(sign << shift for shift, sign in digits) == value
    assert all(b[0] - a[0] >= 2 for a, b in itertools.pairwise(digits))
    assert len(digits) == fewest_digits(value)


@given(st.integers(-(1 << 60), 1 << 60))
def test_signed_digits_of_wide_integers(value: int) -> None:
    digits = signed_digits(value)
    assert sum(sign << shift for shift, sign in digits) == value
    assert all(b[0] - a[0] >= 2 for a, b in itertools.pairwise(digits))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(-(1 << 60), 1 << 60)), max_size=12))
def test_terms_are_the_digits_of_each_weight_in_order(products: list[tuple[int, int, int]]) -> None:
    outputs, operands, weights = (np.array([p[i] for p in products], np.int64) for i in range(3))
    expected = [(o, i, shift, sign) for o, i, w in products for shift, sign in signed_digits(w)]
    assert terms_of(outputs, operands, weights).tolist() == expected


def dag() -> AdderDag:
    """t0 = x0 - (x1 << 1); t1 = (t0 << 2) + x2; y0 = t1 - x0; y1 = (t0 << 3) + t1."""
    temporaries = np.array([(0, 0, 1, 1, -1), (3, 2, 2, 0, 1)], NODE)
    terms = np.array([(0, 4, 0, 1), (0, 0, 0, -1), (1, 3, 3, 1), (1, 4, 0, 1)], TERM)
    return AdderDag(np.zeros(3, np.int64), np.full(3, 15), temporaries, terms, 2)


def test_a_dag_computes_what_its_nodes_say() -> None:
    graph = dag()
    graph.verify()
    x = np.array([[1, 5], [2, -3], [4, 7]])
    t0 = x[0] - 2 * x[1]
    t1 = 4 * t0 + x[2]
    np.testing.assert_array_equal(graph.evaluate(x), [t1 - x[0], 8 * t0 + t1])
    np.testing.assert_array_equal(graph.matrix(), [[3, -8, 1], [12, -24, 1]])
    np.testing.assert_array_equal(graph.matrix() @ x, graph.evaluate(x))


def test_a_dag_is_a_networkx_graph_with_signs_and_shifts() -> None:
    graph = dag().networkx()
    assert sorted(graph.nodes) == ["t0", "t1", "x0", "x1", "x2", "y0", "y1"]
    assert graph.edges["x1", "t0"] == {"sign": -1, "shift": 1}
    assert graph.edges["t0", "t1"] == {"sign": 1, "shift": 2}
    assert graph.edges["t0", "y1"] == {"sign": 1, "shift": 3}
    assert {graph.nodes[n]["kind"] for n in ("x0", "t0", "y0")} == {"input", "temporary", "sum"}


@pytest.mark.parametrize(
    ("part", "index", "key", "value", "message"),
    [
        ("temporaries", 0, "left", 3, "not defined before"),
        ("temporaries", 1, "right", 4, "not defined before"),
        ("temporaries", 0, "left", -1, "not defined before"),
        ("temporaries", 0, "right_sign", 0, "signs"),
        ("terms", 0, "operand", 5, "names an operand"),
        ("terms", 2, "output", 2, "names an output"),
        ("terms", 1, "sign", 3, "signs"),
    ],
)
def test_verify_finds_what_is_wrong(part: str, index: int, key: str, value: int, message: str) -> None:
    graph = dag()
    getattr(graph, part)[key][index] = value
    with pytest.raises(ValueError, match=message):
        graph.verify()


def test_temporaries_that_nothing_needs_are_dropped() -> None:
    nodes = np.array([(0, 0, 1, 0, 1), (1, 0, 2, 0, -1), (3, 0, 2, 0, 1)], NODE)
    terms = np.array([(0, 4, 0, 1), (1, 0, 1, -1)], TERM)
    dag = AdderDag(np.zeros(3, np.int64), np.full(3, 3), nodes, terms, 2)
    alive = without_dead(dag)
    assert len(alive.temporaries) == 1 and adds(alive) == 3 and adds(dag) == 5
    np.testing.assert_array_equal(alive.matrix(), dag.matrix())
