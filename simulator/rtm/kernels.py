"""The fast engine's kernels: a tile's instruction stream over blocks of row words, and the tables of row maps."""

from __future__ import annotations

import numpy as np
from numba import njit

from ir.isa import (
    A_ACROSS,
    A_SIGNED,
    B_ACROSS,
    B_SIGNED,
    CARRY,
    FLAG_COLUMNS,
    FLAG_F,
    FLAG_G,
    R_ACROSS,
    R_FRESH,
    R_SIGNED,
    Op,
)
from ir.kernel_cache import forget_stale
from simulator.rtm.lanes import ROWS_PER_WORD, load, pack_bit, popcount, read_int32, splat, store, unpack_bit
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
    write,
)

forget_stale(__file__)

CONST, COPY, ADD, SUB, ADDO, SUBO = (int(op) for op in (Op.CONST, Op.COPY, Op.ADD, Op.SUB, Op.ADDO, Op.SUBO))
ADDC, EXTEND, MAX, CLAMP, STEP = (int(op) for op in (Op.ADDC, Op.EXTEND, Op.MAX, Op.CLAMP, Op.STEP))
GATHER, MAC = int(Op.GATHER), int(Op.MAC)
OPCODES = max(Op) + 1
NONE = np.uint64(0)


@njit(nogil=True)
def receive(
    planes: np.ndarray,
    cell: int,
    step: int,
    width: int,
    source: int,
    pad: int,
    indices: np.ndarray,
    valid: np.ndarray,
    padding: np.ndarray,
    first: np.ndarray,
    word: int,
    scratch: np.ndarray,
    lanes: Lanes,
) -> None:
    """``width`` cells, ``step`` apart, are flipped where the low bits of the int32 values at address ``source`` are
    set, through a row map's tables from row word ``word`` on."""
    n = len(lanes)
    for lane in range(min(n, len(valid) - word)):
        present, padded = valid[word + lane], padding[word + lane]
        address = Int64(scratch.ctypes.data)
        if present != NONE:
            if first[word + lane] >= 0:
                address = source + 4 * first[word + lane]
            else:
                for row in range(ROWS_PER_WORD):
                    scratch[row] = read_int32(source, Int64(indices[(word + lane) * ROWS_PER_WORD + row]))
        for bit in range(width):
            bits = (pack_bit(address, bit) & present) | (padded & np.uint64(bit_mask(pad, bit)))
            planes[(cell + bit * step) * n + lane] ^= bits


@njit(nogil=True)
def gather(
    planes: np.ndarray,
    r: Operand,
    source: int,
    pad: int,
    fresh: int,
    indices: np.ndarray,
    valid: np.ndarray,
    padding: np.ndarray,
    first: np.ndarray,
    word: int,
    scratch: np.ndarray,
    lanes: Lanes,
) -> Words:
    """r <- what its rows receive; with the top bit inverted where ``fresh`` is -1."""
    cell, step, width, _ = r
    count = splat(0, lanes)
    for bit in range(width):
        before = splat(fresh & mask(bit == width - 1), lanes)
        count = count + write(planes, cell + bit * step, before, lanes)
    receive(planes, cell, step, width, source, pad, indices, valid, padding, first, word, scratch, lanes)
    for bit in range(width):
        before = splat(fresh & mask(bit == width - 1), lanes)
        count = count + popcount(load(planes, cell + bit * step, lanes) ^ before)
    return count


@njit(nogil=True)
def _unload(planes: np.ndarray, stores: np.ndarray, output: np.ndarray, word: int, lanes: Lanes) -> None:
    """Write the stored fields of the row words from ``word`` on into ``output`` (int32[channels, words * 64])."""
    n = len(lanes)
    for index in range(len(stores)):
        channel, cell, step = stores[index, 0], stores[index, 1], stores[index, 2]
        width, signed = stores[index, 3], stores[index, 4]
        for lane in range(min(n, output.shape[1] // ROWS_PER_WORD - word)):
            begin = (word + lane) * ROWS_PER_WORD
            output[channel, begin : begin + ROWS_PER_WORD] = 0
            address = Int64(output.ctypes.data) + 4 * (channel * output.shape[1] + begin)
            for bit in range(width):
                weight = Int64(1) << bit
                if signed and bit == width - 1:
                    weight = -weight
                unpack_bit(planes[(cell + bit * step) * n + lane], address, np.int32(weight))


@njit(nogil=True)
def _execute(
    planes: np.ndarray,
    pitch: int,
    instructions: np.ndarray,
    constants: np.ndarray,
    sources: np.ndarray,
    indices: np.ndarray,
    valid: np.ndarray,
    padding: np.ndarray,
    first: np.ndarray,
    word: int,
    scratch: np.ndarray,
    bits: np.ndarray,
    counts: np.ndarray,
    lanes: Lanes,
) -> None:
    """All the instructions on the row words from ``word`` on; ``bits``: uint64[64 * n], scratch as ``scratch`` is;
    ``counts``: uint64[OPCODES * n], flips."""
    carry_cell, f_cell, g_cell = CARRY * pitch, FLAG_F * pitch, FLAG_G * pitch
    for index in range(len(instructions)):
        record = instructions[index]
        op, flags, imm = Int64(record.op), Int64(record.flags), Int64(record.imm)
        r = (
            Int64(record.r_column) * pitch + Int64(record.r_domain),
            pitch if flags & R_ACROSS else 1,
            Int64(record.r_width),
            mask(flags & R_SIGNED != 0),
        )
        a = (
            Int64(record.a_column) * pitch + Int64(record.a_domain),
            pitch if flags & A_ACROSS else 1,
            Int64(record.a_width),
            mask(flags & A_SIGNED != 0),
        )
        fresh = mask(flags & R_FRESH != 0)
        if op == ADD or op == SUB:
            invert = mask(op == SUB)
            count = add(planes, carry_cell, (r[0], r[1], r[2] + fresh, r[3]), a, invert, lanes)
            if fresh:
                count = count + carry_top(planes, carry_cell, r, invert, lanes)
        elif op == ADDO or op == SUBO:
            b = (
                Int64(record.b_column) * pitch + Int64(record.b_domain),
                pitch if flags & B_ACROSS else 1,
                Int64(record.b_width),
                mask(flags & B_SIGNED != 0),
            )
            count = add_out(planes, carry_cell, r, a, b, mask(op == SUBO), fresh, lanes)
        elif op == CONST:
            count = const(planes, r, constants[imm], lanes)
        elif op == COPY:
            count = copy(planes, r, a, lanes)
        elif op == ADDC:
            count = add_constant(planes, carry_cell, r, constants[imm], lanes)
        elif op == EXTEND:
            count = extend(planes, f_cell, r, Int64(record.a_width), lanes)
        elif op == MAX:
            count = maximum(planes, f_cell, r, a, lanes)
        elif op == CLAMP:
            count = clamp(planes, f_cell, g_cell, r, a, constants[imm], constants[imm + 1], lanes)
        elif op == STEP:
            count = step_up(planes, g_cell, r, a, constants[imm], constants[imm + 1], lanes)
        else:
            high = Int64(record.b_column) if op == MAC else Int64(record.a_column)
            number = imm + (high << 16)
            source, row_map, pad = sources[number, 0], sources[number, 1], sources[number, 2]
            tables = indices[row_map], valid[row_map], padding[row_map], first[row_map]
            if op == MAC:
                x = Int64(record.b_width), mask(flags & B_SIGNED != 0)
                for bit in range(x[0]):
                    store(bits, bit, splat(0, lanes))
                receive(bits, 0, 1, x[0], source, pad, *tables, word, scratch, lanes)
                count = multiply_add(planes, carry_cell, r, a, bits, x, lanes)
            else:
                count = gather(planes, r, source, pad, fresh, *tables, word, scratch, lanes)
        store(counts, op, load(counts, op, lanes) + count)


@njit(nogil=True, cache=True)
def run_words(
    instructions: np.ndarray,
    constants: np.ndarray,
    sources: np.ndarray,
    indices: np.ndarray,
    valid: np.ndarray,
    padding: np.ndarray,
    first: np.ndarray,
    resident_cells: np.ndarray,
    resident_bits: np.ndarray,
    stores: np.ndarray,
    output: np.ndarray,
    contents: np.ndarray,
    columns: int,
    pitch: int,
    first_word: int,
    stop_word: int,
    written_bits: np.ndarray,
    lanes: Lanes,
) -> None:
    """Run a tile on the row words [first_word, stop_word), ``len(lanes)`` words at a time, from arrays that hold
    ``resident_bits`` (uint64[n, words]) in the cells ``resident_cells`` (int64[n]) and zeros elsewhere.

    ``instructions``: isa.RECORD; ``constants``: int64; ``sources``: int64[gathers, 3], address of the int32 values,
    row map, pad value; ``indices``: int32[maps, words * 64], ``valid``, ``padding``: uint64[maps, words], ``first``:
    int64[maps, words], see ``fill_row_table``; ``stores``: int64[n, 5], output channel, cell, step, width, signed.
    Written: ``output`` int32[channels, words * 64]; ``contents`` uint64[columns, pitch, words], or of size 0;
    ``written_bits``, int64, increased by the flips of each opcode. Nothing is checked here: ``engine`` does.
    """
    n = len(lanes)
    planes = np.zeros(columns * pitch * n + 8, np.uint64)
    skew = (-Int64(planes.ctypes.data) % 64) // 8  # vectors that do not straddle cache lines
    planes = planes[skew : skew + columns * pitch * n]
    counts = np.zeros(OPCODES * n, np.uint64)
    scratch = np.zeros(ROWS_PER_WORD, np.int32)
    bits = np.zeros(64 * n, np.uint64)
    for word in range(first_word, stop_word, n):
        planes[:] = 0
        for index in range(len(resident_cells)):
            for lane in range(min(n, stop_word - word)):
                planes[resident_cells[index] * n + lane] = resident_bits[index, word + lane]
        counts[:] = 0
        _execute(
            planes,
            pitch,
            instructions,
            constants,
            sources,
            indices,
            valid,
            padding,
            first,
            word,
            scratch,
            bits,
            counts,
            lanes,
        )
        _unload(planes, stores, output, word, lanes)
        used = min(n, stop_word - word)  # rows of further lanes do not exist
        for op in range(OPCODES):
            for lane in range(used):
                written_bits[op] += Int64(counts[op * n + lane])
        if contents.size:
            for column in range(columns):
                for domain in range(pitch):
                    for lane in range(used):
                        contents[column, domain, word + lane] = planes[(column * pitch + domain) * n + lane]


@njit(nogil=True, cache=True)
def fill_row_table(
    row_map: tuple[int, int, int, int],
    out_hw: tuple[int, int],
    src_hw: tuple[int, int],
    batch: int,
    src_rows: int,
    indices: np.ndarray,
    valid: np.ndarray,
    padding: np.ndarray,
    first: np.ndarray,
) -> int:
    """Tabulate one row map (stride_y, stride_x, offset_y, offset_x) for all the row words of a layer.

    ``src_rows``: rows allocated per channel of the source. Written: ``indices`` int32[words * 64], source rows, 0 where
    there is none; ``valid``, ``padding`` uint64[words], the rows that have a source, that receive the pad value;
    ``first`` int64[words]: s where every valid row i of the word has source row s + i, and s to s + 63 exist; else -1.
    Returns the number of valid rows.
    """
    stride_y, stride_x, offset_y, offset_x = row_map
    (out_h, out_w), (src_h, src_w) = out_hw, src_hw
    rows = batch * out_h * out_w
    image, y, x, total = 0, 0, 0, 0
    for word in range(len(valid)):
        present, padded, start, regular = NONE, NONE, Int64(-1), True
        for bit in range(ROWS_PER_WORD):
            row = word * ROWS_PER_WORD + bit
            indices[row] = 0
            if row >= rows:
                continue
            source_y, source_x = y * stride_y + offset_y, x * stride_x + offset_x
            if 0 <= source_y < src_h and 0 <= source_x < src_w:
                source = (image * src_h + source_y) * src_w + source_x
                indices[row] = source
                if present == NONE:
                    start = source - bit
                regular = regular and source - bit == start
                present |= np.uint64(1) << np.uint64(bit)
                total += 1
            else:
                padded |= np.uint64(1) << np.uint64(bit)
            x += 1
            if x == out_w:
                x, y = 0, y + 1
            if y == out_h:
                y, image = 0, image + 1
        valid[word], padding[word] = present, padded
        first[word] = start if regular and 0 <= start and start + ROWS_PER_WORD <= src_rows else -1
    return total


@njit(nogil=True, cache=True)
def extent(instructions: np.ndarray) -> tuple[int, int]:
    """(columns, domains) that the flags and the operands of the instructions reach."""
    columns, domains = FLAG_COLUMNS, 1
    for index in range(len(instructions)):
        record = instructions[index]
        flags = Int64(record.flags)
        r, a, b = Int64(record.r_column), Int64(record.a_column), Int64(record.b_column)
        r_width, a_width, b_width = Int64(record.r_width), Int64(record.a_width), Int64(record.b_width)
        if record.op == GATHER:
            a = 0  # the high half of the gather's number
        if record.op == MAC:
            b = b_width = 0  # the same, and what is broadcast lies nowhere
        columns = max(columns, r + (r_width if flags & R_ACROSS else 1))
        columns = max(columns, a + (a_width if flags & A_ACROSS else 1), b + (b_width if flags & B_ACROSS else 1))
        domains = max(domains, Int64(record.r_domain) + (1 if flags & R_ACROSS else r_width))
        domains = max(domains, Int64(record.a_domain) + (1 if flags & A_ACROSS else a_width))
        domains = max(domains, Int64(record.b_domain) + (1 if flags & B_ACROSS else b_width))
    return columns, domains
