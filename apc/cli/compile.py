"""`apc compile`: a model to an .apc program, with the exact static counts of every layer."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from apc.cli import console
from apc.errors import ApcError

if TYPE_CHECKING:
    from ir.graph import Graph

NAME = "compile"
LEVELS = {
    "O0": "no sharing, fields along nanowires",
    "O1": "the published recipe: subexpressions shared within an input channel",
    "O2": "sharing and layout chosen by the target's energies (default)",
    "O3": "as -O2, then search for better sharing: slow",
}
HELP = "compile an ONNX file or a PyTorch module to an .apc program"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file, or package.module:factory")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.apc", help="the program to write")
    parser.add_argument("--target", default="rtm-ap-published", metavar="NAME|FILE.toml", help="see `apc targets`")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a figure of the target",
    )
    for level, meaning in LEVELS.items():
        parser.add_argument(f"-{level}", dest="level", action="store_const", const=level, help=meaning)
    parser.set_defaults(level="O2")
    parser.add_argument("--passes", metavar="a,b", help="run these graph passes instead of the level's")
    parser.add_argument("--print-after", metavar="PASS", help="print the graph after a pass, to stderr (or `all`)")
    parser.add_argument("--calibration", type=Path, metavar="X.npz", help="inputs for activations that are float")
    parser.add_argument("--activations", type=int, default=4, metavar="BITS", help="of activations that are float")
    parser.add_argument(
        "--input-shape", action="append", default=[], metavar="NAME=1,3,224,224", help="where the graph leaves it open"
    )
    parser.add_argument(
        "--ternary-tolerance", type=float, default=0.0, metavar="T", help="accept weights that are ternary within T"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Compiles, writes the program where -o is given, prints the layers. Returns 0; UserError for bad input."""
    from apc import artifact
    from apc.driver import CompileOptions, compile_model
    from apc.files import require_writable
    from apc.npz import read_npz
    from apc.report.compilation import compile_report, compile_table
    from apc.report.units import with_unit

    require_writable(args.output)
    options = CompileOptions(
        target=args.target,
        overrides=args.overrides,
        level=args.level,
        passes=args.passes,
        calibration=read_npz(args.calibration) if args.calibration else None,
        activations=args.activations,
        input_shapes=dict(map(_input_shape, args.input_shape)),
        ternary_tolerance=args.ternary_tolerance,
        after_pass=_printer(args.print_after, args.level, args.passes),
    )
    started = time.perf_counter()
    with console.progress("compiling") as update:
        compilation = compile_model(args.model, options, progress=update)
    compile_s = time.perf_counter() - started
    for message in compilation.warnings:
        console.warn(message)
    if args.output is not None:
        artifact.save(compilation.program, args.output)
    report = compile_report(compilation.program, compile_s, compilation.warnings)
    if args.json:
        console.emit_json("apc.compile/1", report)
        return 0
    printer = console.result_console()
    printer.print(compile_table(report))
    estimate = report["energy_estimate_J"]
    parts = ", ".join(f"{part} {with_unit(value, 'J')}" for part, value in estimate.items() if part != "total")
    printer.print("Counts are exact: the program is static, and its cycles are those a run takes.", soft_wrap=True)
    printer.print(
        f"Energy is an ESTIMATE from expected switching, on {report['target']}: "
        f"{with_unit(estimate['total'], 'J')} for an image that runs alone ({parts}). `apc run` counts it.",
        soft_wrap=True,
    )
    done = f"compiled with -{args.level} in {compile_s:.1f} s"
    if args.output is None:
        printer.print(f"{done}; no file was written: name one with -o OUT.apc", soft_wrap=True)
    else:
        printer.print(f"{args.output}: {args.output.stat().st_size:,} bytes, {done}", soft_wrap=True)
    return 0


def _input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, shape = text.rpartition("=")
    try:
        axes = tuple(int(axis) for axis in shape.split(","))
    except ValueError:
        axes = ()
    if not name or not axes or min(axes) < 1:
        raise ApcError(f"--input-shape {text}: write NAME=1,3,224,224")
    return name, axes


def _printer(wanted: str | None, level: str, passes: str | None) -> Callable[[str, Graph], None] | None:
    if wanted is None:
        return None
    from ir.passes import LEVELS, PASSES
    from ir.passes.manager import parse_passes

    if wanted not in PASSES and wanted != "all":
        raise ApcError(f"--print-after {wanted}: there is no such pass: choose from {', '.join(PASSES)} or all")
    running = LEVELS.get(level) if passes is None else [item.name for item in parse_passes(passes, PASSES)]
    if running is not None and not (wanted in running or (wanted == "all" and running)):
        reason = f"this pass does not run here, only {', '.join(running)}" if running else "no pass runs here"
        raise ApcError(f"--print-after {wanted}: {reason}")

    def show(name: str, graph: Graph) -> None:
        if wanted in (name, "all"):
            console.log_console().print(f"; after {name}\n{graph}", markup=False, soft_wrap=True)

    return show
