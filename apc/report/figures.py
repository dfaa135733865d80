"""Figures of targets with their sources, as JSON has them and for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table

from apc.report.tables import Column, fitted, room
from backends.target import Figure

_HEADINGS = ("figure", "value", "unit", "assumed", "year")
_SOURCE_LETTERS = 40
"""A column of sources is at least so wide."""


def figure_rows(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """[{key, value, unit, source, year, assumed}]."""
    return [
        {
            "key": figure.key,
            "value": figure.value,
            "unit": figure.unit,
            "source": figure.provenance.source,
            "year": figure.provenance.year,
            "assumed": figure.provenance.assumed,
        }
        for figure in figures
    ]


def figures_table(title: str, rows: Iterable[dict[str, Any]], width: int) -> list[Table | str]:
    """``rows``: of ``figure_rows``; lines of ``width`` letters. A source that has too little room for its column goes
    under its figure."""
    listed = list(rows)
    cells = [[row["key"], *figure_cells(row)] for row in listed]
    beside = [max(len(cell) for cell in column) for column in zip(*(row[:-1] for row in cells), strict=True)]
    if width - room([*map(max, beside, map(len, _HEADINGS)), 0]) >= _SOURCE_LETTERS:
        columns = [Column(heading, text=heading != "value") for heading in (*_HEADINGS, "source")]
        return [title, *fitted(columns, cells, width)]
    key, value = beside[:2]
    return [title, *(line for row in cells for line in _stacked(row, key, value))]


def _stacked(cells: list[str], key: int, value: int) -> list[str]:
    """A figure in a line of its own, and the source below it."""
    name, number, unit, assumed, year, source = cells
    facts = ", ".join(filter(None, (year, assumed)))
    return [f"{name:{key}}  {number:>{value}} {unit}".rstrip() + f"  ({facts})", f"    {source}"]


def figure_cells(row: dict[str, Any]) -> list[str]:
    """Value, unit, whether it is assumed, year and source."""
    assumed = "assumed" if row["assumed"] else ""
    return [shown_value(row["value"]), row["unit"], assumed, str(row["year"]), row["source"]]


def shown_value(value: float | bool | str) -> str:
    """For people: six significant digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:.6g}"
