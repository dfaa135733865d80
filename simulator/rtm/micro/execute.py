"""One instruction, one micro-operation at a time, over the bit planes of a block of rows, in Numba.

Planes and ``lanes`` are those of ``macros``, but for one cell more, the key line's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from simulator.rtm.faults.events import TAG, UNSWITCHED, WHERE_MATCH, WHERE_MISMATCH
from simulator.rtm.lanes import ROWS_PER_WORD, load, popcount, splat, store
from simulator.rtm.micro.block import Block, X, displace_wires, place_operands
from simulator.rtm.micro.code import RECEIVE, SEARCH_OR, WRITE, Microcode
from simulator.rtm.micro.tally import tally

Int64: Any = np.int64
Lanes = tuple[int, ...]
Words = Any
"""A ``lanes.LanesType`` value."""


@njit(nogil=True)
def execute_one(
    planes: np.ndarray,
    instructions: np.ndarray,
    index: int,
    code: Microcode,
    block: Block,
    lanes: Lanes,
) -> Words:
    """Execute instruction ``index`` with the events that are due; returns the written bits of every lane. A bit that a
    fault keeps from being written counts as written: it was attempted."""
    places, cells = block.places, code.cells
    place_operands(places, instructions[index], block.frame.pitch)
    count, tags = splat(0, lanes), splat(0, lanes)
    signature = code.signature[index]
    first_op = Int64(code.first_op[signature])
    event = block.cursor[0]
    events = event
    while events < len(block.events) and block.events[events]["instruction"] == index:
        events += 1
    block.cursor[0] = events
    for number in range(first_op, Int64(code.first_op[signature + 1])):
        kind = code.kind[number]
        start, stop = Int64(code.first_cell[number]), Int64(code.first_cell[number + 1])
        stop_here = event
        while stop_here < events and block.events[stop_here]["op"] == number - first_op:
            stop_here += 1
        if event < stop_here:
            displace_wires(planes, block, event, stop_here)
        if kind <= SEARCH_OR:
            matches = splat(-1, lanes)
            for item in range(start, stop):
                operand, bit = Int64(cells[item, 0]), Int64(cells[item, 1])
                cell = places[operand, 0] + bit * places[operand, 1]
                matches = matches & (load(planes, cell, lanes) ^ splat(Int64(cells[item, 2]) - 1, lanes))
            if event < stop_here:
                store(block.spill, 0, matches)
                _mistake(block, event, stop_here)
                matches = load(block.spill, 0, lanes)
            if kind == SEARCH_OR:
                matches = matches | tags
            tags = matches
        elif kind == WRITE:
            for item in range(start, stop):
                operand, bit = Int64(cells[item, 0]), Int64(cells[item, 1])
                cell = places[operand, 0] + bit * places[operand, 1]
                column = places[operand, 2] + bit * places[operand, 3]
                old = load(planes, cell, lanes)
                flips = tags & (old ^ splat(-Int64(cells[item, 2]), lanes))
                count = count + popcount(flips)
                if block.wear.size:
                    store(block.spill, 0, flips)
                    _wear_cell(block, cell)
                flips = flips & load(block.wires.free, column, lanes)
                if event < stop_here:
                    store(block.spill, 0, flips)
                    _keep(block, item - start, event, stop_here)
                    flips = load(block.spill, 0, lanes)
                store(planes, cell, old ^ flips)
        elif kind == RECEIVE:
            tags = load(block.received, Int64(cells[start, 1]), lanes)
        else:
            store(planes, places[X, 0], load(block.received, Int64(cells[start, 1]), lanes))
        event = stop_here
    return count


@njit(nogil=True)
def _toggle(spill: np.ndarray, row: int) -> None:
    spill[row // ROWS_PER_WORD] ^= np.uint64(1) << np.uint64(row % ROWS_PER_WORD)


@njit(nogil=True)
def _holds(spill: np.ndarray, row: int) -> bool:
    return spill[row // ROWS_PER_WORD] >> np.uint64(row % ROWS_PER_WORD) & np.uint64(1) != np.uint64(0)


@njit(nogil=True)
def _mistake(block: Block, event: int, stop: int) -> None:
    """Invert the matches in ``spill`` that the events [event, stop) get wrong."""
    for index in range(event, stop):
        found = block.events[index]
        if found["kind"] == TAG:
            row = found["row"] - block.first_row
            if found["argument"] & (WHERE_MATCH if _holds(block.spill, row) else WHERE_MISMATCH):
                _toggle(block.spill, row)


@njit(nogil=True)
def _keep(block: Block, number: int, event: int, stop: int) -> None:
    """Take back the flips in ``spill`` of the written cell ``number`` that do not happen."""
    for index in range(event, stop):
        found = block.events[index]
        if found["kind"] == UNSWITCHED and found["argument"] == number:
            row = found["row"] - block.first_row
            if _holds(block.spill, row):
                _toggle(block.spill, row)


@njit(nogil=True)
def _wear_cell(block: Block, cell: int) -> None:
    """Count the flips in ``spill`` in the counters of a cell."""
    address = Int64(block.wear.ctypes.data) + 4 * cell * block.wear.shape[1]
    for lane in range(block.frame.words):
        word = block.spill[lane]
        if word != np.uint64(0):
            tally(word, address + 4 * ROWS_PER_WORD * lane)
