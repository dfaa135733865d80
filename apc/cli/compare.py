"""`apc compare`: a network on racetrack-memory associative processors, crossbars and SRAM arrays, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console
from apc.errors import ApcError
from apc.options import Progress
from apc.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from apc.comparison.driver import CompareOptions

NAME = "compare"
HELP = "compare cost and accuracy with crossbars and SRAM arrays, and say what decides"
DESCRIPTION = """
Prices one network, image by image, on racetrack-memory associative processors and on memristor crossbars and SRAM
arrays: energy by component, time, area, energy per multiply-accumulate. The first line is the verdict. With a dataset,
the events of the associative processor are counted instead of expected, and every backend classifies the images.

Then says what decides: at which value of a figure both would take the same energy (break-even), what the published
7.5 times less energy would take, and which figures, changed alone, move the ratio most (sensitivity). Every figure
comes with its source (--sources).

Writes a line for each backend and layer with --csv, and a page with tables, plots and sources with --html. How the
backends are modelled is in docs/comparison.md.
"""
EXAMPLES = (
    ("with one crossbar, quickly", "apc compare digits.apc --against crossbar-rram-22nm --no-sensitivity"),
    ("all presets, as JSON for `apc report`", "apc compare digits.apc --no-sensitivity --json > compare.json"),
    (
        "counted on 20 images, with accuracies",
        "apc compare digits.apc --against acim-22nm --dataset digits_test.npz --labels digits_labels.npz --images 20",
    ),
    (
        "what a better array changes, as a page and a table",
        "apc compare digits.apc --against crossbar-neurosim --set crossbar-neurosim.adc_bits=4 --html compare.html "
        "--csv compare.csv",
    ),
)
FAILS_WHEN = ""
SEE_ALSO = ("comparison.md", "json.md")

_TOP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "model", metavar="OUT.apc|MODEL", nargs="?",
        help="a program, or an .onnx file or package.module:factory to compile first",
    )  # fmt: skip
    parser.add_argument(
        "--against", nargs="+", action="extend", default=[], metavar="NAME|FILE.toml",
        help="crossbars and SRAM arrays, see `apc targets` (default: all presets)",
    )  # fmt: skip
    parser.add_argument(
        "--target", dest="targets", nargs="+", action="extend", default=[], metavar="NAME|FILE.toml",
        help="associative processors; ratios refer to the first (default: the program's own, then the presets)",
    )  # fmt: skip
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="NAME.KEY=VALUE",
        help="change a figure of one backend; may be repeated",
    )  # fmt: skip
    _add_dataset(parser.add_argument_group("dataset"))
    _add_sensitivity(parser.add_argument_group("sensitivity"))
    results = parser.add_argument_group("results")
    results.add_argument("--layers", action="store_true", help="print the energy of every layer too")
    results.add_argument("--sources", action="store_true", help="print every figure of every backend with its source")
    results.add_argument("--csv", type=Path, metavar="F.csv", help="write a line for each backend and each layer")
    results.add_argument("--html", type=Path, metavar="R.html", help="write a page with tables, plots and sources")
    results.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def _add_dataset(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dataset", type=Path, metavar="D.npz", help="images: counts events, and runs every backend")
    group.add_argument("--labels", type=Path, metavar="L.npz", help="the right class of each image: accuracy")
    group.add_argument("--images", type=int, metavar="N", help="of the dataset, only the first N")
    group.add_argument("--batch", type=int, default=1, metavar="N", help="images priced together (default: 1)")
    group.add_argument("--threads", type=int, default=2, metavar="N", help="results do not depend on it (default: 2)")


def _add_sensitivity(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--factor", type=float, default=3.0, metavar="F", help="try figures / F and x F (default: 3)")
    group.add_argument("--top", type=int, default=_TOP, metavar="N", help=f"figures to show (default: {_TOP})")
    group.add_argument("--no-sensitivity", action="store_true", help="leave it out, which saves most of the time")


def run(args: argparse.Namespace) -> int:
    """Compares, writes the files asked for, prints the tables. Returns 0; UserError for bad input."""
    from apc.comparison.driver import compare
    from apc.files import require_separate, require_writable
    from apc.report.compare import compare_report
    from apc.report.reference import program_reference

    if args.model is None:
        raise ApcError("name OUT.apc or a model, before --against and --target, which take every name that follows")
    if args.top < 1:
        raise ApcError(f"--top {args.top}: at least one figure is needed")
    for path in (args.csv, args.html):
        require_writable(path, args.model, args.dataset, args.labels, *args.against, *args.targets)
    require_separate(args.csv, "--csv", args.html, "--html")
    with progress("comparing") as update:
        comparison = compare(args.model, _options(args, update), warn=console.warn)
    report = compare_report(comparison)
    _write(args, report)
    if args.json:
        program = Path(args.model) if Path(args.model).suffix == ".apc" else None
        console.emit_json("apc.compare/1", {**program_reference(program), **report})
    else:
        _print(args, report)
    return 0


def _options(args: argparse.Namespace, update: Progress) -> CompareOptions:
    from apc.comparison.driver import CompareOptions
    from apc.labels import read_labels
    from apc.npz import read_npz

    return CompareOptions(
        against=args.against,
        targets=args.targets,
        overrides=args.overrides,
        inputs=None if args.dataset is None else read_npz(args.dataset),
        labels=None if args.labels is None else read_labels(args.labels),
        images=args.images,
        batch=args.batch,
        threads=args.threads,
        factor=None if args.no_sensitivity else args.factor,
        progress=update,
    )


def _write(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """Both texts are made before either is written."""
    from apc.files import atomic_write
    from apc.report.compare_csv import compare_csv
    from apc.report.compare_html import compare_html

    texts = []
    if args.csv is not None:
        texts.append((args.csv, compare_csv(report)))
    if args.html is not None:
        texts.append((args.html, compare_html(report, args.top)))
    for path, text in texts:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def _print(args: argparse.Namespace, report: dict[str, Any]) -> None:
    from apc.report.compare_lines import (
        break_even_line,
        flip_lines,
        headline_lines,
        method_lines,
        verdict_line,
        workload_lines,
    )
    from apc.report.compare_text import backends_tables, break_even_tables, layers_tables, sensitivity_tables
    from apc.report.figures import figures_table

    width = console.result_console().width
    shown: list[Table | str] = [verdict_line(report), "", *workload_lines(report), *backends_tables(report, width)]
    if args.layers:
        shown += layers_tables(report, width)
    shown += [*method_lines(report), "", break_even_line(report), *break_even_tables(report, width)]
    shown += [*headline_lines(report), "every figure with its source: --sources, --html or --json"]
    if not args.no_sensitivity:
        shown += ["", f"sensitivity: every figure alone, / and x {args.factor:g} (bits: less and more by one)"]
        shown += [*sensitivity_tables(report, args.top, width), *flip_lines(report)]
    if args.sources:
        for backend in report["backends"]:
            title = f"{backend['name']}: {backend['description']}"
            shown += ["", *figures_table(title, backend["figures"], width)]
    console.show(shown)
