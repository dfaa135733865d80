"""`apc targets`: the hardware presets, and every figure of a target with its unit and source."""

from __future__ import annotations

import argparse
from typing import Any

from apc.cli import console
from apc.cli.arguments import add_overrides
from apc.errors import ApcError
from backends.target import Target, load_target, preset_names

NAME = "targets"
HELP = "list the hardware targets, or show one with the source of every figure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("action", nargs="?", choices=["show"], help="show one target's figures instead of the list")
    parser.add_argument("target", nargs="?", metavar="NAME|FILE.toml", help="with show: a preset or a target file")
    add_overrides(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints the list of presets or one target. Returns 0; raises UserError for an unusable target."""
    if args.action is None:
        if args.overrides:
            raise ApcError("--set needs a target: apc targets show NAME --set KEY=VALUE")
        targets = [load_target(name) for name in preset_names()]
    elif args.target is None:
        raise ApcError(f"apc targets show needs a target: one of {', '.join(preset_names())}, or a .toml file")
    else:
        targets = [load_target(args.target, args.overrides)]
    if args.json:
        console.emit_json("apc.targets/1", {"targets": [as_json(target) for target in targets]})
    elif args.action is None:
        _print_list(targets)
    else:
        _print_figures(targets[0])
    return 0


def as_json(target: Target) -> dict[str, Any]:
    """{name, description, figures: [{key, value, unit, source, year, assumed}]}."""
    figures = [
        {
            "key": figure.key,
            "value": figure.value,
            "unit": figure.unit,
            "source": figure.provenance.source,
            "year": figure.provenance.year,
            "assumed": figure.provenance.assumed,
        }
        for figure in target.figures()
    ]
    return {"name": target.name, "description": target.description, "figures": figures}


def _print_list(targets: list[Target]) -> None:
    width = max(len(target.name) for target in targets)
    for target in targets:
        assumed = sum(figure.provenance.assumed for figure in target.figures())
        print(f"{target.name:<{width}}  {target.description} ({assumed} of {len(target.figures())} figures assumed)")


def _print_figures(target: Target) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=f"{target.name}: {target.description}", title_justify="left")
    for heading in ("figure", "value", "unit", "assumed", "year", "source"):
        table.add_column(heading, justify="right" if heading == "value" else "left", overflow="fold")
    for figure in target.figures():
        origin = figure.provenance
        value = str(figure.value).lower() if isinstance(figure.value, bool) else f"{figure.value:.6g}"
        assumed = "assumed" if origin.assumed else ""
        table.add_row(figure.key, value, figure.unit, assumed, str(origin.year), origin.source)
    console.result_console().print(table)
