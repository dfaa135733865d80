"""`apc explain`: how one output value is computed, addition by addition."""

from __future__ import annotations

import argparse
from pathlib import Path

from apc.cli import console
from apc.cli.arguments import load_program
from apc.errors import ApcError
from apc.progress import progress

NAME = "explain"
HELP = "say how one output value is computed, addition by addition"
DESCRIPTION = """
Follows one output channel of a layer back through the microcode to what the layer reads: the output and how it is
requantised, its sum, and every temporary below, each once. Nothing is taken from the compiler: all of it is read off
the instructions, so what is shown is what the machine does.

A line is an operand of an instruction: the address, what is added, subtracted or compared, by name and with its shift,
the interval that the operand can lie in, where it lies (column, domain, width; s where signed, x where across columns),
the interval of the result, and which other outputs the operand is computed for as well. Values that negative numbers
could reach are held with an offset, which appears as a constant and is taken off at the end. docs/explain.md reads an
example line by line; docs/inspect.md says how names are made.

The last table has what the output takes in all, and what is left of it where an instruction that serves several
outputs is divided among them. These shares sum to the tile's instructions over all its outputs.
"""
EXAMPLES = (
    ("how an output of the first convolution is summed", "apc explain digits.apc --layer stem --output 5"),
    ("the output and its sum only, without the temporaries", "apc explain digits.apc --layer 1 --output 0 --depth 2"),
    ("the factor of every input in a sum, for a program", "apc explain digits.apc --layer stem --output 5 --json"),
)
FAILS_WHEN = ""
SEE_ALSO = ("explain.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument("--output", metavar="CHANNEL", type=int, required=True, help="channel of the layer's output")
    parser.add_argument("--layer", metavar="L", help="name or number of a layer (default: the last)")
    parser.add_argument("--depth", metavar="N", type=int, help="values at most N steps from the output (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints the explanation. Returns 0; raises UserError for a damaged program or what it does not have."""
    from apc.report.explanation import explain
    from apc.report.explanation_text import items
    from apc.report.inspection import find_layer

    if args.depth is not None and args.depth < 0:
        raise ApcError(f"--depth {args.depth}: must not be negative")
    program = load_program(args.program)
    if not program.layers:
        raise ApcError(f"{args.program}: the program has no layer")
    index = len(program.layers) - 1 if args.layer is None else find_layer(program, args.layer)
    with progress("reading the microcode"):
        report = {"program": str(args.program), **explain(program, index, args.output, args.depth)}
    if args.json:
        console.emit_json("apc.explain/1", report)
    else:
        console.show(items(report, console.result_console().width))
    return 0
