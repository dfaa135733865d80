"""What every cell of a tile's arrays holds, a value and which of its bits: the ground on which ``ir.values`` and
``ir.reads`` follow a tile.

A cell is numbered column * DOMAINS + domain; a field is its lowest cell, its width, and whether it lies across.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.isa import A_ACROSS, A_SIGNED, B_ACROSS, B_SIGNED, R_ACROSS, R_SIGNED, UPDATING, Op
from ir.kernel_cache import forget_stale

forget_stale(__file__)

DOMAINS = 256
"""More than any field reaches, so that cells can be numbered."""
NONE = -1
"""What a cell holds that nothing has written."""
OPERAND_R, OPERAND_A, OPERAND_B = 0, 1, 2
_WIDEST = 64
"""Bits of the widest field."""
_UPDATING = tuple(int(op) for op in UPDATING)
_EXTEND, _MAC = int(Op.EXTEND), int(Op.MAC)


def cell_count(code: np.ndarray, *fields: np.ndarray) -> int:
    """More than the number of any cell that instructions (isa.RECORD) or some FIELD records name."""
    a_columns = code["a_column"][code["op"] != Op.GATHER]  # of these two it is part of a gather's number
    b_columns = code["b_column"][code["op"] != Op.MAC]
    columns = [code["r_column"], a_columns, b_columns, *(part["column"] for part in fields)]
    return (max(int(named.max(initial=0)) for named in columns) + _WIDEST) * DOMAINS


@numba.njit(cache=True, nogil=True)
def cell_of(column: int, domain: int) -> int:
    """The number of a cell."""
    return int(column) * DOMAINS + int(domain)


@numba.njit(cache=True, nogil=True)
def updates(op: int) -> bool:
    """Does the opcode read r?"""
    return op in _UPDATING


@numba.njit(cache=True, nogil=True)
def place(record: np.void, operand: int) -> tuple[int, bool, int, bool]:
    """(lowest cell, across, width, signed) of an operand; width 0 where the opcode has none."""
    op, flags = record["op"], record["flags"]
    if operand == OPERAND_R:
        cell = cell_of(record["r_column"], record["r_domain"])
        return cell, (flags & R_ACROSS) != 0, int(record["r_width"]), (flags & R_SIGNED) != 0
    if operand == OPERAND_A:
        cell = cell_of(record["a_column"], record["a_domain"])
        return cell, (flags & A_ACROSS) != 0, 0 if op == _EXTEND else int(record["a_width"]), (flags & A_SIGNED) != 0
    cell = cell_of(record["b_column"], record["b_domain"])
    return cell, (flags & B_ACROSS) != 0, 0 if op == _MAC else int(record["b_width"]), (flags & B_SIGNED) != 0


@numba.njit(cache=True, nogil=True)
def hold(value: np.ndarray, bit: np.ndarray, cell: int, across: bool, width: int, number: int, first: int) -> None:
    """The cells of a field hold the bits of value ``number`` from ``first`` on. ``value``, ``bit``: of every cell."""
    stride = DOMAINS if across else 1
    for j in range(width):
        value[cell + j * stride] = number
        bit[cell + j * stride] = first + j


@numba.njit(cache=True, nogil=True)
def run_length(value: np.ndarray, bit: np.ndarray, cell: int, stride: int, most: int) -> int:
    """How many cells from ``cell`` on, at most ``most``, hold successive bits of one value."""
    count = 1
    while count < most:
        following = cell + count * stride
        if value[following] != value[cell] or bit[following] != bit[cell] + count:
            break
        count += 1
    return count
