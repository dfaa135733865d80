"""Matrices as DAGs without temporaries, for the tests of sharing."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ir.adders import NODE, AdderDag, terms_of


def ternary(outputs: int, inputs: int, density: float, seed: int) -> np.ndarray:
    """The recipe of the published counts: int8 (outputs, inputs) of -1, 0, 1."""
    odds = [density / 2, 1 - density, density / 2]
    return np.random.default_rng(seed).choice(np.array([-1, 0, 1], np.int8), size=(outputs, inputs), p=odds)


def dag_of(matrix: np.ndarray, lo: np.ndarray | int = 0, hi: np.ndarray | int = 15) -> AdderDag:
    outputs, inputs = np.nonzero(matrix)
    terms = terms_of(outputs, inputs, matrix[outputs, inputs].astype(np.int64))
    shape = matrix.shape[1]
    low, high = np.broadcast_to(np.int64(lo), shape).copy(), np.broadcast_to(np.int64(hi), shape).copy()
    return AdderDag(low, high, np.zeros(0, NODE), terms, matrix.shape[0])


def adders(dag: AdderDag) -> int:
    """Two-operand additions of the sums alone, as da4ml counts them: nothing is accumulated."""
    terms = np.bincount(dag.terms["output"], minlength=dag.outputs)
    return len(dag.temporaries) + int(np.maximum(terms - 1, 0).sum())


def same_dag(a: AdderDag, b: AdderDag) -> bool:
    return np.array_equal(a.temporaries, b.temporaries) and np.array_equal(a.terms, b.terms)


def weights(bits: int, inputs: int = 7, outputs: int = 9) -> st.SearchStrategy[np.ndarray]:
    """Integer matrices; ``bits`` = 1 makes ternary ones."""
    low = -1 if bits == 1 else -(1 << (bits - 1))
    high = 1 if bits == 1 else (1 << (bits - 1)) - 1
    shapes = st.tuples(st.integers(1, outputs), st.integers(1, inputs))
    return shapes.flatmap(lambda shape: npst.arrays(np.int64, shape, elements=st.integers(low, high)))
