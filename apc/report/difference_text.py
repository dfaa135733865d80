"""What `apc diff` prints: what was compiled otherwise, totals, and the layers that differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from apc.report.difference import DECIDING_SHARE, MEASURES
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit

_NAMES = {
    "adds": "additions",
    "written_bits_estimate": "written bits (estimate)",
    "energy_estimate_J": "energy (estimate)",
}
"""Of measures in the table of totals, where they are not those of the keys."""
_HEADINGS = ("instr.", "adds", "searches", "written", "shifts", "cycles", "energy")
_RANKS = (4, 3, 5, 2, 1, 0, 0)
"""Of the MEASURES in the table of layers: their headings, and which are left out first where there is no room."""
_WORDS = ("op", "shape", "sums", "negatives")
_NUMBERS = ("tiles", "arrays", "columns", "groups", "resident_bits")
"""Keys of ``changed`` that are told in words, and in a table; encoded bits are in neither."""
_PARTING = 3
"""Layers whose first differing instruction is shown."""
_WIDE = 170
"""Letters from which both numbers are shown beside their ratio."""


def items(report: dict[str, Any], width: int) -> Iterator[Table | str]:
    """What to print of a ``difference`` with its ``files``, in lines of ``width`` letters."""
    yield from (f"{letter}  {file}" for letter, file in zip("AB", report["files"], strict=True))
    if report["identical"]:
        yield "the programs are identical"
        return
    yield from _facts(report)
    yield from _totals(report, width)
    differing = [row for row in report["layers"] if not _looks_same(row)]
    if differing:
        yield from _layers(differing, width)
    if any(row["decides"] for row in differing):
        yield f"* decides: these layers make up {DECIDING_SHARE:.0%} of the differences of energy"
    same = len(report["layers"]) - len(differing)
    if same:
        yield f"{same} {'other ' if differing else ''}layer{'s are' if same > 1 else ' is'} the same in both"
    yield from _words(differing)
    yield from _layout(differing, width)
    yield from _first_differences(differing)


def _facts(report: dict[str, Any]) -> Iterator[str]:
    """What the two were compiled from, with and for, where it differs."""
    changed = {entry["key"]: entry for entry in report["program"]}
    models = "other models" if "model_sha256" in changed else "the same model"
    yield f"{models}, {'other figures of the target' if report['target'] else 'the same target'}"
    for key, entry in changed.items():
        if key == "passes":
            for letter, mine, other in (("A", entry["a"], entry["b"]), ("B", entry["b"], entry["a"])):
                only = [item for item in mine if item not in other]
                if only:
                    yield f"passes of {letter} only: {', '.join(only)}"
        elif key != "model_sha256":
            yield f"{key}: {entry['a']} -> {entry['b']}"
    for entry in report["target"]:
        yield f"{entry['key']}: {_figure(entry['a'])} -> {_figure(entry['b'])}"


def _figure(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _totals(report: dict[str, Any], width: int) -> list[Table | str]:
    columns = [Column("one image", text=True), Column("A"), Column("B"), Column("B / A")]
    rows: list[Row] = []
    for key in MEASURES:
        pair = report["totals"][key]
        numbers = [with_unit(pair[side], "J") if key == "energy_estimate_J" else f"{pair[side]:,.0f}" for side in "ab"]
        rows.append([_NAMES.get(key, key.replace("_", " ")), *numbers, _ratio(pair)])
    return fitted(columns, rows, width)


def _layers(layers: list[dict[str, Any]], width: int) -> list[Table | str]:
    """B / A of every measure, with the numbers themselves where there is room."""
    wide = width >= _WIDE
    columns = [Column("", text=True), Column("layer, A -> B" if wide else "layer, B / A", text=True)]
    columns += [Column(heading, rank=rank) for heading, rank in zip(_HEADINGS, _RANKS, strict=True)]
    rows: list[Row] = [
        [
            "*" if layer["decides"] else "",
            layer["name"] + (f" (only in {layer['only'].upper()})" if layer["only"] else ""),
            *(_cell(key, layer[key], wide or bool(layer["only"])) for key in MEASURES),
        ]
        for layer in layers
    ]
    return fitted(columns, rows, width)


def _cell(key: str, pair: dict[str, Any], full: bool) -> str:
    if not full or _equal(pair):
        return _ratio(pair)
    unit = "J" if key == "energy_estimate_J" else ""
    shown = ["" if pair[side] is None else with_unit(pair[side], unit).rstrip() for side in "ab"]
    return f"{shown[0]} -> {shown[1]}  {_ratio(pair)}" if all(shown) else "".join(shown)


def _ratio(pair: dict[str, Any]) -> str:
    if _equal(pair):
        return "="
    ratio = pair["ratio"]
    if ratio is None:
        return "new"
    digits = 0 if ratio >= 100 else 2 if ratio >= 0.1 else 4
    return f"{ratio:,.{digits}f}x"


def _equal(pair: dict[str, Any]) -> bool:
    """Up to the grid on which the energies of one network lie (``backends.cost``)."""
    a, b = pair["a"], pair["b"]
    return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9)


def _looks_same(layer: dict[str, Any]) -> bool:
    return bool(layer["same"]) and all(_equal(layer[key]) for key in MEASURES)


def _words(layers: list[dict[str, Any]]) -> Iterator[str]:
    """What changed in words, each change once with all layers that it befell."""
    befell: dict[str, list[str]] = {}
    for layer in layers:
        for entry in layer["changed"]:
            if entry["key"] in _WORDS:
                change = f"{entry['key']}: {entry['a'] or 'none'} -> {entry['b'] or 'none'}"
                befell.setdefault(change, []).append(layer["name"])
    for change, names in befell.items():
        yield f"{change} in {', '.join(names)}"


def _first_differences(layers: list[dict[str, Any]]) -> Iterator[str]:
    """Where the instructions of the first layers part, in both programs."""
    parting = [layer for layer in layers if layer["first_difference"] is not None]
    for layer in parting[:_PARTING]:
        first = layer["first_difference"]
        yield f"{layer['name']}, tile {first['tile']}: instruction {first['address']:#06x} is the first that differs"
        yield from (f"  {letter.upper()}  {first[letter] or 'no more instructions'}" for letter in "ab")
    if len(parting) > _PARTING:
        yield f"instructions of {len(parting) - _PARTING} more layers differ: --json has the first of each"


def _layout(layers: list[dict[str, Any]], width: int) -> list[Table | str]:
    """What changed in numbers: a line a layer, a column a fact; nothing where nothing did."""
    changes = {layer["name"]: {e["key"]: e for e in layer["changed"] if e["key"] in _NUMBERS} for layer in layers}
    keys = [key for key in _NUMBERS if any(key in of_layer for of_layer in changes.values())]
    if not keys:
        return []
    columns = [Column("layout, A -> B", text=True), *(Column(key.replace("_", " ")) for key in keys)]
    rows: list[Row] = [
        [name, *(f"{of[key]['a']:,} -> {of[key]['b']:,}" if key in of else "=" for key in keys)]
        for name, of in changes.items()
        if of
    ]
    return fitted(columns, rows, width)
