"""`apc run`: simulate a program bit by bit; count cycles, events and energy; check the result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apc.cli import console
from apc.cli.arguments import load_program, parse_range
from apc.errors import ApcError
from apc.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from rich.table import Table

    from apc.driver import RunResult
    from ir.program import Program

NAME = "run"
HELP = "simulate a program bit by bit and count cycles and energy"
DESCRIPTION = """
Simulates every image of the input on the arrays, bit by bit, and counts what happens: searched and written rows, bits
that switch, shifts, bits moved between arrays, cycles. Energies are these counts at the prices of the program's target.

Prints a line for each layer and the totals, per image; columns that a narrow terminal has no room for are left out:
COLUMNS=200 or --json has them. --output writes the network's outputs. --check compares every stored value with the
integer reference interpreter, or the outputs with onnxruntime, and ends with exit status 1 where they differ.

With --faults, every image runs once without faults and --trials times with them, and accuracy, agreement and the price
of mitigation are reported (docs/faults.md). With --layer and --range, the reference machine steps through a slice of
one tile, a micro-operation a line, with the operands of a few rows.
"""
EXAMPLES = (
    ("cycles and energy of an image", "apc run digits.apc --input digits_test.npz"),
    ("hold it against the reference", "apc run digits.apc --input digits_test.npz --check reference"),
    (
        "accuracy, and the outputs in a file",
        "apc run digits.apc --input digits_test.npz --labels digits_labels.npz --output outputs.npz",
    ),
    ("a result for `apc report` and scripts", "apc run digits.apc --input digits_test.npz --json > run.json"),
    (
        "what shift faults do to it",
        "apc run digits.apc --input digits_test.npz --labels digits_labels.npz --faults position-4.6e-5 --trials 2",
    ),
    (
        "what runs when, for ui.perfetto.dev",
        "apc run digits.apc --input digits_test.npz --trace trace.json",
    ),
    (
        "step through the first micro-operations of a layer",
        "apc run digits.apc --input digits_test.npz --engine reference --layer 0 --range 0:2",
    ),
)
FAILS_WHEN = "the check found differences"
SEE_ALSO = ("machine.md", "faults.md", "json.md")

_SHOWN_ROWS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument(
        "--input", metavar="X.npz", type=Path, required=True, help="arrays by the network's input names"
    )
    parser.add_argument("--output", metavar="Y.npz", type=Path, help="write the outputs, by the network's output names")
    _add_simulation(parser.add_argument_group("simulation"))
    _add_faults(parser.add_argument_group("faults"))
    _add_stepping(parser.add_argument_group("stepping through a slice of a layer"))
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def _add_simulation(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", choices=["fast", "reference"], default="fast", help="reference: one bit at a time")
    group.add_argument("--check", choices=["reference", "onnxruntime"], help="compare; exit status 1 where they differ")
    group.add_argument(
        "--labels", metavar="L.npz", type=Path, help="the right class of each image (.npz or .npy): prints accuracy"
    )
    group.add_argument("--batch", type=int, metavar="N", help="simulate at most so many images at a time (default: 32)")
    group.add_argument("--threads", type=int, default=2, metavar="N", help="results do not depend on it (default: 2)")
    group.add_argument("--wear", action="store_true", help="count the writes of every cell: years of life (slow)")
    group.add_argument(
        "--trace",
        metavar="T.json",
        type=Path,
        help="write what runs when, of the first batch only, as Chrome trace events, which Perfetto opens",
    )


def _add_faults(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--faults", metavar="FILE.toml", help="let wires fail as the file or preset says (docs/faults.md)"
    )
    group.add_argument("--seed", type=int, metavar="N", help="with --faults: decides what fails (default: 0)")
    group.add_argument("--trials", type=int, metavar="N", help="with --faults: runs with other faults (default: 1)")


def _add_stepping(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--layer", metavar="L", help="with --engine reference: step through this layer, name or number")
    group.add_argument("--range", metavar="A:B", help="instructions A to B - 1 of the tile, a micro-operation a line")
    group.add_argument("--tile", metavar="T", type=int, help="tile of the layer to step through (default: 0)")
    group.add_argument("--rows", metavar="N", type=int, help="rows whose operands are shown (default: 8)")


def run(args: argparse.Namespace) -> int:
    """Simulates all images of the input, or steps through a layer for the first. Returns 0, or 1 where a check found
    differences; UserError for bad input."""
    from apc.files import require_separate, require_writable
    from apc.npz import read_npz

    _check_options(args)
    stepping = _steps(args)
    for path in (args.output, args.trace):
        require_writable(path, args.program, args.input, args.faults, args.labels)
    require_separate(args.output, "--output", args.trace, "--trace")
    program = load_program(args.program)
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
    for name in ("output", "trace", "check", "faults", "labels", "batch", "wear"):
        value = getattr(args, name)
        if value is not None and value is not False:
            raise ApcError(f"--{name} is of a whole run: leave it or --layer and --range away")
    if args.rows is not None and args.rows < 1:
        raise ApcError(f"--rows {args.rows}: at least one row is needed")
    return True


def _check_options(args: argparse.Namespace) -> None:
    """Raises UserError for options that do not go together."""
    if args.faults is None:
        for name in ("seed", "trials"):
            if getattr(args, name) is not None:
                raise ApcError(f"--{name} is of a run with faults: give --faults too")
    elif args.check is not None:
        raise ApcError(f"--check {args.check} is of a run without faults: leave it or --faults away")


def _simulate(args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray]) -> int:
    from apc.labels import read_labels
    from apc.npz import write_npz
    from apc.options import BATCH
    from apc.report.reference import program_reference
    from apc.trace import write_trace

    options = {
        "engine": args.engine,
        "threads": args.threads,
        "batch": BATCH if args.batch is None else args.batch,
        "labels": None if args.labels is None else read_labels(args.labels),
        "wear": args.wear,
    }
    simulate = _run_once if args.faults is None else _run_trials
    done = simulate(args, program, inputs, options)
    if args.output is not None:
        write_npz(args.output, done.outputs)
    if args.trace is not None:
        write_trace(args.trace, done.result.accounts, done.result.batches[0])
    if args.json:
        console.emit_json("apc.run/1", {**program_reference(args.program), **done.report})
    else:
        console.show(done.shown)
    return 1 if done.result.check is not None and done.result.check.mismatches else 0


class _Done(NamedTuple):
    """A run without faults, the outputs to write, the JSON, and what to print (tables and lines)."""

    result: RunResult
    outputs: dict[str, np.ndarray]
    report: dict[str, Any]
    shown: list[Table | str]


def _run_once(
    args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray], options: dict[str, Any]
) -> _Done:
    from apc.driver import run_model
    from apc.report.run import layer_table, run_report, summary

    with progress("simulating") as update:
        result = run_model(program, inputs, check=args.check, progress=update, **options)
    report = run_report(program, result, args.engine)
    width = console.result_console().width
    return _Done(result, result.outputs, report, [*layer_table(report, width), *summary(report)])


def _run_trials(
    args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray], options: dict[str, Any]
) -> _Done:
    from apc.fault_file import load_faults
    from apc.report.run import layer_table, run_report, summary
    from apc.report.trials import faults_report, faults_summary, faults_table
    from apc.trials import run_trials

    faults = load_faults(args.faults)
    seed, trials = args.seed or 0, 1 if args.trials is None else args.trials
    with progress("simulating") as update:
        found = run_trials(program, inputs, faults, seed=seed, trials=trials, progress=update, **options)
    report = run_report(program, found.fault_free, args.engine)
    report["faults"] = faults_report(faults, found)
    width = console.result_console().width
    of_faults = [*faults_table(report["faults"], width), *faults_summary(report["faults"])]
    return _Done(found.fault_free, found.outputs, report, [*layer_table(report, width), *summary(report), *of_faults])


def _step_through(args: argparse.Namespace, program: Program, inputs: Mapping[str, np.ndarray]) -> None:
    from apc.report.inspection import Window, find_layer, find_tile
    from apc.report.reference import program_reference
    from apc.report.stepping import header, lines, step_report
    from apc.stepping import Stepper, tensors_before

    index, number = find_layer(program, args.layer), args.tile or 0
    tile = find_tile(program.layers[index], number)
    start, stop = parse_range(args.range, len(tile.instructions))
    window = Window(index, program.layers[index], number, tile, start, stop)
    rows = _SHOWN_ROWS if args.rows is None else args.rows
    with progress("simulating") as update:
        stepper = Stepper(program, window, tensors_before(program, inputs, index, update))
        stepper.skip_to_window(update)
    if args.json:
        console.emit_json("apc.run/1", {**program_reference(args.program), **step_report(stepper, rows)})
        return
    print("\n".join(header(window, stepper.rows)))
    for item in stepper.window_steps():
        print("\n".join(lines(item, rows)))
