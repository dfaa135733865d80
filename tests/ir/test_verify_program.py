"""Which instructions may carry R_FRESH; tests/apc/test_artifact.py holds the other rules on stored programs."""

from __future__ import annotations

import numpy as np
import pytest

from ir.isa import Field, Op
from ir.verify_program import first_illegal
from tests.programs import macro, tile

R, A, B = Field(5, 3, 5), Field(3, 2, 4), Field(4, 1, 4)
SIGNED, WIDE = Field(3, 2, 4, signed=True), Field(3, 2, 5)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (macro(Op.ADD, R, A, fresh=True), None),
        (macro(Op.SUB, R, A, fresh=True), None),
        (macro(Op.SUBO, R, A, B, fresh=True), None),
        (macro(Op.ADDO, R, WIDE, B, fresh=True), None),
        (macro(Op.ADDO, R, SIGNED, B, fresh=True), None),
        (macro(Op.GATHER, R, fresh=True), None),
        (macro(Op.ADD, R, SIGNED, fresh=True), "a fresh top bit needs unsigned operands"),
        (macro(Op.SUB, R, SIGNED, fresh=True), "a fresh top bit needs unsigned operands"),
        (macro(Op.SUBO, R, B, SIGNED, fresh=True), "a fresh top bit needs unsigned operands"),
        (macro(Op.ADD, R, WIDE, fresh=True), "a fresh top bit needs operands narrower than the result"),
        (macro(Op.SUB, R, WIDE, fresh=True), "a fresh top bit needs operands narrower than the result"),
        (macro(Op.SUBO, R, B, WIDE, fresh=True), "a fresh top bit needs operands narrower than the result"),
        (macro(Op.COPY, R, A, fresh=True), "a flag that the opcode does not have"),
        (macro(Op.ADDC, R, fresh=True), "a flag that the opcode does not have"),
        (macro(Op.MAX, R, WIDE, fresh=True), "a flag that the opcode does not have"),
    ],
)
def test_a_fresh_result(record: np.ndarray, reason: str | None) -> None:
    program = tile([macro(Op.CONST, R), record], [1, 2], [(0, 0, 0, 0)], [])
    wrong = first_illegal(program, np.array([R.width], np.uint8), np.array([True]), columns=8, domains=16)
    assert wrong == (None if reason is None else (1, reason))
