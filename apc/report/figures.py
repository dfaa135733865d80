"""Figures of targets with their sources, as JSON has them and for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from backends.target import Figure


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


def figures_table(title: str, rows: Iterable[dict[str, Any]]) -> Table:
    """``rows``: of ``figure_rows``."""
    table = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left")
    for heading in ("figure", "value", "unit", "assumed", "year", "source"):
        table.add_column(heading, justify="right" if heading == "value" else "left", overflow="fold")
    for row in rows:
        table.add_row(row["key"], *figure_cells(row))
    return table


def figure_cells(row: dict[str, Any]) -> list[str]:
    """Value, unit, whether it is assumed, year and source."""
    assumed = "assumed" if row["assumed"] else ""
    return [shown_value(row["value"]), row["unit"], assumed, str(row["year"]), row["source"]]


def shown_value(value: float | bool | str) -> str:
    """For people: six significant digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:.6g}"
