"""Adders and time on single ternary matrices, against da4ml 0.6.0."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np

from apc.errors import ApcError
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload
from ir.adders import NODE, AdderDag, terms_of
from ir.cse import MOST_INPUTS, share_pairs, share_trits

DENSITIES = (0.2, 0.5, 0.66)
SIZES = ((64, 9), (128, 9), (512, 9), (64, 64), (64, 147), (64, 576))
#: da4ml takes minutes for each of these: the lowest density only.
LARGE = ((128, 576), (128, 1152))
SEEDS: tuple[int, ...] = (11, 12)

T = TypeVar("T")


def cse(workload: Workload) -> Iterator[Result]:
    """Additions and seconds for random ternary matrices, as ratios to da4ml at its better setting."""
    quick = workload.size.repetitions == 1
    cases = [(size, density, SEEDS) for size in (SIZES[:1] if quick else SIZES) for density in DENSITIES]
    if not quick:
        cases += [(size, DENSITIES[0], SEEDS[:1]) for size in LARGE]
    for (outputs, inputs), density, seeds in cases:
        name = f"{outputs}x{inputs}, density {density}"
        ours, peers = [], []
        for seed in seeds:
            matrix = ternary(outputs, inputs, density, seed)
            ours.append(share(matrix))
            peers.append(da4ml(matrix))
        adders, peer_adders = sum(a for a, _ in ours), sum(a for a, _ in peers)
        seconds, peer_seconds = sum(s for _, s in ours), sum(s for _, s in peers)
        note = f"{adders} to {peer_adders} adders, seeds {', '.join(map(str, seeds))}"
        yield Result(f"{name}: adders to da4ml's", adders / peer_adders, "x", Limit("<=", 1.0), note)
        note = f"{1e3 * seconds / len(seeds):.3g} ms to {1e3 * peer_seconds / len(seeds):.3g} ms a matrix"
        yield Result(f"{name}: speed to da4ml's", peer_seconds / seconds, "x", Limit(">=", 50), note)


def ternary(outputs: int, inputs: int, density: float, seed: int) -> np.ndarray:
    """int8 (outputs, inputs) of -1, 0, 1."""
    odds = [density / 2, 1 - density, density / 2]
    return np.random.default_rng(seed).choice(np.array([-1, 0, 1], np.int8), size=(outputs, inputs), p=odds)


def share(matrix: np.ndarray) -> tuple[int, float]:
    """(adders, seconds) of this project; the DAG is checked to be the matrix."""
    rows, columns = np.nonzero(matrix)
    inputs = matrix.shape[1]
    terms = terms_of(rows, columns, matrix[rows, columns].astype(np.int64))
    dag = AdderDag(np.zeros(inputs, np.int64), np.full(inputs, 15), np.zeros(0, NODE), terms, len(matrix))
    run = share_trits if inputs <= MOST_INPUTS else share_pairs
    run(dag)  # Numba compiles here.
    shared, seconds = fastest(partial(run, dag), 3)
    if not np.array_equal(shared.matrix(), matrix):
        raise ApcError(f"{run.__name__} made another matrix")
    return len(shared.temporaries) + len(shared.terms) - len(np.unique(shared.terms["output"])), seconds


def da4ml(matrix: np.ndarray) -> tuple[int, float]:
    """(adders, seconds) of da4ml's better method, without the search that makes it slower and rarely better."""
    try:
        solve = importlib.import_module("da4ml.cmvm").solve
    except ImportError as error:
        raise ApcError("da4ml is not installed: run this group with `make bench-peers`") from error
    # da4ml misreads kernels that are not in C order, without an error.
    kernel = np.ascontiguousarray(matrix.T.astype(np.float32))
    results = []
    for method in ("wmc", "mc"):
        repeat = 3 if matrix.size < 10_000 else 1
        options = {"method0": method, "hard_dc": -1, "decompose_dc": -1, "search_all_decompose_dc": False}
        pipeline, seconds = fastest(partial(solve, kernel, **options), repeat)
        if not np.array_equal(pipeline.kernel, kernel):
            raise ApcError("da4ml made another matrix")
        results.append((sum(op.opcode in (0, 1) for part in pipeline.solutions for op in part.ops), seconds))
    return min(results)


def fastest(call: Callable[[], T], repeat: int) -> tuple[T, float]:
    """The call's result and the least of ``repeat`` times."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begin)
    return result, min(times)
