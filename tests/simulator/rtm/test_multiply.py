"""MAC on the reference machine: against integers, its flips, its counts, and one step by hand."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.counts import searched_fields, static_counts
from ir.expand import KEY_LINE, Broadcast, Search, Signature, Write, expand, expand_instruction
from ir.isa import Field, Op, gather_index, gathered_bits
from ir.program import ROW_MAP, StoredTensor
from ir.types import IntType
from simulator.rtm.counters import Rows, tile_counters, tile_events
from simulator.rtm.gather import broadcast_arrays
from simulator.rtm.machine import Layout, Machine, run_tile
from tests.programs import fields, macro, tile

ROWS = 128


def wrap(values: np.ndarray, kind: IntType) -> np.ndarray:
    low = values & ((1 << kind.bits) - 1)
    return low - (kind.signed << kind.bits) * (low >> (kind.bits - 1))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_rows_multiply_and_add_the_bits_they_are_sent(random: Random, search_or: bool) -> None:
    """In every row on its own, though programs send one image's rows the same; no other cell changes."""
    r_width, a_width = random.randint(1, 10), random.randint(1, 8)
    x = IntType(random.randint(1, min(6, r_width)), random.random() < 0.5)
    across = random.random() < 0.5
    r = Field(3, 2, r_width, random.random() < 0.5, across)
    a = Field(20, 1, a_width, random.random() < 0.5, random.random() < 0.5)
    program = tile([macro(Op.MAC, r, a, broadcast=x)], [], [(0, 0, 0, 0)], [])
    rng = np.random.default_rng(random.randint(0, 1 << 30))
    machine = Machine(ROWS, 30, 12)
    machine.cells[:] = rng.integers(0, 2, machine.cells.shape)
    before = machine.cells.copy(order="K")
    sent = rng.integers(x.min, x.max + 1, ROWS)
    expected = wrap(machine.read(r) + machine.read(a) * sent, IntType(r_width, r.signed))
    flips = 0
    for op in expand_instruction(program.instructions[0], program, search_or, [0] * 30):
        cells = machine.cells.copy(order="K")
        machine.execute(op, (sent >> op.bit & 1).astype(bool) if isinstance(op, Broadcast) else None)
        flips += int((machine.cells != cells).sum())
    np.testing.assert_array_equal(machine.read(r), expected)
    assert machine.events.written_bits == flips
    untouched = np.ones(before.shape[1:], bool)
    for column, domain in [(0, 0), *(r.cell(bit) for bit in range(r_width))]:
        untouched[column, domain] = False
    np.testing.assert_array_equal(machine.cells[:, untouched], before[:, untouched])


@pytest.mark.parametrize(
    ("a_signed", "passes"),
    [(False, 2 + 3 * 4 + 4 * 2), (True, 2 + 3 * 4 + 4 * 4)],
)
def test_passes_of_one_broadcast_bit(a_signed: bool, passes: int) -> None:
    """2 for the first bit, which no carry enters, 4 for the others of a; beyond, 2 or for a sign 4; 1 to clear C."""
    ops = expand(Signature(Op.MAC, 4, 1, 8, a_signed), False)
    assert isinstance(ops[0], Broadcast)
    assert sum(isinstance(op, Search) for op in ops) == sum(isinstance(op, Write) for op in ops) == 1 + passes


def test_the_broadcast_bit_is_in_the_key_where_a_carry_does_not_say_it_already() -> None:
    program = tile(
        [macro(Op.MAC, Field(3, 0, 2, across=True), Field(6, 0, 1), broadcast=IntType(1, False))], [], [], []
    )
    keys = [
        dict(op.key)
        for op in expand_instruction(program.instructions[0], program, False, [0] * 8)
        if isinstance(op, Search)
    ]
    assert [KEY_LINE in key for key in keys] == [False, True, True, False, False]
    assert keys[1:3] == [
        {(0, 0): 0, KEY_LINE: 1, (6, 0): 1, (3, 0): 1},
        {(0, 0): 0, KEY_LINE: 1, (6, 0): 1, (3, 0): 0},
    ]


def test_a_gather_number_beyond_16_bits() -> None:
    record = macro(Op.MAC, Field(3, 0, 4), Field(9, 0, 2), imm=70_000, broadcast=IntType(3, True))
    assert gather_index(record) == 70_000 and gather_index(np.array([record])).tolist() == [70_000]
    assert gathered_bits(np.array([record])).tolist() == [3]


@pytest.mark.parametrize("search_or", [False, True])
def test_counts_of_a_tile_equal_the_static_ones_and_a_hand_count(search_or: bool) -> None:
    """Two images of 5 rows, 4 rows an array: images lie in arrays 0, 1 and in 1, 2."""
    tensors = [
        StoredTensor("x", (1, 1, 1), -1, fields((0, Field(0, 0, 4)))),
        StoredTensor("y", (2, 1, 1), 0, fields((0, Field(4, 7, 3)), (1, Field(9, 2, 3, False, True)))),
    ]
    sources = {0: np.array([[5, 9]]), 1: np.array([[3, 6], [1, 7]])}
    r, weight, u4, u3 = Field(3, 0, 9, True, True), Field(14, 2, 3, True, True), IntType(4, False), IntType(3, False)
    code = [
        macro(Op.MAC, r, weight, imm=0, broadcast=u4),
        macro(Op.MAC, r, weight, imm=1, broadcast=u3),
        macro(Op.MAC, r, weight, imm=2, broadcast=IntType(2, False)),
    ]
    program = tile(code, [], [(0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0)], [])
    row_maps, rows = np.array([(0, 0, 0, 0)], ROW_MAP), Rows.of(10, array_rows=4, row_gate_rows=64)
    held = np.tile(np.arange(-2, 3), 2)
    run = run_tile(
        program, row_maps, tensors, sources, Layout(2, 5, 1), rows, columns=20, domains=12, search_or=search_or,
        array_rows=4, resident=[(weight, held)],
    )  # fmt: skip
    sums = np.array([5 + 3 + 1, 9 + 6 + (7 & 3)]).repeat(5) * held
    assert run.machine.read(r)[:10].tolist() == sums.tolist() and not run.machine.read(r)[10:].any()
    static = static_counts(program, source_fields=searched_fields(program, tensors), search_or=search_or, columns=20)
    for name in ("searches", "writes", "shift_steps", "source_searches", "source_shift_steps"):
        np.testing.assert_array_equal(getattr(run.counts, name), getattr(static, name), err_msg=name)
    assert run.counts.shift_steps.tolist() == [3 * 2, 0, 0] and run.counts.rewind_steps == static.rewind_steps == 6
    assert static.source_searches.tolist() == [0, 3, 2]
    assert static.source_shift_steps.tolist() == [0, 7 + 2, 2 + 2]
    assert run.counts.sources == static.sources == {1: (5, 13, 9 + 2 + 2)}
    assert broadcast_arrays(5, 2, 4) == 4
    assert run.moved_bits[Op.MAC] == run.moved_bits.sum() == 4 * (4 + 3 + 2)
    source_rows = {1: Rows.of(2, array_rows=4, row_gate_rows=64)}
    counters = tile_counters(tile_events(program, run.counts), rows, source_rows, run.written_bits, run.moved_bits)
    assert counters.as_dict()["source_searches"] == {"MAC": 5}
    assert counters.as_dict()["source_shift_steps"] == {"MAC": 13, "REWIND": 13}
