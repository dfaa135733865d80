"""Which bits of which versions every instruction of a tile reads, and what each instruction serves.

``ir.values`` says which *value* every instruction makes and reads: enough to name what a field holds. A value that is
updated in place is a different integer after every instruction that writes it; here each of these is a *version*, named
by the address of that instruction, and reads are told bit by bit. So ``served`` is exact where "flows into"
(``TileValues.channel``) is not: that holds of a value in all its versions, if it holds of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from ir.cells import (
    DOMAINS,
    NONE,
    OPERAND_A,
    OPERAND_B,
    OPERAND_R,
    cell_count,
    cell_of,
    hold,
    place,
    run_length,
    updates,
)
from ir.isa import R_FRESH, Op
from ir.kernel_cache import forget_stale
from ir.program import Tile
from ir.values import TileValues

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

_EXTEND = int(Op.EXTEND)


class _Held(NamedTuple):
    """``value``, ``bit``: of every cell (``ir.cells``). Of every value, int32: ``last``, its version, and ``extent``,
    how many bits that has."""

    value: np.ndarray
    bit: np.ndarray
    last: np.ndarray
    extent: np.ndarray


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
    cells = cell_count(code, resident, fields)
    previous, shift = np.full(len(code), NONE, np.int32), np.zeros(len(code), np.int32)
    reads = np.zeros(4 * (len(code) + len(fields)) + 64, READ)
    while True:
        of_cells = np.full(cells, NONE, np.int32), np.zeros(cells, np.int32)
        of_values = np.full(len(values.first), NONE, np.int32), np.zeros(len(values.first), np.int32)
        held = _Held(*of_cells, *of_values)
        count = _follow(code, values.made, values.first, resident, fields, held, previous, shift, reads)
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
    held: _Held,
    previous: np.ndarray,
    shift: np.ndarray,
    reads: np.ndarray,
) -> int:
    """Fills in ``previous``, ``shift`` and ``reads``, as far as it is long enough; returns how many reads there are.
    ``held``: nothing, at first."""
    for number in range(len(resident)):
        part = resident[number]
        held.extent[number] = part["width"]
        cell = cell_of(part["column"], part["domain"])
        hold(held.value, held.bit, cell, part["across"] != 0, part["width"], number, 0)
    count = 0
    for i in range(len(code)):
        record, value = code[i], made[i]
        cell, across, width, _ = place(record, OPERAND_R)
        if updates(record["op"]):
            kept = int(record["a_width"]) if record["op"] == _EXTEND else width - ((record["flags"] & R_FRESH) != 0)
            count = _read(held, cell, across, kept, i, OPERAND_R, reads, count)
        for operand in (OPERAND_A, OPERAND_B):
            its_cell, its_across, its_width, _ = place(record, operand)
            count = _read(held, its_cell, its_across, its_width, i, operand, reads, count)
        if first[value] != i:
            previous[i], shift[i] = held.last[value], held.bit[cell]
        held.last[value] = i
        held.extent[value] = shift[i] + width
        hold(held.value, held.bit, cell, across, width, value, shift[i])
    for number in range(len(fields)):
        part = fields[number]
        cell = cell_of(part["column"], part["domain"])
        count = _read(held, cell, part["across"] != 0, int(part["width"]), len(code) + number, OPERAND_A, reads, count)
    return count


@numba.njit(cache=True, nogil=True)
def _read(
    held: _Held, cell: int, across: bool, width: int, instruction: int, operand: int, reads: np.ndarray, count: int
) -> int:
    """Appends the stretches of one field; returns the new count."""
    stride = DOMAINS if across else 1
    j = 0
    while j < width:
        start = cell + j * stride
        number, first = held.value[start], held.bit[start]
        bits = run_length(held.value, held.bit, start, stride, width - j)
        if number != NONE:
            if count < len(reads):
                read = reads[count]
                read["instruction"], read["operand"] = instruction, operand
                read["value"], read["version"], read["first_bit"] = number, held.last[number], first
                read["place"], read["bits"], read["above"] = j, bits, held.extent[number] - first - bits
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
