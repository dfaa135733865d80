"""`apc inspect`: a program on one screen, its layers, dataflow graph, adder DAGs, microcode and histograms."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from apc.cli.arguments import load_program, parse_range
from apc.errors import ApcError

if TYPE_CHECKING:
    from apc.report.inspection import Window
    from ir.program import Program, Tile

NAME = "inspect"
HELP = "show a compiled program: summary, layers, microcode, histograms, graphs"
DESCRIPTION = """
Shows what a compiled program is made of. Without options: a summary on one screen, with the biggest costs and where to
look next. --level chooses something else.

layers: exact counts of every layer, and what its energy is estimated at; with --layer of one, and its phases. macro:
instructions, one a line, with the name and place of each operand (which activation, accumulator or temporary it is),
the interval of the integers that they leave, cycles, search and write passes and shift steps. micro: the same
instructions with every micro-operation. dag: the adder DAG of a stretch of instructions. histogram: what the energy is
made of (an estimate), instruction classes, passes and shift distances, of all layers or of one. graph: the dataflow
between layers. docs/inspect.md explains how to read a listing.

Of macro, micro and dag, --layer and --tile choose the tile, and --range, --phase or --group its instructions. --grep
finds instructions by what is printed of them, in all layers or in those that --layer names; --sort shows those with
most cycles, searches, writes or shifts.

Prints text, as wide as the terminal and not cut where it is piped; or JSON (docs/json.md), Graphviz or GraphML.
--format html writes the page of `apc report` instead.
"""
EXAMPLES = (
    ("the program on one screen", "apc inspect digits.apc"),
    ("exact counts of every layer", "apc inspect digits.apc --level layers"),
    ("the phases of a layer", "apc inspect digits.apc --layer stem"),
    ("its first instructions, with names", "apc inspect digits.apc --level macro --layer stem"),
    ("what sums its first group of inputs", "apc inspect digits.apc --level macro --layer stem --group 0"),
    ("one instruction bit by bit", "apc inspect digits.apc --level micro --layer stem --range 0x14:0x15"),
    ("everything that touches accumulator 5", "apc inspect digits.apc --layer 'blocks.0.*' --grep 'acc\\[5\\]'"),
    ("the five instructions that shift most", "apc inspect digits.apc --sort shifts --limit 5"),
    ("energy, classes, passes and shift distances", "apc inspect digits.apc --level histogram --layer stem"),
    ("the dataflow graph for Graphviz", "apc inspect digits.apc --level graph --format dot"),
    ("all of it as a page", "apc inspect digits.apc --format html -o digits.html"),
)
FAILS_WHEN = ""
SEE_ALSO = ("inspect.md", "assembly.md", "json.md")

_LEVELS = ("layers", "graph", "dag", "macro", "micro", "histogram")
_PRINTED = ("dag", "macro", "micro")
"""Levels that show some instructions of one tile."""
_SORTED = ("cycles", "searches", "writes", "shifts")
_SHOWN = {"macro": 64, "micro": 8}
"""Instructions shown where no range is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument("--level", choices=_LEVELS, help="what to show (default: a summary)")
    chosen = parser.add_argument_group("which instructions")
    chosen.add_argument(
        "--layer",
        metavar="L",
        help="name or number of a layer (default: the first); with --grep and --sort a pattern too",
    )
    chosen.add_argument(
        "--tile", metavar="T", type=int, help="tile of the layer (default: 0; with --grep and --sort: all)"
    )
    chosen.add_argument("--range", metavar="A:B", help="instructions A to B - 1 of the tile")
    chosen.add_argument("--phase", metavar="NAME", help='a phase of the tile, such as "sum 0"')
    chosen.add_argument("--group", metavar="G", type=int, help='phases "load G" and "sum G" of the tile')
    chosen.add_argument("--grep", metavar="REGEX", help="instructions whose opcode, names and places match")
    chosen.add_argument("--sort", choices=_SORTED, help="instructions of all tiles chosen that have most of these")
    chosen.add_argument("--limit", metavar="N", type=int, help="how many --grep or --sort shows (default: 64)")
    output = parser.add_argument_group("output")
    formats = ["text", "json", "dot", "graphml", "html"]
    output.add_argument("--format", choices=formats, default="text", help="default: text")
    output.add_argument("--json", action="store_true", help="the same as --format json (docs/json.md)")
    output.add_argument("-o", "--output", metavar="R.html", type=Path, help="page to write (default: OUT.html)")


def run(args: argparse.Namespace) -> int:
    """Prints what is asked for. Returns 0; raises UserError for a damaged program or what it does not have."""
    style = "json" if args.json else args.format
    _check(args, style)
    if style == "html":
        from apc.cli import report

        page = args.output or Path(f"{args.program.stem}.html")
        return report.run(argparse.Namespace(sources=[args.program], output=page, json=False))
    from apc.cli import inspect_output as output

    program = load_program(args.program)
    if args.grep is not None:
        output.show_matches(program, args, style)
    elif args.sort is not None:
        output.show_sorted(program, args, style)
    elif args.level in _PRINTED:
        windowed = {"dag": output.show_dag, "macro": output.show_macro, "micro": output.show_micro}
        windowed[args.level](program, _window(program, args), style)
    elif args.level == "graph":
        output.show_graph(program, style)
    elif args.level == "histogram":
        output.show_histogram(program, args.layer, style)
    elif args.level is None and args.layer is None:
        output.show_overview(program, args.program, style)
    else:
        output.show_layers(program, args.layer, style)
    return 0


def _check(args: argparse.Namespace, style: str) -> None:
    """Raises UserError for options that do not go together."""
    given = {"--range": args.range, "--phase": args.phase, "--group": args.group}
    chosen = [name for name, value in given.items() if value is not None]
    if style in ("dot", "graphml") and args.level not in ("graph", "dag"):
        raise ApcError(f"--format {style} draws --level graph or --level dag")
    searching = args.grep is not None or args.sort is not None
    if style == "html" and (args.level or args.layer or searching):
        raise ApcError("--format html shows the whole program: leave out --level, --layer, --grep and --sort")
    if args.output is not None and style != "html":
        raise ApcError("-o names the page of --format html; other formats go to stdout")
    if args.level == "graph" and args.layer is not None:
        raise ApcError("--level graph shows the whole program: leave out --layer")
    if searching:
        _check_search(args, chosen)
    elif args.limit is not None:
        raise ApcError("--limit counts what --grep or --sort shows: give one of them, or --range A:B")
    if len(chosen) > 1:
        raise ApcError(f"{' and '.join(chosen)} exclude each other")
    if args.level not in _PRINTED and (chosen or (args.tile is not None and not searching)):
        raise ApcError("--tile, --range, --phase and --group choose instructions: give --level dag, macro or micro")


def _check_search(args: argparse.Namespace, chosen: list[str]) -> None:
    """Raises UserError for options that do not go with --grep or --sort."""
    if args.grep is not None and args.sort is not None:
        raise ApcError("--grep and --sort exclude each other")
    if chosen or args.level not in (None, "macro"):
        name = "--grep" if args.grep is not None else "--sort"
        raise ApcError(f"{name} searches whole tiles at --level macro: leave out --range, --phase, --group and --level")
    if args.limit is not None and args.limit < 1:
        raise ApcError(f"--limit {args.limit}: show at least one instruction")


def _window(program: Program, args: argparse.Namespace) -> Window:
    """The instructions to show: those that are chosen, or as many as fit on a page (of a DAG, the first sums)."""
    from apc.report.inspection import Window, find_group, find_layer, find_phase, find_tile

    if not program.layers:
        raise ApcError(f"{args.program}: the program has no layer")
    index = find_layer(program, args.layer) if args.layer is not None else 0
    layer, number = program.layers[index], args.tile or 0
    tile = find_tile(layer, number)
    if args.range is not None:
        start, stop = parse_range(args.range, len(tile.instructions))
    elif args.phase is not None:
        start, stop = find_phase(layer, tile, args.phase)
    elif args.group is not None:
        start, stop = find_group(layer, tile, args.group)
    else:
        start, stop = _page(tile, args.level)
    return Window(index, layer, number, tile, start, stop)


def _page(tile: Tile, level: str) -> tuple[int, int]:
    from apc.report.inspection import phase_ranges

    if level == "dag":
        sums = [(first, last) for name, first, last in phase_ranges(tile) if name.startswith("sum")]
        return sums[0] if sums else (0, len(tile.instructions))
    return 0, min(len(tile.instructions), _SHOWN[level])
