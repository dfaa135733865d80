import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.adders import adds
from ir.cse import improve, share_pairs, share_trits, work_for
from tests.ir.cse.matrices import adders, dag_of, same_dag, ternary, weights


@settings(max_examples=60)
@given(st.sampled_from([1, 2, 6]).flatmap(weights), st.integers(0, 1000))
def test_the_matrix_stays_and_additions_never_grow(matrix: np.ndarray, seed: int) -> None:
    plain = dag_of(matrix)
    shared = share_pairs(plain)
    better = improve(plain, shared, steps=20, seed=seed)
    better.verify()
    assert np.array_equal(better.matrix(), matrix)
    assert adds(better) <= adds(shared)
    assert same_dag(better, improve(plain, shared, steps=20, seed=seed))


@settings(max_examples=40)
@given(weights(1, inputs=9, outputs=12))
def test_sums_with_cancellations_are_improved_too(matrix: np.ndarray) -> None:
    plain = dag_of(matrix)
    shared = share_trits(plain)
    better = improve(plain, shared, steps=20)
    better.verify()
    assert np.array_equal(better.matrix(), matrix)
    assert adds(better) <= adds(shared)


def test_a_small_group_gains_what_was_published() -> None:
    plain = dag_of(ternary(64, 36, 0.2, 0))
    tries = [improve(plain, share_pairs(plain), steps=3000, seed=seed) for seed in range(3)]
    assert sorted(adders(better) for better in tries)[1] <= 1.015 * 273
    assert all(np.array_equal(better.matrix(), plain.matrix()) for better in tries)


def test_a_budget_in_seconds_is_a_number_of_terms() -> None:
    assert work_for(0.5) * 2 == work_for(1)
    plain = dag_of(ternary(32, 24, 0.3, 1))
    shared = share_pairs(plain)
    results = [improve(plain, shared, budget_s=0.02, seed=5) for _ in range(2)]
    assert same_dag(*results)
    assert adds(results[0]) < adds(shared)
    assert same_dag(improve(plain, shared, budget_s=0), shared)


def test_sums_without_terms_end_at_once() -> None:
    plain = dag_of(np.zeros((7, 1), np.int64))
    assert same_dag(improve(plain, plain, budget_s=1e-5), plain)


def test_more_work_is_never_worse() -> None:
    plain = dag_of(ternary(40, 30, 0.3, 4))
    shared = share_pairs(plain)
    found = [adds(improve(plain, shared, budget_s=budget_s, seed=7)) for budget_s in (0, 0.001, 0.01, 0.1)]
    assert found == sorted(found, reverse=True) and found[-1] < found[0]


def test_dearer_temporaries_are_fewer_and_used_more_often() -> None:
    plain = dag_of(ternary(48, 30, 0.4, 5))
    counts = []
    for least in (2, 3, 5):
        shared = share_pairs(plain, least=least)
        better = improve(plain, shared, steps=300, least=least)
        assert np.array_equal(better.matrix(), plain.matrix())
        cost = [(least - 1) * len(dag.temporaries) + len(dag.terms) for dag in (better, shared)]
        assert cost[0] <= cost[1]
        counts.append(len(better.temporaries))
    assert counts[0] > counts[1] > counts[2]


def test_no_temporary_is_left_unused() -> None:
    plain = dag_of(ternary(48, 30, 0.3, 2))
    better = improve(plain, share_pairs(plain), steps=50)
    used = {*better.temporaries["left"], *better.temporaries["right"], *better.terms["operand"]}
    assert set(range(better.inputs, better.inputs + len(better.temporaries))) <= used


def test_a_limit_is_required() -> None:
    plain = dag_of(np.array([[1, 1]]))
    with pytest.raises(ValueError, match="steps or budget_s"):
        improve(plain, plain)


def test_another_sum_is_refused() -> None:
    plain = dag_of(np.array([[1, 1]]))
    with pytest.raises(ValueError, match="more terms"):
        improve(plain, dag_of(np.array([[1, 3]])), steps=1)
