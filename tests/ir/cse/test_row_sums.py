import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ir.adders import TERM, AdderDag, adds
from ir.cse import intervals, row_sums, share_pairs, share_trits
from ir.types import IntType
from tests.ir.cse.matrices import dag_of, ternary, weights


def operand_values(dag: AdderDag, inputs: np.ndarray) -> np.ndarray:
    count = dag.inputs + len(dag.temporaries)
    each = np.zeros(count, TERM)
    each["output"] = each["operand"] = np.arange(count)
    each["sign"] = 1
    return AdderDag(dag.lo, dag.hi, dag.temporaries, each, count).evaluate(inputs)


def bounded(matrix: np.ndarray, draws: list[tuple[int, int]]) -> AdderDag:
    lo = np.array([a for a, _ in draws[: matrix.shape[1]]], np.int64)
    return dag_of(matrix, lo, lo + [b for _, b in draws[: matrix.shape[1]]])


BOUNDS = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), min_size=7, max_size=7)


@given(st.sampled_from([1, 8]).flatmap(weights), BOUNDS)
def test_intervals_are_those_of_all_corners(matrix: np.ndarray, draws: list[tuple[int, int]]) -> None:
    plain = bounded(matrix, draws)
    for dag in (row_sums(share_pairs(plain)), share_trits(plain) if abs(matrix).max() <= 1 else plain):
        corners = np.array(list(itertools.product(*zip(dag.lo, dag.hi, strict=True))), np.int64).T
        values = operand_values(dag, corners)
        lo, hi = intervals(dag)
        assert np.array_equal(lo, values.min(axis=1))
        assert np.array_equal(hi, values.max(axis=1))


def test_a_cancellation_makes_an_interval_narrower_than_its_operands() -> None:
    matrix = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1]])
    dag = share_trits(dag_of(matrix, 0, 1))
    lo, hi = intervals(dag)
    last = dag.terms["operand"][3]
    assert (lo[last], hi[last]) == (0, 3) or (lo[last], hi[last]) == (-3, 0)


@given(st.sampled_from([1, 8]).flatmap(weights), BOUNDS, st.booleans())
def test_one_term_is_left_and_the_additions_are_the_same(
    matrix: np.ndarray, draws: list[tuple[int, int]], share: bool
) -> None:
    dag = bounded(matrix, draws)
    dag = share_pairs(dag) if share else dag
    summed = row_sums(dag)
    summed.verify()
    assert np.array_equal(summed.matrix(), matrix)
    assert adds(summed) == adds(dag)
    assert np.bincount(summed.terms["output"], minlength=len(matrix)).max() <= 1
    assert np.array_equal(summed.temporaries[: len(dag.temporaries)], dag.temporaries)


def test_the_narrowest_terms_come_first() -> None:
    dag = row_sums(dag_of(np.ones((1, 4), np.int64), 0, np.array([100, 1, 1, 3])))
    assert [(node["left"], node["right"]) for node in dag.temporaries] == [(2, 1), (4, 3), (5, 0)] or [
        {int(node["left"]), int(node["right"])} for node in dag.temporaries
    ] == [{1, 2}, {3, 4}, {0, 5}]


def test_the_left_operand_of_a_difference_can_be_overwritten() -> None:
    # (x0 + x1) is shared, (x2 + x3 + x4) is not: it stands left, and the sum is subtracted from the output.
    matrix = np.array([[1, 1, -1, -1, -1], [1, 1, 0, 0, 0]])
    dag = row_sums(share_pairs(dag_of(matrix)))
    last = dag.temporaries[-1]
    assert (last["left"] != dag.terms["operand"][1], last["right_sign"], dag.terms["sign"][0]) == (True, -1, -1)


def test_two_negative_terms_are_added_and_subtracted_at_the_end() -> None:
    dag = row_sums(dag_of(np.array([[-1, -2]])))
    assert dag.terms.tolist() == [(0, 2, 0, -1)]
    assert dag.temporaries["right_sign"].tolist() == [1]


def test_widths_beat_one_serial_accumulator() -> None:
    matrix = ternary(64, 72, 0.2, 0)
    dag = row_sums(dag_of(matrix))
    lo, hi = intervals(dag)
    narrow = sum(IntType.containing(int(a), int(b)).bits for a, b in zip(lo[72:], hi[72:], strict=True))
    serial = 0
    for row in matrix:
        low = high = 0
        for weight in row[row != 0].tolist():
            low, high = low + min(0, 15 * weight), high + max(0, 15 * weight)
            serial += IntType.containing(int(low), int(high)).bits
    assert narrow < 0.85 * serial


def test_sums_without_terms() -> None:
    assert len(row_sums(dag_of(np.zeros((2, 3), np.int64))).temporaries) == 0
