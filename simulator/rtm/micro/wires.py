"""Nanowires of single rows, in Numba: displaced, put back, stuck.

The content of a wire is seen from its port: cell k is what the port reads at offset k. Of every column the planes hold
the cells [-guard, domains + guard), one after another: ``pitch`` is at least domains + 2 * guard. Flag columns never
shift, so that of column 0 the cells below 0, which would lie before the planes, are never touched.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ir.isa import FLAG_COLUMNS
from simulator.rtm.lanes import ROWS_PER_WORD

Int64: Any = np.int64


class Frame(NamedTuple):
    """Where cells are: (column, domain) is cell column * ``pitch`` + domain of the planes, each ``words`` uint64.
    ``entering``: the bit (0 or 1) that enters a wire at its end when its content moves."""

    pitch: int
    domains: int
    guard: int
    entering: int
    words: int


class Wires(NamedTuple):
    """The state of a block's wires beside their bits. ``free``: uint64[columns * words], the rows whose wire of a
    column is not stuck; ``displacement``: int32[columns, rows]; ``displaced``: int64[capacity, 2], (column, row) of
    every wire that may be displaced, of which there are ``listed[0]`` (int64[1])."""

    free: np.ndarray
    displacement: np.ndarray
    displaced: np.ndarray
    listed: np.ndarray


@njit(nogil=True)
def make_wires(columns: int, words: int, displacements: int) -> Wires:
    """Wires that are aligned and free, with room for ``displacements`` events between two realignments."""
    return Wires(
        np.full(columns * words, ~np.uint64(0), np.uint64),
        np.zeros((columns if displacements else 0, words * ROWS_PER_WORD), np.int32),
        np.zeros((displacements, 2), np.int64),
        np.zeros(1, np.int64),
    )


@njit(nogil=True)
def fill_guards(planes: np.ndarray, frame: Frame, columns: int) -> None:
    """Let the guard domains hold ones."""
    for column in range(FLAG_COLUMNS, columns):
        first = column * frame.pitch * frame.words
        planes[first - frame.guard * frame.words : first] = ~np.uint64(0)
        first += frame.domains * frame.words
        planes[first : first + frame.guard * frame.words] = ~np.uint64(0)


@njit(nogil=True)
def move(planes: np.ndarray, frame: Frame, column: int, row: int, amount: int) -> None:
    """Cell k of the wire takes what cell k + ``amount`` held; what has left the frame is lost."""
    length = frame.domains + 2 * frame.guard
    distance = min(abs(amount), length)
    step = 1 if amount > 0 else -1
    start = column * frame.pitch - frame.guard + (0 if amount > 0 else length - 1)
    lane, selected = row // ROWS_PER_WORD, np.uint64(1) << np.uint64(row % ROWS_PER_WORD)
    to, stride = start * frame.words + lane, step * frame.words
    for _ in range(length - distance):
        planes[to] ^= (planes[to] ^ planes[to + distance * stride]) & selected
        to += stride
    for _ in range(distance):
        planes[to] = planes[to] | selected if frame.entering else planes[to] & ~selected
        to += stride


@njit(nogil=True)
def displace(planes: np.ndarray, frame: Frame, wires: Wires, column: int, row: int, amount: int) -> None:
    """Move a wire's content until it is realigned; a stuck wire has none."""
    word = wires.free[column * frame.words + row // ROWS_PER_WORD]
    if not word >> np.uint64(row % ROWS_PER_WORD) & np.uint64(1):
        return
    if wires.displacement[column, row] == 0:
        wires.displaced[wires.listed[0], 0] = column
        wires.displaced[wires.listed[0], 1] = row
        wires.listed[0] += 1
    wires.displacement[column, row] += amount
    move(planes, frame, column, row, amount)


@njit(nogil=True)
def realign(planes: np.ndarray, frame: Frame, wires: Wires) -> None:
    """Move every displaced wire back by as much as it is displaced."""
    for index in range(wires.listed[0]):
        column, row = wires.displaced[index]
        amount = Int64(wires.displacement[column, row])
        wires.displacement[column, row] = 0
        if amount:
            move(planes, frame, column, row, -amount)
    wires.listed[0] = 0


@njit(nogil=True)
def stick(planes: np.ndarray, frame: Frame, wires: Wires, column: int, row: int, value: int) -> None:
    """A wire reads as ``value`` at every offset and takes no other."""
    lane, selected = row // ROWS_PER_WORD, np.uint64(1) << np.uint64(row % ROWS_PER_WORD)
    wires.free[column * frame.words + lane] &= ~selected
    first = column * frame.pitch
    for cell in range(first, first + frame.domains):
        index = cell * frame.words + lane
        planes[index] = planes[index] | selected if value else planes[index] & ~selected
