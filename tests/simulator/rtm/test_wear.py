"""Wear by cell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.expand import MicroOp
from simulator.rtm import machine
from simulator.rtm.engine import FastEngine
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from simulator.rtm.wear import LayerWear, TileWear, add_block, no_wear
from tests.simulator.rtm.random_programs import random_images, random_program
from tests.simulator.rtm.test_engine import stored


def counted(counters: np.ndarray, array_rows: int) -> TileWear:
    """The wear of a tile whose cells were written as ``counters`` (int[rows, columns, domains]) says."""
    hottest = []
    for first in range(0, len(counters), array_rows):
        here = counters[first : first + array_rows]
        row, column, domain = (int(i) for i in np.unravel_index(here.argmax(), here.shape))
        hottest.append((first + row, column, domain, int(here.max())))
    return TileWear(counters.sum(axis=0).astype(np.int64), np.array(hottest, np.int64))


def assert_same(mine: TileWear, theirs: TileWear) -> None:
    np.testing.assert_array_equal(mine.writes, theirs.writes)
    np.testing.assert_array_equal(mine.hottest, theirs.hottest)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1 << 16),
    rows=st.integers(1, 200),
    block=st.sampled_from([64, 128]),
    array_rows=st.sampled_from([64, 100, 128]),
    most=st.sampled_from([0, 1, 5]),
)
def test_blocks_in_any_order_add_up_to_the_wear_of_all_rows(
    seed: int, rows: int, block: int, array_rows: int, most: int
) -> None:
    generator = np.random.default_rng(seed)
    columns, domains, pitch = 3, 4, 5
    counters = generator.integers(0, most + 1, (rows, columns, domains)).astype(np.int32)
    parts = []
    for first in generator.permutation(np.arange(0, rows, block)).tolist():
        padded = np.full((block, columns, pitch), 99, np.int32)
        here = counters[first : first + block]
        padded[: len(here), :, :domains] = here
        part = no_wear(columns, domains, -(-rows // array_rows), array_rows)
        cells = np.ascontiguousarray(padded.reshape(block, -1).T)
        add_block(cells, (columns, domains, pitch), first, len(here), array_rows, part.writes, part.hottest)
        parts.append(part)
    assert_same(sum(parts[1:], parts[0]), counted(counters, array_rows))


def test_the_hottest_cell_of_a_layer_is_the_first_of_the_most_written() -> None:
    counters = np.zeros((2, 100, 3, 4), np.int32)
    counters[0, 70, 1, 3] = counters[1, 20, 0, 0] = counters[1, 20, 0, 1] = 7
    wear = LayerWear([counted(of_tile, 64) for of_tile in counters])
    assert wear.hottest == (0, 70, 1, 3, 7)
    assert wear.hottest_writes.tolist() == [[0, 7], [7, 0]]
    counters[1, 20, 0, 1] += 1
    assert LayerWear([counted(of_tile, 64) for of_tile in counters]).hottest == (1, 20, 0, 1, 8)


class Counting(machine.Machine):
    """A machine that counts the flips of every cell, int64[rows, columns, domains]."""

    def __init__(self, rows: int, columns: int, domains: int, *rest: Any) -> None:
        super().__init__(rows, columns, domains, *rest)
        self.flips = np.zeros(self.cells.shape, np.int64)
        COUNTED.append(self.flips)

    def execute(self, op: MicroOp, received: np.ndarray | None = None) -> None:
        before = self.cells.copy()
        super().execute(op, received)
        self.flips += before != self.cells


COUNTED: list[np.ndarray] = []


@settings(max_examples=15, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 4))
def test_the_engine_counts_what_the_reference_machine_flips(random: Random, batch: int) -> None:
    program = random_program(random, layers=1)
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}
    COUNTED.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "Machine", Counting)
        reference = ReferenceEngine(program, batch).run_layer(0, tensors)
    with ThreadPoolExecutor(2) as pool:
        engines = (
            FastEngine(Prepared(program), batch, count_wear=True),
            FastEngine(Prepared(program), batch, 2, pool, count_wear=True),
        )
        for engine in engines:
            done = engine.run_layer(0, tensors)
            np.testing.assert_array_equal(done.written_bits, reference.written_bits)
            assert done.wear is not None
            for mine, flips in zip(done.wear.tiles, COUNTED, strict=True):
                assert_same(mine, counted(flips, int(program.target["array"]["rows"])))
