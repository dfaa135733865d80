"""The two directions of the instruction encoding (docs/encoding.md), as kernels: records to tokens, bits to records.

Both follow the controller's state: what field each column last held, the list of accumulators, the last result.
``tokenise`` and ``read_records`` must move it alike, instruction by instruction.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.bits import read_bits
from ir.isa import FLAG_COLUMNS, OPERANDS, R_ACROSS, Op
from ir.kernel_cache import forget_stale
from ir.prefix_code import read_symbol

forget_stale(__file__)

FORM, NAME_A, NAME_B, NAME_R, STEP = range(5)
"""Kinds of coded tokens: each has a prefix code of its own."""
CODES = 5
RAW = 16
"""A token of kind RAW + n is n plain bits."""
MOST_TOKENS = 20
"""No instruction has more."""

LAST, LISTED, NEW, AGAIN = 0, 1, 2, 2
"""Names other than a column: NEW of r only, AGAIN of a and b. No field lies in the flag columns, whose numbers these
are."""
AS_HELD, RECENT, EXPLICIT, BOTH, NEXT_DOMAIN = 0, 1, 2, 3, 3
"""How an operand's domain follows from its name; ``BOTH`` of a and b: domain and width are explicit."""
IMM_AGAIN, IMM_NEXT, IMM_EXPLICIT, IMM_ZERO = range(4)
EXPLICIT_WIDTH = 15
MIDDLE = 7
"""A form's width step is the step plus MIDDLE, or EXPLICIT_WIDTH."""
A_MODE, B_MODE, R_MODE, WIDTH_STEP, IMM_MODE = 16, 18, 20, 22, 26
"""Where a form holds each of its parts; op and flags are its two lowest bytes."""
FORM_BITS = 28
ESCAPE = 0
"""The form of a plain record."""
SPELLED = (1 << FORM_BITS) - 1
"""The entry of the form table for forms that have none: the form itself follows."""
FARTHEST = 31
"""List steps reach so far either way; symbol 0: an index follows."""
STEPS = 2 * FARTHEST + 2
LIST_BITS = 10
MOST_LISTED = 1 << LIST_BITS
COLUMN_BITS, DOMAIN_BITS, WIDTH_BITS = 16, 8, 6
MOST_OPS = 256

HAS_A, HAS_B, HAS_IMM, PAIR, EXTEND, GATHER, KNOWN = (1 << bit for bit in range(7))
"""What an opcode has: operands, an immediate, a pair of constants; EXTEND and GATHER use fields in their own ways."""


def _operand_table() -> np.ndarray:
    table = np.zeros(MOST_OPS, np.uint8)
    for op, (operands, immediate) in OPERANDS.items():
        table[op] = KNOWN | HAS_A * ("a" in operands) | HAS_B * ("b" in operands) | HAS_IMM * immediate
    table[[Op.CLAMP, Op.STEP]] |= PAIR
    table[Op.EXTEND] |= EXTEND
    table[Op.GATHER] |= GATHER
    return table


OPERAND_TABLE = _operand_table()
"""uint8[256] by opcode, of the bits above."""


@numba.njit(cache=True, nogil=True)
def list_places(records: np.ndarray, operands: np.ndarray, columns: int) -> np.ndarray:
    """Which places (column * 256 + domain) are worth being listed: -1, else -2; int32[columns * 256].

    They are the destination of three instructions with an operand at least, and so is another place of their column:
    accumulators, which are visited one after another.
    """
    written = np.zeros(columns << 8, np.int32)
    for record in records:
        if operands[record.op] & HAS_A:
            written[(np.int64(record.r_column) << 8) + np.int64(record.r_domain)] += 1
    listed = np.full(columns << 8, -2, np.int32)
    for column in range(columns):
        many = 0
        for place in range(column << 8, (column + 1) << 8):
            many += written[place] > 2
        if many > 1:
            for place in range(column << 8, (column + 1) << 8):
                if written[place] > 2:
                    listed[place] = -1
    return listed


@numba.njit(cache=True, nogil=True)
def tokenise(
    records: np.ndarray,
    operands: np.ndarray,
    listed: np.ndarray,
    constants: int,
    gathers: int,
    index_bits: np.ndarray,
    kinds: np.ndarray,
    values: np.ndarray,
    starts: np.ndarray,
) -> int:
    """Write the tokens of all instructions; returns how many.

    ``listed``: int32[columns * 256] of ``list_places``, in and out; ``index_bits``: bits of an explicit index of
    (constants, gathers); ``kinds`` uint8, ``values`` uint32 [MOST_TOKENS * instructions]: out, a FORM's value is the
    form itself; ``starts`` int64[instructions]: out, each instruction's first token.
    """
    columns = len(listed) >> 8
    held_domain, held_width = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
    list_width = np.zeros(MOST_LISTED, np.int64)
    last_imm = np.zeros(MOST_OPS, np.int64)
    cursor, direction, length, recent = 0, 1, 0, 0
    last_column = after = again = -1
    next_imm = np.zeros(2, np.int64)
    count = 0
    for i in range(len(records)):
        record = records[i]
        starts[i] = count
        op, flags = np.int64(record.op), np.int64(record.flags)
        has = np.int64(operands[op])
        a_column, a_domain, a_width = np.int64(record.a_column), np.int64(record.a_domain), np.int64(record.a_width)
        b_column, b_domain, b_width = np.int64(record.b_column), np.int64(record.b_domain), np.int64(record.b_width)
        r_column, r_domain, r_width = np.int64(record.r_column), np.int64(record.r_domain), np.int64(record.r_width)
        imm = np.int64(record.imm)
        r_place = (r_column << 8) + r_domain
        r_known = listed[r_place]
        if r_known == -1 and length == MOST_LISTED:
            r_known = -2
        number = a_width
        if has & GATHER:
            imm += a_column << 16
            a_column = 0
        if has & EXTEND:
            a_width = 0
        plain = not has & KNOWN or r_column < FLAG_COLUMNS or r_width > 63
        plain |= has & EXTEND != 0 and number != (list_width[r_known] if r_known >= 0 else held_width[r_column])
        if has & HAS_A:
            plain |= a_column < FLAG_COLUMNS or a_width > 63
        else:
            plain |= a_column + a_domain + a_width > 0
        if has & HAS_B:
            plain |= b_column < FLAG_COLUMNS or b_width > 63
        else:
            plain |= b_column + b_domain + b_width > 0
        if has & HAS_IMM:
            plain |= imm >= (gathers if has & GATHER else constants)
        else:
            plain |= imm > 0
        if plain:
            kinds[count], values[count] = FORM, ESCAPE
            kinds[count + 1 : count + 5] = RAW + 32
            values[count + 1] = op << 24 | flags << 16 | np.int64(record.a_width) << 8 | b_width
            values[count + 2] = r_width << 24 | np.int64(record.a_domain) << 16 | b_domain << 8 | r_domain
            values[count + 3] = np.int64(record.a_column) << 16 | b_column
            values[count + 4] = r_column << 16 | np.int64(record.imm)
            count += 5
            continue

        form = op | flags << 8
        first = count
        count += 1
        widest = 0
        for operand in range(2):
            if not has & (HAS_A if operand == 0 else HAS_B):
                continue
            if operand == 0:
                column, domain, width = a_column, a_domain, a_width
            else:
                column, domain, width = b_column, b_domain, b_width
            index = listed[(column << 8) + domain]
            kinds[count] = NAME_A + operand
            near = LAST if column == last_column else AGAIN if column == again else column
            if index < 0 or near != column and held_domain[column] == domain:
                values[count] = near
                count += 1
                predicted = held_width[column]
                if domain == held_domain[column]:
                    mode = AS_HELD
                elif domain == recent:
                    mode = RECENT
                else:
                    mode = EXPLICIT
            else:
                values[count] = LISTED
                count = _write_step(kinds, values, count + 1, index, cursor, direction)
                cursor, direction = _advance(index, cursor, direction)
                predicted = list_width[index]
                mode = AS_HELD
            if width != predicted:
                mode = BOTH
            if mode >= EXPLICIT:
                kinds[count], values[count] = RAW + DOMAIN_BITS, domain
                count += 1
                recent = domain
            if mode == BOTH:
                kinds[count], values[count] = RAW + WIDTH_BITS, width
                count += 1
            form |= mode << (A_MODE + 2 * operand)
            held_domain[column], held_width[column] = domain, width
            widest = max(widest, width)
        if has & HAS_A:
            again = a_column

        kinds[count] = NAME_R
        mode = AS_HELD
        predicted = held_width[r_column]
        if r_known >= 0:
            values[count] = LISTED
            count = _write_step(kinds, values, count + 1, r_known, cursor, direction)
            cursor, direction = _advance(r_known, cursor, direction)
            predicted = list_width[r_known]
        elif r_known == -1:
            values[count] = NEW
            kinds[count + 1], values[count + 1] = RAW + COLUMN_BITS, r_column
            kinds[count + 2], values[count + 2] = RAW + DOMAIN_BITS, r_domain
            count += 3
            r_known = cursor = length
            direction = 1
            listed[r_place] = length
            length += 1
        else:
            values[count] = LAST if r_column == after else r_column
            count += 1
            if r_domain == held_domain[r_column]:
                mode = AS_HELD
            elif r_domain == recent:
                mode = RECENT
            elif r_domain == held_domain[r_column] + 1:
                mode = NEXT_DOMAIN
            else:
                mode = EXPLICIT
                kinds[count], values[count] = RAW + DOMAIN_BITS, r_domain
                count += 1
                recent = r_domain
        if has & HAS_B:
            predicted = widest + 1
        step = r_width - predicted + MIDDLE
        if step < 0 or step >= EXPLICIT_WIDTH:
            step = EXPLICIT_WIDTH
            kinds[count], values[count] = RAW + WIDTH_BITS, r_width
            count += 1
        form |= mode << R_MODE | step << WIDTH_STEP
        held_domain[r_column], held_width[r_column] = r_domain, r_width
        if r_known >= 0:
            list_width[r_known] = r_width
        last_column = r_column
        after = r_column + (r_width if flags & R_ACROSS else 1)

        if has & HAS_IMM:
            which = 1 if has & GATHER else 0
            if imm == last_imm[op]:
                mode = IMM_AGAIN
            elif imm == next_imm[which]:
                mode = IMM_NEXT
            elif imm == 0:
                mode = IMM_ZERO
            else:
                mode = IMM_EXPLICIT
                kinds[count], values[count] = RAW + index_bits[which], imm
                count += 1
            form |= mode << IMM_MODE
            last_imm[op] = imm
            next_imm[which] = max(next_imm[which], imm + (2 if has & PAIR else 1))
        kinds[first], values[first] = FORM, form
    return count


@numba.njit(cache=True, nogil=True)
def _advance(index: int, cursor: int, direction: int) -> tuple[int, int]:
    """(cursor, direction) once the list's ``index`` was named."""
    if 0 < abs(index - cursor) <= FARTHEST:
        direction = 1 if index > cursor else -1
    return index, direction


@numba.njit(cache=True, nogil=True)
def _write_step(kinds: np.ndarray, values: np.ndarray, count: int, index: int, cursor: int, direction: int) -> int:
    kinds[count] = STEP
    if abs(index - cursor) <= FARTHEST:
        values[count] = (index - cursor) * direction + FARTHEST + 1
        return count + 1
    values[count] = 0
    kinds[count + 1], values[count + 1] = RAW + LIST_BITS, index
    return count + 2


@numba.njit(cache=True, nogil=True)
def count_tokens(kinds: np.ndarray, values: np.ndarray, counts: np.ndarray) -> int:
    """Add up ``counts``, int64[CODES, symbols], of coded tokens; returns the bits of plain ones."""
    raw = 0
    for i in range(len(kinds)):
        if kinds[i] < CODES:
            counts[kinds[i], values[i]] += 1
        else:
            raw += np.int64(kinds[i]) - RAW
    return raw


@numba.njit(cache=True, nogil=True)
def read_records(
    data: np.ndarray,
    position: int,
    end: int,
    forms: np.ndarray,
    tables: tuple[np.ndarray, ...],
    operands: np.ndarray,
    columns: int,
    index_bits: np.ndarray,
    records: np.ndarray,
) -> int:
    """Fill ``records`` from the bits at ``position``; the position after them, or -1 - i where instruction i is wrong.

    ``data``, ``end``: of a BitReader; ``forms``: uint32; ``tables``: prefix_code.reading_table of the five codes;
    ``columns``: names are below.
    """
    held_domain, held_width = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
    list_column, list_domain = np.zeros(MOST_LISTED, np.int64), np.zeros(MOST_LISTED, np.int64)
    list_width = np.zeros(MOST_LISTED, np.int64)
    last_imm = np.zeros(MOST_OPS, np.int64)
    cursor, direction, length, recent = 0, 1, 0, 0
    last_column = after = again = -1
    next_imm = np.zeros(2, np.int64)
    for i in range(len(records)):
        symbol, position = read_symbol(data, end, position, tables[FORM])
        if symbol < 0:
            return -1 - i
        form = np.int64(forms[symbol])
        if form == SPELLED:
            form = read_bits(data, position, FORM_BITS)
            position += FORM_BITS
        record = records[i]
        if form == ESCAPE:
            word = np.zeros(4, np.int64)
            for part in range(4):
                word[part] = read_bits(data, position, 32)
                position += 32
            if position > end:
                return -1 - i
            record.op, record.flags = word[0] >> 24, word[0] >> 16 & 255
            record.a_width, record.b_width = word[0] >> 8 & 255, word[0] & 255
            record.r_width, record.a_domain = word[1] >> 24, word[1] >> 16 & 255
            record.b_domain, record.r_domain = word[1] >> 8 & 255, word[1] & 255
            record.a_column, record.b_column = word[2] >> 16, word[2] & 65535
            record.r_column, record.imm = word[3] >> 16, word[3] & 65535
            continue
        op, flags = form & 255, form >> 8 & 255
        has = np.int64(operands[op])
        if not has & KNOWN:
            return -1 - i
        record.op, record.flags = op, flags
        widest = 0
        for operand in range(2):
            if not has & (HAS_A if operand == 0 else HAS_B):
                continue
            mode = form >> (A_MODE + 2 * operand) & 3
            name, position = read_symbol(data, end, position, tables[NAME_A + operand])
            if name == LISTED:
                index, position = _read_step(data, end, position, tables[STEP], cursor, direction)
                if index < 0 or index >= length:
                    return -1 - i
                cursor, direction = _advance(index, cursor, direction)
                column, domain, width = list_column[index], list_domain[index], list_width[index]
            else:
                column = last_column if name == LAST else again if name == AGAIN else name
                if column < FLAG_COLUMNS or column >= columns:
                    return -1 - i
                domain, width = held_domain[column], held_width[column]
            if mode == RECENT:
                domain = recent
            elif mode >= EXPLICIT:
                domain = recent = read_bits(data, position, DOMAIN_BITS)
                position += DOMAIN_BITS
                if mode == BOTH:
                    width = read_bits(data, position, WIDTH_BITS)
                    position += WIDTH_BITS
            if position > end:
                return -1 - i
            if operand == 0:
                record.a_column, record.a_domain, record.a_width = column, domain, width
            else:
                record.b_column, record.b_domain, record.b_width = column, domain, width
            held_domain[column], held_width[column] = domain, width
            widest = max(widest, width)
        if has & HAS_A:
            again = np.int64(record.a_column)

        mode, step = form >> R_MODE & 3, form >> WIDTH_STEP & 15
        name, position = read_symbol(data, end, position, tables[NAME_R])
        known = -1
        if name == LISTED:
            known, position = _read_step(data, end, position, tables[STEP], cursor, direction)
            if known < 0 or known >= length:
                return -1 - i
            cursor, direction = _advance(known, cursor, direction)
            column, domain, predicted = list_column[known], list_domain[known], list_width[known]
        elif name == NEW:
            column = read_bits(data, position, COLUMN_BITS)
            domain = read_bits(data, position + COLUMN_BITS, DOMAIN_BITS)
            position += COLUMN_BITS + DOMAIN_BITS
            if column < FLAG_COLUMNS or column >= columns or length == MOST_LISTED:
                return -1 - i
            predicted = held_width[column]
            known = cursor = length
            direction = 1
            list_column[known], list_domain[known] = column, domain
            length += 1
        else:
            column = after if name == LAST else name
            if column < FLAG_COLUMNS or column >= columns:
                return -1 - i
            domain, predicted = held_domain[column], held_width[column]
            if mode == RECENT:
                domain = recent
            elif mode == NEXT_DOMAIN:
                domain += 1
            elif mode == EXPLICIT:
                domain = recent = read_bits(data, position, DOMAIN_BITS)
                position += DOMAIN_BITS
        if has & EXTEND:
            record.a_width = predicted
        if has & HAS_B:
            predicted = widest + 1
        if step == EXPLICIT_WIDTH:
            width = read_bits(data, position, WIDTH_BITS)
            position += WIDTH_BITS
        else:
            width = predicted + step - MIDDLE
        if position > end or domain > 255 or width < 0 or width > 63:
            return -1 - i
        record.r_column, record.r_domain, record.r_width = column, domain, width
        held_domain[column], held_width[column] = domain, width
        if known >= 0:
            list_width[known] = width
        last_column = column
        after = column + (width if flags & R_ACROSS else 1)

        if has & HAS_IMM:
            which = 1 if has & GATHER else 0
            mode = form >> IMM_MODE & 3
            imm = 0
            if mode == IMM_AGAIN:
                imm = last_imm[op]
            elif mode == IMM_NEXT:
                imm = next_imm[which]
            elif mode == IMM_EXPLICIT:
                imm = read_bits(data, position, index_bits[which])
                position += index_bits[which]
                if position > end:
                    return -1 - i
            if imm >> (32 if which else 16):
                return -1 - i
            record.imm = imm & 65535
            if which:
                record.a_column = imm >> 16
            last_imm[op] = imm
            next_imm[which] = max(next_imm[which], imm + (2 if has & PAIR else 1))
    return position


@numba.njit(cache=True, nogil=True)
def _read_step(
    data: np.ndarray, end: int, position: int, table: np.ndarray, cursor: int, direction: int
) -> tuple[int, int]:
    """(list index or -1, next position)."""
    symbol, position = read_symbol(data, end, position, table)
    if symbol < 0:
        return -1, position
    if symbol > 0:
        return cursor + (symbol - FARTHEST - 1) * direction, position
    return read_bits(data, position, LIST_BITS), position + LIST_BITS
