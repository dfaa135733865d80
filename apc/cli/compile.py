"""`apc compile`: a model to an .apc program, with the exact static counts of every layer."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console
from apc.cli.arguments import add_overrides
from apc.errors import ApcError
from apc.progress import progress

if TYPE_CHECKING:
    from apc.ablation import Ablation
    from apc.driver import CompileOptions
    from backends.rtm_ap.decisions import Decision
    from ir.graph import Graph

NAME = "compile"
LEVELS = {
    "O0": "no sharing, fields along nanowires",
    "O1": "the published recipe: subexpressions shared within an input channel",
    "O2": "sharing and layout chosen by the target's energies (default)",
    "O3": "as -O2, then search for better sharing: slow",
}
HELP = "compile an ONNX file or a PyTorch module to an .apc program"
DESCRIPTION = """
Reads a quantised network (ONNX with QDQ, QCDQ or QONNX quantisers, ternary or integer weights; or a PyTorch module),
turns every layer into additions and subtractions, shares common subexpressions, places the values on the columns and
domains of the target's arrays, and writes the microcode as one file.

Prints a line for each layer with its exact counts (additions, instructions, search passes, shifts, cycles: the program
is static, so they are those of every run) and an ESTIMATE of its energy from the bits that are expected to switch;
`apc run` counts them. Columns that a narrow terminal has no room for are left out: COLUMNS=200 or --json has them.

What each level runs, and every pass with its options and an example, is in docs/passes.md. The result depends on
neither the number of processes nor the machine.
"""
EXAMPLES = (
    ("compile for the default target", "apc compile digits.onnx -o digits.apc"),
    (
        "the published recipe, on arrays of 512 rows",
        "apc compile digits.onnx -o small.apc -O1 --set rows=512",
    ),
    ("what two passes are worth, each alone taken away", "apc compile digits.onnx --passes cse,tiling --ablate"),
    ("why each layer is laid out as it is", "apc compile digits.onnx --print-after tiling"),
    ("a PyTorch network of a module file here", "apc compile mynet:ternary -o mynet.apc"),
)
FAILS_WHEN = ""
SEE_ALSO = ("passes.md", "nn.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file, or package.module:factory")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.apc", help="the program to write")
    target = parser.add_argument_group("target")
    target.add_argument(
        "--target",
        default="rtm-ap-published",
        metavar="NAME|FILE.toml",
        help="see `apc targets` (default: %(default)s)",
    )
    add_overrides(target)
    _add_passes(parser.add_argument_group("passes"))
    reading = parser.add_argument_group("reading the model")
    reading.add_argument("--calibration", type=Path, metavar="X.npz", help="inputs for activations that are float")
    reading.add_argument(
        "--activations", type=int, default=4, metavar="BITS", help="of activations that are float (default: 4)"
    )
    reading.add_argument(
        "--input-shape", action="append", default=[], metavar="NAME=1,3,224,224", help="where the graph leaves it open"
    )
    reading.add_argument(
        "--ternary-tolerance",
        type=float,
        default=0.0,
        metavar="T",
        help="accept weights that are ternary within T (default: 0)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes; results do not depend on it (default: as many as pay)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def _add_passes(group: argparse._ArgumentGroup) -> None:
    for level, meaning in LEVELS.items():
        group.add_argument(f"-{level}", dest="level", action="store_const", const=level, help=meaning)
    group.set_defaults(level="O2")
    group.add_argument(
        "--passes", metavar="a,b{x=1}", help="run these passes (docs/passes.md) instead of the level's; others are off"
    )
    group.add_argument(
        "--pass-option",
        dest="pass_options",
        action="append",
        default=[],
        metavar="PASS.OPTION=VALUE",
        help="change one option of a pass, and turn it on; may be repeated",
    )
    group.add_argument(
        "--print-after",
        metavar="PASS",
        help="print, to stderr, the graph after one of its passes; every layer's candidates and choice (tiling); "
        "or what a layer pass changes, compiling again without it; or `all`",
    )
    group.add_argument(
        "--ablate", action="store_true", help="compile again with each pass off in turn, and say what it is worth"
    )


def run(args: argparse.Namespace) -> int:
    """Compiles, writes the program where -o is given, prints the layers. Returns 0; UserError for bad input."""
    from apc import artifact
    from apc.driver import CompileOptions, compile_model
    from apc.files import require_writable
    from apc.npz import read_npz
    from apc.passes import choose_passes
    from apc.report.ablation import ablation_rows
    from apc.report.compilation import compile_report

    require_writable(args.output, args.model, args.calibration)
    passes = choose_passes(args.level, args.passes, args.pass_options)
    shown = _shown(args.print_after, passes.names)
    options = CompileOptions(
        target=args.target,
        overrides=args.overrides,
        level=args.level,
        passes=args.passes,
        pass_options=args.pass_options,
        calibration=read_npz(args.calibration) if args.calibration else None,
        activations=args.activations,
        input_shapes=dict(map(_input_shape, args.input_shape)),
        ternary_tolerance=args.ternary_tolerance,
        after_pass=_graph_printer(shown),
        workers=args.workers,
    )
    started = time.perf_counter()
    with progress("compiling") as update:
        compilation = compile_model(args.model, options, progress=update)
    compile_s = time.perf_counter() - started
    for message in compilation.warnings:
        console.warn(message)
    if args.output is not None:
        artifact.save(compilation.program, args.output)
    report = compile_report(compilation.program, compile_s, compilation.warnings)
    ablations = _ablations(args.model, options, [None, *passes.names] if args.ablate else _compared(shown))
    _print_layer_passes(shown, compilation.decisions, report, ablations)
    if args.ablate:
        report["ablation"] = ablation_rows(ablations.values())
    if args.json:
        console.emit_json("apc.compile/1", report)
    else:
        _print_report(report, args.output)
    return 0


def _print_report(report: dict[str, Any], output: Path | None) -> None:
    from apc.report.ablation import ablation_table
    from apc.report.compilation import compile_table
    from apc.report.units import with_unit

    width = console.result_console().width
    shown = compile_table(report, width)
    if "ablation" in report:
        shown += ablation_table(report["ablation"], f"-{report['level']}", width)
    estimate = report["energy_estimate_J"]
    parts = ", ".join(f"{part} {with_unit(value, 'J')}" for part, value in estimate.items() if part != "total")
    shown.append("Counts are exact: the program is static, and its cycles are those a run takes.")
    shown.append(
        f"Energy is an ESTIMATE from expected switching, on {report['target']}: "
        f"{with_unit(estimate['total'], 'J')} for an image that runs alone ({parts}). `apc run` counts it."
    )
    done = f"compiled with -{report['level']} in {report['compile_s']:.1f} s"
    if output is None:
        shown.append(f"{done}; no file was written: name one with -o OUT.apc")
    else:
        shown.append(f"{output}: {output.stat().st_size:,} bytes, {done}")
    console.show(shown)


def _input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, shape = text.rpartition("=")
    try:
        axes = tuple(int(axis) for axis in shape.split(","))
    except ValueError:
        axes = ()
    if not name or not axes or min(axes) < 1:
        raise ApcError(f"--input-shape {text}: write NAME=1,3,224,224")
    return name, axes


def _shown(wanted: str | None, running: list[str]) -> dict[str, None]:
    """The passes to print after, in order."""
    from apc.passes import KNOWN

    if wanted is None:
        return {}
    if wanted not in KNOWN and wanted != "all":
        raise ApcError(f"--print-after {wanted}: there is no such pass: choose from {', '.join(KNOWN)} or all")
    shown = dict.fromkeys(running if wanted == "all" else [wanted] if wanted in running else [])
    if not shown:
        reason = f"this pass does not run here, only {', '.join(running)}" if running else "no pass runs here"
        raise ApcError(f"--print-after {wanted}: {reason}")
    return shown


def _graph_printer(shown: Iterable[str]) -> Callable[[str, Graph], None]:
    def show(name: str, graph: Graph) -> None:
        if name in shown:
            console.log_console().print(f"; after {name}\n{graph}", markup=False, soft_wrap=True)

    return show


def _compared(shown: Iterable[str]) -> list[str]:
    """The passes of ``shown`` that are printed by comparing with a compilation that lacks them."""
    from backends.rtm_ap.passes import LAYER_PASSES, Tiling

    return [name for name in shown if name in LAYER_PASSES and name != Tiling.name]


def _ablations(model: str, options: CompileOptions, off: Iterable[str | None]) -> dict[str | None, Ablation]:
    """Compilations with one pass off, by its name (None: none off, timed like the others when kernels are loaded)."""
    from apc.ablation import ablate

    with progress("ablating") as update:
        return {item.off: item for item in ablate(model, options, dict.fromkeys(off), update)}


def _print_layer_passes(
    shown: Iterable[str], decisions: list[Decision], report: dict[str, Any], ablations: Mapping[str | None, Ablation]
) -> None:
    from apc.report.decisions import decisions_text, effects_table
    from backends.rtm_ap.passes import Tiling

    printer = console.log_console()
    if Tiling.name in shown:
        printer.print(f"; after {Tiling.name}\n{decisions_text(decisions)}", markup=False, soft_wrap=True)
    for name in _compared(shown):
        without = ablations[name]
        if without.report is None:
            printer.print(f"; after {name}: without it, {without.refused}", markup=False, soft_wrap=True)
            continue
        effects = effects_table(report, without.report, printer.width)
        printer.print(f"; after {name}: {'without it -> with it' if effects else 'it changes nothing'}")
        for item in effects:
            printer.print(item, markup=False)
