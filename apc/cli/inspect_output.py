"""What `apc inspect` prints, as text or JSON (``style``; docs/json.md), Graphviz or GraphML."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console
from apc.progress import progress

if TYPE_CHECKING:
    from apc.report.inspection import Window
    from ir.program import Program

_SCHEMA = "apc.inspect/1"
MATCHES = 64
"""Instructions of --grep and --sort shown where there is no --limit."""


def _describe(window: Window) -> dict[str, Any]:
    """The keys that dag, macro and micro JSON share."""
    return {
        "layer": window.layer.name,
        "tile": window.tile_index,
        "tiles": len(window.layer.tiles),
        "range": [window.start, window.stop],
        "tile_instructions": len(window.tile.instructions),
    }


def _facts(program: Program) -> dict[str, Any]:
    """The keys that JSON of the whole program begins with."""
    return {
        "name": program.name,
        "model_sha256": program.model_sha256,
        "target": program.target["name"],
        "level": program.level,
        "passes": program.passes,
    }


def show_overview(program: Program, file: Path, style: str) -> None:
    """The program on one screen."""
    from apc.accounting import Accounts
    from apc.report import overview, overview_text
    from apc.report.inspection import summary

    with progress("counting") as update:
        update(0, 0, program.name)
        accounts = Accounts(program)
        measured = overview.measure(accounts, file)
    if style == "json":
        layers = {"layers": summary(accounts), "phases": []}
        console.emit_json(_SCHEMA, {"show": "summary", **_facts(program), **layers, **overview.as_json(measured)})
    else:
        overview_text.show(measured, console.result_console())


def show_layers(program: Program, wanted: str | None, style: str) -> None:
    """Exact counts of all layers, or of the ``wanted`` one with its phases."""
    from apc.accounting import Accounts
    from apc.report.inspection import find_layer, phase_ranges, summary
    from apc.report.inspection_text import summary_table

    chosen = slice(None)
    phases: list[dict[str, Any]] = []
    if wanted is not None:
        index = find_layer(program, wanted)
        chosen = slice(index, index + 1)
        phases = [
            {"tile": number, "phase": name, "start": start, "stop": stop}
            for number, tile in enumerate(program.layers[index].tiles)
            for name, start, stop in phase_ranges(tile)
        ]
    with progress("counting") as update:
        update(0, 0, program.name)
        rows = summary(Accounts(program))[chosen]
    facts = _facts(program)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "summary", **facts, "layers": rows, "phases": phases})
        return
    passes = ", ".join(program.passes) or "none"
    title = f"{program.name}: level -{program.level}, passes {passes}, target {facts['target']}"
    console.show([title, *summary_table(rows, console.result_console().width)])
    for entry in phases:
        print(f"tile {entry['tile']}  {entry['start']}:{entry['stop']}  phase {entry['phase']}")


def show_histogram(program: Program, wanted: str | None, style: str) -> None:
    """Parts of the energy, instruction classes, passes and shift distances of all layers or of the ``wanted`` one."""
    from apc.accounting import Accounts
    from apc.report import histograms
    from apc.report.inspection import find_layer

    chosen = range(len(program.layers)) if wanted is None else [find_layer(program, wanted)]
    with progress("counting") as update:
        update(0, 0, program.name)
        measured = histograms.measure(Accounts(program), chosen, update)
    name = None if wanted is None else program.layers[chosen[0]].name
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "histogram", "layer": name, **histograms.as_json(measured)})
    else:
        title = program.name if name is None else f"layer {chosen[0]} {name}"
        histograms.show(measured, title, console.result_console())


def show_matches(program: Program, args: argparse.Namespace, style: str) -> None:
    """The instructions that --grep finds."""
    from apc.report.listing import macro_records
    from apc.report.listing_text import match_lines
    from apc.report.search import compiled, matching_layers, search

    chosen, pattern = matching_layers(program, args.layer), compiled(args.grep)
    with progress("searching") as update:
        found, total = search(program, chosen, args.tile, pattern, args.limit or MATCHES, update)
        listed = [(tile.window, macro_records(program, tile.window, tile.lines)) for tile in found]
    if style == "json":
        shown = [
            {"layer": window.layer.name, "tile": window.tile_index, **record}
            for window, records in listed
            for record in records
        ]
        console.emit_json(_SCHEMA, {"show": "grep", "pattern": args.grep, "total": total, "matches": shown})
    else:
        print("\n".join(match_lines(listed, total, console.line_width())))


def show_sorted(program: Program, args: argparse.Namespace, style: str) -> None:
    """The instructions that --sort puts first."""
    from apc.report.listing import macro_records
    from apc.report.listing_text import ranked_lines
    from apc.report.search import SORTED_BY, matching_layers, most

    key = SORTED_BY[args.sort]
    with progress("counting") as update:
        found, total = most(
            program, matching_layers(program, args.layer), args.tile, key, args.limit or MATCHES, update
        )
        listed = [
            {"layer": tile.window.layer.name, "tile": tile.window.tile_index, **record}
            for tile in found
            for record in macro_records(program, tile.window, tile.lines)
        ]
    listed.sort(key=lambda record: -record[key])  # of equals, the program's order stays
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "sort", "key": key, "total": total, "matches": listed})
    else:
        print("\n".join(ranked_lines(listed, key, total, console.line_width())))


def show_graph(program: Program, style: str) -> None:
    """The dataflow between layers."""
    from apc.report.inspection import graph_of
    from apc.report.inspection_text import graph_lines, to_json

    graph = graph_of(program)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "graph", "graph_text": program.graph_text, **to_json(graph)})
    else:
        _print_graph(graph, style, list(graph_lines(program, graph)))


def show_dag(program: Program, window: Window, style: str) -> None:
    """What the instructions of a window compute from what."""
    from apc.report.inspection import dag_of
    from apc.report.inspection_text import dag_lines, header, to_json

    graph = dag_of(window)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "dag", **_describe(window), **to_json(graph)})
    else:
        _print_graph(graph, style, [header(window), *dag_lines(graph)])


def _print_graph(graph: Any, style: str, lines: list[str]) -> None:
    from apc.report.inspection_text import to_dot, to_graphml

    if style == "text":
        print("\n".join(lines))
    else:
        print(to_dot(graph) if style == "dot" else to_graphml(graph))


def show_macro(program: Program, window: Window, style: str) -> None:
    """The instructions of a window."""
    from apc.report.inspection_text import footer, header
    from apc.report.listing import macro_records
    from apc.report.listing_text import macro_lines

    records = macro_records(program, window)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "macro", **_describe(window), "instructions": records})
    else:
        print("\n".join([header(window), *macro_lines(records, console.line_width()), *footer(window)]))


def show_micro(program: Program, window: Window, style: str) -> None:
    """The same with their micro-operations."""
    from apc.report.inspection_text import footer, header, micro_text
    from apc.report.listing import micro_expansions
    from apc.report.listing_text import micro_lines

    expansions = micro_expansions(program, window)
    if style == "json":
        listed = [
            {
                "address": item.address,
                "text": item.text,
                "names": item.names,
                "interval": item.interval,
                "steps": [micro_text(step) for step in item.steps],
                "notes": item.notes,
            }
            for item in expansions
        ]
        console.emit_json(_SCHEMA, {"show": "micro", **_describe(window), "instructions": listed})
    else:
        print("\n".join([header(window), *micro_lines(expansions), *footer(window)]))
