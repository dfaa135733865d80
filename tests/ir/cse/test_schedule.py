import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.adders import NODE, TERM, AdderDag
from ir.cse import adds, live_temporaries, order, row_sums, share_pairs, share_trits
from tests.ir.cse.matrices import dag_of, same_dag, ternary, weights


def simulated_live(dag: AdderDag) -> int:
    """Keeps a set of the temporaries that a later one still reads."""
    alive: set[int] = set()
    most = 0
    for k in range(len(dag.temporaries)):
        alive.add(dag.inputs + k)
        most = max(most, len(alive))
        rest = dag.temporaries[k + 1 :]
        alive &= {*rest["left"].tolist(), *rest["right"].tolist()}
    return most


@given(st.sampled_from([1, 8]).flatmap(weights), st.booleans())
def test_an_order_changes_no_sum_and_keeps_fewer_alive(matrix: np.ndarray, sums: bool) -> None:
    dag = share_pairs(dag_of(matrix))
    dag = row_sums(dag) if sums else dag
    ordered = order(dag)
    ordered.verify()
    assert np.array_equal(ordered.matrix(), matrix)
    assert adds(ordered) == adds(dag)
    assert live_temporaries(ordered) == simulated_live(ordered) <= simulated_live(dag)
    assert (np.diff(ordered.terms["operand"]) >= 0).all()
    assert same_dag(ordered, order(dag))


@pytest.mark.parametrize(("outputs", "inputs", "most"), [(64, 36, 45), (64, 72, 64), (256, 36, 90), (512, 9, 15)])
def test_row_sums_keep_few_alive(outputs: int, inputs: int, most: int) -> None:
    dag = dag_of(ternary(outputs, inputs, 0.2, 0))
    ordered = order(row_sums(share_trits(dag) if inputs == 9 else share_pairs(dag)))
    assert live_temporaries(ordered) <= most


def test_accumulated_terms_need_almost_no_temporaries() -> None:
    ordered = order(share_pairs(dag_of(ternary(512, 36, 0.2, 0))))
    assert live_temporaries(ordered) <= 22


def test_what_nothing_needs_is_dropped() -> None:
    nodes = np.array([(0, 0, 1, 0, 1), (0, 0, 1, 0, -1), (3, 0, 0, 0, 1)], NODE)
    dag = AdderDag(np.zeros(2, np.int64), np.ones(2, np.int64), nodes, np.array([(0, 2, 0, 1)], TERM), 1)
    ordered = order(dag)
    assert (len(ordered.temporaries), ordered.matrix().tolist()) == (1, [[1, 1]])


def test_a_chain_needs_a_result_and_one_operand() -> None:
    nodes = np.array([(0, 0, 1, 0, 1), (2, 0, 1, 0, 1), (3, 0, 1, 0, 1)], NODE)
    dag = AdderDag(np.zeros(2, np.int64), np.ones(2, np.int64), nodes, np.array([(0, 4, 0, 1)], TERM), 1)
    assert live_temporaries(order(dag)) == 2
    assert live_temporaries(dag_of(np.array([[1]]))) == 0
