"""Sums as packed terms, row by row, which is what the kernels of sharing work on.

A term is ``code = operand << bits | shift << 1 | negative``; ``bits`` leaves room for twice the highest shift, so that
the difference of two shifts fits as well. Row r is ``codes[starts[r] : starts[r] + lengths[r]]``. A temporary is a row
(left, left_shift, right, right_shift, right_sign) of an int32 array.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.adders import NODE, TERM


@numba.njit(cache=True, nogil=True)
def bits_for(top: int) -> int:
    """The bits of shift and sign of a code, where ``top`` is the highest shift."""
    bits = 1
    while 1 << (bits - 1) < 2 * top + 1:
        bits += 1
    return bits


@numba.njit(cache=True, nogil=True)
def pack(terms: np.ndarray, inputs: int, outputs: int, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """(codes int32, starts int64, lengths int64, are there two terms of an output with the same operand and shift) of
    TERM records whose shifts are at most ``top``."""
    bits = bits_for(top)
    lengths = np.zeros(outputs, np.int64)
    for k in range(len(terms)):
        lengths[terms[k]["output"]] += 1
    starts = np.zeros(outputs, np.int64)
    for row in range(1, outputs):
        starts[row] = starts[row - 1] + lengths[row - 1]
    codes = np.empty(len(terms), np.int32)
    lengths[:] = 0
    for k in range(len(terms)):
        term = terms[k]
        row = term["output"]
        codes[starts[row] + lengths[row]] = term["operand"] << bits | term["shift"] << 1 | (term["sign"] < 0)
        lengths[row] += 1
    last = np.full(inputs << (bits - 1), -1, np.int32)
    twice = False
    for row in range(outputs):
        for at in range(starts[row], starts[row] + lengths[row]):
            twice |= last[codes[at] >> 1] == row
            last[codes[at] >> 1] = row
    return codes, starts, lengths, twice


@numba.njit(cache=True, nogil=True)
def unpack(
    codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, top: int, nodes: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(NODE records of the first ``count`` nodes, TERM records ordered by output and operand). Reorders the rows."""
    bits = bits_for(top)
    temporaries = np.empty(count, NODE)
    for k in range(count):
        temporary = temporaries[k]
        temporary["left"], temporary["left_shift"] = nodes[k, 0], nodes[k, 1]
        temporary["right"], temporary["right_shift"] = nodes[k, 2], nodes[k, 3]
        temporary["right_sign"] = nodes[k, 4]
    terms = np.empty(lengths.sum(), TERM)
    written = 0
    for row in range(len(starts)):
        begin, end = starts[row], starts[row] + lengths[row]
        for at in range(begin + 1, end):
            code, to = codes[at], at
            while to > begin and codes[to - 1] > code:
                codes[to] = codes[to - 1]
                to -= 1
            codes[to] = code
        for at in range(begin, end):
            term, code = terms[written], codes[at]
            term["output"], term["operand"] = row, code >> bits
            term["shift"], term["sign"] = (code >> 1) & ((1 << (bits - 1)) - 1), 1 - 2 * (code & 1)
            written += 1
    return temporaries, terms
