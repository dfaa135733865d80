"""What faults in the arrays of gathered tensors do to what a tile receives from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
    begins = np.append(True, instruction[1:] != instruction[:-1])[: len(instruction)]
    gathers = tile.gathers[gather_index(tile.instructions[instruction[begins]])]
    row_maps = layer.row_maps[gathers["row_map"]]
    shapes = np.array([tensor.shape[1:] for tensor in program.tensors], np.int64)[gathers["tensor"]]
    maps = np.stack([row_maps[name].astype(np.int64) for name in row_maps.dtype.names], axis=1)
    _, height, width = program.tensors[layer.output].shape
    wrong = _WrongBits(instruction, source_row, bits, np.cumsum(begins) - 1)
    receivers = _Receivers(maps, shapes, height, width)
    patches = _receive(wrong, receivers, np.empty(len(instruction), PATCH))
    return patches if _ascending(patches) else patches[np.lexsort((patches["row"], patches["instruction"]))]


class _Searches(NamedTuple):
    """Of ``Readings``, int64[readings] each."""

    instruction: np.ndarray
    wire: np.ndarray
    domain: np.ndarray


class _Strands(NamedTuple):
    """Rows of wires that are displaced at some time, sorted by wire and row.

    ``row``: int64[strands]; ``first``: int64[wires + 1], where each wire's begin; ``stored``: uint8[strands, domains];
    ``content``: the same with guard domains, moved while reading; ``moved``: int64[strands], by how much it is.
    """

    row: np.ndarray
    first: np.ndarray
    stored: np.ndarray
    content: np.ndarray
    moved: np.ndarray


class _Moves(NamedTuple):
    """Displacements, int64[n] each: of ``strand`` by ``amount`` before ``reading``, by reading."""

    reading: np.ndarray
    strand: np.ndarray
    amount: np.ndarray


class _Answers(NamedTuple):
    """Wrong answers of ``row`` to ``reading``, by reading, as in ``SourceFaults``; int64[n] each. ``held``: uint8[n],
    what is stored there."""

    reading: np.ndarray
    row: np.ndarray
    where: np.ndarray
    held: np.ndarray


class _Ends(NamedTuple):
    """Of a wire: its guard domains, the bit that enters, and every how many instructions it is put back (0: never)."""

    guard: int
    entering_bit: int
    realign_every: int


def _wrong_bits(
    readings: Readings, faults: SourceFaults, model: WireFaults, wires: Mapping[int, Wires]
) -> tuple[np.ndarray, np.ndarray]:
    """(reading, source row) of every wrong answer, by reading, int64[n] each; what comes twice is right."""
    rows = int(max(faults.row.max(initial=0), faults.asked.max(initial=0))) + 1
    keys, strand = np.unique(readings.wire[faults.displaced] * rows + faults.row, return_inverse=True)
    strand_wire, strand_row = np.divmod(keys, rows)
    first = np.searchsorted(strand_wire, np.arange(len(readings.wires) + 1))
    stored = _stored(readings, strand_wire, strand_row, wires)
    guards = (0, 0), (model.guard_domains, model.guard_domains)
    content = np.pad(stored, guards, constant_values=model.entering_bit)
    asked = _stored(readings, readings.wire[faults.answered], faults.asked, wires)
    held = np.take_along_axis(asked, readings.domain[faults.answered][:, None], axis=1).ravel()
    reading, row = _read(
        _Searches(readings.instruction, readings.wire, readings.domain),
        _Strands(strand_row, first, stored, content, np.zeros(len(keys), np.int64)),
        _Moves(faults.displaced, strand.reshape(-1), faults.amount),
        _Answers(faults.answered, faults.asked, faults.where, held),
        _Ends(model.guard_domains, model.entering_bit, model.faults.mitigation.realign_every),
    )
    return reading, row


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
def _displace(strands: _Strands, strand: int, amount: int, entering_bit: int) -> None:
    _move(strands.content[strand], amount, entering_bit)
    strands.moved[strand] += amount


@njit(cache=True, nogil=True)
def _realign(strands: _Strands, displaced: np.ndarray, entering_bit: int) -> None:
    """Put back the strands ``displaced`` (int64[n]), which may name one more than once."""
    for strand in displaced:
        if strands.moved[strand]:
            _displace(strands, strand, -strands.moved[strand], entering_bit)


@njit(cache=True, nogil=True)
def _shown(strands: _Strands, wire: int, row: int, domain: int, guard: int, held: int) -> int:
    """What row ``row`` of a wire shows for a domain that holds ``held``, whether it is a strand or not."""
    begin, end = strands.first[wire], strands.first[wire + 1]
    strand = begin + np.searchsorted(strands.row[begin:end], row)
    if strand < end and strands.row[strand] == row:
        return int(strands.content[strand, guard + domain])
    return held


@njit(cache=True, nogil=True)
def _with_room(found: np.ndarray, size: int) -> np.ndarray:
    """``found`` (int64[2, n]) as it is, or longer where it does not hold ``size``."""
    if size <= found.shape[1]:
        return found
    longer = np.empty((2, 2 * size), np.int64)
    longer[:, : found.shape[1]] = found
    return longer


@njit(cache=True, nogil=True)
def _read(searches: _Searches, strands: _Strands, moves: _Moves, answers: _Answers, ends: _Ends) -> np.ndarray:
    """Go through the readings; (reading, source row) of every answer that differs from what is stored, int64[2, n]."""
    found, count = np.empty((2, 64), np.int64), 0
    next_move, first_move, next_answer = 0, 0, 0  # first_move: since the last realignment
    for reading in range(len(searches.wire)):
        if next_answer == len(answers.reading) and not len(moves.reading):
            break
        instruction, wire, domain = searches.instruction[reading], searches.wire[reading], searches.domain[reading]
        before = searches.instruction[reading - 1] if reading else 0
        if ends.realign_every and instruction // ends.realign_every != before // ends.realign_every:
            _realign(strands, moves.strand[first_move:next_move], ends.entering_bit)
            first_move = next_move
        while next_move < len(moves.reading) and moves.reading[next_move] == reading:
            _displace(strands, moves.strand[next_move], moves.amount[next_move], ends.entering_bit)
            next_move += 1
        first_answer = next_answer
        while next_answer < len(answers.reading) and answers.reading[next_answer] == reading:
            next_answer += 1
        begin, end = strands.first[wire], strands.first[wire + 1]
        found = _with_room(found, count + end - begin + next_answer - first_answer)
        for strand in range(begin, end):
            if strands.content[strand, ends.guard + domain] != strands.stored[strand, domain]:
                found[0, count], found[1, count] = reading, strands.row[strand]
                count += 1
        for answer in range(first_answer, next_answer):
            row = answers.row[answer]
            shown = _shown(strands, wire, row, domain, ends.guard, answers.held[answer])
            if answers.where[answer] & (WHERE_MATCH if shown else WHERE_MISMATCH):
                found[0, count], found[1, count] = reading, row
                count += 1
    return found[:, :count]


@njit(cache=True, nogil=True)
def _range(source: int, stride: int, offset: int, size: int) -> tuple[int, int]:
    """[begin, end) of the output coordinates below ``size`` that receive from the source coordinate ``source``."""
    if stride == 0:
        return 0, size if source == offset else 0
    if stride == 1:
        inside = 0 <= source - offset < size
        return source - offset if inside else 0, source - offset + 1 if inside else 0
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


class _WrongBits(NamedTuple):
    """What ``_combine`` gives, and ``map``: int64[n], index into the maps of ``_Receivers``."""

    instruction: np.ndarray
    row: np.ndarray
    bits: np.ndarray
    map: np.ndarray


class _Receivers(NamedTuple):
    """``maps``: int64[m, 4], stride and offset of y and x as in ROW_MAP; ``shapes``: int64[m, 2], of the source;
    ``height``, ``width``: of the layer's output."""

    maps: np.ndarray
    shapes: np.ndarray
    height: int
    width: int


@njit(cache=True, nogil=True)
def _receive(wrong: _WrongBits, receivers: _Receivers, patches: np.ndarray) -> np.ndarray:
    """PATCH records of the rows that receive what is wrong. ``patches``: PATCH records that may be overwritten, for the
    usual case that few are received more than once."""
    height, width = receivers.height, receivers.width
    count = 0
    for i in range(len(wrong.row)):
        stride_y, stride_x, offset_y, offset_x = receivers.maps[wrong.map[i]]
        source_height, source_width = receivers.shapes[wrong.map[i]]
        line, x = divmod(wrong.row[i], source_width)
        image, y = divmod(line, source_height)
        first_y, last_y = _range(y, stride_y, offset_y, height)
        first_x, last_x = _range(x, stride_x, offset_x, width)
        needed = count + (last_y - first_y) * (last_x - first_x)
        if needed > len(patches):
            longer = np.empty(2 * needed, patches.dtype)
            longer[:count] = patches[:count]
            patches = longer
        for to_y in range(first_y, last_y):
            for to_x in range(first_x, last_x):
                patches[count]["instruction"] = wrong.instruction[i]
                patches[count]["row"] = (image * height + to_y) * width + to_x
                patches[count]["bits"] = wrong.bits[i]
                count += 1
    return patches[:count]


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
