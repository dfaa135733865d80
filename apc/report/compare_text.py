"""What `apc compare` prints for people: tables with a column a backend, and the lines that say what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich import box
from rich.table import Table

from apc.report.units import with_unit
from backends.cost import COMPONENTS

Cell = Callable[[dict[str, Any]], str]
NONE = "-"


def backends_table(report: dict[str, Any]) -> Table:
    """Per image: energy by component, time, area and what follows from them."""
    table = _table("per image", [backend["name"] for backend in report["backends"]])
    for section in backend_rows(report):
        for heading, cells in section:
            table.add_row(heading, *cells)
        table.add_section()
    return table


def backend_rows(report: dict[str, Any]) -> list[list[tuple[str, list[str]]]]:
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


def layers_table(report: dict[str, Any]) -> Table:
    """Energy of every layer on every backend."""
    table = _table("energy per image", [backend["name"] for backend in report["backends"]])
    for name, cells in layer_rows(report):
        table.add_row(name, *cells)
    return table


def layer_rows(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Name and energies of every layer that some backend has, in the order of the first that has it."""
    of_backends = [
        {layer["name"]: layer["energy_J"]["total"] for layer in backend["layers"]} for backend in report["backends"]
    ]
    names = dict.fromkeys(name for energies in of_backends for name in energies)
    return [
        (name, [with_unit(energies[name], "J") if name in energies else NONE for energies in of_backends])
        for name in names
    ]


def break_even_tables(report: dict[str, Any]) -> list[Table]:
    """Of every associative processor: the values of its figures at which each crossbar ties, and loses 7.5 times."""
    tables = []
    for title, crossbars, rows in break_even_rows(report):
        table = _table(title, ["now", *crossbars])
        for heading, cells in rows:
            table.add_row(heading, *cells)
        tables.append(table)
    return tables


def break_even_rows(report: dict[str, Any]) -> list[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """(title, crossbars, rows of a heading, the present value and a cell for each crossbar) of every AP."""
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


def sensitivity_tables(report: dict[str, Any], top: int) -> list[Table]:
    """Of the reference with every crossbar: the ``top`` figures that move the energy ratio most."""
    pairs = [pair for pair in report["sensitivity"]["pairs"] if pair["ap"] == report["reference"]]
    tables = []
    for title, rows in sensitivity_rows(pairs, top):
        table = _table(title, ["value", "from", "to", "ratio at", "and at", "swing", "winner"])
        for heading, cells in rows:
            table.add_row(heading, *cells)
        tables.append(table)
    return tables


def sensitivity_rows(pairs: Sequence[dict[str, Any]], top: int) -> list[tuple[str, list[tuple[str, list[str]]]]]:
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
    return f"{'AP' if row['backend'] == pair['ap'] else 'crossbar'} {row['key']}"


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(title, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table
