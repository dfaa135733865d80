"""`apc diff`: what differs between two programs, layer by layer."""

from __future__ import annotations

import argparse
from pathlib import Path

from apc.cli import console
from apc.cli.arguments import load_program
from apc.progress import progress

NAME = "diff"
HELP = "say what differs between two programs, layer by layer"
DESCRIPTION = """
Compares two programs: their models, target figures, level and passes, and then, layer by layer (matched by name),
instructions, additions, searches, written bits, shifts, cycles and energy for one image. It shows what a pass, an
option or a figure of the target changed, and where.

Ratios are B / A: 0.90x means that B takes a tenth less, = that both take the same. A layer marked * decides: with the
others so marked it makes up most of the differences of energy. Layers that are the same in both are counted, not
listed. Below the table stands what changed in how layers are laid out: tiles, arrays, columns, and where their sums
lie, and the first instruction that differs in each of the first layers (--json: in every layer). Written bits and
energies are estimates, of bits that switch independently; all other counts are exact.
"""
EXAMPLES = (
    ("the same network without optimising passes", "apc compile digits.onnx -O0 -o plain.apc"),
    ("what the passes changed", "apc diff plain.apc digits.apc"),
    ("the same as JSON", "apc diff plain.apc digits.apc --json"),
)
FAILS_WHEN = ""
SEE_ALSO = ("passes.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("a", metavar="A.apc", type=Path, help="a program that `apc compile` or `apc asm` wrote")
    parser.add_argument("b", metavar="B.apc", type=Path, help="the program to compare with it")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints the differences. Returns 0; raises UserError for a damaged program."""
    from apc.report.difference import difference
    from apc.report.difference_text import items

    a, b = load_program(args.a), load_program(args.b)
    with progress("comparing") as update:
        report = {"files": [str(args.a), str(args.b)], **difference(a, b, update)}
    if args.json:
        console.emit_json("apc.diff/1", report)
    else:
        console.show(items(report, console.result_console().width))
    return 0
