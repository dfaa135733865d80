"""`apc report`: a program, its microcode and its costs as one HTML page that opens offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from apc.cli import console
from apc.errors import ApcError
from apc.progress import progress

NAME = "report"
HELP = "write one HTML page that shows a program, a run or a comparison"
DESCRIPTION = """
Writes one HTML file that any browser opens without a network: layers and what they cost, the dataflow graph, every
instruction with what it reads and writes, a map of the array, the timeline, energy by component and layer, and every
figure of the target with its source. docs/report.md shows it.

SOURCE is what `apc compile -o` wrote, what `apc run --json` printed, and what `apc compare --json` printed: one of them
or several, in any order. A run or comparison of an .apc file finds that file by itself. Without a run the energies are
the compiler's estimate, and the page says so; without a comparison it has none.

Prints one line, or one JSON object with --json (docs/json.md).
"""
EXAMPLES = (
    ("a page of a program, with estimated energies", "apc report digits.apc -o digits.html"),
    ("count events first", "apc run digits.apc --input digits_test.npz --json > run.json"),
    ("a page of a run", "apc report run.json -o run.html"),
    ("compare with crossbars and SRAM arrays", "apc compare digits.apc --json > compare.json"),
    ("a page of the run and of the comparison", "apc report run.json compare.json -o report.html"),
)
FAILS_WHEN = ""
SEE_ALSO = ("report.md",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", type=Path, help="OUT.apc, `apc run --json` or `apc compare --json`"
    )
    parser.add_argument("-o", "--output", metavar="R.html", type=Path, required=True, help="the page to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Writes the page. Returns 0; raises UserError for sources that do not belong together."""
    from apc.inspector import write_report

    if args.output.suffix.lower() not in (".html", ".htm"):
        raise ApcError(f"-o {args.output}: a page is written, name a file that ends in .html")
    with progress("writing the page") as update:
        written = write_report(args.output, args.sources, update)
    if args.json:
        console.emit_json(
            "apc.report/1",
            {
                "output": str(args.output),
                "bytes": written.bytes,
                "program": str(written.program),
                "layers": written.layers,
                "instructions": written.instructions,
                "energy_is_estimate": written.estimate,
            },
        )
        return 0
    of = "estimated energies" if written.estimate else "the energies of the run"
    print(
        f"{args.output}: {written.bytes:,} bytes, {written.layers} layers, {written.instructions:,} instructions, {of}"
    )
    return 0
