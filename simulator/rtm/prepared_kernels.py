"""What tiles use of their arrays, and what these hold from the start, in Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ir import isa
from ir.isa import A_ACROSS, B_ACROSS, FLAG_COLUMNS, R_ACROSS, Op
from ir.kernel_cache import forget_stale
from simulator.rtm.lanes import ROWS_PER_WORD

forget_stale(__file__, isa.__file__)

Int64: Any = np.int64
GATHER, MAC, EXTEND = int(Op.GATHER), int(Op.MAC), int(Op.EXTEND)


@njit(nogil=True, cache=True)
def resident_planes(values: np.ndarray, widths: np.ndarray, batch: int, planes: np.ndarray) -> None:
    """The bits of what rows hold, the same in every image: ``values``, int32[fields, positions], ``widths`` bits of
    each, upwards, into ``planes``, uint64[all the bits, words], zeros so far."""
    positions, plane = values.shape[1], 0
    image = np.zeros(positions // ROWS_PER_WORD + 2, np.uint64)
    for field in range(len(values)):
        for bit in range(widths[field]):
            image[:] = 0
            for row in range(positions):
                one = np.uint64(values[field, row] >> bit & 1)
                image[row // ROWS_PER_WORD] |= one << np.uint64(row % ROWS_PER_WORD)
            for number in range(batch):
                word, shift = divmod(number * positions, ROWS_PER_WORD)
                for index in range(-(-positions // ROWS_PER_WORD)):
                    planes[plane, word + index] |= image[index] << np.uint64(shift)
                    if shift and word + index + 1 < planes.shape[1]:
                        planes[plane, word + index + 1] |= image[index] >> np.uint64(ROWS_PER_WORD - shift)
            plane += 1


@njit(nogil=True)
def _widen(low: np.ndarray, stop: np.ndarray, column: int, domain: int, width: int, across: int) -> None:
    """The domains [low, stop) of a field's columns are in use."""
    columns, depth = (width, 1) if across else (1, width)
    for index in range(column, column + columns):
        low[index] = min(low[index], domain)
        stop[index] = max(stop[index], domain + depth)


@njit(nogil=True, cache=True)
def used_domains(instructions: np.ndarray, fields: np.ndarray, low: np.ndarray, stop: np.ndarray) -> None:
    """Narrow down which domains of every column are in use: ``low``, ``stop``: int64[columns], in and out, widened by
    the flags, the instructions' operands and the FIELD records ``fields``."""
    for flag in range(FLAG_COLUMNS):
        _widen(low, stop, flag, 0, 1, 0)
    for index in range(len(fields)):
        field = fields[index]
        _widen(low, stop, Int64(field["column"]), Int64(field["domain"]), Int64(field["width"]), Int64(field["across"]))
    for index in range(len(instructions)):
        record = instructions[index]
        op, flags = record["op"], Int64(record["flags"])
        _widen(
            low, stop, Int64(record["r_column"]), Int64(record["r_domain"]), Int64(record["r_width"]), flags & R_ACROSS
        )
        if op != GATHER and op != EXTEND and record["a_width"]:  # there other numbers stand in its place
            _widen(
                low,
                stop,
                Int64(record["a_column"]),
                Int64(record["a_domain"]),
                Int64(record["a_width"]),
                flags & A_ACROSS,
            )
        if op != MAC and record["b_width"]:
            _widen(
                low,
                stop,
                Int64(record["b_column"]),
                Int64(record["b_domain"]),
                Int64(record["b_width"]),
                flags & B_ACROSS,
            )
