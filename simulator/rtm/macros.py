"""What each macro instruction does to the bit planes of a few row words, in Numba.

``planes`` is uint64[cells * n], the n words of cell (column, domain) at index column * pitch + domain; ``lanes`` is a
tuple of length n (see ``lanes.py``). An operand is (cell of bit 0, step, width, sign): bits lie ``step`` cells apart,
1 along a wire and ``pitch`` across columns; ``sign`` is -1 where it is signed, else 0. Every function returns how many
cells flipped, per lane. The flags are ordinary cells: each write that the micro-operations make to them is counted.
Row masks that are the same for all rows are int64, -1 or 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from simulator.rtm.lanes import load, opaque, popcount, splat, store

Lanes = tuple[int, ...]
Words = Any
"""A ``lanes.LanesType`` value."""
Operand = tuple[int, int, int, int]
Int64: Any = np.int64


@njit(nogil=True)
def mask(condition: bool) -> int:
    return -1 if condition else 0


@njit(nogil=True)
def bit_mask(value: int, bit: int) -> int:
    """Bit ``bit`` of ``value`` in all rows."""
    return -((value >> bit) & 1)


@njit(nogil=True)
def _majority(x: Words, y: Words, z: Words) -> Words:
    return (x & y) | (z & (x ^ y))


@njit(nogil=True)
def write(planes: np.ndarray, cell: int, new: Words, lanes: Lanes) -> Words:
    """Write ``new``; the flips."""
    old = load(planes, cell, lanes)
    store(planes, cell, new)
    return popcount(old ^ new)


@njit(nogil=True)
def const(planes: np.ndarray, r: Operand, value: int, lanes: Lanes) -> Words:
    """r <- value."""
    cell, step, width, _ = r
    count = splat(0, lanes)
    for bit in range(width):
        count = count + write(planes, cell + bit * step, splat(bit_mask(value, bit), lanes), lanes)
    return count


@njit(nogil=True)
def copy(planes: np.ndarray, r: Operand, a: Operand, lanes: Lanes) -> Words:
    """r <- a."""
    r_cell, r_step, r_width, _ = r
    a_cell, a_step, a_width, a_sign = a
    count = splat(0, lanes)
    common = min(a_width, r_width)
    x = count
    for bit in range(common):
        x = load(planes, a_cell + bit * a_step, lanes)
        count = count + write(planes, r_cell + bit * r_step, x, lanes)
    x = x & splat(a_sign, lanes)
    for bit in range(common, r_width):
        count = count + write(planes, r_cell + bit * r_step, x, lanes)
    return count


@njit(nogil=True, forceinline=True)
def add_enabled(
    planes: np.ndarray, carry_cell: int, r: Operand, a: Operand, invert: int, enabled: Words, lanes: Lanes
) -> Words:
    """r <- r + a, or r - a where ``invert`` is -1 (then the carry is a borrow), in the rows that are ``enabled``.

    With flip = a ^ carry the sum bit is r ^ flip, and the carry turns where flip is set and a differs from the carry's
    next value: in one formula for carries and borrows, flip & (r ^ a ^ ~invert). Above a, where its sign s repeats,
    flip only loses bits, those of flip & (r ^ s ^ invert) remain, so that all turns of the carry there are its first
    flip's ones less its last one's.
    """
    r_cell, r_step, r_width, _ = r
    a_cell, a_step, a_width, a_sign = a
    count = popcount(load(planes, carry_cell, lanes))
    carry, turned = splat(0, lanes), splat(~invert, lanes)
    x = carry
    common = min(a_width, r_width)
    below, above = opaque(common), opaque(r_width - common)
    while below > 0:
        x = load(planes, a_cell, lanes) & enabled
        y = load(planes, r_cell, lanes)
        flip = x ^ carry
        store(planes, r_cell, y ^ flip)
        turn = flip & (y ^ (x ^ turned))
        carry = carry ^ turn
        count = count + popcount(flip) + popcount(turn)
        a_cell, r_cell, below = a_cell + a_step, r_cell + r_step, opaque(below - 1)
    x = x & splat(a_sign, lanes)
    flip, inverted = x ^ carry, x ^ splat(invert, lanes)
    count = count + popcount(flip)
    while above > 0:
        y = load(planes, r_cell, lanes)
        store(planes, r_cell, y ^ flip)
        count = count + popcount(flip)
        flip = flip & (y ^ inverted)
        r_cell, above = r_cell + r_step, opaque(above - 1)
    store(planes, carry_cell, x ^ flip)
    return count - popcount(flip)


@njit(nogil=True, forceinline=True)
def add(planes: np.ndarray, carry_cell: int, r: Operand, a: Operand, invert: int, lanes: Lanes) -> Words:
    """r <- r + a, or r - a where ``invert`` is -1."""
    return add_enabled(planes, carry_cell, r, a, invert, splat(-1, lanes), lanes)


@njit(nogil=True)
def carry_top(planes: np.ndarray, carry_cell: int, r: Operand, invert: int, lanes: Lanes) -> Words:
    """The top bit of r <- the carry, or where ``invert`` is -1 its inverse."""
    cell, step, width, _ = r
    return write(planes, cell + (width - 1) * step, load(planes, carry_cell, lanes) ^ splat(invert, lanes), lanes)


@njit(nogil=True)
def multiply_add(
    planes: np.ndarray, carry_cell: int, r: Operand, a: Operand, bits: np.ndarray, x: tuple[int, int], lanes: Lanes
) -> Words:
    """r <- r + a * x. ``x``: width and sign of what was received; its words are the cells of ``bits``."""
    cell, step, width, _ = r
    a_cell, a_step, a_width, a_sign = a
    x_width, x_sign = x
    count = splat(0, lanes)
    for shift in range(x_width):
        enabled = load(bits, shift, lanes)
        invert = x_sign & mask(shift == x_width - 1)
        at = cell + shift * step, step, width - shift, Int64(0)
        count = count + add_enabled(planes, carry_cell, at, a, invert, enabled, lanes)
    return count


@njit(nogil=True)
def add_constant(planes: np.ndarray, carry_cell: int, r: Operand, value: int, lanes: Lanes) -> Words:
    """r <- r + value; nothing happens where that is 0 modulo 2**width."""
    cell, step, width, _ = r
    if value & ((Int64(1) << width) - 1) == 0:
        return splat(0, lanes)
    count = popcount(load(planes, carry_cell, lanes))
    carry = splat(0, lanes)
    for bit in range(width):
        x = splat(bit_mask(value, bit), lanes)
        y = load(planes, cell + bit * step, lanes)
        flip = x ^ carry
        store(planes, cell + bit * step, y ^ flip)
        new = _majority(y, x, carry)
        count = count + popcount(flip) + popcount(new ^ carry)
        carry = new
    store(planes, carry_cell, carry)
    return count


@njit(nogil=True)
def _next_bit(planes: np.ndarray, operand: Operand, bit: int, last: Words, lanes: Lanes) -> Words:
    """Bit ``bit`` of an operand; ``last``: the bit below it."""
    cell, step, width, sign = operand
    if bit < width:
        return load(planes, cell + bit * step, lanes)
    return last & splat(sign, lanes)


@njit(nogil=True)
def add_out(
    planes: np.ndarray, carry_cell: int, r: Operand, a: Operand, b: Operand, invert: int, fresh: int, lanes: Lanes
) -> Words:
    """r <- a + b, or a - b where ``invert`` is -1. r is cleared first, or where ``fresh`` is -1 overwritten, and a
    difference has its top bit inverted. The carry is not written from the bit on where no later one needs it."""
    r_cell, r_step, r_width, _ = r
    _, _, a_width, a_sign = a
    _, _, b_width, b_sign = b
    count = popcount(load(planes, carry_cell, lanes))
    carry, inverted, kept = splat(0, lanes), splat(invert, lanes), splat(fresh, lanes)
    x, y = carry, carry
    stop = r_width - 1
    if (invert | a_sign | b_sign) == 0:
        stop = min(stop, max(a_width, b_width))
    for bit in range(stop):
        x = _next_bit(planes, a, bit, x, lanes)
        y = _next_bit(planes, b, bit, y, lanes)
        old = load(planes, r_cell + bit * r_step, lanes)
        rest = old & kept
        result = x ^ y ^ carry
        store(planes, r_cell + bit * r_step, result)
        new = _majority(x ^ inverted, y, carry)
        count = count + popcount(old ^ rest) + popcount(result ^ rest) + popcount(new ^ carry)
        carry = new
    store(planes, carry_cell, carry)
    for bit in range(stop, r_width):
        x = _next_bit(planes, a, bit, x, lanes)
        y = _next_bit(planes, b, bit, y, lanes)
        old = load(planes, r_cell + bit * r_step, lanes)
        rest = old & kept
        result = x ^ y ^ carry ^ (inverted & kept)
        store(planes, r_cell + bit * r_step, result)
        count = count + popcount(old ^ rest) + popcount(result ^ rest)
        carry = _majority(x, y, carry)
    return count


@njit(nogil=True)
def extend(planes: np.ndarray, flag_cell: int, r: Operand, start: int, lanes: Lanes) -> Words:
    """r[start:] <- r[start - 1], by way of the flag."""
    cell, step, width, _ = r
    sign = load(planes, cell + (start - 1) * step, lanes)
    count = write(planes, flag_cell, sign, lanes)
    for bit in range(start, width):
        count = count + write(planes, cell + bit * step, sign, lanes)
    return count


@njit(nogil=True)
def maximum(planes: np.ndarray, flag_cell: int, r: Operand, a: Operand, lanes: Lanes) -> Words:
    """flag <- (r < a), bit by bit upwards; then r <- a where it is set."""
    r_cell, r_step, width, r_sign = r
    a_cell, a_step, _, _ = a
    count = popcount(load(planes, flag_cell, lanes))
    less = splat(0, lanes)
    for bit in range(width):
        x = load(planes, a_cell + bit * a_step, lanes)
        y = load(planes, r_cell + bit * r_step, lanes)
        larger = x ^ splat(r_sign & mask(bit == width - 1), lanes)
        flip = (x ^ y) & (less ^ larger)
        count = count + popcount(flip)
        less = less ^ flip
    store(planes, flag_cell, less)
    for bit in range(width):
        x = load(planes, a_cell + bit * a_step, lanes)
        y = load(planes, r_cell + bit * r_step, lanes)
        flip = (x ^ y) & less
        store(planes, r_cell + bit * r_step, y ^ flip)
        count = count + popcount(flip)
    return count


@njit(nogil=True)
def _range(a: Operand) -> tuple[int, int]:
    """The least and the greatest value of an operand."""
    _, _, width, sign = a
    least = -(Int64(1) << (width - 1)) if sign else Int64(0)
    return least, least + (Int64(1) << width) - 1


@njit(nogil=True)
def below(planes: np.ndarray, flag_cell: int, a: Operand, threshold: int, lanes: Lanes) -> Words:
    """flag <- (a < threshold), bit by bit upwards."""
    cell, step, width, sign = a
    least, greatest = _range(a)
    less = splat(mask(threshold > greatest), lanes)
    count = popcount(load(planes, flag_cell, lanes) ^ less)
    if least < threshold <= greatest:
        for bit in range(width):
            x = load(planes, cell + bit * step, lanes) ^ splat(sign & mask(bit == width - 1), lanes)
            limit = splat(bit_mask(threshold - least, bit), lanes)
            flip = (x ^ limit) & (less ^ limit)
            count = count + popcount(flip)
            less = less ^ flip
    store(planes, flag_cell, less)
    return count


@njit(nogil=True)
def clamp(
    planes: np.ndarray, f_cell: int, g_cell: int, r: Operand, a: Operand, lo: int, hi: int, lanes: Lanes
) -> Words:
    """r <- min(max(a, lo), hi); a flag is used only for a limit that a can pass."""
    r_cell, r_step, r_width, _ = r
    a_cell, a_step, a_width, a_sign = a
    least, greatest = _range(a)
    count = splat(0, lanes)
    under, within = count, splat(-1, lanes)
    if lo > least:
        count = count + below(planes, f_cell, a, lo, lanes)
        under = load(planes, f_cell, lanes)
    if hi < greatest:
        count = count + below(planes, g_cell, a, hi + 1, lanes)
        within = load(planes, g_cell, lanes)
    x = under
    for bit in range(r_width):
        if bit < a_width:
            x = load(planes, a_cell + bit * a_step, lanes)
        elif bit == a_width:
            x = x & splat(a_sign, lanes)
        top, bottom = splat(bit_mask(hi, bit), lanes), splat(bit_mask(lo, bit), lanes)
        value = top ^ (within & (x ^ top))
        value = value ^ (under & (value ^ bottom))
        count = count + write(planes, r_cell + bit * r_step, value, lanes)
    return count


@njit(nogil=True)
def step_up(planes: np.ndarray, g_cell: int, r: Operand, a: Operand, threshold: int, value: int, lanes: Lanes) -> Words:
    """r <- value where a >= threshold."""
    cell, step, width, _ = r
    count = below(planes, g_cell, a, threshold, lanes)
    reached = load(planes, g_cell, lanes) ^ splat(-1, lanes)
    for bit in range(width):
        y = load(planes, cell + bit * step, lanes)
        flip = (y ^ splat(bit_mask(value, bit), lanes)) & reached
        store(planes, cell + bit * step, y ^ flip)
        count = count + popcount(flip)
    return count
