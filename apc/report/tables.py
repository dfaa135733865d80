"""Tables that fit a terminal: names fold where they may, and what there is no room for is left out and named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table

Row = Sequence[str] | None
"""A cell for each column; None: a line between two sections."""
_PIECES = re.compile(r"(?:[^./_ -]|(?<=\d)\.(?=\d))*[./_ -]*")
_GAP = 2
_FOLDED = 16
"""Names fold down to so many letters before columns are left out for them."""


class Column(NamedTuple):
    """``text``: words or names, to the left, which fold; else numbers, to the right. Of the columns that there is no
    room for, those with the highest ``rank`` are left out first; those with 0 never."""

    heading: str
    text: bool = False
    rank: int = 0


def fitted(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Table | str]:
    """A table of lines of at most ``width`` letters as far as that is possible, and a line that names the columns that
    were left out, if any were."""
    kept = list(range(len(columns)))
    while _least(columns, rows, kept) > width:
        most = max(columns[number].rank for number in kept)
        if most == 0:
            break
        kept = [number for number in kept if columns[number].rank != most]
    shown: list[Table | str] = [_table(columns, rows, kept, width)]
    missing = [column.heading for number, column in enumerate(columns) if number not in kept]
    if missing:
        shown.append(f"no room for the columns {', '.join(missing)}: COLUMNS=200 or --json has them")
    return shown


def simple_table() -> Table:
    """An empty table in the style of all of them."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)


def room(widths: Iterable[int]) -> int:
    """Letters of a line of a ``simple_table`` with such columns."""
    each = list(widths)
    return sum(each) + _GAP * (len(each) - 1)


def fold(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` letters, broken after dots, slashes, underscores, hyphens and spaces, and
    within words only where they are longer than a line."""
    lines = [""]
    for piece in _PIECES.findall(text):
        if len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        while len(piece.rstrip()) > width:
            lines[-1], piece = piece[:width], piece[width:]
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines if line)


def _table(columns: Sequence[Column], rows: Sequence[Row], kept: Sequence[int], width: int) -> Table:
    folded = _widths(columns, rows, kept, width)
    table = simple_table()
    for number in kept:
        table.add_column(columns[number].heading, justify="left" if columns[number].text else "right", overflow="fold")
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*(fold(row[number], folded[number]) for number in kept))
    return table


def _widths(columns: Sequence[Column], rows: Sequence[Row], kept: Sequence[int], width: int) -> dict[int, int]:
    """Letters of each column: what it takes, and what is left over for the columns of text, the widest of which give
    way first."""
    widths = {number: _natural(columns, rows, number) for number in kept}
    texts = [number for number in kept if columns[number].text]
    while texts and room(widths.values()) > width:
        widest = max(texts, key=lambda number: widths[number])
        if widths[widest] <= max(8, len(columns[widest].heading)):
            break
        widths[widest] -= 1
    return widths


def _least(columns: Sequence[Column], rows: Sequence[Row], kept: Sequence[int]) -> int:
    """Letters of a line with every text folded as far as is pleasant."""
    natural = {number: _natural(columns, rows, number) for number in kept}
    return room(min(natural[number], _FOLDED) if columns[number].text else natural[number] for number in kept)


def _natural(columns: Sequence[Column], rows: Sequence[Row], number: int) -> int:
    return max([len(columns[number].heading), *(len(row[number]) for row in rows if row is not None)])
