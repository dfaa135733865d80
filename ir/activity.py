"""How many cells the instructions of a tile flip on average: every cell's probability of holding a 1 is followed from
instruction to instruction, with bits taken as independent but for a sign and its extension."""

from __future__ import annotations

import numba
import numpy as np

from ir.isa import A_ACROSS, A_SIGNED, B_ACROSS, B_SIGNED, R_ACROSS, R_FRESH, R_SIGNED, Op
from ir.kernel_cache import forget_stale
from ir.program import Tile

forget_stale(__file__)

DOMAINS = 256
"""More than any field reaches, so that cells can be numbered."""
CONST, COPY, ADD, SUB, ADDO, SUBO, ADDC, EXTEND, GATHER, MAC = (
    int(op) for op in (Op.CONST, Op.COPY, Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.ADDC, Op.EXTEND, Op.GATHER, Op.MAC)
)


def follow(tile: Tile, others: np.ndarray, density: float, fields: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Cells that each instruction flips on average in one row, float64[instructions].

    ``others``: the flips of instructions that compare (MAX, CLAMP, STEP), after which a result is uniform; ``density``:
    of ones among unsigned gathered bits; signed ones, and all cells at first, hold a 1 as often as a 0, but for
    ``fields``, FIELD records of what lies there from the start, and their ``values``, int64 [fields, positions].
    """
    records = tile.instructions
    named = [records["r_column"], records["a_column"], records["b_column"][records["op"] != MAC]]
    columns = max(int(names.max(initial=0)) for names in named)
    ones = np.full((columns + 64) * DOMAINS, 0.5)
    for field, held in zip(fields, values, strict=True):
        step = DOMAINS if field["across"] else 1
        place = int(field["column"]) * DOMAINS + int(field["domain"])
        for bit in range(int(field["width"])):
            ones[place + bit * step] = np.mean(held >> bit & 1)
    flips = others.astype(np.float64)
    _follow(records, tile.constants, ones, flips, density)
    return flips


@numba.njit(cache=True, nogil=True)
def _differ(one: float, other: float) -> float:
    """The probability that two independent bits differ."""
    return one * (1 - other) + other * (1 - one)


@numba.njit(cache=True, nogil=True)
def _load(ones: np.ndarray, column: int, domain: int, width: int, across: bool, bits: np.ndarray) -> None:
    step = DOMAINS if across else 1
    for i in range(width):
        bits[i] = ones[column * DOMAINS + domain + i * step]


@numba.njit(cache=True, nogil=True)
def _ripple(
    r: np.ndarray, a: np.ndarray, a_width: int, a_sign: int, b: np.ndarray, b_width: int, b_sign: int,
    subtract: bool, top: int, start: int, width: int, result: np.ndarray, weight: float,
) -> tuple[float, float, float]:  # fmt: skip
    """One addition with signs that are known (-1: no sign): adds weight x the probabilities of the sum's bits to
    ``result``; returns the expected flips of the carry and, where ``b`` is the old r, of r, and what the carry
    is left with.

    ``b_width`` 0: in place, b is ``r``; ``top``: what r's top bit counts as, or -1; ``start``: of the bits.
    """
    carry = carried = changed = left = 0.0
    in_place = b_width == 0
    for i in range(start, width):
        left = carry
        one = a[i] if i < a_width else 0.0
        if a_sign >= 0 and i >= a_width - 1:
            one = float(a_sign)
        other = r[i] if in_place else (b[i] if i < b_width else 0.0)
        if b_sign >= 0 and i >= b_width - 1:
            other = float(b_sign)
        last = i == width - 1
        if last and top >= 0:
            other = _differ(other, float(top)) if not in_place else float(top)
        both = _differ(one, carry)
        if in_place and not (last and top >= 0):
            changed += both
        result[i] += weight * _differ(other, both)
        if not last or (in_place and top < 0):
            # A borrow spreads where the minuend has a 0: the subtrahend is what is added.
            if subtract and in_place:
                x, y = one, 1 - other
            elif subtract:
                x, y = other, 1 - one
            else:
                x, y = one, other
            carried += (1 - carry) * x * y + carry * (1 - x) * (1 - y)
            carry = carry * (x + y - x * y) + (1 - carry) * x * y
            left = carry
    return carried, changed, left


@numba.njit(cache=True, nogil=True)
def _add(
    r: np.ndarray, a: np.ndarray, a_width: int, a_signed: bool, b: np.ndarray, b_width: int, b_signed: bool,
    subtract: bool, top: int, start: int, width: int, result: np.ndarray,
) -> tuple[float, float, float]:  # fmt: skip
    """All signs, each as likely as it is; see ``_ripple``. ``result`` is overwritten."""
    result[start:width] = 0.0
    carried = changed = left = 0.0
    for a_sign in range(2) if a_signed else range(-1, 0):
        likely = 1.0
        if a_sign >= 0:
            likely = a[a_width - 1] if a_sign else 1 - a[a_width - 1]
        for b_sign in range(2) if b_signed else range(-1, 0):
            weight = likely
            if b_sign >= 0:
                weight *= b[b_width - 1] if b_sign else 1 - b[b_width - 1]
            if weight > 0:
                parts = _ripple(r, a, a_width, a_sign, b, b_width, b_sign, subtract, top, start, width, result, weight)
                carried += weight * parts[0]
                changed += weight * parts[1]
                left += weight * parts[2]
    return carried, changed, left


@numba.njit(cache=True, nogil=True)
def _follow(records: np.ndarray, constants: np.ndarray, ones: np.ndarray, flips: np.ndarray, density: float) -> None:
    old, a, b, new = np.zeros(64), np.zeros(64), np.zeros(128), np.zeros(64)  # b: of MAC, shifted by up to 62 bits
    carry = held_sign = 0.5
    for number in range(len(records)):
        record = records[number]
        op, flags, width = record.op, record.flags, np.int64(record.r_width)
        fresh = flags & R_FRESH != 0
        step = DOMAINS if flags & R_ACROSS else 1
        place = np.int64(record.r_column) * DOMAINS + record.r_domain
        _load(ones, np.int64(record.r_column), np.int64(record.r_domain), width, flags & R_ACROSS != 0, old)
        a_width, b_width = np.int64(record.a_width), np.int64(record.b_width)
        a_signed, b_signed = flags & A_SIGNED != 0, flags & B_SIGNED != 0
        if op in (COPY, ADD, SUB, ADDO, SUBO, MAC):
            _load(ones, np.int64(record.a_column), np.int64(record.a_domain), a_width, flags & A_ACROSS != 0, a)
        if op in (ADDO, SUBO):
            _load(ones, np.int64(record.b_column), np.int64(record.b_domain), b_width, flags & B_ACROSS != 0, b)
        total = 0.0
        if op == CONST:
            for i in range(width):
                new[i] = float(constants[record.imm] >> i & 1)
                total += _differ(old[i], new[i])
        elif op == COPY:
            for i in range(width):
                new[i] = a[i] if i < a_width else (a[a_width - 1] if a_signed else 0.0)
                total += _differ(old[i], new[i])
        elif op == EXTEND:
            new[:a_width] = old[:a_width]
            sign = old[a_width - 1]
            total += _differ(held_sign, sign)
            held_sign = sign
            for i in range(a_width, width):
                new[i] = sign
                total += _differ(old[i], sign)
        elif op == GATHER:
            for i in range(width):
                new[i] = 0.5 if fresh or flags & R_SIGNED else density
                inverted = fresh and i == width - 1  # set first and cleared where a 1 comes, else the reverse
                total += 2 - old[i] - new[i] if inverted else old[i] + new[i]
        elif op == ADD or op == SUB:
            top = -1 if not fresh else (1 if op == SUB else 0)
            carried, changed, into = _add(old, a, a_width, a_signed, b, 0, False, op == SUB, top, 0, width, new)
            total = carry + carried + changed
            if fresh:
                total += _differ(old[width - 1], new[width - 1])
            carry = into
        elif op == ADDO or op == SUBO:
            top = 1 if fresh and op == SUBO else -1
            carried, _, into = _add(old, a, a_width, a_signed, b, b_width, b_signed, op == SUBO, top, 0, width, new)
            total = carry + carried
            for i in range(width):
                total += _differ(old[i], new[i]) if fresh else old[i] + new[i]
            carry = into
        elif op == ADDC:
            for i in range(width):
                a[i] = float(constants[record.imm] >> i & 1)
            carried, changed, into = _add(old, a, width, False, b, 0, False, False, -1, 0, width, new)
            total = carry + carried + changed
            carry = into
        elif op == MAC:
            share = 0.5 if b_signed else density
            new[:width] = old[:width]
            for shift in range(min(b_width, width)):
                for i in range(a_width):
                    b[i + shift] = a[i] * share
                b[:shift] = 0.0
                old[:width] = new[:width]
                subtract = b_signed and shift == b_width - 1
                carried, changed, into = _add(
                    old, b, a_width + shift, a_signed, b, 0, False, subtract, -1, shift, width, new
                )
                total += carry + carried + changed
                carry = into
        else:
            total = flips[number]
            new[:width] = 0.5
        flips[number] = total
        for i in range(width):
            ones[place + i * step] = new[i]
