"""`apc inspect`: layers, dataflow graph, adder DAGs, macro and micro listings of a program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console
from apc.cli.arguments import parse_range
from apc.errors import ApcError

if TYPE_CHECKING:
    from apc.report.inspection import Window
    from ir.program import Program

NAME = "inspect"
HELP = "show the graph, the adder DAGs or the microcode of a program"

_LEVELS = ("graph", "dag", "macro", "micro")
_SCHEMA = "apc.inspect/1"
_SHOWN = {"macro": 64, "micro": 8}
"""Instructions shown where no range is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument("--level", choices=_LEVELS, help="what to show (default: a table of the layers)")
    parser.add_argument("--layer", metavar="L", help="name or number of a layer (default: the first)")
    parser.add_argument("--tile", metavar="T", type=int, default=0, help="tile of the layer (default: 0)")
    parser.add_argument("--phase", metavar="NAME", help='a phase of the tile, such as "sum 0"')
    parser.add_argument("--range", metavar="A:B", help="instructions A to B - 1 of the tile")
    parser.add_argument("--format", choices=["text", "json", "dot", "graphml"], default="text", help="default: text")
    parser.add_argument("--json", action="store_true", help="the same as --format json (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints what is asked for. Returns 0; raises UserError for a damaged program or what it does not have."""
    from apc import artifact

    style = "json" if args.json else args.format
    if style in ("dot", "graphml") and args.level not in ("graph", "dag"):
        raise ApcError(f"--format {style} draws --level graph or --level dag")
    if args.level in (None, "graph") and (args.tile or args.phase is not None or args.range is not None):
        raise ApcError("--tile, --phase and --range choose instructions: give --level dag, macro or micro")
    program = artifact.load(args.program)
    if args.level is None:
        _show_summary(program, args, style)
    elif args.level == "graph":
        _show_graph(program, style)
    else:
        window = _window(program, args)
        show = {"dag": _show_dag, "macro": _show_macro, "micro": _show_micro}[args.level]
        show(program, window, style)
    return 0


def _window(program: Program, args: argparse.Namespace) -> Window:
    """The instructions to show: a range, a phase, or as many as fit on a page (of a DAG, the first sums)."""
    from apc.report.inspection import Window, find_layer, find_phase, find_tile, phase_ranges

    if not program.layers:
        raise ApcError(f"{args.program}: the program has no layer")
    index = find_layer(program, args.layer) if args.layer is not None else 0
    layer = program.layers[index]
    tile = find_tile(layer, args.tile)
    count = len(tile.instructions)
    if args.range is not None and args.phase is not None:
        raise ApcError("--range and --phase exclude each other")
    if args.range is not None:
        start, stop = parse_range(args.range, count)
    elif args.phase is not None:
        start, stop = find_phase(layer, tile, args.phase)
    elif args.level == "dag":
        sums = [(first, last) for name, first, last in phase_ranges(tile) if name.startswith("sum")]
        start, stop = sums[0] if sums else (0, count)
    else:
        start, stop = 0, min(count, _SHOWN[args.level])
    return Window(index, layer, args.tile, tile, start, stop)


def _describe(window: Window) -> dict[str, Any]:
    """The keys that dag, macro and micro JSON share."""
    return {
        "layer": window.layer.name,
        "tile": window.tile_index,
        "tiles": len(window.layer.tiles),
        "range": [window.start, window.stop],
        "tile_instructions": len(window.tile.instructions),
    }


def _show_summary(program: Program, args: argparse.Namespace, style: str) -> None:
    from apc.report.inspection import find_layer, phase_ranges, summary
    from apc.report.inspection_text import summary_table

    rows = summary(program)
    phases: list[dict[str, Any]] = []
    if args.layer is not None:
        index = find_layer(program, args.layer)
        rows = rows[index : index + 1]
        phases = [
            {"tile": number, "phase": name, "start": start, "stop": stop}
            for number, tile in enumerate(program.layers[index].tiles)
            for name, start, stop in phase_ranges(tile)
        ]
    facts = {
        "name": program.name,
        "model_sha256": program.model_sha256,
        "target": program.target["name"],
        "level": program.level,
        "passes": program.passes,
    }
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "summary", **facts, "layers": rows, "phases": phases})
        return
    passes = ", ".join(program.passes) or "none"
    printer = console.result_console()
    title = f"{program.name}: level -{program.level}, passes {passes}, target {facts['target']}"
    printer.print(title, soft_wrap=True, markup=False)
    printer.print(summary_table(rows))
    for entry in phases:
        print(f"tile {entry['tile']}  {entry['start']}:{entry['stop']}  phase {entry['phase']}")


def _show_graph(program: Program, style: str) -> None:
    from apc.report.inspection import graph_of
    from apc.report.inspection_text import graph_lines, to_json

    graph = graph_of(program)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "graph", "graph_text": program.graph_text, **to_json(graph)})
    else:
        _print_graph(graph, style, list(graph_lines(program, graph)))


def _show_dag(program: Program, window: Window, style: str) -> None:
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


def _show_macro(program: Program, window: Window, style: str) -> None:
    from apc.report.inspection_text import footer, header, macro_lines
    from apc.report.listing import macro_records

    records = macro_records(program, window)
    if style == "json":
        console.emit_json(_SCHEMA, {"show": "macro", **_describe(window), "instructions": records})
    else:
        print("\n".join([header(window), *macro_lines(records), *footer(window)]))


def _show_micro(program: Program, window: Window, style: str) -> None:
    from apc.report.inspection_text import footer, header, micro_lines, micro_text
    from apc.report.listing import micro_expansions

    expansions = micro_expansions(program, window)
    if style == "json":
        listed = [
            {"address": item.address, "text": item.text, "steps": [micro_text(step) for step in item.steps]}
            for item in expansions
        ]
        console.emit_json(_SCHEMA, {"show": "micro", **_describe(window), "instructions": listed})
    else:
        print("\n".join([header(window), *micro_lines(expansions), *footer(window)]))
