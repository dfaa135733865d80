"""Rows, sums and the dictionary of counters; test_machine.py compares the formula with counted events."""

from __future__ import annotations

import pytest

from ir.isa import Op
from simulator.rtm.counters import CLASS_NAMES, CLASSES, REWIND, LayerCounters, Rows


@pytest.mark.parametrize(
    ("used", "rows"),
    [(1, Rows(1, 64, 1)), (64, Rows(64, 64, 1)), (257, Rows(257, 320, 2)), (12544, Rows(12544, 12544, 49))],
)
def test_rows_are_gated_in_blocks_and_tiled_over_arrays(used: int, rows: Rows) -> None:
    assert Rows.of(used, array_rows=256, row_gate_rows=64) == rows


def test_every_opcode_and_the_rewind_have_a_class() -> None:
    assert set(CLASS_NAMES) == {*map(int, Op), REWIND}
    assert max(CLASS_NAMES) < CLASSES == len(LayerCounters().searches)


def test_counters_add_up() -> None:
    one, two = LayerCounters(), LayerCounters()
    one.searches[Op.ADD] = 3
    two.searches[Op.ADD] = 4
    two.searches[Op.SUB] = 1
    two.moved_bits[Op.GATHER] = 5
    one.add(two)
    assert one.totals()["searches"] == 8
    assert one.as_dict()["searches"] == {"ADD": 7, "SUB": 1}
    assert one.as_dict()["moved_bits"] == {"GATHER": 5}
    assert one.as_dict()["writes"] == {}
    assert one != two
    one.searches[Op.ADD] -= 3
    assert one == two
