"""`apc run`: simulate a program bit by bit; count cycles, events and energy; check the result."""

from __future__ import annotations

import argparse
from pathlib import Path

from apc.cli import console

NAME = "run"
HELP = "simulate a program bit by bit and count cycles and energy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument(
        "--input", metavar="X.npz", type=Path, required=True, help="arrays by the network's input names"
    )
    parser.add_argument("--output", metavar="Y.npz", type=Path, help="write the outputs, by the network's output names")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="results do not depend on it (default: 2)")
    parser.add_argument("--engine", choices=["fast", "reference"], default="fast", help="reference: one bit at a time")
    parser.add_argument(
        "--check", choices=["reference", "onnxruntime"], help="compare; exit status 1 where they differ"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Simulates all images of the input. Returns 0, or 1 where a check found differences; UserError for bad input."""
    from apc import artifact
    from apc.driver import run_model
    from apc.files import require_writable
    from apc.npz import read_npz, write_npz
    from apc.report.run import layer_table, run_report, summary

    require_writable(args.output, args.program, args.input)
    program = artifact.load(args.program)
    inputs = read_npz(args.input)
    with console.progress("simulating") as update:
        result = run_model(program, inputs, engine=args.engine, threads=args.threads, check=args.check, progress=update)
    if args.output is not None:
        write_npz(args.output, result.outputs)
    report = run_report(program, result, args.engine)
    if args.json:
        console.emit_json("apc.run/1", report)
    else:
        printer = console.result_console()
        printer.print(layer_table(report))
        for line in summary(report):
            printer.print(line, soft_wrap=True)
    return 1 if result.check is not None and result.check.mismatches else 0
