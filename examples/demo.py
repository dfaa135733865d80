"""From models to bit-exact simulated inference, twice.

    python examples/demo.py

First a small network, trained here on scikit-learn's digits (or taken from .cache/): all test images, the accuracy
beside onnxruntime's. Then ResNet-18 at 224x224, every layer checked against the reference interpreter.
Exit status 1 where a prediction or an element differs. The files stay in .cache/demo/ for `apc run`, `apc inspect`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

import apc
from apc.cli.console import result_console
from apc.driver import RunResult, compile_model, run_model
from apc.progress import progress
from apc.report.compilation import compile_report, compile_table
from apc.report.run import run_report, summary
from examples import digits, drawn, resnet18
from examples.common import CACHE, onnxruntime_outputs, save_npz, save_onnx

FOLDER = CACHE / "demo"


def main() -> int:
    started = time.perf_counter()
    console = result_console()
    good = demo_digits(FOLDER, console)
    good &= demo_resnet18(FOLDER, console)
    verdict = "everything agrees" if good else "THERE ARE DIFFERENCES"
    console.print(f"\n{verdict}; {time.perf_counter() - started:.0f} s; the files are in {shown(FOLDER)}/")
    return 0 if good else 1


def demo_digits(
    folder: Path, console: Console, settings: digits.Settings = digits.DEFAULTS, cache: Path = CACHE
) -> bool:
    """Train (or load), compile, run every test image. Are all predictions and logits those of onnxruntime?"""
    console.print("[bold]Ternary residual network on handwritten digits[/bold]")
    with progress("training"):
        model = digits.export(digits.train(settings, cache=cache), folder)
    data = digits.load_data()
    compile_file(folder / "digits.onnx", console, whole_table=True)
    result = run_file(folder / "digits.apc", folder / "digits_test.npz", console, check="onnxruntime")
    ours = result.outputs["logits"].argmax(axis=1)
    theirs = onnxruntime_outputs(model, data.test_images).argmax(axis=1)
    equal = int(np.sum(ours == theirs))
    console.print(
        f"accuracy: {accuracy(ours, data)} on the simulated machine, {accuracy(theirs, data)} in onnxruntime; "
        f"{equal} of {len(ours)} predictions are equal",
        soft_wrap=True,
    )
    return equal == len(ours)


def demo_resnet18(folder: Path, console: Console, *, size: int = 224, width: int = 64, classes: int = 1000) -> bool:
    """Draw the weights, compile, run one photo crop. Does every element of every layer equal the reference?"""
    console.print(f"\n[bold]ResNet-18 at {size}x{size}, ternary weights (density 0.2), 4-bit activations[/bold]")
    with progress("drawing weights, exporting"):
        model, images = resnet18.build(size=size, width=width, num_classes=classes, density=0.2)
        proto, inputs = drawn.export(model, images)
    save_onnx(proto, folder / "resnet18.onnx")
    save_npz(folder / "resnet18_input.npz", "input", inputs)
    compile_file(folder / "resnet18.onnx", console, whole_table=False)
    result = run_file(folder / "resnet18.apc", folder / "resnet18_input.npz", console, check="reference")
    return result.check is not None and result.check.mismatches == 0


def compile_file(path: Path, console: Console, *, whole_table: bool) -> None:
    """What `apc compile` does; of the static counts, all layers are shown or the totals only."""
    output = path.with_suffix(".apc")
    console.print(f"$ apc compile {shown(path)} -o {shown(output)}", soft_wrap=True)
    started = time.perf_counter()
    with progress("compiling") as update:
        compilation = compile_model(path, progress=update)
    apc.save(compilation.program, output)
    elapsed = time.perf_counter() - started
    report = compile_report(compilation.program, elapsed, compilation.warnings)
    for part in compile_table(report if whole_table else {**report, "layers": []}, console.width):
        console.print(part)
    console.print(
        f"{len(report['layers'])} layers, {output.stat().st_size:,} bytes, compiled in {elapsed:.1f} s. Counts are "
        "exact; the energy is an ESTIMATE from expected switching, which a run counts:",
        soft_wrap=True,
    )


def run_file(program: Path, images: Path, console: Console, check: Literal["reference", "onnxruntime"]) -> RunResult:
    """What `apc run` does, without its table of layers."""
    command = f"$ apc run {shown(program)} --input {shown(images)} --check {check}"
    console.print(command, soft_wrap=True)
    loaded = apc.load(program)
    with np.load(images) as arrays, progress("simulating") as update:
        result = run_model(loaded, dict(arrays), check=check, progress=update)
    for line in summary(run_report(loaded, result, "fast")):
        console.print(line, soft_wrap=True)
    return result


def accuracy(predictions: np.ndarray, data: digits.Dataset) -> str:
    return f"{100 * np.mean(predictions == data.test_labels):.2f} %"


def shown(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    raise SystemExit(main())
