"""Which bits of which values every instruction of a tile reads, and what each instruction serves.

``ir.values`` says which value an instruction makes. A value that is updated in place has a *version* for every
instruction that writes it, named by the address of that instruction: what is read is always a version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from ir.isa import A_ACROSS, B_ACROSS, R_ACROSS, R_FRESH, Op
from ir.kernel_cache import forget_stale
from ir.program import Tile
from ir.values import NONE, TileValues
from ir.values_kernels import DOMAINS

forget_stale(__file__)

READ = np.dtype(
    [
        ("instruction", "<i4"),
        ("operand", "u1"),
        ("value", "<i4"),
        ("version", "<i4"),
        ("first_bit", "<i4"),
        ("place", "<i4"),
        ("bits", "<i4"),
        ("above", "<i4"),
    ]
)
"""A stretch of an operand (OPERAND_R, OPERAND_A, OPERAND_B) of an instruction: its bits from ``place`` on are those of
``value`` from ``first_bit`` on, as ``version`` (an address; -1: resident) left them. ``above``: how many more bits the
version has over those. Sorted by instruction, then operand in that order, then place."""
OPERAND_R, OPERAND_A, OPERAND_B = 0, 1, 2

_UPDATING = tuple(int(op) for op in (Op.ADD, Op.SUB, Op.ADDC, Op.MAX, Op.STEP, Op.MAC, Op.EXTEND))
_EXTEND, _GATHER, _MAC = int(Op.EXTEND), int(Op.GATHER), int(Op.MAC)


@dataclass(frozen=True, eq=False)
class TileReads:
    """``reads``: READ records; those of instruction i are reads[starts[i] : starts[i + 1]]. Beyond the last instruction
    come the fields that were asked for, one an index, as operand A of the tile's end. Of every instruction, int32:
    ``previous``, the version that it updates (NONE: it begins a value), ``shift``, the bit of the value that the lowest
    bit of r is."""

    reads: np.ndarray
    starts: np.ndarray
    previous: np.ndarray
    shift: np.ndarray

    def of(self, index: int) -> np.ndarray:
        """The READ records of an instruction, or of one of the fields at the end."""
        return self.reads[self.starts[index] : self.starts[index + 1]]


def tile_reads(tile: Tile, values: TileValues, resident: np.ndarray, fields: np.ndarray) -> TileReads:
    """Follows all cells through a tile. ``values``: ``ir.values.tile_values``; ``resident``: FIELD records of what the
    arrays hold before; ``fields``: FIELD records to be read at the end, such as the tile's outputs."""
    code = tile.instructions
    columns = [
        *(code[name].astype(np.int64) for name in ("r_column", "a_column", "b_column")),
        *(part["column"].astype(np.int64) for part in (resident, fields)),
    ]
    cells = (max(int(part.max(initial=0)) for part in columns) + 64) * DOMAINS
    previous, shift = np.full(len(code), NONE, np.int32), np.zeros(len(code), np.int32)
    reads = np.zeros(4 * (len(code) + len(fields)) + 64, READ)
    while True:
        held = np.full(cells, NONE, np.int32), np.zeros(cells, np.int32)
        count = _follow(code, values.made, values.first, resident, fields, *held, previous, shift, reads)
        if count <= len(reads):
            break
        reads = np.zeros(count, READ)
    reads = reads[:count]
    starts = np.searchsorted(reads["instruction"], np.arange(len(code) + len(fields) + 1))
    return TileReads(reads, starts, previous, shift)


def served(reads: TileReads, fields: int) -> np.ndarray:
    """bool[instructions, fields]: which of the fields read at the end are computed from what an instruction leaves."""
    instructions = len(reads.previous)
    words = np.zeros((instructions + fields, -(-fields // 64)), np.uint64)
    index = np.arange(fields)
    words[instructions + index, index // 64] = np.uint64(1) << (index % 64).astype(np.uint64)
    _serve(reads.reads, reads.starts, words)
    return np.unpackbits(words[:instructions].view(np.uint8), axis=1, bitorder="little", count=fields).astype(bool)


@numba.njit(cache=True, nogil=True)
def _follow(
    code: np.ndarray,
    made: np.ndarray,
    first: np.ndarray,
    resident: np.ndarray,
    fields: np.ndarray,
    value: np.ndarray,
    bit: np.ndarray,
    previous: np.ndarray,
    shift: np.ndarray,
    reads: np.ndarray,
) -> int:
    """Fills in ``previous``, ``shift`` and ``reads``, as far as it is long enough; returns how many reads there are.
    ``value``, ``bit``: what every cell holds, NONE and 0 at first."""
    last = np.full(len(first), NONE, np.int32)
    extent = np.zeros(len(first), np.int32)
    for number in range(len(resident)):
        part = resident[number]
        extent[number] = part["width"]
        _hold(value, bit, _cell(part["column"], part["domain"]), part["across"] != 0, part["width"], number, 0)
    count = 0
    for i in range(len(code)):
        record = code[i]
        op, flags = record["op"], record["flags"]
        cell, across = _cell(record["r_column"], record["r_domain"]), (flags & R_ACROSS) != 0
        if op in _UPDATING:
            width = int(record["a_width"]) if op == _EXTEND else int(record["r_width"]) - ((flags & R_FRESH) != 0)
            count = _read(value, bit, last, extent, cell, across, width, i, OPERAND_R, reads, count)
        if record["a_width"] > 0 and op != _GATHER and op != _EXTEND:
            place, sideways = _cell(record["a_column"], record["a_domain"]), (flags & A_ACROSS) != 0
            width = int(record["a_width"])
            count = _read(value, bit, last, extent, place, sideways, width, i, OPERAND_A, reads, count)
        if record["b_width"] > 0 and op != _MAC:
            place, sideways = _cell(record["b_column"], record["b_domain"]), (flags & B_ACROSS) != 0
            width = int(record["b_width"])
            count = _read(value, bit, last, extent, place, sideways, width, i, OPERAND_B, reads, count)
        if first[made[i]] != i:
            previous[i], shift[i] = last[made[i]], bit[cell]
        last[made[i]] = i
        extent[made[i]] = shift[i] + record["r_width"]
        _hold(value, bit, cell, across, record["r_width"], made[i], shift[i])
    for number in range(len(fields)):
        part = fields[number]
        place = _cell(part["column"], part["domain"])
        index = len(code) + number
        sideways, width = part["across"] != 0, int(part["width"])
        count = _read(value, bit, last, extent, place, sideways, width, index, OPERAND_A, reads, count)
    return count


@numba.njit(cache=True, nogil=True)
def _cell(column: int, domain: int) -> int:
    return int(column) * DOMAINS + int(domain)


@numba.njit(cache=True, nogil=True)
def _hold(value: np.ndarray, bit: np.ndarray, cell: int, across: bool, width: int, number: int, first: int) -> None:
    stride = DOMAINS if across else 1
    for j in range(width):
        value[cell + j * stride] = number
        bit[cell + j * stride] = first + j


@numba.njit(cache=True, nogil=True)
def _read(
    value: np.ndarray,
    bit: np.ndarray,
    last: np.ndarray,
    extent: np.ndarray,
    cell: int,
    across: bool,
    width: int,
    instruction: int,
    operand: int,
    reads: np.ndarray,
    count: int,
) -> int:
    """Appends the stretches of one field; returns the new count."""
    stride = DOMAINS if across else 1
    j = 0
    while j < width:
        place = cell + j * stride
        number, first = value[place], bit[place]
        bits = 1
        while j + bits < width:
            place += stride
            if value[place] != number or bit[place] != first + bits:
                break
            bits += 1
        if number != NONE:
            if count < len(reads):
                read = reads[count]
                read["instruction"], read["operand"] = instruction, operand
                read["value"], read["version"], read["first_bit"] = number, last[number], first
                read["place"], read["bits"], read["above"] = j, bits, extent[number] - first - bits
            count += 1
        j += bits
    return count


@numba.njit(cache=True, nogil=True)
def _serve(reads: np.ndarray, starts: np.ndarray, words: np.ndarray) -> None:
    """Backwards: what serves an instruction's result serves what it reads; of a value that is updated that is always
    the version before."""
    for i in range(len(starts) - 2, -1, -1):
        for index in range(starts[i], starts[i + 1]):
            version = reads[index]["version"]
            if version != NONE:
                words[version] |= words[i]
