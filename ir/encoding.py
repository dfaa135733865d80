"""The instruction stream as it is fetched and broadcast: how many bits it takes, and the bits themselves.

The weights are the instructions, so their bits are paid for with every image. Under ``PLAIN`` a tile's stream is its
tables as they are; under ``COMPACT`` it is the bit string of docs/encoding.md, which ``encode`` makes and ``decode``
reads back without loss. Both count all that a controller needs to run the tile: the instructions, the constants and
gather entries that they name, and the tables of the encoding itself.
"""

from __future__ import annotations

import numpy as np

from ir.bits import BitReader, BitWriter
from ir.encoding_kernels import (
    CODES,
    FORM,
    FORM_BITS,
    HAS_A,
    HAS_B,
    MOST_TOKENS,
    OPERAND_TABLE,
    RAW,
    SPELLED,
    STEPS,
    count_tokens,
    list_places,
    read_records,
    tokenise,
)
from ir.encoding_tables import (
    EncodingError,
    check_lengths,
    read_constants,
    read_gathers,
    read_lengths,
    write_constants,
    write_gathers,
    write_lengths,
)
from ir.isa import RECORD, RECORD_BITS
from ir.prefix_code import canonical_codes, code_lengths, reading_table
from ir.program import PLAIN, Tile

COUNT_BITS = (32, 17, 32)
"""Of instructions, constants and gathers."""
FORM_COUNT_BITS, FORM_LENGTH_BITS = 11, 4
MOST_FORMS = 1024
MOST_COLUMNS = 1 << 16


def encoded_bits(tile: Tile, encoding: str) -> int:
    """Bits of a tile's stream under one of ENCODINGS, tables included: for COMPACT the exact length of ``encode``'s."""
    if encoding == PLAIN:
        return len(tile.instructions) * RECORD_BITS + 8 * (tile.constants.nbytes + tile.gathers.nbytes)
    return sum(measure(tile).values())


def measure(tile: Tile) -> dict[str, int]:
    """Bits of a tile's compact stream by what they are for: "tables" (counts and prefix codes), "constants",
    "gathers", and of the instructions "forms", "names" of operands and "explicit" numbers, plain records among them."""
    tokens = _Tokens(tile)
    coded = [int(counts @ lengths) for counts, lengths in zip(tokens.counts, tokens.lengths, strict=True)]
    return {
        "tables": tokens.header().bits,
        "constants": write_constants(tile.constants).bits,
        "gathers": write_gathers(tile.gathers).bits,
        "forms": coded[FORM] + FORM_BITS * int(tokens.spelled.sum()),
        "names": sum(coded[FORM + 1 :]),
        "explicit": tokens.raw_bits,
    }


def instruction_bits(tile: Tile) -> np.ndarray:
    """Bits of each instruction in a tile's compact stream, int64[instructions]; tables come on top."""
    tokens = _Tokens(tile)
    if not len(tokens.starts):
        return np.zeros(0, np.int64)
    return np.add.reduceat(tokens.bits(), tokens.starts)


def encode(tile: Tile) -> bytes:
    """A tile's compact stream, the last byte filled with zeros. Its phases are for people and are not in it."""
    tokens = _Tokens(tile)
    writer = tokens.header()
    writer.append(write_constants(tile.constants))
    writer.append(write_gathers(tile.gathers))
    writer.append(tokens.stream())
    return writer.packed()


def decode(content: bytes) -> Tile:
    """The tile that was encoded, without phases. Raises EncodingError where the bits are not a whole stream; what they
    say may still be illegal (``ir.verify_program``)."""
    reader = BitReader(content)
    instructions, constants, gathers = (reader.number(bits) for bits in COUNT_BITS)
    if instructions + constants + gathers > reader.end:
        raise EncodingError("claims more instructions and table entries than it has bits")
    forms, form_lengths = _read_forms(reader)
    lengths = [form_lengths, *(read_lengths(reader) for _ in range(1, CODES))]
    tables = read_constants(reader, constants), read_gathers(reader, gathers)
    records = np.zeros(instructions, RECORD)
    end = int(
        read_records(
            reader.data,
            reader.position,
            reader.end,
            forms,
            tuple(map(reading_table, lengths)),
            OPERAND_TABLE,
            MOST_COLUMNS,
            _index_bits(constants, gathers),
            records,
        )
    )
    if end < 0:
        raise EncodingError(f"instruction 0x{-1 - end:04x} cannot be decoded")
    reader.position = end
    if reader.end - end >= 8 or reader.number(reader.end - end):
        raise EncodingError("does not end after its last instruction")
    return Tile(records, *tables)


def _read_forms(reader: BitReader) -> tuple[np.ndarray, np.ndarray]:
    """The table of forms, uint32, and their code lengths, uint8."""
    count = reader.number(FORM_COUNT_BITS)
    entries = np.array([reader.number(FORM_BITS + FORM_LENGTH_BITS) for _ in range(count)], np.uint32)
    if reader.past_end:
        raise EncodingError("ends within its table of forms")
    lengths = (entries & ((1 << FORM_LENGTH_BITS) - 1)).astype(np.uint8)
    check_lengths(lengths)
    return entries >> FORM_LENGTH_BITS, lengths


def _index_bits(constants: int, gathers: int) -> np.ndarray:
    """Bits of an explicit index into each table."""
    return np.array([max(constants - 1, 0).bit_length(), max(gathers - 1, 0).bit_length()])


class _Tokens:
    """A tile's instructions as tokens, and the prefix codes learnt from them."""

    def __init__(self, tile: Tile) -> None:
        records = tile.instructions
        self.sizes = (len(records), len(tile.constants), len(tile.gathers))
        kinds = np.empty(MOST_TOKENS * len(records), np.uint8)
        values = np.empty(MOST_TOKENS * len(records), np.uint32)
        self.starts = np.empty(len(records), np.int64)
        columns = _columns(records)
        count = tokenise(
            records,
            OPERAND_TABLE,
            list_places(records, OPERAND_TABLE, columns),
            self.sizes[1],
            self.sizes[2],
            _index_bits(*self.sizes[1:]),
            kinds,
            values,
            self.starts,
        )
        self.kinds, self.values = kinds[:count], values[:count]
        self._learn_forms()
        counts = np.zeros((CODES, max(MOST_FORMS, columns, STEPS)), np.int64)
        self.raw_bits = int(count_tokens(self.kinds, self.values, counts))
        self.counts = [np.trim_zeros(row, "b") for row in counts]
        self.lengths = [code_lengths(row) for row in self.counts]

    def _learn_forms(self) -> None:
        """Number the forms; those that do not pay for an entry of the table are spelled. The values of FORM tokens
        become numbers."""
        self._forms = self.values[self.starts]
        distinct, counts = np.unique(self._forms, return_counts=True)
        kept = np.sort(np.argsort(-counts, kind="stable")[: MOST_FORMS - 1])
        table = distinct[kept[counts[kept] > 1]]
        if len(table) < len(distinct):
            table = np.append(table, SPELLED)
        self.form_table = table.astype(np.uint32)
        number = np.searchsorted(self.form_table, self._forms)
        self.spelled = self.form_table[number] != self._forms
        number[self.spelled] = len(table) - 1
        self.values[self.starts] = number

    def bits(self) -> np.ndarray:
        """Bits of every token, int64[tokens]; a spelled form is one with its number."""
        bits = np.where(self.kinds >= RAW, self.kinds.astype(np.int64) - RAW, 0)
        for kind, lengths in enumerate(self.lengths):
            mine = self.kinds == kind
            bits[mine] = lengths[self.values[mine]]
        bits[self.starts[self.spelled]] += FORM_BITS
        return bits

    def stream(self) -> BitWriter:
        """The instructions."""
        values = self.values.astype(np.uint64)
        for kind, lengths in enumerate(self.lengths):
            mine = self.kinds == kind
            values[mine] = canonical_codes(lengths)[self.values[mine]]
        spelled = self.starts[self.spelled]
        values[spelled] = values[spelled] << np.uint64(FORM_BITS) | self._forms[self.spelled]
        out = BitWriter()
        out.many(values, self.bits())
        return out

    def header(self) -> BitWriter:
        """The tile's counts and the tables of its codes."""
        out = BitWriter()
        out.many(np.array(self.sizes), np.array(COUNT_BITS))
        out.number(len(self.form_table), FORM_COUNT_BITS)
        entries = self.form_table.astype(np.uint64) << np.uint64(FORM_LENGTH_BITS) | self.lengths[FORM]
        out.many(entries, np.full(len(entries), FORM_BITS + FORM_LENGTH_BITS))
        for lengths in self.lengths[FORM + 1 :]:
            out.append(write_lengths(lengths))
        return out


def _columns(records: np.ndarray) -> int:
    """One more than the highest column that an operand may name."""
    has = OPERAND_TABLE[records["op"]]
    highest = [
        records["r_column"].max(initial=0),
        records["a_column"][has & HAS_A != 0].max(initial=0),
        records["b_column"][has & HAS_B != 0].max(initial=0),
    ]
    return int(max(highest)) + 1
