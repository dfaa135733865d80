"""Fields, sub-fields and records."""

from __future__ import annotations

from ir.isa import OPERANDS, RECORD, Field, Op


def test_bits_of_a_field_lie_along_a_nanowire_or_across_columns() -> None:
    along, across = Field(7, 10, 4), Field(7, 10, 4, across=True)
    assert [along.cell(bit) for bit in range(4)] == [(7, 10), (7, 11), (7, 12), (7, 13)]
    assert [across.cell(bit) for bit in range(4)] == [(7, 10), (8, 10), (9, 10), (10, 10)]


def test_a_sub_field_is_a_free_shift() -> None:
    assert Field(7, 10, 6, signed=True).bits(2) == Field(7, 12, 4, signed=True)
    assert Field(7, 10, 6, signed=True).bits(2, 4, signed=False) == Field(7, 12, 2)
    assert Field(7, 10, 6, across=True).bits(2) == Field(9, 10, 4, across=True)


def test_a_record_is_sixteen_bytes_and_every_opcode_has_operands() -> None:
    assert RECORD.itemsize == 16
    assert set(OPERANDS) == set(Op)
    assert all(operands.startswith("r") for operands, _ in OPERANDS.values())
