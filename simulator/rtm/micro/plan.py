"""What makes instructions of a tile run singly, sorted into the blocks of rows that a kernel runs at once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from ir.isa import RECORD
from ir.program import GATHER, Tile
from simulator.rtm.faults.events import EVENT, PATCH, STUCK
from simulator.rtm.lanes import ROWS_PER_WORD
from simulator.rtm.micro.code import Microcode, encode


class TileFaults(NamedTuple):
    """The faults of one tile: EVENT, PATCH and STUCK records, in order within every part of the rows; wires are
    realigned every ``realign_every`` instructions (0: only at the end), have ``guard`` further domains at each end, and
    ``entering`` is the bit that enters there."""

    events: np.ndarray = np.zeros(0, EVENT)
    patches: np.ndarray = np.zeros(0, PATCH)
    stuck: np.ndarray = np.zeros(0, STUCK)
    realign_every: int = 0
    guard: int = 0
    entering: int = 0

    def microcode(self, tile: Tile, search_or: bool) -> Microcode:
        """Of the instructions that these faults make run singly."""
        if len(self.stuck):
            return encode(tile, search_or)
        touched = np.unique(self.events["instruction"]).astype(np.int64)
        return encode(tile, search_or, touched[touched < len(tile.instructions)])


class Singles(NamedTuple):
    """``TileFaults`` by blocks: the events of block b are those from ``first_event[b]`` (int64[blocks + 1]) on to the
    next's, in order; so with patches and stuck wires. ``domains``: of a wire, without its guards. ``wear``: all
    instructions run singly, so that the flips of every cell are counted."""

    code: Microcode
    events: np.ndarray
    first_event: np.ndarray
    patches: np.ndarray
    first_patch: np.ndarray
    stuck: np.ndarray
    first_stuck: np.ndarray
    realign_every: int
    domains: int
    guard: int
    entering: int
    wear: bool


NO_FAULTS = TileFaults()


def plan_singles(
    code: Microcode, faults: TileFaults, domains: int, words: int, lanes: int, wear: bool = False
) -> Singles:
    """For wires of ``domains`` data domains, ``words`` row words in blocks of ``lanes`` words. ``code``: of all
    instructions that may run singly."""

    def by_block(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order, first = _into_blocks(records["row"], lanes * ROWS_PER_WORD, -(-words // lanes))
        if records.dtype == EVENT:
            _sort_blocks(order, records["instruction"].astype(np.int64) << 16 | records["op"], first)
        elif records.dtype == PATCH:
            _sort_blocks(order, records["instruction"].astype(np.int64), first)
        return records[order], first

    return Singles(
        code,
        *by_block(faults.events),
        *by_block(faults.patches),
        *by_block(faults.stuck),
        faults.realign_every,
        domains,
        faults.guard,
        faults.entering,
        wear,
    )


@lru_cache(maxsize=64)
def no_singles(blocks: int) -> Singles:
    """Where nothing runs singly, in ``blocks`` blocks."""
    nothing = Tile(np.zeros(0, RECORD), np.zeros(0, np.int64), np.zeros(0, GATHER))
    return plan_singles(encode(nothing, search_or=False), NO_FAULTS, 0, blocks, 1)


@njit(nogil=True, cache=True)
def _into_blocks(rows: np.ndarray, rows_per_block: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """(The order, int64, that brings ``rows`` together by block and leaves them in order there; the first of every
    block, int64[blocks + 1])."""
    first = np.zeros(blocks + 1, np.int64)
    for index in range(len(rows)):
        first[rows[index] // rows_per_block + 1] += 1
    for block in range(blocks):
        first[block + 1] += first[block]
    order, free = np.empty(len(rows), np.int64), first.copy()
    for index in range(len(rows)):
        block = rows[index] // rows_per_block
        order[free[block]] = index
        free[block] += 1
    return order, first


@njit(nogil=True, cache=True)
def _sort_blocks(order: np.ndarray, times: np.ndarray, first: np.ndarray) -> None:
    """Sort ``order``, int64, by ``times`` (int64) within each block, which begins at ``first[block]``; what is equal
    stays in order."""
    for block in range(len(first) - 1):
        for index in range(first[block] + 1, first[block + 1]):
            if times[order[index]] < times[order[index - 1]]:
                mine = order[first[block] : first[block + 1]].copy()
                order[first[block] : first[block + 1]] = mine[np.argsort(times[mine], kind="mergesort")]
                break
