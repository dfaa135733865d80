"""Where the operands of an instruction lie, for kernels that follow its shifts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ir import isa
from ir.isa import A_ACROSS, B_ACROSS, R_ACROSS
from ir.kernel_cache import forget_stale

forget_stale(__file__, isa.__file__)

Int64: Any = np.int64


@njit(cache=True, nogil=True)
def operand_place(record: Any, operand: int) -> tuple[int, int, bool]:
    """(column, domain, across) of operand "abr"[operand] of a RECORD."""
    if operand == 0:
        return Int64(record["a_column"]), Int64(record["a_domain"]), record["flags"] & A_ACROSS != 0
    if operand == 1:
        return Int64(record["b_column"]), Int64(record["b_domain"]), record["flags"] & B_ACROSS != 0
    return Int64(record["r_column"]), Int64(record["r_domain"]), record["flags"] & R_ACROSS != 0


@njit(cache=True, nogil=True)
def operand_cell(record: Any, operand: int, bit: int) -> tuple[int, int]:
    """(column, domain) of one bit of it."""
    column, domain, across = operand_place(record, operand)
    if across:
        return column + bit, domain
    return column, domain + bit
