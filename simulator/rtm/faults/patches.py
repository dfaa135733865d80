"""What faults in the arrays of gathered tensors do to what a tile receives from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from ir.isa import gather_index
from ir.kernel_cache import forget_stale
from ir.program import LayerProgram, Program, Tile
from simulator.rtm.faults.events import PATCH, WHERE_MATCH, WHERE_MISMATCH
from simulator.rtm.faults.model import WireFaults
from simulator.rtm.faults.slots import Readings
from simulator.rtm.wires import ROWS_PER_WORD, Wires

forget_stale(__file__)


@dataclass(frozen=True, eq=False)
class SourceFaults:
    """What fails while a tile reads; all int64[n], by reading (index into ``Readings``).

    Row ``row`` of the wire of reading ``displaced`` is displaced by ``amount`` just before it; row ``asked`` answers
    reading ``answered`` wrongly ``where`` (WHERE_MISMATCH, WHERE_MATCH).
    """

    displaced: np.ndarray
    row: np.ndarray
    amount: np.ndarray
    answered: np.ndarray
    asked: np.ndarray
    where: np.ndarray


def source_patches(
    program: Program,
    layer: LayerProgram,
    tile: Tile,
    readings: Readings,
    faults: SourceFaults,
    model: WireFaults,
    wires: Mapping[int, Wires],
) -> np.ndarray:
    """PATCH records by instruction and row. ``wires``: by tensor, at least of those that the faults are in."""
    reading, source_row = _wrong_bits(readings, faults, model, wires)
    instruction, source_row, bits = _combine(reading, source_row, readings.instruction, readings.bit)
    distinct, which = np.unique(instruction, return_inverse=True)
    gathers = tile.gathers[gather_index(tile.instructions[distinct])]
    row_maps = layer.row_maps[gathers["row_map"]]
    shapes = np.array([tensor.shape[1:] for tensor in program.tensors], np.int64)[gathers["tensor"]]
    maps = np.stack([row_maps[name].astype(np.int64) for name in row_maps.dtype.names], axis=1)
    _, height, width = program.tensors[layer.output].shape
    received = instruction, source_row, bits, which.reshape(-1), maps, shapes, height, width
    patches = np.zeros(_receive(*received, np.zeros(0, PATCH), False), PATCH)
    _receive(*received, patches, True)
    return patches if _ascending(patches) else patches[np.lexsort((patches["row"], patches["instruction"]))]


def _wrong_bits(
    readings: Readings, faults: SourceFaults, model: WireFaults, wires: Mapping[int, Wires]
) -> tuple[np.ndarray, np.ndarray]:
    """(reading, source row) of every wrong answer, by reading, int64[n] each; what comes twice is right."""
    rows = int(max(faults.row.max(initial=0), faults.asked.max(initial=0))) + 1
    keys, strand = np.unique(readings.wire[faults.displaced] * rows + faults.row, return_inverse=True)
    strand_wire, strand_row = np.divmod(keys, rows)
    strand_starts = np.searchsorted(strand_wire, np.arange(len(readings.wires) + 1))
    stored = _stored(readings, strand_wire, strand_row, wires)
    guards = (0, 0), (model.guard_domains, model.guard_domains)
    content = np.pad(stored, guards, constant_values=model.entering_bit)
    asked = _stored(readings, readings.wire[faults.answered], faults.asked, wires)
    held = np.take_along_axis(asked, readings.domain[faults.answered][:, None], axis=1).ravel()
    found: tuple[np.ndarray, np.ndarray] = _read(
        readings.instruction, readings.wire, readings.domain, strand_row, strand_starts, stored, content,
        faults.displaced, strand.reshape(-1), faults.amount, faults.answered, faults.asked, faults.where, held,
        model.guard_domains, model.entering_bit, model.faults.mitigation.realign_every,
    )  # fmt: skip
    return found


def _stored(readings: Readings, wire: np.ndarray, row: np.ndarray, wires: Mapping[int, Wires]) -> np.ndarray:
    """uint8[n, domains]: what row ``row`` of wire ``wire`` (index into ``Readings.wires``) holds, int64[n] each."""
    domains = next(iter(wires.values())).planes.shape[1] if wires else 0
    stored = np.zeros((len(wire), domains), np.uint8)
    tensor, tile, column = readings.wires[wire].T
    for number in np.unique(tensor).tolist():
        mine = np.flatnonzero(tensor == number)
        word, bit = np.divmod(row[mine], ROWS_PER_WORD)
        words = wires[number].planes[wires[number].index(tile[mine], column[mine]), :, word]
        stored[mine] = words >> bit.astype(np.uint64)[:, None] & np.uint64(1)
    return stored


@njit(cache=True, nogil=True)
def _move(wire: np.ndarray, amount: int, entering_bit: int) -> None:
    """Displace a wire (uint8[domains]) by ``amount``."""
    size = len(wire)
    if amount > 0:
        for k in range(size):
            wire[k] = wire[k + amount] if k + amount < size else entering_bit
    else:
        for k in range(size - 1, -1, -1):
            wire[k] = wire[k + amount] if k + amount >= 0 else entering_bit


@njit(cache=True, nogil=True)
def _read(
    instruction: np.ndarray,
    wire: np.ndarray,
    domain: np.ndarray,
    strand_row: np.ndarray,
    strand_starts: np.ndarray,
    stored: np.ndarray,
    content: np.ndarray,
    displaced: np.ndarray,
    strand: np.ndarray,
    amount: np.ndarray,
    answered: np.ndarray,
    asked: np.ndarray,
    where: np.ndarray,
    held: np.ndarray,
    guard: int,
    entering_bit: int,
    realign_every: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Go through the readings; (reading, source row) of every answer that differs from what is stored.

    A strand is one row of a wire that is displaced at some time: ``strand_row``, sorted within ``strand_starts`` of
    its wire; ``stored``: uint8[strands, domains]; ``content``: the same with guard domains, moved here. ``displaced``,
    ``strand``, ``amount``: displacements; ``answered``, ``asked``, ``where``: wrong answers, ``held`` what the row
    stores there.
    """
    moved = np.zeros(len(strand_row), np.int64)
    touched = np.zeros(len(strand_row), np.bool_)
    away = np.zeros(len(strand_row), np.int64)  # strands that were displaced since the last realignment
    is_away = np.zeros(len(strand_row), np.bool_)
    aways, next_move, next_answer, found = 0, 0, 0, 0
    out_reading, out_row = np.zeros(64, np.int64), np.zeros(64, np.int64)
    for reading in range(len(wire)):
        if next_answer == len(answered) and not len(displaced):
            break
        before = instruction[reading - 1] if reading else 0
        if realign_every and instruction[reading] // realign_every != before // realign_every:
            for i in range(aways):
                _move(content[away[i]], -moved[away[i]], entering_bit)
                moved[away[i]] = 0
                is_away[away[i]] = False
            aways = 0
        while next_move < len(displaced) and displaced[next_move] == reading:
            mine = strand[next_move]
            if not is_away[mine]:
                is_away[mine] = True
                away[aways] = mine
                aways += 1
            _move(content[mine], amount[next_move], entering_bit)
            moved[mine] += amount[next_move]
            touched[mine] = True
            next_move += 1
        begin, end = strand_starts[wire[reading]], strand_starts[wire[reading] + 1]
        room = end - begin + 2
        last_answer = next_answer
        while last_answer < len(answered) and answered[last_answer] == reading:
            last_answer += 1
        room += last_answer - next_answer
        if found + room > len(out_row):
            out_reading = np.append(out_reading, np.zeros(len(out_row) + room, np.int64))
            out_row = np.append(out_row, np.zeros(len(out_row) + room, np.int64))
        for mine in range(begin, end):
            if touched[mine] and content[mine, guard + domain[reading]] != stored[mine, domain[reading]]:
                out_reading[found], out_row[found] = reading, strand_row[mine]
                found += 1
        while next_answer < last_answer:
            answer = held[next_answer]
            mine = begin + np.searchsorted(strand_row[begin:end], asked[next_answer])
            if mine < end and strand_row[mine] == asked[next_answer] and touched[mine]:
                answer = content[mine, guard + domain[reading]]
            if where[next_answer] & (WHERE_MATCH if answer else WHERE_MISMATCH):
                out_reading[found], out_row[found] = reading, asked[next_answer]
                found += 1
            next_answer += 1
    return out_reading[:found], out_row[:found]


@njit(cache=True, nogil=True)
def _range(source: int, stride: int, offset: int, size: int) -> tuple[int, int]:
    """[begin, end) of the output coordinates below ``size`` that receive from the source coordinate ``source``."""
    if stride == 0:
        return 0, size if source == offset else 0
    coordinate = (source - offset) // stride
    if coordinate * stride + offset != source or coordinate < 0 or coordinate >= size:
        return 0, 0
    return coordinate, coordinate + 1


@njit(cache=True, nogil=True)
def _combine(
    reading: np.ndarray, source_row: np.ndarray, instruction: np.ndarray, bit: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(instruction, source row, bits) of the wrong answers (``reading``, ``source_row``: by reading, int64[n]), one for
    each instruction and row, by both; ``bits``: uint64. What is wrong twice is right. ``instruction``, ``bit``: of each
    reading."""
    out_instruction, out_row = np.empty(len(reading), np.int64), np.empty(len(reading), np.int64)
    out_bits = np.empty(len(reading), np.uint64)
    found, begin = 0, 0
    while begin < len(reading):
        current, end = instruction[reading[begin]], begin
        while end < len(reading) and instruction[reading[end]] == current:
            end += 1
        keys = np.sort(source_row[begin:end] << 6 | bit[reading[begin:end]])
        i = 0
        while i < len(keys):
            row, bits = keys[i] >> 6, np.uint64(0)
            while i < len(keys) and keys[i] >> 6 == row:
                bits ^= np.uint64(1) << np.uint64(keys[i] & 63)
                i += 1
            if bits:
                out_instruction[found], out_row[found], out_bits[found] = current, row, bits
                found += 1
        begin = end
    return out_instruction[:found], out_row[:found], out_bits[:found]


@njit(cache=True, nogil=True)
def _receive(
    instruction: np.ndarray,
    source_row: np.ndarray,
    bits: np.ndarray,
    which: np.ndarray,
    maps: np.ndarray,
    shapes: np.ndarray,
    height: int,
    width: int,
    patches: np.ndarray,
    fill: bool,
) -> int:
    """How many rows receive what is wrong; with ``fill`` they are put into ``patches`` (PATCH).

    ``which``: int64[n], index into ``maps`` (int64[m, 4], stride and offset of y and x as in ROW_MAP) and ``shapes``
    (int64[m, 2], of the source); ``height``, ``width``: of the layer's output.
    """
    count = 0
    for i in range(len(source_row)):
        stride_y, stride_x, offset_y, offset_x = maps[which[i]]
        source_height, source_width = shapes[which[i]]
        line, x = divmod(source_row[i], source_width)
        image, y = divmod(line, source_height)
        first_y, last_y = _range(y, stride_y, offset_y, height)
        first_x, last_x = _range(x, stride_x, offset_x, width)
        for to_y in range(first_y, last_y):
            for to_x in range(first_x, last_x):
                if fill:
                    patches[count]["instruction"] = instruction[i]
                    patches[count]["row"] = (image * height + to_y) * width + to_x
                    patches[count]["bits"] = bits[i]
                count += 1
    return count


@njit(cache=True, nogil=True)
def _ascending(patches: np.ndarray) -> bool:
    """Are they by instruction and row? (Maps that turn an image round or stretch one axis of it give another order.)"""
    for i in range(1, len(patches)):
        before, here = patches[i - 1], patches[i]
        if before["instruction"] > here["instruction"]:
            return False
        if before["instruction"] == here["instruction"] and before["row"] > here["row"]:
            return False
    return True
