"""The kernels of ``ir.values``: which value every instruction makes and reads, and the interval of what it leaves.

Of every cell they follow which value it holds and which of the value's bits (``ir.cells``); of every value the interval
of the integer in its cells, from the cell of its bit 0 to the top of what was written last. So what a shifted sub-field
adds to a value adds to the value's whole integer.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ir.cells import DOMAINS, NONE, OPERAND_A, OPERAND_B, OPERAND_R, hold, place, run_length, updates
from ir.isa import B_SIGNED, R_FRESH, R_SIGNED, Op
from ir.kernel_cache import forget_stale

forget_stale(__file__)

WIDEST, FARTHEST = 48, 1 << 50
"""Of fields wider than WIDEST, and of integers beyond FARTHEST, only what the field can hold is known: so no sum or
product of bounds leaves int64, nor the integers that a double holds."""
SEVERAL = -2
ADD, SUB, ADDO, SUBO, ADDC, MAC, CONST, EXTEND, MAX, CLAMP, GATHER = (
    int(op)
    for op in (
        *(Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.ADDC, Op.MAC),
        *(Op.CONST, Op.EXTEND, Op.MAX, Op.CLAMP, Op.GATHER),
    )
)


class Held(NamedTuple):
    """``value``, ``bit``: int32[cells], the value that a cell holds (NONE) and which of its bits. The others are of
    values: ``origin`` int64, the cell of bit 0; ``across`` bool; ``known`` int32, how many bits the integer has whose
    interval ``low``, ``high`` (int64) is, 0 where none is known."""

    value: np.ndarray
    bit: np.ndarray
    origin: np.ndarray
    across: np.ndarray
    known: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Trace(NamedTuple):
    """What ``follow`` fills in: the arrays of ``ir.values.TileValues`` of the same names."""

    made: np.ndarray
    a: np.ndarray
    b: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    last: np.ndarray
    last_read: np.ndarray
    updates: np.ndarray


@numba.njit(cache=True, nogil=True)
def bounds(width: int, signed: bool) -> tuple[int, int]:
    """The range of an integer of ``width`` bits, at most 63."""
    if signed:
        return -(1 << (width - 1)), (1 << (width - 1)) - 1
    return 0, ((1 << (width - 1)) - 1) * 2 + 1


@numba.njit(cache=True, nogil=True)
def wrap(low: int, high: int, width: int, signed: bool) -> tuple[int, int]:
    """The interval of what is left of [low, high] modulo 2**width: moved as a whole where no multiple of it parts the
    interval, else all that ``width`` bits hold."""
    least, greatest = bounds(width, signed)
    if width > WIDEST or low < -FARTHEST or high > FARTHEST:
        return least, greatest
    block = (low - least) >> width
    if block != (high - least) >> width:
        return least, greatest
    return low - (block << width), high - (block << width)


@numba.njit(cache=True, nogil=True)
def read(held: Held, cell: int, across: bool, width: int, signed: bool) -> tuple[int, int]:
    """The interval of a field's integer: of the stretches of values that lie in it, one above the other."""
    if width > WIDEST:
        return bounds(width, signed)
    stride = DOMAINS if across else 1
    low = high = bit = 0
    while bit < width:
        start = cell + bit * stride
        value, first = held.value[start], held.bit[start]
        count = run_length(held.value, held.bit, start, stride, width - bit)
        top = signed and bit + count == width
        if value >= 0 and first + count <= held.known[value]:
            least, greatest = wrap(held.low[value] >> first, held.high[value] >> first, count, top)
        else:
            least, greatest = bounds(count, top)
        low += least << bit
        high += greatest << bit
        bit += count
    return low, high


@numba.njit(cache=True, nogil=True)
def lowest(held: Held, cell: int, across: bool, width: int) -> int:
    """The value that the lowest of a field's cells that hold one holds, or NONE."""
    stride = DOMAINS if across else 1
    for bit in range(width):
        if held.value[cell + bit * stride] >= 0:
            return int(held.value[cell + bit * stride])
    return NONE


@numba.njit(cache=True, nogil=True)
def begin(held: Held, value: int, cell: int, across: bool, width: int, low: int, high: int) -> None:
    """A new value in a field."""
    held.origin[value] = cell
    held.across[value] = across
    held.known[value] = width if width <= WIDEST else 0
    held.low[value] = low
    held.high[value] = high
    hold(held.value, held.bit, cell, across, width, value, 0)


@numba.njit(cache=True, nogil=True)
def _broadcast(record: np.void, gathered: np.ndarray) -> tuple[int, int]:
    """The interval of what MAC multiplies with."""
    number = int(record["imm"]) + (int(record["b_column"]) << 16)
    signed = (record["flags"] & B_SIGNED) != 0
    return wrap(gathered[number, 0], gathered[number, 1], int(record["b_width"]), signed)


@numba.njit(cache=True, nogil=True)
def _addend(record: np.void, constants: np.ndarray, gathered: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The interval of what ADD, SUB, ADDC and MAC add to r; ``low``, ``high``: of a."""
    op = record["op"]
    if op == ADDC:
        constant = constants[record["imm"]] & ((1 << int(record["r_width"])) - 1)
        return constant, constant
    if op == MAC:
        least, greatest = _broadcast(record, gathered)
        corners = (low * least, low * greatest, high * least, high * greatest)
        return min(corners), max(corners)
    return (low, high) if op == ADD else (-high, -low)


@numba.njit(cache=True, nogil=True)
def _replaced(record: np.void, constants: np.ndarray, old: tuple[int, int], a: tuple[int, int]) -> tuple[int, int]:
    """The interval of what MAX, STEP and EXTEND leave in r, before it is reduced to r; ``old``: of r, ``a``: of a."""
    op = record["op"]
    if op == MAX:
        return max(old[0], a[0]), max(old[1], a[1])
    if op == EXTEND:
        return old
    threshold = constants[record["imm"]]
    value = constants[record["imm"] + 1] & ((1 << int(record["r_width"])) - 1)
    value, _ = wrap(value, value, int(record["r_width"]), (record["flags"] & R_SIGNED) != 0)
    if a[1] < threshold:
        return old
    return (value, value) if a[0] >= threshold else (min(old[0], value), max(old[1], value))


@numba.njit(cache=True, nogil=True)
def _update(
    held: Held, record: np.void, constants: np.ndarray, gathered: np.ndarray, value: int, a: tuple[int, int]
) -> tuple[int, int]:
    """Let an instruction that reads r continue the ``value`` of r's lowest cell; returns the interval of r's integer.

    ``a``: the interval of operand a.
    """
    cell, across, width, signed = place(record, OPERAND_R)
    op, below = record["op"], int(held.bit[cell])
    whole = below + width
    moved = held.known[value] == 0 or held.across[value] != across or whole > WIDEST
    operands = int(record["a_width"]) + (int(record["b_width"]) if op == MAC else 0)
    low, high = bounds(min(whole, 63), signed)
    if moved:
        held.known[value] = 0
        hold(held.value, held.bit, cell, across, width, value, below)
        return bounds(width, signed)
    if op == ADD or op == SUB or op == ADDC or op == MAC:
        if operands + below <= WIDEST:
            fresh = (record["flags"] & R_FRESH) != 0
            low, high = read(held, held.origin[value], across, whole - fresh, signed and not fresh)
            least, greatest = _addend(record, constants, gathered, a[0], a[1])
            top = 1 << (whole - 1) if fresh and op == SUB else 0
            low, high = wrap(low + top + (least << below), high + top + (greatest << below), whole, signed)
    else:
        old = read(held, cell, across, operands if op == EXTEND else width, signed or op == EXTEND)
        least, greatest = _replaced(record, constants, old, a)
        least, greatest = wrap(least, greatest, width, signed)
        low, high = read(held, held.origin[value], across, below, False)
        low, high = (least << below) + low, (greatest << below) + high
    held.known[value], held.low[value], held.high[value] = whole, low, high
    hold(held.value, held.bit, cell, across, width, value, below)
    return low >> below, high >> below


@numba.njit(cache=True, nogil=True)
def _clamped(low: int, high: int, least: int, most: int) -> tuple[int, int]:
    """The interval of what CLAMP leaves of a in [low, high]: ``least`` where a is below it, else ``most`` where a is
    above that."""
    if least <= most:
        return min(max(low, least), most), min(max(high, least), most)
    return least if high < least else most, least if low < least else most


@numba.njit(cache=True, nogil=True)
def _begun(
    record: np.void, constants: np.ndarray, gathered: np.ndarray, a: tuple[int, int], b: tuple[int, int]
) -> tuple[int, int]:
    """The interval of what an instruction that does not read r leaves in it; ``a``, ``b``: of its operands."""
    op, width = record["op"], int(record["r_width"])
    fresh, signed = (record["flags"] & R_FRESH) != 0, (record["flags"] & R_SIGNED) != 0
    half = 1 << (width - 1) if fresh and op != ADDO else 0
    low, high = a
    if max(width, int(record["a_width"]) if op != GATHER else 0, int(record["b_width"])) > WIDEST:
        return bounds(width, signed)
    if op == CONST:
        low = high = constants[record["imm"]] & ((1 << width) - 1)
    elif op == GATHER:
        number = int(record["imm"]) + (int(record["a_column"]) << 16)
        low, high = gathered[number, 0] + half, gathered[number, 1] + half
    elif op == ADDO:
        low, high = low + b[0], high + b[1]
    elif op == SUBO:
        low, high = low - b[1] + half, high - b[0] + half
    elif op == CLAMP:
        low, high = _clamped(low, high, constants[record["imm"]], constants[record["imm"] + 1])
    return wrap(low, high, width, signed)


@numba.njit(cache=True, nogil=True)
def follow(
    records: np.ndarray, constants: np.ndarray, gathered: np.ndarray, held: Held, values: int, trace: Trace
) -> int:
    """Follow the values through a tile that starts with ``values`` of them; returns how many there are at its end.

    ``records``: isa.RECORD[n]; ``constants``: int64; ``gathered``: int64[gathers, 2], the interval of each;
    ``held``, ``trace``: in and out, with room for n more values.
    """
    for i in range(len(records)):
        record = records[i]
        op = record["op"]
        cell, across, width, signed = place(record, OPERAND_R)
        operands = NONE, NONE
        a = b = 0, 0
        a_cell, a_across, a_width, a_signed = place(record, OPERAND_A)
        b_cell, b_across, b_width, b_signed = place(record, OPERAND_B)
        if a_width > 0:
            a = read(held, a_cell, a_across, a_width, a_signed)
        if b_width > 0:
            b = read(held, b_cell, b_across, b_width, b_signed)
        operands = lowest(held, a_cell, a_across, a_width), lowest(held, b_cell, b_across, b_width)
        reads = updates(op)
        value = held.value[cell] if reads else NONE
        if value == NONE:
            value = values
            values += 1
            trace.first[value] = i
            least, greatest = bounds(width, signed) if reads else _begun(record, constants, gathered, a, b)
            begin(held, value, cell, across, width, least, greatest)
        else:
            trace.updates[value] += 1
        if reads:
            least, greatest = _update(held, record, constants, gathered, value, a)
        for operand in operands:
            if operand != NONE:
                trace.last_read[operand] = i
        trace.a[i], trace.b[i] = operands
        trace.made[i], trace.low[i], trace.high[i], trace.last[value] = value, least, greatest, i
    return values


@numba.njit(cache=True, nogil=True)
def flow(made: np.ndarray, a: np.ndarray, b: np.ndarray, channel: np.ndarray) -> None:
    """``channel``: int32[values], the output channel that each value holds at the end of the tile, or NONE; out: the
    only one that it flows into, NONE or SEVERAL."""
    for i in range(len(made) - 1, -1, -1):
        reached = channel[made[i]]
        if reached == NONE:
            continue
        for value in (a[i], b[i]):
            if value != NONE:
                alone = channel[value] == NONE or channel[value] == reached
                channel[value] = reached if alone else SEVERAL
