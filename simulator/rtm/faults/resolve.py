"""From slots that fail in a tile to the events that an engine takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ir import isa
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
from simulator.rtm.faults.operands import operand_cell, operand_place
from simulator.rtm.faults.slots import TileSlots

forget_stale(__file__, isa.__file__)


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
    paths = tile.paths
    walk = _Walk(tile.tile.instructions, tile.signature, paths.moves, paths.move_starts, paths.last, paths.touched)
    traces = _Traces(failed.instruction, failed.slot, *np.zeros((5, len(failed)), np.int64))
    _trace_shifts(walk, np.zeros(tile.columns, np.int64), traces)
    steps = FailedSteps(traces.operation, traces.step, traces.steps, failed.row, failed.uniform)
    index, amounts, counts = displacements(steps, shift, correct)
    index, amounts = _in_pieces(index, amounts)
    events = _events(failed.at(index), traces.op[index], DISPLACE, traces.column[index])
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


class _Walk(NamedTuple):
    """The shifts of a tile: its RECORDs, and of its ``slots.TileSlots`` the ``signature`` of each and what ``Paths``
    has of them."""

    records: np.ndarray
    signature: np.ndarray
    moves: np.ndarray
    move_starts: np.ndarray
    last: np.ndarray
    touched: np.ndarray


class _Traces(NamedTuple):
    """Candidates of shifts, by instruction and slot, and the operations they are of. All int64[n]; the last five are
    written: ``operation`` ascends with time, and ``step`` is that of its ``steps`` (negative: downwards)."""

    instruction: np.ndarray
    slot: np.ndarray
    operation: np.ndarray
    op: np.ndarray
    column: np.ndarray
    steps: np.ndarray
    step: np.ndarray


class _Operation(NamedTuple):
    """A shift operation; ``begin``: the slot of its first step in its instruction."""

    number: int
    op: int
    column: int
    steps: int
    begin: int


@njit(cache=True, nogil=True)
def _trace_shifts(walk: _Walk, offsets: np.ndarray, traces: _Traces) -> None:
    """Find the shift operations of candidates: walks through a tile, in detail only where there is one. ``offsets``:
    int64[columns], 0."""
    found, number = 0, 0
    for i in range(len(walk.records)):
        if found == len(traces.slot):
            return
        record, sig = walk.records[i], walk.signature[i]
        move, begin = walk.move_starts[sig], 0
        while found < len(traces.slot) and traces.instruction[found] == i:
            op, operand, bit = walk.moves[move]
            column, domain = operand_cell(record, operand, bit)
            steps = domain - offsets[column]
            offsets[column] = domain
            number += 1
            found = _trace_operation(traces, found, _Operation(number, op, column, steps, begin))
            begin += abs(steps)
            move += 1
        for operand in range(3):
            _finish(record, operand, walk.last[sig, operand], walk.touched[sig, operand], offsets)
    begin, column = 0, 0
    while found < len(traces.slot):
        number += 1
        found = _trace_operation(traces, found, _Operation(number, 0, column, -offsets[column], begin))
        begin += offsets[column]
        column += 1


@njit(cache=True, nogil=True)
def _trace_operation(traces: _Traces, found: int, operation: _Operation) -> int:
    """Note the candidates of one operation, if there are any; the first one after it. ``found``: the first of the same
    instruction that is not of an earlier operation."""
    instruction, end = traces.instruction[found], operation.begin + abs(operation.steps)
    while found < len(traces.slot) and traces.instruction[found] == instruction and traces.slot[found] < end:
        traces.operation[found], traces.op[found] = operation.number, operation.op
        traces.column[found], traces.steps[found] = operation.column, operation.steps
        traces.step[found] = traces.slot[found] - operation.begin
        found += 1
    return found


@njit(cache=True, nogil=True)
def _finish(record: Any, operand: int, last: int, touched: np.uint64, offsets: np.ndarray) -> None:
    """Set ``offsets`` to what an instruction leaves the columns of an operand at, of which it has ``touched`` some bits
    (uint64 mask) and bit ``last`` at last."""
    if touched == 0:
        return
    column, domain, across = operand_place(record, operand)
    if not across:
        offsets[column] = domain + last
        return
    while touched:
        if touched & np.uint64(1):
            offsets[column] = domain
        touched >>= np.uint64(1)
        column += 1
