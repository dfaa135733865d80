"""The tables at the head of an encoded stream (docs/encoding.md): code lengths, constants, gather entries."""

from __future__ import annotations

import numba
import numpy as np

from ir.bits import BitReader, BitWriter, read_bits, read_signed
from ir.errors import UserError
from ir.kernel_cache import forget_stale
from ir.prefix_code import is_prefix_code
from ir.program import GATHER

forget_stale(__file__)

SYMBOL_COUNT_BITS, LENGTH_BITS, RUN_BITS = 17, 4, 8
SIZE_BITS = 6
"""Of the size, less one, of a constant or of a part of a gather."""
_PARTS = GATHER.names or ()


class EncodingError(UserError):
    """Bits that no encoder writes."""


def write_lengths(lengths: np.ndarray) -> BitWriter:
    """The code lengths (uint8) of symbols 0, 1, ...: each in LENGTH_BITS, a run of zeros as a zero and its size less
    one in RUN_BITS."""
    out = BitWriter()
    out.number(len(lengths), SYMBOL_COUNT_BITS)
    most = 1 << RUN_BITS
    coded = []
    run = 0
    for length in lengths.tolist():
        if run and (length or run == most):
            coded.append((run - 1, LENGTH_BITS + RUN_BITS))
            run = 0
        if length:
            coded.append((length, LENGTH_BITS))
        else:
            run += 1
    if run:
        coded.append((run - 1, LENGTH_BITS + RUN_BITS))
    pairs = np.array(coded, np.int64).reshape(-1, 2)
    out.many(pairs[:, 0], pairs[:, 1])
    return out


def read_lengths(reader: BitReader) -> np.ndarray:
    """The inverse of ``write_lengths``. Raises EncodingError."""
    lengths = np.zeros(reader.number(SYMBOL_COUNT_BITS), np.uint8)
    symbol = 0
    while symbol < len(lengths) and not reader.past_end:
        length = reader.number(LENGTH_BITS)
        lengths[symbol] = length
        symbol += 1 if length else reader.number(RUN_BITS) + 1
    if reader.past_end or symbol > len(lengths):
        raise EncodingError("a table of code lengths does not end where it should")
    check_lengths(lengths)
    return lengths


def check_lengths(lengths: np.ndarray) -> None:
    """Raises EncodingError where these are not the lengths of a prefix code."""
    if not is_prefix_code(lengths):
        raise EncodingError("code lengths that belong to no prefix code")


def write_constants(constants: np.ndarray) -> BitWriter:
    """Each int64 as its size less one and as many bits."""
    sizes = _sizes(constants)
    out = BitWriter()
    values = np.column_stack([sizes - 1, constants])
    out.many(values.reshape(-1), np.column_stack([np.full_like(sizes, SIZE_BITS), sizes]).reshape(-1))
    return out


def read_constants(reader: BitReader, count: int) -> np.ndarray:
    """The inverse of ``write_constants``: int64[count]. Raises EncodingError."""
    constants = np.zeros(count, np.int64)
    reader.position = int(_read_constants(reader.data, reader.position, reader.end, constants))
    if reader.past_end:
        raise EncodingError("ends within its constants")
    return constants


def write_gathers(gathers: np.ndarray) -> BitWriter:
    """The sizes less one of the four parts, then of each entry: a one where it differs from the one before in its row
    map only, which is the next; else a zero and its parts."""
    parts = np.stack([gathers[name].astype(np.int64) for name in _PARTS], axis=1)
    sizes = np.array([_sizes(part).max(initial=1) for part in parts.T])
    out = BitWriter()
    out.many(sizes - 1, np.full(len(_PARTS), SIZE_BITS))
    follows = np.zeros(len(gathers), bool)
    follows[1:] = (np.diff(parts, axis=0) == (0, 0, 1, 0)).all(axis=1)
    values = np.column_stack([follows, parts])
    lengths = np.column_stack([np.ones(len(gathers), np.int64), np.where(follows[:, None], 0, sizes)])
    out.many(values.reshape(-1), lengths.reshape(-1))
    return out


def read_gathers(reader: BitReader, count: int) -> np.ndarray:
    """The inverse of ``write_gathers``: GATHER[count]. Raises EncodingError."""
    sizes = np.array([reader.number(SIZE_BITS) + 1 for _ in _PARTS])
    parts = np.zeros((count, len(_PARTS)), np.int64)
    reader.position = int(_read_gathers(reader.data, reader.position, reader.end, sizes, parts))
    if reader.past_end:
        raise EncodingError("ends within its gathers")
    gathers = np.zeros(count, GATHER)
    for place, name in enumerate(_PARTS):
        gathers[name] = parts[:, place]
        if (gathers[name] != parts[:, place]).any():
            raise EncodingError(f"the {name} of a gather is out of range")
    return gathers


def _sizes(values: np.ndarray) -> np.ndarray:
    """Bits of each int64 in two's complement, int64."""
    magnitude = np.where(values < 0, ~values, values).astype(np.uint64)
    return np.searchsorted(np.uint64(1) << np.arange(63, dtype=np.uint64), magnitude, side="right") + 1


@numba.njit(cache=True, nogil=True)
def _read_constants(data: np.ndarray, position: int, end: int, constants: np.ndarray) -> int:
    """Fill ``constants``; returns the next position, beyond ``end`` where the data are too short."""
    for i in range(len(constants)):
        if position + SIZE_BITS > end:
            return end + 1
        size = read_bits(data, position, SIZE_BITS) + 1
        position += SIZE_BITS
        if position + size > end:
            return end + 1
        constants[i] = read_signed(data, position, size)
        position += size
    return position


@numba.njit(cache=True, nogil=True)
def _read_gathers(data: np.ndarray, position: int, end: int, sizes: np.ndarray, parts: np.ndarray) -> int:
    """The same for the parts of gathers, int64[gathers, 4]."""
    whole = sizes.sum()
    for i in range(len(parts)):
        if position >= end:
            return end + 1
        follows = read_bits(data, position, 1)
        position += 1
        if follows:
            if i > 0:
                parts[i] = parts[i - 1]
            parts[i, 2] += 1
            continue
        if position + whole > end:
            return end + 1
        for part in range(len(sizes)):
            parts[i, part] = read_signed(data, position, sizes[part])
            position += sizes[part]
    return position
