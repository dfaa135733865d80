import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.adders import adds, terms_of
from ir.cse import clusters, share_pairs
from tests.ir.cse.matrices import dag_of, ternary, weights


def groups_of(matrix: np.ndarray, taps: int, together: int) -> list[np.ndarray]:
    outputs, inputs = np.nonzero(matrix)
    terms = terms_of(outputs, inputs, matrix[outputs, inputs].astype(np.int64))
    return clusters(terms, matrix.shape[1], matrix.shape[0], taps, together)


def affinity(matrix: np.ndarray, taps: int, group: np.ndarray) -> int:
    """Of all pairs of windows in a group, from the definition."""
    total = 0
    for a, b in itertools.combinations(group.tolist(), 2):
        for i, j in itertools.product(range(a * taps, (a + 1) * taps), range(b * taps, (b + 1) * taps)):
            products = matrix[:, i].astype(int) * matrix[:, j]
            total += max(0, max((products > 0).sum(), (products < 0).sum()) - 1) ** 2
    return int(total)


@given(weights(1, inputs=12, outputs=9), st.integers(1, 3), st.integers(1, 5))
def test_every_window_is_in_one_group_and_only_the_last_is_smaller(
    matrix: np.ndarray, taps: int, together: int
) -> None:
    matrix = np.repeat(matrix, taps, axis=1)
    windows = matrix.shape[1] // taps
    groups = groups_of(matrix, taps, together)
    assert sorted(np.concatenate(groups).tolist()) == list(range(windows))
    assert all(len(group) == together for group in groups[:-1]) and 1 <= len(groups[-1]) <= together
    assert [group.tolist() for group in groups] == [group.tolist() for group in groups_of(matrix, taps, together)]


def test_windows_that_occur_together_are_found() -> None:
    # Inputs 0, 3, 4 and inputs 1, 2, 5 each stand in rows of their own, with any signs.
    matrix = np.zeros((12, 6), int)
    matrix[:6, [0, 3, 4]] = [1, -1, 1]
    matrix[6:, [1, 2, 5]] = [-1, 1, 1]
    assert sorted(group.tolist() for group in groups_of(matrix, 1, 3)) == [[0, 3, 4], [1, 2, 5]]


@pytest.mark.parametrize("seed", range(4))
def test_small_cases_are_near_the_best_partition(seed: int) -> None:
    matrix = ternary(24, 12, 0.5, seed)
    found = sum(affinity(matrix, 2, group) for group in groups_of(matrix, 2, 3))
    best = max(
        affinity(matrix, 2, np.array([0, *rest])) + affinity(matrix, 2, np.array(sorted({1, 2, 3, 4, 5} - set(rest))))
        for rest in itertools.combinations(range(1, 6), 2)
    )
    assert 0.95 * best <= found <= best


def test_additions_are_fewer_on_average() -> None:
    plain = clustered = 0
    for seed in range(4):
        matrix = ternary(128, 32 * 9, 0.2, seed)
        windows = matrix.reshape(128, 32, 9)
        for group in np.split(np.arange(32), 8):
            plain += adds(share_pairs(dag_of(windows[:, group].reshape(128, -1))))
        for group in groups_of(matrix, 9, 4):
            clustered += adds(share_pairs(dag_of(windows[:, group].reshape(128, -1))))
    assert clustered <= plain
