"""Macro and micro listings of `apc inspect`, as text that fits the terminal (docs/inspect.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apc.report.inspection import Window
from apc.report.inspection_text import micro_text
from apc.report.listing import Expansion

_COUNTS = {
    "cycles": "cycles",
    "search": "search_passes",
    "write": "write_passes",
    "shift": "shift_steps",
    "src-search": "source_search_passes",
    "src-shift": "source_shift_steps",
}
_GAP = "  "
_CUT = ".."
_LEAST = 3
"""Letters that a shortened name begins with, at least."""
_STEP_WIDTH = 44


@dataclass(frozen=True)
class _View:
    """What a line shows. ``placed``: operands whose place is told; ``longest``: letters of a name (0: all); ``tables``:
    whether what a gather's name leaves out is told."""

    placed: str = "rab"
    counts: tuple[str, ...] = tuple(_COUNTS)
    longest: int = 0
    tables: bool = True
    interval: bool = True


_PASSES, _FEW = ("cycles", "search", "write", "shift"), ("cycles", "shift")
_VIEWS = (
    _View(),
    _View(counts=_PASSES),
    _View(counts=_PASSES, longest=24, tables=False),
    _View(counts=_PASSES, longest=16, tables=False),
    _View(counts=_FEW, longest=16, tables=False),
    _View(counts=_PASSES, longest=16, tables=False, placed="r"),
    _View(counts=_FEW, longest=16, tables=False, placed="r"),
    _View(counts=("cycles",), longest=14, tables=False, placed="r"),
    _View(counts=("cycles",), longest=14, tables=False, placed=""),
    _View(counts=("cycles",), longest=10, tables=False, placed="", interval=False),
)
"""From all that there is to what always fits; the first that fits is shown."""


def macro_lines(records: Sequence[dict[str, Any]], width: int | None = None) -> Iterator[str]:
    """One instruction a line: operands by name and place, interval of the result, exact counts; and a line where a
    phase begins. Lines of at most ``width`` letters where that can be done (None: nothing is left out)."""
    heading, *lines = _fitted(records, width)
    yield heading
    phase = ""
    for record, line in zip(records, lines, strict=True):
        if record["phase"] != phase:
            phase = record["phase"]
            yield f"phase {json.dumps(phase)}"
        yield line


def ranked_lines(records: Sequence[dict[str, Any]], key: str, total: int, width: int | None) -> Iterator[str]:
    """The same of records with their ``layer`` and ``tile``, without phases: those of ``total`` instructions with the
    largest ``key``, which is shown whatever the width."""
    yield from _fitted(records, width, next(name for name, of in _COUNTS.items() if of == key))
    more = f", {total - len(records):,} have less: --limit shows more" if total > len(records) else ""
    yield f"; the {len(records)} with most {key.replace('_', ' ')} of {total:,} instructions{more}"


def _fitted(records: Sequence[dict[str, Any]], width: int | None, shown: str | None = None) -> Iterator[str]:
    """A heading and a line a record; ``shown``: a count that is never left out."""
    view = _VIEWS[0]
    for view in _VIEWS:
        if shown is not None and shown not in view.counts:
            view = replace(view, counts=(*view.counts, shown))
        heading, rows, widths = _laid_out(records, view)
        if width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
            break
    numeric = len(widths) - len(view.counts)
    yield _line(heading, widths, numeric)
    yield from (_line(row, widths, numeric) for row in rows)


def _laid_out(records: Sequence[dict[str, Any]], view: _View) -> tuple[list[str], list[list[str]], list[int]]:
    """(heading, rows, letters of each column) of a table."""
    operands = [_operands(record, view) for record in records]
    most = max(map(len, operands), default=1)
    where = ["; layer", "tile", "address"] if any("layer" in record for record in records) else ["; addr"]
    heading = [*where, "op", *("r", "a", "b", "")[:most]] + ["interval"] * view.interval + list(view.counts)
    rows = []
    for record, named in zip(records, operands, strict=True):
        row = [*_address(record), record["opcode"], *named, *[""] * (most - len(named))]
        row += [interval_text(record["interval"])] * view.interval
        rows.append(row + [str(record[_COUNTS[count]]) for count in view.counts])
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    return heading, rows, widths


def _address(record: Mapping[str, Any]) -> list[str]:
    address = f"0x{record['address']:04x}"
    if "layer" not in record:
        return [f"  {address}"]
    return [f"  {record['layer']}", str(record["tile"]), address]


def _line(cells: Sequence[str], widths: Sequence[int], numeric: int) -> str:
    """Cells side by side, those from ``numeric`` on flush right."""
    padded = [
        f"{cell:>{width}}" if number >= numeric else f"{cell:<{width}}"
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join(padded).rstrip()


def _operands(record: Mapping[str, Any], view: _View) -> list[str]:
    """The operands of an instruction as its line shows them, and what follows them, if anything."""
    words = record["text"].split()[2:]
    shown = []
    for name, place in zip(record["operands"], words, strict=False):
        value = shortened(record["names"].get(name, ""), view.longest)
        shown.append(f"{value} {place}".lstrip() if name in view.placed or not value else value)
    rest = words[len(shown) :]
    if not view.tables and record["opcode"] in ("gather", "mac"):
        told = ("map=", "pad=", "at=", *(["t"] if record["opcode"] == "gather" else []))
        rest = [word for word in rest if not word.startswith(told)]
    return [*shown, " ".join(rest)] if rest else shown


def shortened(name: str, longest: int) -> str:
    """A name of about ``longest`` letters (0: all), its end kept: channels and offsets tell values apart."""
    if not longest or len(name) <= longest:
        return name
    tail = name[name.rfind("[") :] if "[" in name else name[-longest // 2 :]
    cut = f"{name[: max(longest - len(tail) - len(_CUT), _LEAST)]}{_CUT}{tail}"
    return min(name, cut, key=len)


def interval_text(interval: Sequence[int]) -> str:
    return f"[{interval[0]}, {interval[1]}]"


def match_lines(found: Sequence[tuple[Window, list[dict[str, Any]]]], total: int, width: int | None) -> Iterator[str]:
    """What --grep found, tile by tile, and how many more of the ``total`` there are."""
    shown = sum(len(records) for _, records in found)
    for window, records in found:
        layer = window.layer
        yield f"; layer {window.layer_index} {layer.name} ({layer.op}), tile {window.tile_index} of {len(layer.tiles)}"
        yield from macro_lines(records, width)
    more = f", {total - shown} more: --limit {total}" if total > shown else ""
    yield f"; {total} instruction{'s' * (total != 1)} found{more}"


def micro_lines(expansions: list[Expansion]) -> Iterator[str]:
    """Every instruction with its operands' names, followed by its numbered micro-operations: cells by operand bit, and
    the pass of the table that begins."""
    for expansion in expansions:
        yield f"{expansion.text}{_named(expansion)}"
        for number, (step, cells, note) in enumerate(
            zip(expansion.steps, expansion.cells, expansion.notes, strict=True)
        ):
            line = f"  {number:>5}  {micro_text(step, cells):<{_STEP_WIDTH}}"
            yield f"{line}  ; {note}" if note else line.rstrip()


def _named(expansion: Expansion) -> str:
    """A comment: what the operands are, and what r can be afterwards."""
    if expansion.interval is None:
        return ""
    names = [f"{operand} {name}" for operand, name in expansion.names.items()]
    return f"  ; {', '.join([f'{names[0]} in {interval_text(expansion.interval)}', *names[1:]])}"
