"""The fast engine's kernels: a tile's instruction stream over blocks of row words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ir import isa
from ir.isa import (
    A_ACROSS,
    A_SIGNED,
    B_ACROSS,
    B_SIGNED,
    CARRY,
    FLAG_F,
    FLAG_G,
    R_ACROSS,
    R_FRESH,
    R_SIGNED,
    Op,
)
from ir.kernel_cache import forget_stale
from simulator.rtm.faults import events
from simulator.rtm.lanes import ROWS_PER_WORD, load, pack_bit, popcount, read_integer, splat, store, unpack_bit
from simulator.rtm.macros import (
    Int64,
    Lanes,
    Operand,
    Words,
    add,
    add_constant,
    add_out,
    bit_mask,
    carry_top,
    clamp,
    const,
    copy,
    extend,
    mask,
    maximum,
    multiply_add,
    step_up,
)
from simulator.rtm.micro import block as micro_block
from simulator.rtm.micro.block import Block, begin_tile, end_tile, make_block, next_stop, patch_received, runs_singly
from simulator.rtm.micro.code import Microcode
from simulator.rtm.micro.execute import execute_one
from simulator.rtm.micro.plan import Singles
from simulator.rtm.row_tables import SCATTERED, RowTables
from simulator.rtm.wear import add_block

forget_stale(__file__, isa.__file__, micro_block.__file__, events.__file__)

CONST, COPY, ADD, SUB, ADDO, SUBO = (int(op) for op in (Op.CONST, Op.COPY, Op.ADD, Op.SUB, Op.ADDO, Op.SUBO))
ADDC, EXTEND, MAX, CLAMP, STEP = (int(op) for op in (Op.ADDC, Op.EXTEND, Op.MAX, Op.CLAMP, Op.STEP))
GATHER, MAC = int(Op.GATHER), int(Op.MAC)
OPCODES = max(Op) + 1
NONE = np.uint64(0)


class TileCode(NamedTuple):
    """A tile and what it works on, as ``run_words`` takes it.

    ``instructions``: isa.RECORD; ``constants``: int64; ``sources``: int64[gathers, 4], address of the integers, bytes
    of each, row map, pad value; ``resident_cells``: int64[n], ``resident_bits``: uint64[n, words], what the arrays
    hold from the start; ``spans``: int64[n, 2], first cell and how many, all the cells in use, with a ``pitch`` of
    cells a column; ``wires``: likewise, all those of the wires they are in, where unused cells matter; ``stores``:
    int64[n, 5], output channel, cell, step, width, signed.
    """

    instructions: np.ndarray
    constants: np.ndarray
    sources: np.ndarray
    resident_cells: np.ndarray
    resident_bits: np.ndarray
    spans: np.ndarray
    wires: np.ndarray
    stores: np.ndarray
    columns: int
    pitch: int


class Outcome(NamedTuple):
    """What ``run_words`` writes.

    ``output``: uint8[channels, words * 64 * output_size], integers of ``output_size`` bytes; ``written_bits``:
    int64[classes], increased by the flips of each opcode; ``contents``: uint64[len(columns), domains, words], what the
    ``columns`` (int64) hold at the end; ``writes`` and ``hottest``: those of a ``wear.TileWear`` of arrays with
    ``array_rows`` rows, increased where cells' flips are counted.
    """

    output: np.ndarray
    output_size: int
    written_bits: np.ndarray
    columns: np.ndarray
    contents: np.ndarray
    writes: np.ndarray
    hottest: np.ndarray
    array_rows: int


class Scratch(NamedTuple):
    """``bits``: uint64[64 * n], what rows receive; ``values``: int32[64]; ``counts``: uint64[OPCODES * n], flips."""

    bits: np.ndarray
    values: np.ndarray
    counts: np.ndarray


@njit(nogil=True)
def _pack(bits: np.ndarray, width: int, n: int, lane: int, address: int, kind: Any, present: Any, pad: Any) -> None:
    """``width`` words of ``lane`` <- the low bits of the 64 integers of ``kind``'s type at ``address`` in the rows that
    are ``present``, those of ``pad[1]`` in the rows ``pad[0]``."""
    for bit in range(width):
        padded = pad[0] & np.uint64(bit_mask(pad[1], bit))
        bits[bit * n + lane] = (pack_bit(address, bit, kind) & present) | padded


@njit(nogil=True)
def _read(address: int, size: int, index: int) -> int:
    """The integer of ``size`` bytes that is ``index`` places behind ``address``."""
    if size == 1:
        return Int64(read_integer(address, index, np.int8(0)))
    if size == 2:
        return Int64(read_integer(address, index, np.int16(0)))
    return Int64(read_integer(address, index, np.int32(0)))


@njit(nogil=True)
def _read_rows(
    values: np.ndarray, address: int, size: int, present: Any, tables: RowTables, row_map: int, word: int
) -> None:
    """What the rows of a row word that are ``present`` receive, one by one."""
    height, width = tables.along_y.shape[1], tables.along_x.shape[1]
    position, x = divmod(word * ROWS_PER_WORD, width)
    image, y = divmod(position, height)
    for row in range(ROWS_PER_WORD):
        if present >> np.uint64(row) & np.uint64(1):
            index = image * tables.image_rows[row_map] + tables.along_y[row_map, y] + tables.along_x[row_map, x]
            values[row] = _read(address, size, index)
        x += 1
        if x == width:
            x, y = 0, y + 1
        if y == height:
            y, image = 0, image + 1


@njit(nogil=True)
def receive(scratch: Scratch, width: int, source: np.ndarray, tables: RowTables, word: int, lanes: Lanes) -> None:
    """The cells 0 to ``width`` - 1 of ``scratch.bits`` <- the low bits of what the rows receive from ``source`` (one
    of ``TileCode.sources``) from row word ``word`` on."""
    n, bits = len(lanes), scratch.bits
    address, size, row_map, pad = source
    words = min(n, tables.valid.shape[1] - word)
    for lane in range(words):
        at = row_map, word + lane
        present, padded, start = tables.valid[at], (tables.padding[at], pad), tables.first[at]
        if start >= 0:
            begin = address + size * start
            if size == 1:
                _pack(bits, width, n, lane, begin, np.int8(0), present, padded)
            elif size == 2:
                _pack(bits, width, n, lane, begin, np.int16(0), present, padded)
            else:
                _pack(bits, width, n, lane, begin, np.int32(0), present, padded)
        elif start == SCATTERED:
            _read_rows(scratch.values, address, size, present, tables, row_map, word + lane)
            _pack(bits, width, n, lane, Int64(scratch.values.ctypes.data), np.int32(0), present, padded)
        else:
            value = _read(address, size, SCATTERED - 1 - start)
            for bit in range(width):
                mine = present & np.uint64(bit_mask(value, bit))
                bits[bit * n + lane] = mine | (padded[0] & np.uint64(bit_mask(pad, bit)))
    for lane in range(words, n):
        for bit in range(width):
            bits[bit * n + lane] = NONE


@njit(nogil=True)
def gather(planes: np.ndarray, r: Operand, bits: np.ndarray, fresh: int, lanes: Lanes) -> Words:
    """r <- ``bits``; with the top bit inverted where ``fresh`` is -1."""
    cell, step, width, _ = r
    count = splat(0, lanes)
    for bit in range(width):
        before = splat(fresh & mask(bit == width - 1), lanes)
        received = load(bits, bit, lanes)
        count = count + popcount(load(planes, cell + bit * step, lanes) ^ before) + popcount(received)
        store(planes, cell + bit * step, received ^ before)
    return count


@njit(nogil=True)
def _unpack(
    planes: np.ndarray, n: int, lane: int, cell: int, step: int, width: int, signed: bool, address: int, kind: Any
) -> None:
    """64 integers of ``kind``'s type at ``address``, zeros so far, <- a field of the row word ``lane``."""
    for bit in range(width):
        weight = Int64(1) << bit
        if signed and bit == width - 1:
            weight = -weight
        unpack_bit(planes[(cell + bit * step) * n + lane], address, weight, kind)


@njit(nogil=True)
def _unload(planes: np.ndarray, stores: np.ndarray, output: np.ndarray, size: int, word: int, lanes: Lanes) -> None:
    """Write the stored fields of the row words from ``word`` on into ``output`` (uint8[channels, words * 64 * size],
    integers of ``size`` bytes)."""
    n = len(lanes)
    row_bytes = ROWS_PER_WORD * size
    for index in range(len(stores)):
        channel, cell, step = stores[index, 0], stores[index, 1], stores[index, 2]
        width, signed = stores[index, 3], stores[index, 4] != 0
        for lane in range(min(n, output.shape[1] // row_bytes - word)):
            begin = (word + lane) * row_bytes
            output[channel, begin : begin + row_bytes] = 0
            address = Int64(output.ctypes.data) + channel * output.shape[1] + begin
            if size == 1:
                _unpack(planes, n, lane, cell, step, width, signed, address, np.int8(0))
            elif size == 2:
                _unpack(planes, n, lane, cell, step, width, signed, address, np.int16(0))
            else:
                _unpack(planes, n, lane, cell, step, width, signed, address, np.int32(0))


@njit(nogil=True, forceinline=True)
def _operand(column: Any, domain: Any, width: Any, flags: int, across: int, signed: int, pitch: int) -> Operand:
    """A field of a record; ``across``, ``signed``: the bits of ``flags`` that say whether it is."""
    cell = Int64(column) * pitch + Int64(domain)
    return cell, pitch if flags & across else 1, Int64(width), mask(flags & signed != 0)


@njit(nogil=True)
def _execute(
    planes: np.ndarray,
    code: TileCode,
    tables: RowTables,
    word: int,
    scratch: Scratch,
    microcode: Microcode,
    block: Block,
    lanes: Lanes,
) -> None:
    """All the instructions on the row words from ``word`` on, which are ``block``."""
    pitch, stop = code.pitch, next_stop(block, -1)
    carry_cell, f_cell, g_cell = CARRY * pitch, FLAG_F * pitch, FLAG_G * pitch
    for index in range(len(code.instructions)):
        record = code.instructions[index]
        op, flags, imm = Int64(record["op"]), Int64(record["flags"]), Int64(record["imm"])
        r = _operand(record["r_column"], record["r_domain"], record["r_width"], flags, R_ACROSS, R_SIGNED, pitch)
        a = _operand(record["a_column"], record["a_domain"], record["a_width"], flags, A_ACROSS, A_SIGNED, pitch)
        fresh = mask(flags & R_FRESH != 0)
        if op == GATHER or op == MAC:
            number = imm + (Int64(record["b_column"] if op == MAC else record["a_column"]) << 16)
            width = Int64(record["b_width"]) if op == MAC else r[2]
            receive(scratch, width, code.sources[number], tables, word, lanes)
            if index == stop:
                patch_received(block, index)
        if index == stop and runs_singly(planes, block, microcode, record, index):
            count = execute_one(planes, code.instructions, index, microcode, block, lanes)
        elif op == ADD or op == SUB:
            invert = mask(op == SUB)
            count = add(planes, carry_cell, (r[0], r[1], r[2] + fresh, r[3]), a, invert, lanes)
            if fresh:
                count = count + carry_top(planes, carry_cell, r, invert, lanes)
        elif op == ADDO or op == SUBO:
            b = _operand(record["b_column"], record["b_domain"], record["b_width"], flags, B_ACROSS, B_SIGNED, pitch)
            count = add_out(planes, carry_cell, r, a, b, mask(op == SUBO), fresh, lanes)
        elif op == CONST:
            count = const(planes, r, code.constants[imm], lanes)
        elif op == COPY:
            count = copy(planes, r, a, lanes)
        elif op == ADDC:
            count = add_constant(planes, carry_cell, r, code.constants[imm], lanes)
        elif op == EXTEND:
            count = extend(planes, f_cell, r, Int64(record["a_width"]), lanes)
        elif op == MAX:
            count = maximum(planes, f_cell, r, a, lanes)
        elif op == CLAMP:
            count = clamp(planes, f_cell, g_cell, r, a, code.constants[imm], code.constants[imm + 1], lanes)
        elif op == STEP:
            count = step_up(planes, g_cell, r, a, code.constants[imm], code.constants[imm + 1], lanes)
        elif op == MAC:
            x = Int64(record["b_width"]), mask(flags & B_SIGNED != 0)
            count = multiply_add(planes, carry_cell, r, a, scratch.bits, x, lanes)
        else:
            count = gather(planes, r, scratch.bits, fresh, lanes)
        store(scratch.counts, op, load(scratch.counts, op, lanes) + count)
        if index == stop:
            stop = next_stop(block, index)
    end_tile(planes, block)


@njit(nogil=True)
def _clear(planes: np.ndarray, first: int, cells: int, n: int) -> None:
    planes[first * n : (first + cells) * n] = 0


@njit(nogil=True)
def _prepare(
    planes: np.ndarray, code: TileCode, word: int, words: int, n: int, whole: bool, kept: np.ndarray, domains: int
) -> None:
    """Zeros and resident bits in the ``words`` row words from ``word`` on. Cells not in use need zeros only where
    ``whole`` wires may move, and in the columns ``kept``, whose ``domains`` are looked at afterwards."""
    for span in range(len(code.spans)):
        _clear(planes, code.spans[span, 0], code.spans[span, 1], n)
    if whole:
        for span in range(len(code.wires)):
            _clear(planes, code.wires[span, 0], code.wires[span, 1], n)
    for column in kept:
        _clear(planes, column * code.pitch, domains, n)
    for index in range(len(code.resident_cells)):
        for lane in range(words):
            planes[code.resident_cells[index] * n + lane] = code.resident_bits[index, word + lane]


def planes_size(code: TileCode, lanes: int) -> int:
    """uint64 that ``run_words`` works in."""
    return (code.columns * code.pitch + 1) * lanes + 8


@njit(nogil=True)
def _count_written(scratch: Scratch, words: int, n: int, written_bits: np.ndarray) -> None:
    for op in range(OPCODES):
        for lane in range(words):  # rows of further lanes do not exist
            written_bits[op] += Int64(scratch.counts[op * n + lane])


@njit(nogil=True)
def _keep(planes: np.ndarray, pitch: int, word: int, words: int, n: int, outcome: Outcome) -> None:
    """What the columns that are asked for hold."""
    for index in range(len(outcome.columns)):
        for domain in range(outcome.contents.shape[1]):
            cell = outcome.columns[index] * pitch + domain
            for lane in range(words):
                outcome.contents[index, domain, word + lane] = planes[cell * n + lane]


@njit(nogil=True, cache=True)
def run_words(
    code: TileCode,
    tables: RowTables,
    singles: Singles,
    outcome: Outcome,
    memory: np.ndarray,
    first_word: int,
    stop_word: int,
    lanes: Lanes,
) -> None:
    """Run a tile on the row words [first_word, stop_word), ``len(lanes)`` words at a time. ``singles``: planned for
    blocks of as many words; ``memory``: uint64[at least ``planes_size``], to work in. Nothing is checked here:
    ``engine`` does."""
    n, cells = len(lanes), code.columns * code.pitch + 1  # the last one for the key line
    skew = (-Int64(memory.ctypes.data) % 64) // 8  # vectors that do not straddle cache lines
    planes = memory[skew : skew + cells * n]
    scratch = Scratch(np.zeros(64 * n, np.uint64), np.zeros(ROWS_PER_WORD, np.int32), np.zeros(OPCODES * n, np.uint64))
    room = make_block(singles, code.columns, code.pitch, n, scratch.bits)
    for word in range(first_word, stop_word, n):
        words, number = min(n, stop_word - word), word // n
        moving = singles.first_event[number] < singles.first_event[number + 1]
        stuck = singles.first_stuck[number] < singles.first_stuck[number + 1]
        domains = outcome.contents.shape[1]
        _prepare(planes, code, word, words, n, moving or stuck, outcome.columns, domains)
        scratch.counts[:] = 0
        block = begin_tile(planes, room, singles, number)
        _execute(planes, code, tables, word, scratch, singles.code, block, lanes)
        _unload(planes, code.stores, outcome.output, outcome.output_size, word, lanes)
        _count_written(scratch, words, n, outcome.written_bits)
        _keep(planes, code.pitch, word, words, n, outcome)
        if singles.wear:
            shape, rows = (code.columns, singles.domains, code.pitch), words * ROWS_PER_WORD
            add_block(block.wear, shape, block.first_row, rows, outcome.array_rows, outcome.writes, outcome.hottest)
