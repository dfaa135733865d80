"""The tables of `apc compare` for people: a column a backend, as many side by side as the terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from apc.report.tables import fold, room, simple_table
from apc.report.units import with_unit
from backends.cost import COMPONENTS

Cell = Callable[[dict[str, Any]], str]
Row = tuple[str, list[str]]
"""A heading, and a cell for each column."""
NONE = "-"
SENSITIVITY_COLUMNS = ("value", "from", "to", "ratio at", "and at", "swing", "winner")
_NAME_LETTERS = 21
_TITLE_LETTERS = 28
"""A column is as wide as its widest cell; its heading, and the title over the first, fold at these."""


def backends_tables(report: dict[str, Any], width: int) -> list[Table]:
    """Per image: energy by component, time, area and what follows from them. ``width``: letters of a line."""
    return _tables("per image", [backend["name"] for backend in report["backends"]], backend_rows(report), width)


def backend_rows(report: dict[str, Any]) -> list[list[Row]]:
    """The sections of the table: rows of a heading and a cell for each backend."""
    backends = report["backends"]
    used = [name for name in COMPONENTS if any(name in backend["energy_J"] for backend in backends)]
    cells: list[list[tuple[str, Cell]]] = [
        [(name, _component(name)) for name in used],
        [
            ("energy", lambda b: with_unit(b["energy_J"]["total"], "J")),
            ("ratio to the AP", lambda b: f"{b['ratio_to_ap']:.3g}"),
            ("movement share", lambda b: f"{b['movement_share']:.1%}"),
        ],
        [
            ("time", lambda b: with_unit(b["latency_s"], "s")),
            ("area", lambda b: f"{b['area_m2'] * 1e6:.3g} mm2"),
            ("energy x time", lambda b: with_unit(b["energy_delay_Js"], "Js")),
            ("executed MACs", lambda b: with_unit(b["macs"], "").rstrip()),
            ("energy per MAC", lambda b: with_unit(b["energy_per_mac_J"], "J")),
            ("TOPS/W", lambda b: f"{b['tops_per_W']:.3g}"),
        ],
        [
            ("agreement", lambda b: _share(b["agreement"], b["agreement_interval"])),
            ("accuracy", lambda b: _share(b["accuracy"], b["accuracy_interval"])),
        ],
    ]
    sections = [[(name, [cell(backend) for backend in backends]) for name, cell in rows] for rows in cells]
    return [[row for row in rows if set(row[1]) != {NONE}] for rows in sections]


def _component(name: str) -> Cell:
    return lambda backend: with_unit(backend["energy_J"][name], "J") if name in backend["energy_J"] else NONE


def _share(mean: float | None, ends: Sequence[float] | None) -> str:
    return NONE if mean is None or ends is None else f"{mean:.2%} ({ends[0]:.1%}-{ends[1]:.1%})"


def layers_tables(report: dict[str, Any], width: int) -> list[Table]:
    """Energy of every layer on every backend."""
    return _tables("energy per image", [item["name"] for item in report["backends"]], [layer_rows(report)], width)


def layer_rows(report: dict[str, Any]) -> list[Row]:
    """Name and energies of every layer that some backend has, in the order of the first that has it."""
    of_backends = [
        {layer["name"]: layer["energy_J"]["total"] for layer in backend["layers"]} for backend in report["backends"]
    ]
    names = dict.fromkeys(name for energies in of_backends for name in energies)
    return [
        (name, [with_unit(energies[name], "J") if name in energies else NONE for energies in of_backends])
        for name in names
    ]


def break_even_tables(report: dict[str, Any], width: int) -> list[Table]:
    """Of every associative processor: the values of its figures at which each array ties, and loses 7.5 times."""
    return [
        table
        for title, arrays, rows in break_even_rows(report)
        for table in _tables(title, ["now", *arrays], [rows], width)
    ]


def break_even_rows(report: dict[str, Any]) -> list[tuple[str, list[str], list[Row]]]:
    """(title, arrays, rows of a heading, the present value and a cell for each array) of every AP."""
    found = []
    pairs = report["break_even"]["pairs"]
    for ap in dict.fromkeys(pair["ap"] for pair in pairs):
        mine = [pair for pair in pairs if pair["ap"] == ap]
        rows = [("energy ratio", ["", *(f"{pair['ratio']:.3g}" for pair in mine)])]
        for number, figure in enumerate(mine[0]["figures"]):
            cells = [_both(pair["figures"][number], figure["unit"]) for pair in mine]
            rows.append((figure["key"].partition(".")[2], [with_unit(figure["value"], figure["unit"]), *cells]))
        rows.append(("search, write and shift x", ["1", *(_factors(pair["devices"]) for pair in mine)]))
        rows.append(("ADC energy x, tie", ["1", *(_adc(pair["adc"], "tie_factor", "") for pair in mine)]))
        rows.append(("ADC conversion", ["", *(_adc(pair["adc"], "energy_per_conversion_J", "J") for pair in mine)]))
        rows.append(("ADC conversion, tie", ["", *(_adc(pair["adc"], "tie_per_conversion_J", "J") for pair in mine)]))
        found.append((f"{ap}: tie / 7.5x", [pair["crossbar"] for pair in mine], rows))
    return found


def _both(figure: dict[str, Any], unit: str) -> str:
    ends = (figure["tie_value"], figure["headline_value"])
    return _ends(["never" if value is None else with_unit(value, unit) for value in ends], figure)


def _factors(devices: dict[str, Any]) -> str:
    ends = (devices["tie_factor"], devices["headline_factor"])
    return _ends(["never" if value is None else f"{value:.3g}" for value in ends], devices)


def _ends(shown: Sequence[str], solved: dict[str, Any]) -> str:
    left = solved["ratio_at_zero"]
    return " / ".join(shown) + ("" if "never" not in shown or left is None else f" (at 0: {left:.3g})")


def _adc(adc: dict[str, Any] | None, key: str, unit: str) -> str:
    if adc is None or (adc[key] is None and key == "energy_per_conversion_J"):
        return NONE
    if adc[key] is None:
        return "never"
    return with_unit(adc[key], unit) if unit else f"{adc[key]:.3g}"


def sensitivity_tables(report: dict[str, Any], top: int, width: int) -> list[Table]:
    """Of the reference with every array: the ``top`` figures that move the energy ratio most; where ``width`` is too
    little, without the values that were tried."""
    pairs = [pair for pair in report["sensitivity"]["pairs"] if pair["ap"] == report["reference"] and pair["rows"]]
    tables = []
    for title, rows in sensitivity_rows(pairs, top):
        fitted = _tables(title, SENSITIVITY_COLUMNS, [rows], width)
        if len(fitted) > 1:
            ratios = [(heading.partition(" (")[0], cells[3:]) for heading, cells in rows]
            fitted = _tables(title, SENSITIVITY_COLUMNS[3:], [ratios], width)
        tables += fitted
    return tables


def sensitivity_rows(pairs: Sequence[dict[str, Any]], top: int) -> list[tuple[str, list[Row]]]:
    """(title, rows of a figure and its cells) of every pair."""
    found = []
    for pair in pairs:
        rows = []
        for row in pair["rows"][:top]:
            values = [f"{row[key]:.4g}" for key in ("value", "low", "high")]
            ratios = ["refused" if row[key] is None else f"{row[key]:.3g}" for key in ("ratio_low", "ratio_high")]
            place = place_of(row, pair) + (f" ({row['unit']})" if row["unit"] else "")
            rows.append((place, [*values, *ratios, f"{row['swing']:.3g}", "flips" if row["flips"] else ""]))
        found.append((f"{pair['crossbar']} over {pair['ap']}: energy ratio {pair['ratio']:.3g}", rows))
    return found


def place_of(row: dict[str, Any], pair: dict[str, Any]) -> str:
    """A figure of a pair, with the side that it is on."""
    return f"{'AP' if row['backend'] == pair['ap'] else 'array'} {row['key']}"


def _tables(title: str, headings: Sequence[str], sections: Sequence[Sequence[Row]], width: int) -> list[Table]:
    """The columns in their order, in as many tables as it takes for none to be wider than ``width`` (one column is
    always shown). The first column, with which the others are to be compared, is in every table that has room for it
    and another."""
    rows = [row for section in sections for row in section]
    first = max(min(len(title), _TITLE_LETTERS), *(len(heading) for heading, _ in rows))
    widths = [
        max(min(len(heading), _NAME_LETTERS), *(len(cells[column]) for _, cells in rows))
        for column, heading in enumerate(headings)
    ]
    groups: list[list[int]] = [[]]
    for column in range(len(headings)):
        if groups[-1] and not _fits(first, widths, [*groups[-1], column], width):
            groups.append([0] if _fits(first, widths, [0, column], width) else [])
        groups[-1].append(column)
    tables = []
    for group in groups:
        table = simple_table()
        table.add_column(fold(title, first), overflow="fold")
        for column in group:
            table.add_column(fold(headings[column], widths[column]), justify="right", overflow="fold")
        for section in sections:
            for heading, cells in section:
                table.add_row(heading, *(cells[column] for column in group))
            table.add_section()
        tables.append(table)
    return tables


def _fits(first: int, widths: Sequence[int], columns: Sequence[int], width: int) -> bool:
    """Whether a table of these columns, after one of ``first`` letters, is no wider than ``width``."""
    return room([first, *(widths[column] for column in columns)]) <= width
