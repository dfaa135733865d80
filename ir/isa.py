"""The macro instructions of the RTM associative processor: opcodes, operands, fixed-width records.

A *field* is an integer stored in every row, least significant bit first: ALONG a nanowire (bit j in
``column``, domain ``domain + j``) or ACROSS columns (bit j in column ``column + j``, domain ``domain``).
``ir.expand`` gives every instruction its meaning as micro-operations, ``ir.lut`` derives the passes.

All arithmetic is modulo 2**width of the destination ``r``. Operands narrower than ``r`` are extended:
by their sign bit where the operand is signed, by zeros otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

CARRY, FLAG_F, FLAG_G = 0, 1, 2
"""Columns every array keeps for itself; each uses domain 0 only and so never shifts."""
FLAG_COLUMNS = 3


class Op(IntEnum):
    """Macro opcodes. ``imm`` indexes the tile's constant table, or its gather table for GATHER and MAC."""

    CONST = 1  # r <- constants[imm]
    COPY = 2  # r <- a
    ADD = 3  # r <- r + a
    SUB = 4  # r <- r - a
    ADDO = 5  # r <- a + b   (r is cleared first unless R_FRESH)
    SUBO = 6  # r <- a - b   (r is cleared first unless R_FRESH)
    ADDC = 7  # r <- r + constants[imm]
    EXTEND = 8  # r[a_width:] <- sign bit r[a_width - 1]   (a_width is a plain number here, 1 <= a_width < r_width)
    MAX = 9  # r <- max(r, a)   (same width and signedness)
    CLAMP = 10  # r <- constants[imm] where a < it, else constants[imm + 1] where a > it, else a
    STEP = 11  # r <- constants[imm + 1] where a >= constants[imm], else unchanged
    GATHER = 12  # r <- a row-mapped channel of a stored tensor: gathers[imm + (a_column << 16)]
    MAC = 13  # r <- r + a * x, x broadcast to all rows of an image: b_width bits of gathers[imm + (b_column << 16)]


A_SIGNED, B_SIGNED, R_SIGNED = 1, 2, 4
A_ACROSS, B_ACROSS, R_ACROSS = 8, 16, 32
R_FRESH = 64
"""r, or its top bit, holds nothing of use:

- ADDO: r <- a + b, overwritten bit by bit instead of cleared first.
- SUBO: r <- a - b + 2**(r_width - 1), overwritten likewise; a and b unsigned and narrower than r.
- ADD: the top bit of r counts as 0: r <- r[:-1] + a; a unsigned and narrower than r.
- SUB: the top bit of r counts as 1: r <- 2**(r_width - 1) + r[:-1] - a; a unsigned and narrower than r.
- GATHER: the top bit of what is gathered is inverted, so that a signed channel is held as an unsigned integer.

So a signed value v is held as v + 2**(width - 1), which never needs its sign extended.
"""
FRESH = (Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.GATHER)
"""Opcodes that may carry R_FRESH."""
SUMMING = (Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.MAC)
"""Opcodes that add two integers, neither of them a constant: what is counted as an addition."""
UPDATING = (Op.ADD, Op.SUB, Op.ADDC, Op.MAX, Op.STEP, Op.MAC, Op.EXTEND)
"""Opcodes that read r."""

RECORD = np.dtype(
    [
        ("op", "u1"),
        ("flags", "u1"),
        ("a_width", "u1"),
        ("b_width", "u1"),
        ("r_width", "u1"),
        ("a_domain", "u1"),
        ("b_domain", "u1"),
        ("r_domain", "u1"),
        ("a_column", "<u2"),
        ("b_column", "<u2"),
        ("r_column", "<u2"),
        ("imm", "<u2"),
    ]
)
"""One macro instruction, 16 bytes. Operands an opcode does not use are zero."""

RECORD_BITS = 8 * RECORD.itemsize
MAX_CONSTANTS = 1 << 16
"""``imm`` reaches so many constants of a tile, and the second of a pair may be one beyond."""


GATHERING = (Op.GATHER, Op.MAC)
"""Opcodes that name an entry of the gather table."""


def gather_index(records: np.ndarray | np.void) -> np.ndarray:
    """int64: entries of the tile's gather table that GATHERING records name (meaningless for other opcodes)."""
    high = np.where(records["op"] == Op.MAC, records["b_column"], records["a_column"])
    return records["imm"].astype(np.int64) + (high.astype(np.int64) << 16)


def gathered_bits(records: np.ndarray | np.void) -> np.ndarray:
    """int64: bits that GATHERING records receive from their source (meaningless for other opcodes)."""
    return np.where(records["op"] == Op.MAC, records["b_width"], records["r_width"]).astype(np.int64)


@dataclass(frozen=True)
class Field:
    """An integer's place in every row of an array."""

    column: int
    domain: int
    width: int
    signed: bool = False
    across: bool = False

    def cell(self, bit: int) -> tuple[int, int]:
        """(column, domain) of one bit."""
        return (self.column + bit, self.domain) if self.across else (self.column, self.domain + bit)

    def bits(self, start: int, stop: int | None = None, signed: bool | None = None) -> Field:
        """The sub-field of bits [start, stop): a free shift."""
        stop = self.width if stop is None else stop
        column, domain = self.cell(start)
        return Field(column, domain, stop - start, self.signed if signed is None else signed, self.across)


#: which operands each opcode has, in printing order, and whether it has an immediate
OPERANDS: dict[Op, tuple[str, bool]] = {
    Op.CONST: ("r", True),
    Op.COPY: ("ra", False),
    Op.ADD: ("ra", False),
    Op.SUB: ("ra", False),
    Op.ADDO: ("rab", False),
    Op.SUBO: ("rab", False),
    Op.ADDC: ("r", True),
    Op.EXTEND: ("r", False),
    Op.MAX: ("ra", False),
    Op.CLAMP: ("ra", True),
    Op.STEP: ("ra", True),
    Op.GATHER: ("r", True),
    Op.MAC: ("ra", True),
}
