"""The compact encoding loses nothing, is as long as it says, follows docs/encoding.md, and survives damage."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apc.driver import CompileOptions, compile_model
from ir.encoding import EncodingError, decode, encode, encoded_bits, instruction_bits, measure
from ir.isa import RECORD, RECORD_BITS, Field, Op
from ir.program import COMPACT, PLAIN, Program, Tile
from ir.verify_program import ProgramError, verify_program
from tests.apc.small import small_model
from tests.programs import macro, programs, tile, tiny_program
from tests.simulator.rtm.random_programs import random_program

PAGE = Path(__file__).parents[2] / "docs" / "encoding.md"


def example() -> Tile:
    """The instructions of the page."""
    x, y, t, u = (Field(c, 0, w, across=True) for c, w in ((3, 2), (5, 2), (7, 3), (10, 3)))
    code = [
        *(macro(Op.GATHER, x, imm=0), macro(Op.GATHER, y, imm=1)),
        *(macro(Op.ADDO, t, x, y), macro(Op.ADDO, u, x, y), macro(Op.ADD, u, t)),
    ]
    return tile(code, [], [(0, 0, 0, 0), (0, 0, 1, 0)], [])


def bits_of(content: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in content)


def assert_lossless(given_tile: Tile) -> None:
    content = encode(given_tile)
    found = decode(content)
    for name in ("instructions", "constants", "gathers"):
        before, after = getattr(given_tile, name), getattr(found, name)
        assert after.dtype == before.dtype and after.tobytes() == before.tobytes(), name
    bits = encoded_bits(given_tile, COMPACT)
    assert 0 <= 8 * len(content) - bits < 8
    parts = measure(given_tile)
    assert sum(parts.values()) == bits
    own = instruction_bits(given_tile)
    assert len(own) == len(given_tile.instructions)
    assert own.sum() == bits - parts["tables"] - parts["constants"] - parts["gathers"]


def tiles_of(program: Program) -> list[Tile]:
    return [item for layer in program.layers for item in layer.tiles]


@given(programs())
def test_stored_programs(program: Program) -> None:
    for item in tiles_of(program):
        assert_lossless(item)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_programs_of_the_engines(random: Random) -> None:
    for item in tiles_of(random_program(random)):
        assert_lossless(item)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=30), st.lists(st.integers(0, 29), max_size=60))
def test_any_records_at_all(records: list[bytes], again: list[int]) -> None:
    """Records that are not legal are carried as they are, between others that are."""
    legal = example().instructions
    chosen = [records[i % len(records)] if records and i % 2 else legal[i % len(legal)].tobytes() for i in again]
    code = np.frombuffer(b"".join([*records, *chosen]), RECORD).copy()
    for name in ("a_column", "b_column", "r_column"):
        code[name] &= 0x3FF  # the encoder's memory grows with the columns
    assert_lossless(Tile(code, np.arange(-3, 3), example().gathers))


@pytest.mark.parametrize("level", ["O0", "O1", "O2"])
def test_compiled_programs(level: str) -> None:
    program = compile_model(small_model(), CompileOptions(level=level)).program
    assert program.encoding == (COMPACT if level == "O2" else PLAIN)
    for item in tiles_of(program):
        assert_lossless(item)


def test_many_distinct_forms() -> None:
    """More than the table holds: the rest are spelled out."""
    widths = np.arange(1, 64)
    code = [
        macro(Op.COPY, Field(3, 0, int(w)), Field(4, 0, int(a), signed=bool(s)))
        for w in widths
        for a in widths[:20]
        for s in (0, 1)
    ]
    assert_lossless(tile(code * 2, [], [], []))


def test_the_list_of_accumulators() -> None:
    """Swept to and fro, an accumulator costs a bit or two, not a column and a domain."""
    places = [Field(3, domain, 12, across=True) for domain in range(60)]
    sweep = [macro(Op.ADD, place, Field(20, 0, 4, across=True)) for place in places]
    swept = tile((sweep + sweep[::-1]) * 8, [], [], [])
    assert_lossless(swept)
    assert instruction_bits(swept)[len(sweep) :].mean() < 5


def test_more_places_than_the_list_holds() -> None:
    places = [Field(3 + number // 200, number % 200, 4) for number in range(1500)]
    assert_lossless(tile([macro(Op.ADD, place, Field(40, 0, 2)) for place in places] * 3, [], [], []))


def test_extreme_tables() -> None:
    ends = [0, -1, 1, 2**63 - 1, -(2**63), 2**62, -(2**62) - 1]
    gathers = [(2**32 - 1, 2**32 - 1, 2**32 - 1, -(2**31)), (0, 0, 0, 2**31 - 1), (0, 0, 1, 2**31 - 1)]
    assert_lossless(tile([], ends, gathers, []))
    assert_lossless(tile([], [], [], []))


def test_what_is_counted() -> None:
    item = tile([macro(Op.CONST, Field(3, 0, 4))] * 5, [1, 2], [(0, 0, 0, 0)] * 3, [])
    assert encoded_bits(item, PLAIN) == 5 * RECORD_BITS + 2 * 64 + 3 * 128
    parts = measure(item)
    assert parts["constants"] == (6 + 2) + (6 + 3) and parts["gathers"] == 4 * 6 + 3 * (1 + 4)


def test_the_example_of_the_page() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Example")[1]
    rows = re.findall(r"^\| `([01]+)` \|", section, re.MULTILINE)
    assert "".join(rows) == bits_of(encode(example()))
    instructions = rows[-19:-1]  # what follows the tables, less the bits that fill the last byte
    assert sum(map(len, instructions)) == instruction_bits(example()).sum()


def test_damage_is_an_error_or_another_program() -> None:
    """Never a crash, a hang or a runaway allocation: cut short, a bit flipped, bytes replaced, noise."""
    rng = np.random.default_rng(5)
    sources = [encode(item) for item in [example(), *tiles_of(tiny_program())]]
    sources.append(encode(tiles_of(random_program(Random(3)))[0]))
    for source in sources:
        for _ in range(150):
            content = bytearray(source)
            for _ in range(int(rng.integers(1, 4))):
                place = int(rng.integers(len(content)))
                content[place] = rng.choice([content[place] ^ 1 << int(rng.integers(8)), int(rng.integers(256))])
            decode_or_refuse(bytes(content))
        for length in range(0, len(source), 1 + len(source) // 60):
            with pytest.raises(EncodingError):
                decode(source[:length])
        with pytest.raises(EncodingError):
            decode(source + b"\0")
    for length in (1, 20, 300, 5000):
        decode_or_refuse(rng.bytes(length))


def decode_or_refuse(content: bytes) -> None:
    try:
        found = decode(content)
    except EncodingError:
        return
    assert len(found.instructions) + len(found.constants) + len(found.gathers) <= 8 * len(content)


def test_programs_name_a_known_encoding() -> None:
    program = tiny_program()
    program.encoding = "morse"
    with pytest.raises(ProgramError, match="encoding 'morse' is none of plain, compact"):
        verify_program(program)
