"""Expected flips against a Monte Carlo on the reference machine."""

from __future__ import annotations

import numpy as np
import pytest

from ir.counts import expected_written_bits
from ir.expand import expand_instruction
from ir.isa import Field, Op
from ir.program import Tile
from ir.types import IntType
from simulator.rtm.machine import Machine
from tests.programs import fields, macro, tile

A, B, R = Field(3, 2, 4), Field(4, 1, 6, signed=True), Field(5, 3, 7)


def monte_carlo(program: Tile) -> tuple[float, float]:
    """(mean flips a row over random cells, its standard error)"""
    groups = []
    rng = np.random.default_rng(11)
    for _ in range(16):
        machine = Machine(2048, 24, 16)
        machine.cells[:] = rng.integers(0, 2, machine.cells.shape)
        for op in expand_instruction(program.instructions[0], program, False, list(machine.offsets)):
            machine.execute(op, rng.integers(0, 2, 2048).astype(bool))
        groups.append(machine.events.written_bits / 2048)
    return float(np.mean(groups)), float(np.std(groups) / np.sqrt(len(groups)))


@pytest.mark.parametrize(
    "record",
    [
        macro(Op.CONST, R),
        macro(Op.COPY, R, B),
        macro(Op.ADD, R, A),
        macro(Op.ADD, R, B),
        macro(Op.SUB, R, B),
        macro(Op.ADDO, R, A, B),
        macro(Op.ADDO, R, A, B, fresh=True),
        macro(Op.SUBO, R, A, Field(4, 1, 6), fresh=True),
        macro(Op.ADD, R, A, fresh=True),
        macro(Op.SUB, R, A, fresh=True),
        macro(Op.SUBO, R, B, A),
        macro(Op.ADDC, R),
        macro(Op.EXTEND, R, from_width=3),
        macro(Op.GATHER, R),
        macro(Op.GATHER, R, fresh=True),
    ],
    ids=lambda record: f"{Op(int(record['op'])).name}-{int(record['flags'])}-{int(record['a_width'])}",
)
def test_expected_flips_are_the_mean_over_random_rows(record: np.ndarray) -> None:
    """Exact for instructions of one sweep."""
    program = tile([record], [37, 5], [], [])
    mean, error = monte_carlo(program)
    assert expected_written_bits(program, 0.5)[0] == pytest.approx(mean, abs=4 * error + 1e-9)


@pytest.mark.parametrize(
    "record",
    [
        macro(Op.MAX, Field(5, 3, 6, signed=True), B),
        macro(Op.CLAMP, Field(5, 3, 4), B, imm=2),
        macro(Op.STEP, R, B),
    ],
    ids=["MAX", "CLAMP", "STEP"],
)
def test_expected_flips_are_near_where_a_second_sweep_follows(record: np.ndarray) -> None:
    program = tile([record], [5, 37, 0, 15], [], [])
    mean, _ = monte_carlo(program)
    assert expected_written_bits(program, 0.5)[0] == pytest.approx(mean, rel=0.15)


def test_an_added_bit_flips_three_quarters_of_a_cell_with_a_random_carry() -> None:
    """The figure of facts/rtm_ap.md: 0.75 written bits a bit of an in-place addition on uniform data."""
    wide = macro(Op.ADD, Field(4, 0, 40), Field(3, 0, 40))
    narrow = macro(Op.ADD, Field(4, 0, 20), Field(3, 0, 20))
    one, two = (expected_written_bits(tile([record], [], [], []))[0] for record in (narrow, wide))
    assert (two - one) / 20 == pytest.approx(0.75, abs=1e-4)


def test_a_wide_product_and_what_lies_in_the_array_from_the_start() -> None:
    """Scratch bits beyond 64, and weights that are mostly 0."""
    r, weights = Field(4, 0, 63), Field(3, 0, 40)
    program = tile([macro(Op.MAC, r, weights, broadcast=IntType(30, False))], [], [(0, 0, 0, 0)], [])
    field = fields((0, weights))
    known = [
        expected_written_bits(program, 0.5, (field, np.full((1, 8), value, np.int64)))[0]
        for value in (0, 1, (1 << 40) - 1)
    ]
    assert known[0] == pytest.approx(0.5)  # the carry of before is cleared, and nothing else happens
    assert known[0] < known[1] < expected_written_bits(program, 0.5)[0] < known[2] + 100


def test_flips_are_followed_from_addition_to_addition() -> None:
    """Independent values that are mostly 0, added to a constant one after another: far from uniform bits."""
    rng = np.random.default_rng(5)
    r, addends = Field(3, 0, 9), [Field(column, 0, 4) for column in (4, 5, 6, 7)]
    values = rng.choice([0, 0, 0, 1, 4, 10], size=(4, 8192))
    code = [macro(Op.CONST, r), *(macro(Op.ADD, r, addend) for addend in addends)]
    program = tile(code, [64], [], [])
    machine = Machine(8192, 24, 16)
    machine.cells[:] = rng.integers(0, 2, machine.cells.shape)
    for addend, held in zip(addends, values, strict=True):
        machine.load(addend, held)
    counted = []
    for record in program.instructions:
        before = machine.events.written_bits
        for op in expand_instruction(record, program, False, list(machine.offsets)):
            machine.execute(op, None)
        counted.append((machine.events.written_bits - before) / 8192)
    resident = fields(*((0, addend) for addend in addends)), values
    assert expected_written_bits(program, 0.5, resident) == pytest.approx(counted, rel=0.1)
