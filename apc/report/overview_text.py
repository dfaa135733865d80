"""The screen of `apc inspect OUT.apc`: at most 40 lines of 80 letters, however many layers there are."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from apc.report.bars import bar, sparkline
from apc.report.overview import DOING, Cost, Overview, Row
from apc.report.units import with_unit

MOST_LAYERS = 12
"""Layers with a line of their own; of more, those that cost most are shown."""
_LEAST_SHARE = 0.005
"""Parts of the energy below this share have one line together."""
_BAR, _LONG_BAR = 8, 32
_SPARKS = 60


def show(overview: Overview, printer: Console) -> None:
    """Prints the screen."""
    ascii_only = printer.options.ascii_only
    printer.print(Text("\n").join(_facts(overview)))
    printer.print()
    energy = with_unit(overview.energy_J["total"], "J")
    printer.print(Text(f"energy {energy}, an estimate: flips as expected of independent bits", "bold"))
    printer.print(_energy(overview, ascii_only))
    if overview.rows:
        printer.print()
        printer.print(_layers(overview, ascii_only))
        printer.print()
        printer.print(Text("biggest costs", "bold"))
        for cost in overview.costs:
            printer.print(Padding(Text(sentence(cost)), (0, 0, 0, 2), expand=False))
        printer.print(Text("where to look next", "bold"))
        for proposal in overview.proposals:
            printer.print(
                Text(_fitting(f"  {proposal.command}", f"  # {proposal.shows}", printer.width)), soft_wrap=True
            )


def _facts(overview: Overview) -> Iterator[Text]:
    program = overview.program
    target = overview.target
    instructions = sum(row.instructions for row in overview.rows)
    yield Text.assemble((str(overview.file), "bold"), f"  {program.name}")  # which PyTorch calls main_graph, always
    yield Text(
        f"{_count(len(overview.rows), 'layer')}, {instructions:,} instructions for {target.name}: "
        f"{target.array.arrays} arrays of {target.array.rows} rows, {target.array.columns} columns, "
        f"{target.array.domains} domains"
    )
    yield Text(f"level -{program.level}: {', '.join(program.passes) or 'no passes'}")
    additions = sum(row.additions for row in overview.rows)
    weights = sum(layer.statistics.get("nonzero_weights", 0) for layer in program.layers)
    yield Text(
        f"one image: {overview.cycles:,} cycles, {with_unit(overview.latency_s, 's')}; "
        f"{additions:,} additions for {weights:,} nonzero weights"
    )


def _energy(overview: Overview, ascii_only: bool) -> Table:
    """A bar for each part of the energy; together one for those too small to see."""
    total = overview.energy_J["total"]
    parts = sorted(((part, overview.energy_J.get(part, 0.0)) for part in DOING), key=lambda item: -item[1])
    large = [(part, value) for part, value in parts if total and value / total >= _LEAST_SHARE]
    small = [(part, value) for part, value in parts if value and (part, value) not in large]
    grid = _grid()
    for part, value in large:
        _energy_row(grid, part, value, total, ascii_only)
    if small:
        _energy_row(grid, ", ".join(part for part, _ in small), sum(value for _, value in small), total, ascii_only)
    return grid


def _grid() -> Table:
    grid = Table(box=None, show_header=False, padding=(0, 1))
    for justify in ("left", "left", "right", "right"):
        grid.add_column(justify=justify, no_wrap=justify == "right")
    return grid


def _energy_row(grid: Table, name: str, value: float, total: float, ascii_only: bool) -> None:
    grid.add_row(name, bar(value / total, _LONG_BAR, ascii_only), with_unit(value, "J"), _percent(value / total))


def _layers(overview: Overview, ascii_only: bool) -> Table:
    """The layers, the costliest ones where there are many, with bars of cycles and energy."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("layer", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("cycles", "energy"):
        table.add_column(heading, no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
    shown = _costliest(overview.rows)
    most = max(row.cycles for row in overview.rows), max(row.total_J for row in overview.rows)
    for row in overview.rows:
        if row.index in shown:
            name = f"{row.index:>{len(str(len(overview.rows) - 1))}} {row.name}"
            table.add_row(name, row.op, *_costs([row], overview, most, ascii_only))
    folded = [row for row in overview.rows if row.index not in shown]
    if folded:
        name = f"{len(folded)} more: --level layers"
        table.add_row(Text(name, "dim"), "", *_costs(folded, overview, None, ascii_only))
        sparks = [
            sparkline([value(row) for row in overview.rows], _SPARKS, ascii_only)
            for value in (_cycles_of, lambda row: row.total_J)
        ]
        table.caption = Text(f"all layers, cycles {sparks[0]}\n           energy {sparks[1]}")
        table.caption_justify = "left"
        table.caption_style = ""
    return table


def _cycles_of(row: Row) -> float:
    return row.cycles


def _costliest(rows: list[Row]) -> set[int]:
    """The indices of the layers to show: all, or those that take the largest shares of cycles or energy."""
    if len(rows) <= MOST_LAYERS:
        return {row.index for row in rows}
    cycles, energy = sum(row.cycles for row in rows) or 1, sum(row.total_J for row in rows) or 1.0
    ranked = sorted(rows, key=lambda row: -max(row.cycles / cycles, row.total_J / energy))
    return {row.index for row in ranked[: MOST_LAYERS - 1]}


def _costs(rows: list[Row], overview: Overview, most: tuple[int, float] | None, ascii_only: bool) -> list[str]:
    """Bar, value and share of the cycles and of the energy; no bars without ``most``, their full lengths."""
    cycles, energy = sum(row.cycles for row in rows), sum(row.total_J for row in rows)
    total = overview.cycles or 1, overview.energy_J["total"] or 1.0
    bars = ["", ""]
    if most is not None:
        bars = [bar(value / (top or 1), _BAR, ascii_only) for value, top in zip((cycles, energy), most, strict=True)]
    counted = with_unit(cycles, "").rstrip()
    return [
        bars[0], counted, _percent(cycles / total[0]), bars[1], with_unit(energy, "J"), _percent(energy / total[1])
    ]  # fmt: skip


def sentence(cost: Cost) -> str:
    """One of the biggest costs in words."""
    if cost.of == "energy":
        return f"{cost.share:.1%} of the energy: {DOING[cost.what]} in layer {cost.layer}, {with_unit(cost.value, 'J')}"
    return f"{cost.share:.1%} of the cycles: {cost.what} instructions in layer {cost.layer}, {int(cost.value):,} cycles"


def _fitting(line: str, remark: str, width: int) -> str:
    """The line, with the remark where there is room for it."""
    return line + remark if len(line) + len(remark) <= width else line


def _percent(share: float) -> str:
    return "<1%" if 0 < share < _LEAST_SHARE else f"{share:.0%}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
