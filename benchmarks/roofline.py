"""What a core of this machine can load and store at best, and what an addition takes of that."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numba import njit

from ir.isa import FLAG_COLUMNS, RECORD, Op
from simulator.rtm import kernels
from simulator.rtm.lanes import load, popcount, splat, store
from simulator.rtm.micro.plan import no_singles
from simulator.rtm.wear import NO_WEAR

OPERAND_BITS, SUM_BITS = 5, 12
_COLUMNS, _DOMAINS = 24, 64


@njit(nogil=True)
def _sweep(planes: np.ndarray, cells: int, times: int, lanes: tuple[int, ...]) -> None:
    """Load every cell, invert it, store it."""
    ones = splat(-1, lanes)
    for _ in range(times):
        for cell in range(cells):
            store(planes, cell, load(planes, cell, lanes) ^ ones)


@njit(nogil=True)
def _read(planes: np.ndarray, cells: int, times: int, sums: np.ndarray, lanes: tuple[int, ...]) -> None:
    """Load every cell; its ones are counted so that it is needed."""
    total = splat(0, lanes)
    for _ in range(times):
        for cell in range(cells):
            total = total + popcount(load(planes, cell, lanes))
    store(sums, 0, total)


def limit_seconds(words: int, lanes: int) -> float:
    """Least time of an addition on ``words`` row words: a load and a store for each bit of the sum, a load for each of
    the operand, from the first cache level, ``lanes`` words at once."""
    cells = max(1, 2048 // lanes)  # 16 KiB
    planes, sums = np.zeros(cells * lanes, np.uint64), np.zeros(lanes, np.uint64)
    times = 200
    pair_s = _best(lambda: _sweep(planes, cells, times, (0,) * lanes)) / (times * cells * lanes)
    load_s = _best(lambda: _read(planes, cells, times, sums, (0,) * lanes)) / (times * cells * lanes)
    return words * (SUM_BITS * pair_s + OPERAND_BITS * load_s)


def addition_seconds(words: int, lanes: int, count: int = 2000) -> float:
    """Time of an in-place addition of OPERAND_BITS bits into SUM_BITS, flips counted, on ``words`` row words: the mean
    over random places, of the engine's own kernel on one thread."""
    random = np.random.default_rng(0)
    records = np.zeros(count, RECORD)
    records["op"] = np.where(random.random(count) < 0.5, Op.ADD, Op.SUB)
    records["a_width"], records["r_width"] = OPERAND_BITS, SUM_BITS
    records["a_column"] = random.integers(FLAG_COLUMNS, FLAG_COLUMNS + 2, count)
    records["r_column"] = random.integers(FLAG_COLUMNS + 2, _COLUMNS, count)
    records["a_domain"] = random.integers(0, _DOMAINS - OPERAND_BITS, count)
    records["r_domain"] = random.integers(0, _DOMAINS - SUM_BITS, count)
    pitch = _DOMAINS | 1
    code = kernels.TileCode(
        instructions=records,
        constants=np.zeros(1, np.int64),
        sources=np.zeros((0, 4), np.int64),
        resident_cells=np.zeros(0, np.int64),
        resident_bits=np.zeros((0, words), np.uint64),
        spans=np.array([[0, _COLUMNS * pitch]], np.int64),
        wires=np.zeros((0, 2), np.int64),
        stores=np.zeros((0, 5), np.int64),
        columns=_COLUMNS,
        pitch=pitch,
    )
    nothing = np.zeros((0, words), np.int64)
    bits = nothing.view(np.uint64)
    tables = kernels.RowTables(nothing, nothing, np.zeros(0, np.int64), bits, bits, nothing)
    outcome = kernels.Outcome(
        output=np.zeros((0, words * 64), np.uint8),
        output_size=1,
        written_bits=np.zeros(kernels.OPCODES, np.int64),
        columns=np.zeros(0, np.int64),
        contents=np.zeros((0, 0, 0), np.uint64),
        writes=NO_WEAR.writes,
        hottest=NO_WEAR.hottest,
        array_rows=1,
    )
    singles = no_singles(-(-words // lanes))
    memory = np.empty(kernels.planes_size(code, lanes), np.uint64)
    return _best(lambda: kernels.run_words(code, tables, singles, outcome, memory, 0, words, (0,) * lanes)) / count


def _best(work: Callable[[], object], repetitions: int = 15) -> float:
    work()
    seconds = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
