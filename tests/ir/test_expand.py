"""Expansions: literal micro-operations, and pass counts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ir.expand import (
    MicroOp,
    Receive,
    Search,
    SearchOr,
    Shift,
    Signature,
    Write,
    expand,
    expand_instruction,
    signature,
)
from ir.isa import Field, Op, gather_index
from tests.programs import macro, tile


def text(ops: list[MicroOp]) -> list[str]:
    """Micro-operations as short lines: `3.5=1` is column 3, domain 5."""
    lines = []
    for op in ops:
        match op:
            case Shift(column, steps):
                lines.append(f"shift {column} {steps:+d}")
            case Receive(gather, bit):
                lines.append(f"receive {gather} bit {bit}")
            case Search(cells) | SearchOr(cells) | Write(cells):
                name = {Search: "search", SearchOr: "or", Write: "write"}[type(op)]
                lines.append(" ".join([name, *(f"{column}.{domain}={bit}" for (column, domain), bit in cells)]))
    return lines


def listing(record: np.ndarray, constants: list[int], offsets: list[int], search_or: bool = False) -> list[str]:
    program = tile([record], constants, [], [])
    return text(expand_instruction(program.instructions[0], program, search_or, offsets))


def passes(sig: Signature, search_or: bool = False) -> tuple[int, int]:
    """(searches, writes)"""
    ops = expand(sig, search_or)
    return sum(isinstance(op, Search | SearchOr) for op in ops), sum(isinstance(op, Write) for op in ops)


def test_an_addition_shifts_each_column_just_before_it_is_needed() -> None:
    offsets = [0] * 8
    record = macro(Op.ADD, Field(4, 5, 2), Field(3, 2, 1))
    assert listing(record, [], offsets) == [
        "search 0.0=1",
        "write 0.0=0",
        "shift 3 +2",
        "shift 4 +5",
        "search 3.2=1 4.5=1",
        "write 0.0=1 4.5=0",
        "search 0.0=0 3.2=1 4.5=0",
        "write 4.5=1",
        "shift 4 +1",
        "search 0.0=1 4.6=0",
        "write 0.0=0 4.6=1",
        "search 0.0=1 4.6=1",
        "write 4.6=0",
    ]
    assert offsets == [0, 0, 0, 2, 6, 0, 0, 0]


def test_a_field_across_columns_shifts_each_of_them_once() -> None:
    offsets = [0, 0, 0, 9, 0, 0]
    record = macro(Op.CONST, Field(3, 4, 3, across=True))
    assert listing(record, [5], offsets) == [
        "shift 3 -5",
        "search 3.4=0",
        "write 3.4=1",
        "shift 4 +4",
        "search 4.4=1",
        "write 4.4=0",
        "shift 5 +4",
        "search 5.4=0",
        "write 5.4=1",
    ]


def test_merged_searches_share_a_write() -> None:
    record = macro(Op.ADD, Field(4, 0, 2), Field(3, 0, 2))
    assert listing(record, [], [0] * 5, search_or=True)[8:] == [
        "search 0.0=0 3.1=1 4.1=1",
        "write 0.0=1 4.1=0",
        "search 0.0=0 3.1=1 4.1=0",
        "or 0.0=1 3.1=0 4.1=0",
        "write 0.0=0 4.1=1",
        "search 0.0=1 3.1=0 4.1=1",
        "write 4.1=0",
    ]


def test_a_gather_clears_receives_and_writes_each_bit() -> None:
    record = macro(Op.GATHER, Field(3, 1, 1), imm=70_000)
    assert gather_index(np.array([record])[0]) == 70_000 and gather_index(np.array([record])).tolist() == [70_000]
    assert listing(record, [], [0] * 5) == [
        "shift 3 +1",
        "search 3.1=1",
        "write 3.1=0",
        "receive 70000 bit 0",
        "write 3.1=1",
    ]


def test_a_step_compares_from_the_lowest_set_bit_of_its_threshold() -> None:
    """a < 6 (0110), then r <- 2 where not: the chain skips bit 0 of a, and bit 1 needs no borrow from below."""
    record = macro(Op.STEP, Field(4, 0, 2), Field(3, 0, 4))
    assert listing(record, [6, 2], [0] * 5) == [
        "search 2.0=1",
        "write 2.0=0",
        "shift 3 +1",
        "search 2.0=0 3.1=0",
        "write 2.0=1",
        "shift 3 +1",
        "search 2.0=0 3.2=0",
        "write 2.0=1",
        "shift 3 +1",
        "search 2.0=1 3.3=1",
        "write 2.0=0",
        "search 2.0=0 4.0=1",
        "write 4.0=0",
        "shift 4 +1",
        "search 2.0=0 4.1=0",
        "write 4.1=1",
    ]


@pytest.mark.parametrize(
    ("sig", "searches", "writes", "merged_writes"),
    [
        # carry clear, 2 without a carry in, then 4 a bit; 2 where an unsigned operand has ended
        (Signature(Op.ADD, 4, 0, 8), 1 + 2 + 12 + 8, 23, 1 + 2 + 9 + 8),
        (Signature(Op.SUB, 4, 0, 8, a_signed=True), 1 + 2 + 28, 31, 1 + 2 + 21),
        # a fresh top bit is a copy of the carry, inverted where it is a borrow
        (Signature(Op.ADD, 4, 0, 5, fresh=True), 1 + 2 + 12 + 2, 17, 1 + 2 + 9 + 2),
        (Signature(Op.SUB, 4, 0, 5, fresh=True), 1 + 2 + 12 + 2, 17, 1 + 2 + 9 + 2),
        # 1 a bit to clear; 3 without a carry in, 2 where only its borrow is alike; 5 a bit; 4 without a carry out
        (Signature(Op.ADDO, 4, 4, 4), 1 + 4 + 3 + 10 + 4, 22, 1 + 4 + 2 + 6 + 1),
        (Signature(Op.SUBO, 4, 4, 4), 1 + 4 + 2 + 10 + 4, 21, 1 + 4 + 2 + 6 + 1),
        # the carry alone in the bit of growth, nothing but the clear beyond it
        (Signature(Op.ADDO, 4, 4, 6), 1 + 6 + 3 + 15 + 1, 26, 1 + 6 + 2 + 9 + 1),
        # signs that come back agree with the borrow, which stays: 3 that set r
        (Signature(Op.SUBO, 4, 4, 6, a_signed=True, b_signed=True), 1 + 6 + 2 + 15 + 6, 30, 1 + 6 + 2 + 9 + 2),
        # from the lowest set bit on; nothing at all where the constant is 0
        (Signature(Op.ADDC, 0, 0, 8, constants=(3,)), 1 + 16, 17, 17),
        (Signature(Op.ADDC, 0, 0, 8, constants=(12,)), 1 + 12, 13, 13),
        (Signature(Op.ADDC, 0, 0, 8, constants=(0,)), 0, 0, 0),
        (Signature(Op.CONST, 0, 0, 5, constants=(3,)), 5, 5, 5),
        (Signature(Op.COPY, 4, 0, 6), 8 + 2, 10, 10),
        (Signature(Op.COPY, 4, 0, 6, a_signed=True), 12, 12, 12),
        (Signature(Op.EXTEND, 3, 0, 8), 2 + 10, 12, 12),
        (Signature(Op.MAX, 6, 0, 6), 1 + 12 + 12, 25, 25),
        # flags; lo's chain is the sign alone, hi + 1 = 16 starts at bit 4; 4 searches a bit with two writes
        (Signature(Op.CLAMP, 8, 0, 4, a_signed=True, constants=(0, 15)), 2 + 1 + 4 + 16, 23, 2 + 5 + 8),
        # no flag is needed where the bounds hold anyway: a copy
        (Signature(Op.CLAMP, 4, 0, 4, constants=(0, 15)), 8, 8, 8),
        (Signature(Op.CLAMP, 4, 0, 4, a_signed=True, constants=(-8, 7)), 8, 8, 8),
        (Signature(Op.STEP, 4, 0, 3, constants=(6, 5)), 1 + 3 + 3, 7, 7),
        # decided for all rows: only the flag is set
        (Signature(Op.STEP, 4, 0, 3, constants=(0, 5)), 1 + 3, 4, 4),
        (Signature(Op.STEP, 4, 0, 3, constants=(16, 5)), 1 + 3, 4, 4),
        (Signature(Op.GATHER, 0, 0, 5), 5, 10, 10),
    ],
)
def test_passes(sig: Signature, searches: int, writes: int, merged_writes: int) -> None:
    assert passes(sig) == (searches, writes)
    assert passes(sig, search_or=True) == (searches, merged_writes)


@pytest.mark.parametrize(
    ("sig", "both", "merged_searches", "merged_writes"),
    [
        # 10 of 16 states change, 5 of 8 without a carry in, 8 of 16 without a carry out; a merged write may hold what
        # is there, so that r is masked where the carry changes
        (Signature(Op.ADDO, 4, 4, 4, fresh=True), 1 + 5 + 20 + 8, 1 + 4 + 16 + 8, 1 + 3 + 8 + 2),
        (Signature(Op.ADDO, 4, 4, 6, fresh=True), 1 + 5 + 30 + 2 + 1, 1 + 4 + 24 + 2 + 1, 1 + 3 + 12 + 2 + 1),
        (Signature(Op.SUBO, 4, 4, 6, fresh=True), 1 + 5 + 30 + 2 + 2, 1 + 4 + 24 + 2 + 2, 1 + 3 + 12 + 2 + 2),
    ],
)
def test_passes_of_an_overwritten_result(sig: Signature, both: int, merged_searches: int, merged_writes: int) -> None:
    assert passes(sig) == (both, both)
    assert passes(sig, search_or=True) == (merged_searches, merged_writes)


def test_a_signature_holds_only_what_decides_the_expansion() -> None:
    record = macro(Op.CLAMP, Field(4, 7, 3), Field(3, 2, 9, signed=True, across=True), imm=1)
    program = tile([record], [9, -4, 3], [], [])
    assert signature(program.instructions[0], program.constants) == Signature(
        Op.CLAMP, 9, 0, 3, a_signed=True, constants=(-4, 3)
    )
    record = macro(Op.CONST, Field(4, 7, 3), imm=1)
    program = tile([record], [9, -4, 3], [], [])
    assert signature(program.instructions[0], program.constants).constants == (4,)
