"""`apc targets`: the hardware presets, and every figure of a target with its unit and source."""

from __future__ import annotations

import argparse
import json
from typing import Any

from apc.cli import console
from apc.cli.arguments import add_overrides
from apc.errors import ApcError
from apc.target_files import ARRAYS, TARGETS, AnyTarget, load_one_of, names_of
from backends.crossbar.target import CrossbarTarget
from backends.target import Target

NAME = "targets"
HELP = "list the hardware targets, or show one with the source of every figure"
DESCRIPTION = """
Without arguments, lists the presets: racetrack-memory associative processors, for which programs are compiled, and the
crossbars and SRAM arrays that `apc compare` compares them with; each with how many of its figures are assumed.

`apc targets show` prints every figure of one target with its value, unit, source and year, and whether it is assumed,
derived or published. A target of your own is a .toml file that changes what differs from a preset it extends; single
figures can be changed with --set. --schema prints the JSON schema of the configuration that simulates such an array.
"""
EXAMPLES = (
    ("list the presets", "apc targets"),
    ("every figure of one, with its source", "apc targets show rtm-ap-published"),
    ("with a figure changed", "apc targets show rtm-ap-published --set energy.write_bit_J=1e-13"),
    ("what a simulated crossbar can be told", "apc targets show crossbar-rram-22nm --schema"),
)
FAILS_WHEN = ""
SEE_ALSO = ("comparison.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("action", nargs="?", choices=["show"], help="show one target's figures instead of the list")
    parser.add_argument("target", nargs="?", metavar="NAME|FILE.toml", help="with show: a preset or a target file")
    add_overrides(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")
    parser.add_argument(
        "--schema",
        action="store_true",
        help="with show, of arrays: the JSON schema of their CrossbarConfig or AcimConfig",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the list of presets, one target, or a schema. Returns 0; raises UserError for an unusable target."""
    from apc.report.figures import figure_rows, figures_table

    if args.action is None:
        for option, given in (("--set", args.overrides), ("--schema", args.schema)):
            if given:
                raise ApcError(f"{option} needs a target: apc targets show NAME {option} ...")
        targets = [kind.load(name) for kind in TARGETS for name in kind.family.names()]
    elif args.target is None:
        raise ApcError(f"apc targets show needs a target: one of {', '.join(names_of(TARGETS))}, or a .toml file")
    else:
        targets = [load_one_of(TARGETS, args.target, args.overrides)]
    if args.schema:
        _print_schema(targets[0])
    elif args.json:
        console.emit_json("apc.targets/1", {"targets": [as_json(target) for target in targets]})
    elif args.action is None:
        _print_list(targets)
    else:
        title = f"{targets[0].name}: {targets[0].description}"
        console.show(figures_table(title, figure_rows(targets[0].figures()), console.result_console().width))
    return 0


def as_json(target: AnyTarget) -> dict[str, Any]:
    """{name, kind, description, figures: [{key, value, unit, source, year, assumed}]}."""
    from apc.report.figures import figure_rows

    figures = figure_rows(target.figures())
    return {"name": target.name, "kind": target.family.kind, "description": target.description, "figures": figures}


def _print_list(targets: list[AnyTarget]) -> None:
    width = max(len(target.name) for target in targets)
    for target in targets:
        assumed = sum(figure.provenance.assumed for figure in target.figures())
        line = f"{target.name:<{width}}  {target.description} ({assumed} of {len(target.figures())} figures assumed)"
        console.show_line(line, indent=width + 2)


def _print_schema(target: AnyTarget) -> None:
    from simulator.analog.acim.config import AcimConfig
    from simulator.analog.config import CrossbarConfig

    if isinstance(target, Target):
        raise ApcError(f"--schema is of arrays, and {target.name} is none: choose from {', '.join(names_of(ARRAYS))}")
    config = CrossbarConfig if isinstance(target, CrossbarTarget) else AcimConfig
    print(json.dumps(config.json_schema(), indent=2))
