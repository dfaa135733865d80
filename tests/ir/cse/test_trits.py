import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.cse import share_pairs, share_trits
from tests.ir.cse.matrices import adders, dag_of, same_dag, ternary, weights


@given(weights(1, inputs=9, outputs=12), st.integers(0, 1000))
def test_the_matrix_stays_and_every_output_is_one_term(matrix: np.ndarray, seed: int) -> None:
    plain = dag_of(matrix)
    shared = share_trits(plain, seed=seed)
    shared.verify()
    assert np.array_equal(shared.matrix(), matrix)
    assert np.bincount(shared.terms["output"], minlength=len(matrix)).tolist() == matrix.any(axis=1).tolist()
    assert adders(shared) <= adders(plain)
    assert same_dag(shared, share_trits(plain, seed=seed))


def test_a_cancellation_is_used() -> None:
    # x0+x1+x2+x3 from (x0+x1+x2) + x3; then x1+x2+x3 = that - x0: four additions, pairs alone need five.
    matrix = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1]])
    assert (adders(share_trits(dag_of(matrix))), adders(share_pairs(dag_of(matrix)))) == (4, 5)


def test_equal_and_opposite_outputs_cost_nothing_more() -> None:
    dag = share_trits(dag_of(np.array([[1, -1], [-1, 1], [1, -1], [0, -1]])))
    assert len(dag.temporaries) == 1
    assert dag.terms["sign"].tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize(
    ("outputs", "density", "published"),
    [
        (64, 0.2, (39, 41, 40)),
        (64, 0.5, (98, 93, 93)),
        (128, 0.2, (62, 67, 66)),
        (128, 0.5, (153, 157, 148)),
        (256, 0.5, (256, 257, 253)),
        (512, 0.5, (479, 475, 487)),
        (512, 0.66, (509, 517, 519)),
    ],
)
def test_counts_of_the_published_table(outputs: int, density: float, published: tuple[int, ...]) -> None:
    counts = [adders(share_trits(dag_of(ternary(outputs, 9, density, seed)))) for seed in range(3)]
    assert sum(counts) <= 1.015 * sum(published)


def test_more_tries_are_never_worse() -> None:
    plain = dag_of(ternary(64, 9, 0.5, 0))
    one, ten = share_trits(plain), share_trits(plain, tries=10)
    assert len(ten.temporaries) < len(one.temporaries)
    assert np.array_equal(ten.matrix(), plain.matrix())


def test_twelve_inputs_of_every_lane() -> None:
    matrix = ternary(40, 12, 0.5, 3)
    assert np.array_equal(share_trits(dag_of(matrix)).matrix(), matrix)


@pytest.mark.parametrize("matrix", [np.ones((2, 13), int), np.array([[2, 1]]), np.array([[3, 1]])])
def test_other_matrices_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="trit-space sharing takes"):
        share_trits(dag_of(matrix))


def test_nothing_to_share() -> None:
    dag = share_trits(dag_of(np.array([[0, 0], [0, 1]])))
    assert len(dag.temporaries) == 0 and dag.matrix().tolist() == [[0, 0], [0, 1]]
