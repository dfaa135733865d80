"""`apc run`: simulate a program bit by bit; count cycles, events and energy; check the result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from apc.cli import console
from apc.cli.arguments import parse_range
from apc.errors import ApcError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ir.program import Program

NAME = "run"
HELP = "simulate a program bit by bit and count cycles and energy"

_SHOWN_ROWS = 8


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
    parser.add_argument(
        "--trace", metavar="T.json", type=Path, help="write what runs when as Chrome trace events, which Perfetto opens"
    )
    parser.add_argument("--layer", metavar="L", help="with --engine reference: step through this layer, name or number")
    parser.add_argument("--range", metavar="A:B", help="instructions A to B - 1 of the tile, a micro-operation a line")
    parser.add_argument("--tile", metavar="T", type=int, help="tile of the layer to step through (default: 0)")
    parser.add_argument("--rows", metavar="N", type=int, help="rows whose operands are shown (default: 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Simulates all images of the input, or steps through a layer for the first. Returns 0, or 1 where a check found
    differences; UserError for bad input."""
    from apc import artifact
    from apc.files import require_writable
    from apc.npz import read_npz

    stepping = _steps(args)
    for path in (args.output, args.trace):
        require_writable(path, args.program, args.input)
    program = artifact.load(args.program)
    inputs = read_npz(args.input)
    if stepping:
        _step_through(args, program, inputs)
        return 0
    return _simulate(args, program, inputs)


def _steps(args: argparse.Namespace) -> bool:
    """Whether a slice of a layer is asked for. Raises UserError where only a part of it is."""
    if all(value is None for value in (args.layer, args.range, args.tile, args.rows)):
        return False
    if args.engine != "reference" or args.layer is None or args.range is None:
        raise ApcError("stepping through a layer takes --engine reference, --layer L and --range A:B together")
    for name in ("output", "trace", "check"):
        if getattr(args, name) is not None:
            raise ApcError(f"--{name} is of a whole run: leave it or --layer and --range away")
    if args.rows is not None and args.rows < 1:
        raise ApcError(f"--rows {args.rows}: at least one row is needed")
    return True


def _simulate(args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray]) -> int:
    from apc.driver import run_model
    from apc.npz import write_npz
    from apc.report.run import layer_table, run_report, summary
    from apc.trace import write_trace

    with console.progress("simulating") as update:
        result = run_model(program, inputs, engine=args.engine, threads=args.threads, check=args.check, progress=update)
    if args.output is not None:
        write_npz(args.output, result.outputs)
    if args.trace is not None:
        write_trace(args.trace, result.accounts, result.cost)
    report = run_report(program, result, args.engine)
    if args.json:
        console.emit_json("apc.run/1", report)
    else:
        printer = console.result_console()
        printer.print(layer_table(report))
        for line in summary(report):
            printer.print(line, soft_wrap=True)
    return 1 if result.check is not None and result.check.mismatches else 0


def _step_through(args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray]) -> None:
    from apc.report.inspection import Window, find_layer, find_tile
    from apc.report.stepping import header, lines, step_report
    from apc.stepping import Stepper, tensors_before

    index, number = find_layer(program, args.layer), args.tile or 0
    tile = find_tile(program.layers[index], number)
    start, stop = parse_range(args.range, len(tile.instructions))
    window = Window(index, program.layers[index], number, tile, start, stop)
    rows = _SHOWN_ROWS if args.rows is None else args.rows
    with console.progress("simulating") as update:
        stepper = Stepper(program, window, tensors_before(program, inputs, index, update))
        stepper.skip_to_window(update)
    if args.json:
        console.emit_json("apc.run/1", step_report(stepper, rows))
        return
    print("\n".join(header(window, stepper.rows)))
    for item in stepper.window_steps():
        print("\n".join(lines(item, rows)))
