"""From slots that fail in a tile to the events that an engine takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ir.isa import A_ACROSS, B_ACROSS, R_ACROSS
from ir.kernel_cache import forget_stale
from simulator.rtm.faults.displacements import FailedSteps, displacements
from simulator.rtm.faults.events import (
    DISPLACE,
    EVENT,
    MOST_AMOUNT,
    STUCK,
    TAG,
    UNSWITCHED,
    WHERE_MATCH,
    WHERE_MISMATCH,
)
from simulator.rtm.faults.model import SearchFaults, ShiftFaults, StuckWires
from simulator.rtm.faults.slots import TileSlots

forget_stale(__file__)

Int64: Any = np.int64


@dataclass(frozen=True, eq=False)
class TileCandidates:
    """Slots that fail in one tile, by instruction and slot; int64[n] each, but ``uniform`` float64[n]. ``slot``: in the
    instruction, whatever the position; ``row``: image after image."""

    instruction: np.ndarray
    slot: np.ndarray
    row: np.ndarray
    uniform: np.ndarray

    def at(self, index: np.ndarray) -> TileCandidates:
        """Some of them."""
        return TileCandidates(self.instruction[index], self.slot[index], self.row[index], self.uniform[index])

    def __len__(self) -> int:
        return len(self.row)


def shift_events(
    tile: TileSlots, failed: TileCandidates, shift: ShiftFaults, correct: int
) -> tuple[np.ndarray, Counter[str]]:
    """DISPLACE events of the tile's own wires, and how often what happened."""
    traced = np.zeros((len(failed), 5), np.int64)
    paths = tile.paths
    _trace_shifts(
        tile.tile.instructions, tile.signature, paths.moves, paths.move_starts, paths.last, paths.touched,
        np.zeros(tile.columns, np.int64), failed.instruction, failed.slot, traced,
    )  # fmt: skip
    operation, op, column, steps, step = traced.T
    index, amounts, counts = displacements(
        FailedSteps(operation, step, steps, failed.row, failed.uniform), shift, correct
    )
    index, amounts = _in_pieces(index, amounts)
    events = _events(failed.at(index), op[index], DISPLACE, column[index])
    events["amount"] = amounts
    return events, counts


def _in_pieces(index: np.ndarray, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each amount (int64[n]) in as many as it takes of at most MOST_AMOUNT."""
    pieces = -(-np.abs(amounts) // MOST_AMOUNT)
    owner = np.repeat(np.arange(len(amounts)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = np.abs(amounts)[owner] - nth * MOST_AMOUNT
    return index[owner], np.sign(amounts)[owner] * np.minimum(left, MOST_AMOUNT)


def wrong_answers(uniform: np.ndarray, search: SearchFaults) -> np.ndarray:
    """Where each candidate (float64[n]) of a search errs: WHERE_MISMATCH and WHERE_MATCH bits, int64[n]."""
    draw = uniform * search.candidate_rate
    return (draw < search.false_match) * WHERE_MISMATCH | (draw < search.false_mismatch) * WHERE_MATCH


def search_counts(where: np.ndarray) -> Counter[str]:
    """How many candidates would make a false match, and how many a false mismatch."""
    return Counter(
        false_match=int(np.count_nonzero(where & WHERE_MISMATCH)),
        false_mismatch=int(np.count_nonzero(where & WHERE_MATCH)),
    )


def search_events(tile: TileSlots, failed: TileCandidates, search: SearchFaults) -> tuple[np.ndarray, Counter[str]]:
    """TAG events, and how many of them would do what."""
    place = tile.paths.search_starts[tile.signature[failed.instruction]] + failed.slot
    where = wrong_answers(failed.uniform, search)
    return _events(failed, tile.paths.searches[place], TAG, where), search_counts(where)


def write_events(tile: TileSlots, failed: TileCandidates) -> tuple[np.ndarray, Counter[str]]:
    """UNSWITCHED events, and how many there are."""
    place = tile.paths.cell_starts[tile.signature[failed.instruction]] + failed.slot
    op, cell = tile.paths.cells[place].T
    return _events(failed, op, UNSWITCHED, cell), Counter(not_switched=len(failed))


def _events(failed: TileCandidates, op: np.ndarray, kind: int, argument: np.ndarray) -> np.ndarray:
    events = np.zeros(len(failed), EVENT)
    events["instruction"], events["op"], events["row"] = failed.instruction, op, failed.row
    events["kind"], events["argument"] = kind, argument
    return events


def stuck_wires(failed: TileCandidates, stuck: StuckWires) -> tuple[np.ndarray, Counter[str]]:
    """STUCK records by column and row, and how many there are; the slot of a candidate is its column."""
    wires = np.zeros(len(failed), STUCK)
    wires["column"], wires["row"] = failed.slot, failed.row
    wires["value"] = failed.uniform * stuck.rate >= stuck.zero
    ones = int(wires["value"].sum(dtype=np.int64))
    order = np.lexsort((failed.row, failed.slot))
    return wires[order], Counter(stuck_zero=len(failed) - ones, stuck_one=ones)


@njit(cache=True, nogil=True)
def _place(record: Any, operand: int) -> tuple[int, int, int]:
    """(column, domain, across) of operand "abr"[operand]."""
    if operand == 0:
        return Int64(record["a_column"]), Int64(record["a_domain"]), Int64(record["flags"] & A_ACROSS)
    if operand == 1:
        return Int64(record["b_column"]), Int64(record["b_domain"]), Int64(record["flags"] & B_ACROSS)
    return Int64(record["r_column"]), Int64(record["r_domain"]), Int64(record["flags"] & R_ACROSS)


@njit(cache=True, nogil=True)
def _trace_shifts(
    records: np.ndarray,
    signature: np.ndarray,
    moves: np.ndarray,
    move_starts: np.ndarray,
    last: np.ndarray,
    touched: np.ndarray,
    offsets: np.ndarray,
    instruction: np.ndarray,
    slot: np.ndarray,
    traced: np.ndarray,
) -> None:
    """Find the shift operations of candidates: walks through a tile, in detail only where there is one.

    ``records`` to ``touched``: of the tile, see ``slots.Paths``; ``offsets``: int64[columns], 0; ``instruction``,
    ``slot``: int64[n], ascending; ``traced``: int64[n, 5], out: (number of the operation, op, column, steps, step).
    """
    found, operation = 0, 0
    for i in range(len(records)):
        if found == len(slot):
            return
        begin = 0  # slot of the next operation's first step
        sig = signature[i]
        move = move_starts[sig]
        while found < len(slot) and instruction[found] == i:
            op, operand, bit = moves[move]
            column, domain, across = _place(records[i], operand)
            if across:
                column += bit
            else:
                domain += bit
            steps = domain - offsets[column]
            offsets[column] = domain
            operation += 1
            while found < len(slot) and instruction[found] == i and slot[found] < begin + abs(steps):
                traced[found, 0], traced[found, 1], traced[found, 2] = operation, op, column
                traced[found, 3], traced[found, 4] = steps, slot[found] - begin
                found += 1
            begin += abs(steps)
            move += 1
        for operand in range(3):
            mask = touched[sig, operand]
            if mask == 0:
                continue
            column, domain, across = _place(records[i], operand)
            if not across:
                offsets[column] = domain + last[sig, operand]
            while across and mask:
                if mask & np.uint64(1):
                    offsets[column] = domain
                mask >>= np.uint64(1)
                column += 1
    begin, column = 0, 0
    while found < len(slot):
        operation += 1
        while found < len(slot) and slot[found] < begin + offsets[column]:
            traced[found, 0], traced[found, 1], traced[found, 2] = operation, 0, column
            traced[found, 3], traced[found, 4] = -offsets[column], slot[found] - begin
            found += 1
        begin += offsets[column]
        column += 1
