"""The rows that a kernel runs at once: which instructions they execute singly, and what that takes; in Numba.

The kernels execute whole instructions and stop where ``next_stop`` says. ``runs_singly`` realigns wires if that is due
there and says whether the instruction is for ``execute.execute_one``; ``end_tile`` comes after the last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ir.isa import A_ACROSS, B_ACROSS, CARRY, FLAG_COLUMNS, FLAG_F, FLAG_G, R_ACROSS
from simulator.rtm.faults.events import DISPLACE
from simulator.rtm.lanes import ROWS_PER_WORD
from simulator.rtm.micro.code import OPERANDS, Microcode
from simulator.rtm.micro.plan import Singles
from simulator.rtm.micro.wires import Frame, Wires, displace, fill_guards, make_wires, realign, stick

Int64: Any = np.int64
NEVER = 1 << 60
R, A, B, C, F, G, X = (OPERANDS[name] for name in "rabCFGX")


class Block(NamedTuple):
    """``first_row``: the row of the layer that the block begins with; ``events``, ``patches``: its own; ``cursor``:
    int64[2], how many of each are over; ``any_stuck``: whether a wire of the block is stuck.

    ``places``: int64[7, 4], by number in code.OPERANDS the cell of bit 0, cells from bit to bit, the column of bit 0,
    columns from bit to bit; the key line is a cell of its own, after the last column's. ``received``: uint64[64 *
    words], planes of the gathered bits; ``spill``: uint64[words], to change single rows of a vector; ``wear``:
    int32[cells, rows], the flips of every cell, or of size 0 where they are not asked for.
    """

    frame: Frame
    wires: Wires
    first_row: int
    events: np.ndarray
    patches: np.ndarray
    cursor: np.ndarray
    any_stuck: bool
    realign_every: int
    places: np.ndarray
    received: np.ndarray
    spill: np.ndarray
    wear: np.ndarray


@njit(nogil=True)
def make_block(singles: Singles, columns: int, pitch: int, words: int, received: np.ndarray) -> Block:
    """Room for one block after another, each of which ``begin_tile`` makes of it."""
    most = 0
    for block in range(len(singles.first_event) - 1):
        most = max(most, singles.first_event[block + 1] - singles.first_event[block])
    cells = columns * pitch if singles.wear else 0
    places = np.zeros((X + 1, 4), np.int64)
    _place(places, C, pitch, CARRY, 0, False)
    _place(places, F, pitch, FLAG_F, 0, False)
    _place(places, G, pitch, FLAG_G, 0, False)
    _place(places, X, pitch, columns, 0, False)
    places[X, 1] = 0  # all its "bits" are one cell
    return Block(
        Frame(pitch, singles.domains, singles.guard, singles.entering, words),
        make_wires(columns, words, most),
        Int64(0),
        singles.events[:0],
        singles.patches[:0],
        np.zeros(2, np.int64),
        False,
        singles.realign_every,
        places,
        received,
        np.zeros(words, np.uint64),
        np.zeros((cells, words * ROWS_PER_WORD), np.int32),
    )


@njit(nogil=True)
def _place(places: np.ndarray, operand: int, pitch: int, column: int, domain: int, across: bool) -> None:
    places[operand, 0] = column * pitch + domain
    places[operand, 1] = pitch if across else 1
    places[operand, 2] = column
    places[operand, 3] = 1 if across else 0


@njit(nogil=True)
def place_operands(places: np.ndarray, record: Any, pitch: int) -> None:
    """Set the places of an instruction's operands."""
    flags = Int64(record["flags"])
    _place(places, R, pitch, Int64(record["r_column"]), Int64(record["r_domain"]), flags & R_ACROSS != 0)
    _place(places, A, pitch, Int64(record["a_column"]), Int64(record["a_domain"]), flags & A_ACROSS != 0)
    _place(places, B, pitch, Int64(record["b_column"]), Int64(record["b_domain"]), flags & B_ACROSS != 0)


@njit(nogil=True)
def begin_tile(planes: np.ndarray, room: Block, singles: Singles, number: int) -> Block:
    """Block ``number``, aligned, with its guard domains and stuck wires as they are; ``planes``: zeros and what is
    resident."""
    frame, wires = room.frame, room.wires
    first_row = number * frame.words * ROWS_PER_WORD
    wires.free[:] = ~np.uint64(0)
    room.cursor[:] = 0
    room.wear[:] = 0
    if frame.guard and frame.entering and singles.first_event[number] < singles.first_event[number + 1]:
        fill_guards(planes, frame, len(wires.free) // frame.words)
    first, stop = singles.first_stuck[number], singles.first_stuck[number + 1]
    for index in range(first, stop):
        found = singles.stuck[index]
        stick(planes, frame, wires, Int64(found["column"]), found["row"] - first_row, Int64(found["value"]))
    return Block(
        frame,
        wires,
        first_row,
        singles.events[singles.first_event[number] : singles.first_event[number + 1]],
        singles.patches[singles.first_patch[number] : singles.first_patch[number + 1]],
        room.cursor,
        first < stop,
        room.realign_every,
        room.places,
        room.received,
        room.spill,
        room.wear,
    )


@njit(nogil=True)
def next_stop(block: Block, index: int) -> int:
    """The first instruction after ``index`` where something may be due, a patch also; -1 for ``index`` gives the first
    at all."""
    if block.any_stuck or block.wear.size:
        return index + 1
    stop = NEVER
    if block.cursor[0] < len(block.events):
        stop = Int64(block.events[block.cursor[0]]["instruction"])
    if block.cursor[1] < len(block.patches):
        stop = min(stop, Int64(block.patches[block.cursor[1]]["instruction"]))
    if block.realign_every and block.wires.listed[0]:
        stop = min(stop, (index // block.realign_every + 1) * block.realign_every)
    return stop


@njit(nogil=True)
def runs_singly(planes: np.ndarray, block: Block, code: Microcode, record: Any, index: int) -> bool:
    """Whether instruction ``index``, a stop, is executed one micro-operation at a time."""
    if block.realign_every and index % block.realign_every == 0:
        realign(planes, block.frame, block.wires)
    event = block.cursor[0]
    if event < len(block.events) and block.events[event]["instruction"] == index:
        return True
    return block.wear.size > 0 or (block.any_stuck and _writes_stuck(block, code, record, index))


@njit(nogil=True)
def _writes_stuck(block: Block, code: Microcode, record: Any, index: int) -> bool:
    """Whether an instruction writes to a column with stuck wires. It may read from one: that reads as it is held."""
    first = Int64(record["r_column"])
    width = Int64(record["r_width"]) if record["flags"] & R_ACROSS else 1
    for column in range(first, first + width):
        if _any_stuck(block, column):
            return True
    for flag in range(FLAG_COLUMNS):
        if code.flags[code.signature[index], flag] and _any_stuck(block, flag):
            return True
    return False


@njit(nogil=True)
def _any_stuck(block: Block, column: int) -> bool:
    for index in range(column * block.frame.words, (column + 1) * block.frame.words):
        if ~block.wires.free[index] != np.uint64(0):
            return True
    return False


@njit(nogil=True)
def patch_received(block: Block, index: int) -> None:
    """Apply the patches of instruction ``index`` to what the rows receive."""
    while block.cursor[1] < len(block.patches):
        found = block.patches[block.cursor[1]]
        if found["instruction"] != index:
            break
        row = found["row"] - block.first_row
        lane, selected = row // ROWS_PER_WORD, np.uint64(1) << np.uint64(row % ROWS_PER_WORD)
        bits, bit = found["bits"], 0
        while bits != np.uint64(0):
            if bits & np.uint64(1):
                block.received[bit * block.frame.words + lane] ^= selected
            bits, bit = bits >> np.uint64(1), bit + 1
        block.cursor[1] += 1


@njit(nogil=True)
def displace_wires(planes: np.ndarray, block: Block, event: int, stop: int) -> None:
    """Let the displacements among the events [event, stop) happen."""
    for index in range(event, stop):
        found = block.events[index]
        if found["kind"] == DISPLACE:
            row = found["row"] - block.first_row
            displace(planes, block.frame, block.wires, Int64(found["argument"]), row, Int64(found["amount"]))


@njit(nogil=True)
def end_tile(planes: np.ndarray, block: Block) -> None:
    """Rewind, with the faults of that, and realign."""
    displace_wires(planes, block, block.cursor[0], len(block.events))
    realign(planes, block.frame, block.wires)
