"""Cycles against the words of the issue (tests/simulator/analog/acim/test_config.py counts them one by one)."""

from __future__ import annotations

import pytest

from ir.bit_cycles import Cycles


def cycles(weight_bits: int = 8, activation_bits: int = 8, **others: int) -> Cycles:
    return Cycles(
        **{  # type: ignore[arg-type]
            "weight_bits": weight_bits,
            "activation_bits": activation_bits,
            "dac_bits": 1,
            "hybrid_level": 0,
            "voting": 1,
            "voting_level": 0,
            **others,
        }
    )


@pytest.mark.parametrize("level", range(9))
def test_a_level_selects_a_triangle(level: int) -> None:
    found = cycles(hybrid_level=level)
    assert found.digital_count == level * (level + 1) // 2
    assert found.conversions == found.count - found.digital_count
    assert all(found.digital(7, 7) and not found.digital(0, 0) for _ in range(min(level, 1)))


def test_levels_beyond_the_last_cycle_select_all() -> None:
    found = cycles(2, 3, hybrid_level=31)
    assert (found.digital_count, found.conversions, found.digital_share) == (6, 0, 1.0)


def test_the_share_of_weight_bits_with_a_digital_cycle() -> None:
    assert [cycles(hybrid_level=level).digital_share for level in (0, 1, 3, 8, 12)] == [0, 1 / 8, 3 / 8, 1, 1]


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 6, 8, 12, 20])
def test_the_busiest_converter_is_that_of_the_columns_with_most_votes(columns: int) -> None:
    found = cycles(8, 5, dac_bits=2, hybrid_level=3, voting=5, voting_level=5)
    for digit in range(3):
        row = [found.votes(bit, digit) for bit in range(8)] * columns  # so many weights end with a converter's columns
        by_converter = [sum(row[start : start + columns]) for start in range(0, len(row), columns)]
        assert found.busiest_of(digit, columns) == max(by_converter)


def test_the_highest_digit_may_have_fewer_bits() -> None:
    found = cycles(4, 5, dac_bits=2, hybrid_level=31)
    assert [found.bits_of(digit) for digit in range(3)] == [2, 2, 1]
    assert found.digital_products == 4 * 5
