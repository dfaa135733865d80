"""Additions on held values, as Numba kernels: which instructions they take, and what is known of the result.

Two representations. *Two's complement*: a value is held as it is, in the narrowest signed or unsigned field. *Offset*:
every field is unsigned and holds a constant more than the value. Where a difference could be negative, it gets a new
top bit that counts (R_FRESH); so nothing ever is negative, no sign is extended, and the carry ripples through upper
bits in two passes.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ir.isa import A_ACROSS, A_SIGNED, B_ACROSS, B_SIGNED, R_ACROSS, R_FRESH, R_SIGNED, Op

HELD = np.dtype(
    [
        ("column", "<i4"),
        ("domain", "<i4"),
        ("width", "<i4"),
        ("signed", "?"),
        ("across", "?"),
        ("sign", "i1"),
        ("lo", "<i8"),
        ("hi", "<i8"),
        ("offset", "<i8"),
    ]
)
"""A value in an array: the field it lies in, which holds sign * value + offset, a number in [lo, hi]. Of width 0: the
value 0, and nothing is held."""

NOTHING = np.zeros(1, HELD)[0]
"""No operand."""

NO_ROOM = -1
"""Instead of a count: the result does not fit its room; nothing was changed."""

_ADD, _SUB, _ADDO, _SUBO = int(Op.ADD), int(Op.SUB), int(Op.ADDO), int(Op.SUBO)
_COPY, _CONST, _EXTEND = int(Op.COPY), int(Op.CONST), int(Op.EXTEND)


class Style(NamedTuple):
    """How additions are made. ``offset``: values are held with an offset, else in two's complement; ``overwrite``: sums
    out of place overwrite their columns, which are cleared first otherwise (differences with an offset never are);
    ``zero``: index of the constant 0."""

    offset: bool
    overwrite: bool
    zero: int


@numba.njit(cache=True, nogil=True)
def bits_needed(lo: int, hi: int, signed: bool) -> int:
    """The width of the narrowest type, signed or not, that holds [lo, hi]."""
    width = 0
    low = -lo - 1 if lo < 0 else 0
    while (low >> width) > 0 or (hi >> width) > 0 and hi > 0:
        width += 1
    if signed:
        width += 1
    return max(width, 1)


@numba.njit(cache=True, nogil=True)
def write_record(
    records: np.ndarray,
    index: int,
    op: int,
    variant: int,
    r: np.void,
    r_shift: int,
    r_width: int,
    a: np.void,
    b: np.void,
    imm: int,
) -> None:
    """One instruction on HELD places: ``r_width`` bits of r from bit ``r_shift``, with the flags ``variant``; a place
    of width 0 is no operand."""
    record = records[index]
    record["op"] = op
    record["imm"] = imm
    record["flags"] = (
        variant
        | (A_SIGNED if a["signed"] and a["width"] > 0 else 0)
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


@numba.njit(cache=True, nogil=True)
def grow(records: np.ndarray, count: int, r: np.void, width: int, style: Style, nothing: np.void) -> int:
    """Give the held number as many bits as ``width`` by zeros or copies of its sign; returns the next index."""
    if width <= r["width"]:
        return count
    if r["signed"]:
        record = records[count]
        record["op"] = _EXTEND
        record["flags"] = R_SIGNED | (R_ACROSS if r["across"] else 0)
        record["a_width"], record["r_width"] = r["width"], width
        record["r_column"], record["r_domain"] = r["column"], r["domain"]
    else:
        write_record(records, count, _CONST, 0, r, r["width"], width - r["width"], nothing, nothing, style.zero)
    r["width"] = width
    return count + 1


@numba.njit(cache=True, nogil=True)
def add_in(
    records: np.ndarray,
    count: int,
    r: np.void,
    a: np.void,
    shift: int,
    sign: int,
    room: int,
    style: Style,
    nothing: np.void,
) -> tuple[int, int]:
    """r += sign * (a << shift) on what is held, in place, in at most ``room`` bits: (next index or NO_ROOM, result
    width of the addition, 0 where a copy does it)."""
    if r["width"] == 0 and sign > 0:
        return _copy_in(records, count, r, a, shift, room, style, nothing)
    lift = style.offset and sign < 0 and r["lo"] < (a["hi"] << shift)
    low, high = (a["lo"], a["hi"]) if sign > 0 else (-a["hi"], -a["lo"])
    lo, hi = r["lo"] + (low << shift), r["hi"] + (high << shift)
    signed = not style.offset and (r["signed"] or lo < 0)
    if lift:
        width = max(r["width"], shift + a["width"]) + 1
        extra = 1 << (width - 1)
    else:
        width = max(bits_needed(lo, hi, signed), r["width"], shift + 1)
        extra = 0
    if width > room:
        return NO_ROOM, 0
    lo, hi = lo + extra, hi + extra
    variant = 0
    if lift or (style.offset and width > r["width"] and width - shift > a["width"]):
        variant = R_FRESH
        count = grow(records, count, r, width - 1, style, nothing)
    else:
        count = grow(records, count, r, width, style, nothing)
    r["signed"] = signed
    write_record(records, count, _ADD if sign > 0 else _SUB, variant, r, shift, width - shift, a, nothing, 0)
    r["lo"], r["hi"] = lo, hi
    r["width"] = width
    r["offset"] += (sign * a["offset"] << shift) + extra
    return count + 1, width - shift


@numba.njit(cache=True, nogil=True)
def _copy_in(
    records: np.ndarray, count: int, r: np.void, a: np.void, shift: int, room: int, style: Style, nothing: np.void
) -> tuple[int, int]:
    """r, which holds nothing, becomes a << shift."""
    width = shift + a["width"]
    if width > room:
        return NO_ROOM, 0
    if shift > 0:
        write_record(records, count, _CONST, 0, r, 0, shift, nothing, nothing, style.zero)
        count += 1
    r["signed"] = a["signed"]
    write_record(records, count, _COPY, 0, r, shift, a["width"], a, nothing, 0)
    r["width"] = width
    r["lo"], r["hi"], r["offset"] = a["lo"] << shift, a["hi"] << shift, a["offset"] << shift
    return count + 1, 0


@numba.njit(cache=True, nogil=True)
def sum_out(
    records: np.ndarray,
    count: int,
    r: np.void,
    a: np.void,
    a_shift: int,
    a_sign: int,
    b: np.void,
    b_shift: int,
    b_sign: int,
    room: int,
    style: Style,
    nothing: np.void,
) -> tuple[int, int]:
    """r <- a_sign * (a << a_shift) + b_sign * (b << b_shift) up to r's sign and offset, out of place; one shift is 0.
    Signs are those of what is held. Returns as ``add_in`` does; where r has no room it is left without meaning."""
    if a_shift != 0 or b_shift != 0:
        return _shifted_out(records, count, r, a, a_shift, a_sign, b, b_shift, b_sign, room, style, nothing)
    variant = R_FRESH if style.overwrite else 0
    if a_sign == b_sign:
        op, r["sign"] = _ADDO, a_sign
        r["lo"], r["hi"], r["offset"] = a["lo"] + b["lo"], a["hi"] + b["hi"], a["offset"] + b["offset"]
        least = 1
    else:
        if a_sign < 0:
            a, b, a_sign = b, a, b_sign
        lift = style.offset and a["lo"] < b["hi"]
        least = max(a["width"], b["width"]) + 1 if lift else 1
        extra = 1 << (least - 1) if lift else 0
        variant = R_FRESH if lift else 0
        op, r["sign"] = _SUBO, 1
        r["lo"], r["hi"] = a["lo"] - b["hi"] + extra, a["hi"] - b["lo"] + extra
        r["offset"] = a["offset"] - b["offset"] + extra
    r["signed"] = r["lo"] < 0
    r["width"] = max(bits_needed(r["lo"], r["hi"], r["signed"]), least)
    if r["width"] > room:
        return NO_ROOM, 0
    write_record(records, count, op, variant, r, 0, r["width"], a, b, 0)
    return count + 1, r["width"]


@numba.njit(cache=True, nogil=True)
def _shifted_out(
    records: np.ndarray,
    count: int,
    r: np.void,
    a: np.void,
    a_shift: int,
    a_sign: int,
    b: np.void,
    b_shift: int,
    b_sign: int,
    room: int,
    style: Style,
    nothing: np.void,
) -> tuple[int, int]:
    """The unshifted operand is copied, the other added in place."""
    if a_shift != 0:
        a, a_sign, b, b_shift, b_sign = b, b_sign, a, a_shift, a_sign
    r["width"], r["sign"] = 0, a_sign
    count, _ = _copy_in(records, count, r, a, 0, room, style, nothing)
    if count == NO_ROOM:
        return NO_ROOM, 0
    return add_in(records, count, r, b, b_shift, a_sign * b_sign, room, style, nothing)


@numba.njit(cache=True, nogil=True)
def confine(r: np.void, lo: int, hi: int, style: Style) -> None:
    """The value is known to lie in [lo, hi]: narrow what is held."""
    if r["sign"] < 0:
        lo, hi = -hi, -lo
    r["lo"], r["hi"] = max(r["lo"], lo + r["offset"]), min(r["hi"], hi + r["offset"])
    r["signed"] = r["lo"] < 0
    r["width"] = min(r["width"], bits_needed(r["lo"], r["hi"], r["signed"]))
