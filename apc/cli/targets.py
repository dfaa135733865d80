"""`apc targets`: the hardware presets, and every figure of a target with its unit and source."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from apc.cli import console
from apc.cli.arguments import add_overrides
from apc.errors import ApcError
from backends.crossbar.target import CrossbarTarget, crossbar_names, load_crossbar
from backends.target import Target, load_target, preset_names

NAME = "targets"
HELP = "list the hardware targets, or show one with the source of every figure"

AnyTarget = Target | CrossbarTarget


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("action", nargs="?", choices=["show"], help="show one target's figures instead of the list")
    parser.add_argument("target", nargs="?", metavar="NAME|FILE.toml", help="with show: a preset or a target file")
    add_overrides(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")
    parser.add_argument(
        "--schema", action="store_true", help="with show, of a crossbar: the JSON schema of its CrossbarConfig"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the list of presets, one target, or a schema. Returns 0; raises UserError for an unusable target."""
    from apc.report.figures import figure_rows, figures_table

    if args.action is None:
        for option, given in (("--set", args.overrides), ("--schema", args.schema)):
            if given:
                raise ApcError(f"{option} needs a target: apc targets show NAME {option} ...")
        targets: list[AnyTarget] = [load_target(name) for name in preset_names()]
        targets += [load_crossbar(name) for name in crossbar_names()]
    elif args.target is None:
        raise ApcError(f"apc targets show needs a target: one of {', '.join(_names())}, or a .toml file")
    else:
        targets = [load_any(args.target, args.overrides)]
    if args.schema:
        _print_schema(targets[0])
    elif args.json:
        console.emit_json("apc.targets/1", {"targets": [as_json(target) for target in targets]})
    elif args.action is None:
        _print_list(targets)
    else:
        title = f"{targets[0].name}: {targets[0].description}"
        console.result_console().print(figures_table(title, figure_rows(targets[0].figures())), markup=False)
    return 0


def load_any(name: str, overrides: list[str]) -> AnyTarget:
    """A preset or file of either kind. Raises UserError where it is unusable."""
    if name in crossbar_names() or (name.endswith(".toml") and _is_crossbar_file(Path(name))):
        return load_crossbar(name, overrides)
    if name not in preset_names() and not name.endswith(".toml"):
        raise ApcError(f"unknown target '{name}': name a .toml file or one of {', '.join(_names())}")
    return load_target(name, overrides)


def _names() -> list[str]:
    return [*preset_names(), *crossbar_names()]


def _is_crossbar_file(path: Path) -> bool:
    """Whether a file extends a crossbar or has a converter; what cannot be read is not one."""
    import tomllib

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return "extends" in document or "adc" in document


def as_json(target: AnyTarget) -> dict[str, Any]:
    """{name, kind, description, figures: [{key, value, unit, source, year, assumed}]}."""
    from apc.report.figures import figure_rows

    figures = figure_rows(target.figures())
    return {"name": target.name, "kind": _kind(target), "description": target.description, "figures": figures}


def _kind(target: AnyTarget) -> str:
    return "crossbar" if isinstance(target, CrossbarTarget) else "rtm-ap"


def _print_list(targets: list[AnyTarget]) -> None:
    width = max(len(target.name) for target in targets)
    for target in targets:
        assumed = sum(figure.provenance.assumed for figure in target.figures())
        print(f"{target.name:<{width}}  {target.description} ({assumed} of {len(target.figures())} figures assumed)")


def _print_schema(target: AnyTarget) -> None:
    from simulator.analog.config import CrossbarConfig

    if not isinstance(target, CrossbarTarget):
        raise ApcError(
            f"--schema is of crossbars, and {target.name} is none: choose from {', '.join(crossbar_names())}"
        )
    print(json.dumps(CrossbarConfig.json_schema(), indent=2))
