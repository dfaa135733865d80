"""Tables that fit: names fold where they may, numbers stay whole, and what is left out is named."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from apc.report.tables import Column, Row, fitted, fold, room, simple_table

COLUMNS = [Column("layer", text=True), Column("rows", rank=2), Column("cycles"), Column("shifts", rank=1)]
ROWS: list[Row] = [["layer1.0.downsample.0.quant", "12,544", "1,234,567", "89"], None, ["all", "", "1,234,567", "89"]]


def shown(table: Table | str, width: int) -> list[str]:
    assert isinstance(table, Table)
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("layer1.0.downsample.quant", 12, ["layer1.0.", "downsample.", "quant"]),
        ("energy/write_bit_J", 11, ["energy/", "write_bit_J"]),
        ("energy ratio 0.0189", 16, ["energy ratio", "0.0189"]),
        ("abcdefghij.k", 4, ["abcd", "efgh", "ij.k"]),
        ("two words", 9, ["two words"]),
        ("", 5, [""]),
    ],
)
def test_fold(text: str, width: int, lines: list[str]) -> None:
    assert fold(text, width).split("\n") == lines


@given(st.text("ab1._/- ", max_size=40), st.integers(1, 30))
def test_folding_loses_nothing_and_fits(text: str, width: int) -> None:
    lines = fold(text, width).split("\n")
    assert max(map(len, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_wide_terminal_shows_all() -> None:
    (table,) = fitted(COLUMNS, ROWS, 80)
    assert shown(table, 80) == [
        "layer                          rows     cycles  shifts",
        "──────────────────────────────────────────────────────",
        "layer1.0.downsample.0.quant  12,544  1,234,567      89",
        "",
        "all                                  1,234,567      89",
    ]


def test_names_fold_first() -> None:
    (table,) = fitted(COLUMNS, ROWS, 50)
    assert shown(table, 50)[2:4] == ["layer1.0.downsample.0.  12,544  1,234,567      89", "quant"]


def test_then_columns_are_left_out_and_named() -> None:
    for width, missing in ((40, "rows"), (30, "rows, shifts")):
        table, line = fitted(COLUMNS, ROWS, width)
        assert str(line).startswith(f"no room for the columns {missing}:")
        assert all(heading not in shown(table, width)[0] for heading in missing.split(", "))
        assert max(map(len, shown(table, width))) <= width


@given(
    st.lists(st.tuples(st.text("ab.", min_size=1, max_size=30), st.integers(0, 10**9)), min_size=1, max_size=4),
    st.integers(24, 90),
)
def test_lines_fit_and_numbers_stay_whole(items: list[tuple[str, int]], width: int) -> None:
    rows = [[name, f"{number:,}", f"{number}", "7"] for name, number in items]
    table, *_ = fitted(COLUMNS, rows, width)
    lines = shown(table, width)
    assert max(map(len, lines)) <= width
    numbers = [f"{number}" for _, number in items]
    assert all(any(number in re.findall(r"\d+", line) for line in lines) for number in numbers)


def test_room_is_the_width_of_a_table() -> None:
    table = simple_table()
    for width in (3, 5, 8):
        table.add_column("x" * width)
    table.add_row("1", "2", "3")
    assert max(map(len, shown(table, 80))) == room([3, 5, 8])
