"""Accumulators: their running widths, and the instructions that add to them, as Numba kernels."""

from __future__ import annotations

import numba
import numpy as np

from ir.isa import A_ACROSS, A_SIGNED, B_ACROSS, B_SIGNED, R_ACROSS, R_SIGNED, Op

RUNNING = np.dtype(
    [
        ("lo", "<i8"),
        ("hi", "<i8"),
        ("width", "<i4"),
        ("signed", "?"),
        ("operand", "<i8"),
        ("factor", "<i8"),
        ("base_lo", "<i8"),
        ("base_hi", "<i8"),
    ]
)
"""What an accumulator is known to hold: its interval, and the low bits that represent it. Bits above ``width`` are
zero while it is unsigned and undefined once it is signed: they are filled (EXTEND) when the width grows.
The interval is ``factor`` times that of the ``operand`` added last plus [base_lo, base_hi], which is exact also between
the signed digits of one weight."""

PLACE = np.dtype([("column", "<i4"), ("domain", "<i4"), ("width", "<i4"), ("signed", "?"), ("across", "?")])
"""A field as numbers: ``ir.isa.Field``."""

NOTHING = np.zeros(1, PLACE)[0]
"""No operand."""

_ADD, _SUB, _EXTEND = int(Op.ADD), int(Op.SUB), int(Op.EXTEND)


@numba.njit(cache=True)
def bits_needed(lo: int, hi: int, signed: bool) -> int:
    """The width of the narrowest type, signed or not, that holds [lo, hi]."""
    width = 0
    low = -lo - 1 if lo < 0 else 0
    while (low >> width) > 0 or (hi >> width) > 0 and hi > 0:
        width += 1
    if signed:
        width += 1
    return max(width, 1)


@numba.njit(cache=True)
def advance(state: np.void, operand: int, lo: int, hi: int, shift: int, sign: int) -> tuple[int, bool]:
    """Add sign * ([lo, hi] << shift) to one running accumulator; returns (old width, old signedness)."""
    width, signed = state["width"], state["signed"]
    if state["operand"] != operand:
        state["operand"], state["factor"] = operand, 0
        state["base_lo"], state["base_hi"] = state["lo"], state["hi"]
    state["factor"] += sign * (1 << shift)
    one, other = state["factor"] * lo, state["factor"] * hi
    state["lo"] = state["base_lo"] + min(one, other)
    state["hi"] = state["base_hi"] + max(one, other)
    state["signed"] = signed or state["lo"] < 0
    needed = bits_needed(state["lo"], state["hi"], state["signed"])
    state["width"] = max(width, needed, shift + 1)
    return width, signed


@numba.njit(cache=True)
def write_record(
    records: np.ndarray, index: int, op: int, r: np.void, r_shift: int, r_width: int, a: np.void, b: np.void, imm: int
) -> None:
    """One instruction on PLACEs: ``r_width`` bits of r from bit ``r_shift``; a place of width 0 is no operand."""
    record = records[index]
    record["op"] = op
    record["imm"] = imm
    record["flags"] = (
        (A_SIGNED if a["signed"] and a["width"] > 0 else 0)
        | (A_ACROSS if a["across"] and a["width"] > 0 else 0)
        | (B_SIGNED if b["signed"] and b["width"] > 0 else 0)
        | (B_ACROSS if b["across"] and b["width"] > 0 else 0)
        | (R_SIGNED if r["signed"] else 0)
        | (R_ACROSS if r["across"] else 0)
    )
    record["r_width"] = r_width
    record["r_column"] = r["column"] + (r_shift if r["across"] else 0)
    record["r_domain"] = r["domain"] + (0 if r["across"] else r_shift)
    if a["width"] > 0:
        record["a_width"], record["a_column"], record["a_domain"] = min(a["width"], r_width), a["column"], a["domain"]
    if b["width"] > 0:
        record["b_width"], record["b_column"], record["b_domain"] = min(b["width"], r_width), b["column"], b["domain"]


@numba.njit(cache=True)
def write_extend(records: np.ndarray, index: int, r: np.void, width: int, total: int) -> None:
    """Fill the bits of the signed field r from ``width`` to ``total`` with its sign."""
    record = records[index]
    record["op"] = _EXTEND
    record["flags"] = R_SIGNED | (R_ACROSS if r["across"] else 0)
    record["a_width"], record["r_width"] = width, total
    record["r_column"], record["r_domain"] = r["column"], r["domain"]


@numba.njit(cache=True)
def accumulate(
    records: np.ndarray,
    count: int,
    state: np.void,
    target: np.void,
    operand: int,
    lo: int,
    hi: int,
    shift: int,
    sign: int,
    source: np.void,
    nothing: np.void,
) -> tuple[int, int]:
    """target += sign * (source << shift), where the place ``source`` holds the value ``operand`` (a number that tells
    values apart), within [lo, hi]; returns (next index, result width)."""
    width, signed = advance(state, operand, lo, hi, shift, sign)
    if signed and state["width"] > width:
        write_extend(records, count, target, width, state["width"])
        count += 1
    target["signed"] = state["signed"]
    op = _ADD if sign > 0 else _SUB
    write_record(records, count, op, target, shift, state["width"] - shift, source, nothing, 0)
    return count + 1, state["width"] - shift


def start(initial: np.ndarray) -> np.ndarray:
    """RUNNING states of accumulators that hold constants."""
    states = np.zeros(len(initial), RUNNING)
    states["lo"] = states["hi"] = initial
    states["signed"] = initial < 0
    states["operand"] = -1
    states["width"] = [bits_needed(v, v, v < 0) for v in initial.tolist()]
    return states


def running_extremes(
    initial: np.ndarray, terms: np.ndarray, lo: np.ndarray, hi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals that hold initial + any part of the terms: whatever the order, no partial sum leaves them."""
    factors = terms["sign"].astype(np.int64) << terms["shift"]
    one, other = factors * lo[terms["operand"]], factors * hi[terms["operand"]]
    low, high = initial.copy(), initial.copy()
    np.add.at(low, terms["output"], np.minimum(np.minimum(one, other), 0))
    np.add.at(high, terms["output"], np.maximum(np.maximum(one, other), 0))
    return low, high
