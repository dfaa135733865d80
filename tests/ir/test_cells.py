"""What the kernels take of a record, against ``ir.expand.operand_fields``; runs of bits, against a literal array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ir.cells import DOMAINS, NONE, OPERAND_A, OPERAND_B, OPERAND_R, cell_count, hold, place, run_length, updates
from ir.expand import operand_fields
from ir.isa import Field, Op
from ir.program import Program
from tests.programs import fields, macro, programs


def cell(field: Field, bit: int) -> int:
    column, domain = field.cell(bit)
    return column * DOMAINS + domain


@given(programs())
def test_operands_of_any_instruction(program: Program) -> None:
    for code in (tile.instructions for layer in program.layers for tile in layer.tiles):
        for record in code:
            parts = operand_fields(record)
            for operand, letter in ((OPERAND_R, "r"), (OPERAND_A, "a"), (OPERAND_B, "b")):
                lowest, across, width, signed = place(record, operand)
                part = parts.get(letter)
                if part is None:
                    assert width == 0
                else:
                    assert (lowest, across, width, signed) == (cell(part, 0), part.across, part.width, part.signed)
                    assert cell(part, part.width - 1) < cell_count(code)


@pytest.mark.parametrize("op", list(Op))
def test_opcodes_that_read_their_result(op: Op) -> None:
    assert updates(op) == (op.name in ("ADD", "SUB", "ADDC", "MAX", "STEP", "MAC", "EXTEND"))


def test_fields_are_counted_too_and_numbers_of_gathers_are_not() -> None:
    gather = macro(Op.GATHER, Field(3, 0, 4), imm=0)
    gather["a_column"] = 60000  # the upper half of a gather's number
    code = np.array([gather])
    assert cell_count(code, fields((0, Field(9, 5, 8, across=True)))) > cell(Field(16, 5, 1), 0)
    assert cell_count(code) < 1000 * DOMAINS


@pytest.mark.parametrize("across", [False, True])
def test_runs_of_bits(across: bool) -> None:
    """Seven cells: bits 2, 3, 4 of value 0, bits 0, 1 of value 1, then nothing."""
    stride = DOMAINS if across else 1
    value, bit = np.full(8 * DOMAINS, NONE, np.int32), np.zeros(8 * DOMAINS, np.int32)
    hold(value, bit, 0, across, 3, 0, 2)
    hold(value, bit, 3 * stride, across, 2, 1, 0)
    runs = [run_length(value, bit, start * stride, stride, 7 - start) for start in range(7)]
    assert runs == [3, 2, 1, 2, 1, 1, 1]
    assert run_length(value, bit, 0, stride, 2) == 2
