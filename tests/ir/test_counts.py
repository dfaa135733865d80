"""Static counts of small tiles by hand; tests/simulator/rtm/test_machine.py compares them with counted ones."""

from __future__ import annotations

import pytest

from ir.counts import distinct_signatures, search_key_columns, searched_fields, static_counts
from ir.expand import Search, SearchOr, expand_instruction
from ir.isa import Field, Op
from tests.programs import fields, macro, tile, tiny_program

A, B, R = Field(3, 2, 4), Field(4, 1, 6, signed=True), Field(5, 3, 7)
ACROSS = Field(6, 4, 5, across=True)


def test_shift_steps_and_rewinds_by_hand() -> None:
    code = [
        macro(Op.ADD, R, A),  # a: 0 -> 2, then 3 steps; r: 0 -> 3, then 6
        macro(Op.ADD, R, A),  # a: 5 -> 2, then 3; r: 9 -> 3, then 6
        macro(Op.COPY, ACROSS, A),  # a again; five columns 0 -> 4 (bit 4 too: it is cleared)
        macro(Op.CONST, ACROSS),  # nothing to shift
        macro(Op.MAX, Field(11, 0, 3), Field(12, 1, 3)),  # up and down: each 2 + 2, column 12 one before
    ]
    counts = static_counts(tile(code, [1], [], []), source_fields=None, search_or=False, columns=13)
    assert counts.shift_steps.tolist() == [5 + 9, 6 + 12, 6 + 20, 0, 4 + 5]
    assert counts.rewind_steps == 5 + 9 + 20 + 0 + 1
    assert counts.searches.tolist() == [1 + 2 + 12 + 6, 21, 9, 5, 1 + 12]
    assert counts.writes.tolist() == counts.searches.tolist()
    assert counts.sources == {}


def test_instructions_are_told_apart_by_what_matters() -> None:
    code = [
        macro(Op.ADDC, R, imm=0),
        macro(Op.ADDC, Field(7, 3, 7), imm=2),
        macro(Op.ADDC, R, imm=1),
        macro(Op.CLAMP, R, B, imm=0),
        macro(Op.CLAMP, R, B, imm=1),
        macro(Op.CLAMP, R, Field(4, 1, 6), imm=0),
        macro(Op.ADD, R, A),
        macro(Op.ADD, R, ACROSS.bits(0, 4)),
    ]
    signatures, index = distinct_signatures(tile(code, [2, 5, 2], [], []))
    same = [[index[i] == index[j] for j in range(i)] for i in range(len(code))]
    assert [i for i, row in enumerate(same) if any(row)] == [1, 7]
    assert len(signatures) == 6
    assert signatures[index[4]].constants == (5, 2)


@pytest.mark.parametrize("search_or", [False, True])
def test_key_columns_are_those_of_all_searches(search_or: bool) -> None:
    code = [macro(Op.ADD, R, A), macro(Op.CLAMP, R, B, imm=0), macro(Op.GATHER, R), macro(Op.ADDO, R, A, B)]
    program = tile(code, [-3, 9], [(0, 0, 0, 0)], [])
    wanted = []
    for record in program.instructions:
        ops = expand_instruction(record, program, search_or, [0] * 13)
        wanted.append(sum(len(op.key) for op in ops if isinstance(op, Search | SearchOr)))
    assert search_key_columns(program, search_or).tolist() == wanted
    # an addition: the carry, two searches of bit 0, of which one must not find what the other has written, three
    # columns in four searches a bit, two in two searches beyond the operand
    assert wanted[0] == 1 + (2 + 3) + 3 * 12 + 3 * 4


def test_an_empty_tile_counts_nothing() -> None:
    counts = static_counts(tile([], [], [], []), source_fields=None, search_or=True, columns=8)
    assert counts.shift_steps.shape == (0,)
    assert counts.rewind_steps == 0


def test_every_constant_that_an_instruction_reaches_is_told_apart() -> None:
    constants = list(range(1 << 16, 1 << 17)) + [-1, 7]
    code = [macro(Op.STEP, R, A, imm=0xFFFF), macro(Op.STEP, R, A, imm=0xFFFE), macro(Op.CONST, R, imm=0)]
    signatures, index = distinct_signatures(tile(code, constants, [], []))
    assert [signatures[i].constants for i in index] == [((1 << 17) - 1, 127), ((1 << 17) - 2, 127), (0,)]


def test_columns_beyond_the_array_are_refused() -> None:
    with pytest.raises(ValueError, match="instruction 1 uses a column beyond the array's 10"):
        code = [macro(Op.CONST, R), macro(Op.CONST, ACROSS)]
        static_counts(tile(code, [0], [], []), source_fields=None, search_or=False, columns=10)
    program = tile([macro(Op.GATHER, R)], [], [(0, 0, 0, 0)], [])
    with pytest.raises(ValueError, match="a gathered field lies beyond its array's 10 columns"):
        static_counts(program, source_fields=fields((0, Field(10, 0, 7))), search_or=False, columns=10)


def test_inputs_have_no_source_field() -> None:
    program = tiny_program()
    first, second = program.layers[0].tiles[0], program.layers[1].tiles[0]
    assert searched_fields(first, program.tensors)["width"].tolist() == [0, 0, 0]
    assert searched_fields(second, program.tensors)["tile"].tolist() == [0, 1, 0]
    assert searched_fields(second, program.tensors)["width"].tolist() == [4, 4, 4]
