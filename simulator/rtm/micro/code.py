"""The microcode of a tile as flat arrays, which ``execute`` interprets: the symbolic expansions of ``ir.expand``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ir.counts import distinct_signatures
from ir.expand import (
    FLAG_CELLS,
    FLAG_PLACES,
    Broadcast,
    Cell,
    Receive,
    Search,
    SearchOr,
    Signature,
    SymbolicOp,
    Write,
    expand,
)
from ir.program import Tile

SEARCH, SEARCH_OR, WRITE, RECEIVE, BROADCAST = range(5)
OPERANDS = {"r": 0, "a": 1, "b": 2, "C": 3, "F": 4, "G": 5, "X": 6}
"""Numbers of what symbolic cells are bits of."""
KINDS: dict[type, int] = {
    Search: SEARCH,
    SearchOr: SEARCH_OR,
    Write: WRITE,
    Receive: RECEIVE,
    Broadcast: BROADCAST,
}


class Microcode(NamedTuple):
    """``signature``: int32[instructions], the number of each instruction's signature, or -1 where it is left out; the
    micro-operations of signature s are those from ``first_op[s]`` (int64[signatures + 1]) to the next's.

    ``kind``: uint8[ops]; the cells of operation i, in order, are those from ``first_cell[i]`` (int64[ops + 1]) to the
    next's; ``cells``: int16[cells, 3], (number in OPERANDS, bit, value searched or written). RECEIVE and BROADCAST
    have one "cell": the bit of what is gathered. ``flags``: bool[signatures, 3], which of the columns CARRY, FLAG_F and
    FLAG_G an instruction writes.
    """

    signature: np.ndarray
    first_op: np.ndarray
    kind: np.ndarray
    first_cell: np.ndarray
    cells: np.ndarray
    flags: np.ndarray


@dataclass(frozen=True, eq=False)
class _Part:
    """One signature's share of ``Microcode``; ``sizes``: int64[ops], cells of each operation."""

    kind: np.ndarray
    sizes: np.ndarray
    cells: np.ndarray
    flags: np.ndarray


_NO_PART = _Part(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros((0, 3), np.int16), np.zeros((0, 3), bool))


def encode(tile: Tile, search_or: bool, chosen: np.ndarray | None = None) -> Microcode:
    """The microcode of a legal tile, or of the instructions ``chosen`` (int64, indices) alone."""
    which = np.arange(len(tile.instructions)) if chosen is None else chosen
    signatures, index = distinct_signatures(replace(tile, instructions=tile.instructions[which]))
    number = np.full(len(tile.instructions), -1, np.int32)
    number[which] = index
    parts = [_encode_signature(sig, search_or) for sig in signatures]
    every = [*parts, _NO_PART]
    return Microcode(
        number,
        _edges(np.array([len(part.kind) for part in parts], np.int64)),
        np.concatenate([part.kind for part in every]),
        _edges(np.concatenate([part.sizes for part in every])),
        np.concatenate([part.cells for part in every]),
        np.concatenate([part.flags for part in every]),
    )


def _edges(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)])


@lru_cache(maxsize=1 << 14)
def _encode_signature(sig: Signature, search_or: bool) -> _Part:
    ops = expand(sig, search_or)
    cells = [_cells(op) for op in ops]
    flat = [(OPERANDS[name], bit, value) for of_op in cells for (name, bit), value in of_op]
    written = {name for op in ops if isinstance(op, Write) for (name, _), _ in op.values}
    flags = sorted(FLAG_CELLS, key=lambda name: FLAG_PLACES[name])
    return _Part(
        np.array([KINDS[type(op)] for op in ops], np.uint8),
        np.array([len(of_op) for of_op in cells], np.int64),
        np.array(flat, np.int16).reshape(-1, 3),
        np.array([[name in written for name in flags]], bool),
    )


def _cells(op: SymbolicOp) -> tuple[tuple[Cell, int], ...]:
    match op:
        case Search(key) | SearchOr(key):
            return key
        case Write(values):
            return values
        case Receive(_, bit) | Broadcast(_, bit):
            return ((("X", bit), 1),)
