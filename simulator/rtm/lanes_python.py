"""The functions of ``simulator.rtm.lanes`` in Python, for NUMBA_DISABLE_JIT; see ``lanes_llvm`` for what they do."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

ALL = (1 << 64) - 1


def load(planes: np.ndarray, cell: int, lanes: tuple[int, ...]) -> np.ndarray:
    return planes[cell * len(lanes) : (cell + 1) * len(lanes)].copy()


def store(planes: np.ndarray, cell: int, words: np.ndarray) -> None:
    planes[cell * len(words) : (cell + 1) * len(words)] = words


def splat(word: int, lanes: tuple[int, ...]) -> np.ndarray:
    return np.full(len(lanes), int(word) & ALL, np.uint64)


def popcount(words: np.ndarray) -> np.ndarray:
    return np.bitwise_count(words).astype(np.uint64)


def pack_bit(address: int, bit: int, kind: Any) -> np.uint64:
    rows = _integers(address, 64, kind).astype(np.int64) >> bit & 1
    return np.packbits(rows.astype(np.uint8), bitorder="little").view(np.uint64)[0]


def unpack_bit(word: int, address: int, value: int, kind: Any) -> None:
    rows = _integers(address, 64, kind)
    where = np.array([int(word) >> row & 1 for row in range(64)], rows.dtype)
    rows |= where * np.int64(value).astype(rows.dtype)


def read_integer(address: int, index: int, kind: Any) -> Any:
    return _integers(address + index * kind.itemsize, 1, kind)[0]


def copy_64_bytes(target: int, source: int) -> None:
    ctypes.memmove(int(target), int(source), 64)


def opaque(value: int) -> int:
    return value


def _integers(address: int, count: int, kind: Any) -> np.ndarray:
    """The integers of ``kind``'s type at ``address``, themselves and no copy."""
    memory = (ctypes.c_char * (count * kind.itemsize)).from_address(int(address))
    return np.frombuffer(memory, kind.dtype)
