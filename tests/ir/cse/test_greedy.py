import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.adders import NODE, TERM, AdderDag, adds
from ir.cse import share_pairs
from tests.ir.cse.matrices import adders, dag_of, same_dag, ternary, weights


def test_a_pair_in_two_rows_becomes_a_temporary() -> None:
    dag = share_pairs(dag_of(np.array([[1, -1, 0, 1], [-1, 1, 1, 0], [0, 0, 1, 1]])))
    assert len(dag.temporaries) == 1
    (node,) = dag.temporaries
    assert {int(node["left"]), int(node["right"])} == {0, 1} and node["right_sign"] == -1
    assert len(dag.terms) == 6


def test_digits_of_one_weight_share_with_themselves() -> None:
    # 5x, 10x and -5x are one temporary x + 4x, shifted and negated.
    dag = share_pairs(dag_of(np.array([[5], [10], [-5]])))
    assert [tuple(node) for node in dag.temporaries.tolist()] == [(0, 0, 0, 2, 1)]
    assert [tuple(term) for term in dag.terms.tolist()] == [(0, 1, 0, 1), (1, 1, 1, 1), (2, 1, 0, -1)]


def test_overlapping_digits_are_not_counted_twice() -> None:
    # 21 = 1 + 4 + 16 holds 5 = 1 + 4 once: 5 and 21 share it, 21 alone gains nothing.
    assert len(share_pairs(dag_of(np.array([[21]]))).temporaries) == 0
    dag = share_pairs(dag_of(np.array([[21], [5]])))
    assert (adds(dag), dag.matrix().tolist()) == (4, [[21], [5]])


@given(st.sampled_from([1, 2, 8]).flatmap(weights), st.integers(-3, 1000))
def test_the_matrix_stays_and_additions_never_grow(matrix: np.ndarray, seed: int) -> None:
    plain = dag_of(matrix)
    shared = share_pairs(plain, seed=seed)
    shared.verify()
    assert np.array_equal(shared.matrix(), matrix)
    assert adds(shared) <= adds(plain)
    assert same_dag(shared, share_pairs(plain, seed=seed))


@settings(max_examples=30)
@given(st.sampled_from([1, 3]).flatmap(weights))
def test_no_pair_is_left_twice(matrix: np.ndarray) -> None:
    shared = share_pairs(dag_of(matrix))
    rows = [shared.terms[shared.terms["output"] == output].tolist() for output in range(shared.outputs)]
    places: dict[tuple[int, int, int, int], set[tuple[int, int]]] = {}
    for output, row in enumerate(rows):
        for _, i, shift, sign in row:
            for _, j, other_shift, other_sign in row:
                if i < j:
                    pair = (i, j, other_shift - shift, sign * other_sign)
                    places.setdefault(pair, set()).add((output, shift))
    assert all(len(where) == 1 for where in places.values())


def test_int8_weights_share_much() -> None:
    matrix = np.random.default_rng(0).integers(-127, 128, (32, 24))
    shared = share_pairs(dag_of(matrix))
    assert np.array_equal(shared.matrix(), matrix)
    assert adders(shared) < 0.6 * adders(dag_of(matrix))


@pytest.mark.parametrize(
    ("outputs", "inputs", "density", "seed", "published"),
    [
        (64, 64, 0.2, 0, 514),
        (64, 64, 0.5, 0, 1000),
        (64, 147, 0.5, 0, 2158),
        (64, 36, 0.2, 0, 288),
        (512, 36, 0.2, 0, 1811),
    ],
)
def test_counts_of_the_published_table(outputs: int, inputs: int, density: float, seed: int, published: int) -> None:
    matrix = ternary(outputs, inputs, density, seed)
    shared = share_pairs(dag_of(matrix))
    assert np.array_equal(shared.matrix(), matrix)
    assert adders(shared) <= 1.015 * published


def test_what_cannot_be_shared_is_refused() -> None:
    dag = dag_of(np.array([[1, 1], [1, 1]]))
    with pytest.raises(ValueError, match="without temporaries"):
        share_pairs(share_pairs(dag))
    twice = AdderDag(dag.lo, dag.hi, np.zeros(0, NODE), np.array([(0, 0, 0, 1), (0, 0, 0, 1)], TERM), 1)
    with pytest.raises(ValueError, match="same operand"):
        share_pairs(twice)


def test_empty_sums() -> None:
    assert len(share_pairs(dag_of(np.zeros((3, 4), np.int64))).terms) == 0
    assert share_pairs(dag_of(np.zeros((0, 4), np.int64))).outputs == 0
