"""`apc compare`: a network on every backend, break-even points, and what decides between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from apc import artifact
from apc.accounting import Accounts
from apc.checks import source_graph
from apc.comparison.accuracy import accuracy_of, array_classes
from apc.comparison.arrays import array_backends
from apc.comparison.associative import Pricer, associative_backend
from apc.comparison.backend import Backend
from apc.comparison.break_even import BreakEven, break_even
from apc.comparison.data import Data, run_data
from apc.comparison.sensitivity import FACTOR, LARGEST_FACTOR, Sensitivity, probes, sensitivity
from apc.comparison.sides import Sides, choose_sides, first_target
from apc.comparison.workload import Workload, workload
from apc.driver import CompileOptions, compile_model
from apc.options import Progress, part_of, silent
from backends.target import Target, load_target
from ir.errors import UserError
from ir.graph import Graph
from ir.program import Program


@dataclass(frozen=True, eq=False, kw_only=True)
class CompareOptions:
    """``against``: crossbars and SRAM arrays, presets or .toml files (all presets where empty). ``targets``:
    associative processors, the first is the one that ratios refer to (where empty: the program's own, then all presets
    with the same arrays). ``overrides``: "NAME.KEY=VALUE". ``inputs``: images by ONNX input name, and ``labels``, their
    classes, int[images]; only the first ``images`` of them where that is given. ``batch``: images that are priced (and
    run) together. ``factor``: of the sensitivity table, None for no such table."""

    against: Sequence[str | Path] = ()
    targets: Sequence[str | Path] = ()
    overrides: Sequence[str] = ()
    inputs: Mapping[str, np.ndarray] | None = None
    labels: np.ndarray | None = None
    images: int | None = None
    batch: int = 1
    threads: int = 2
    factor: float | None = FACTOR
    progress: Progress = silent

    def __post_init__(self) -> None:
        for name, count in (("images", self.images), ("batch", self.batch), ("threads", self.threads)):
            if count is not None and count < 1:
                raise UserError(f"--{name} {count}: at least one is needed")
        if self.factor is not None and not 1 < self.factor <= LARGEST_FACTOR:
            raise UserError(
                f"--factor {self.factor:g}: it must be above 1 and at most {LARGEST_FACTOR:g}, for instance {FACTOR:g}"
            )
        if self.inputs is None and (self.labels is not None or self.images is not None):
            raise UserError("labels and a number of images are of a dataset: give --dataset D.npz too")
        for name, words in (("against", self.against), ("targets", self.targets), ("overrides", self.overrides)):
            if isinstance(words, str):
                raise UserError(f"{name} is the string {words!r}: give a list of strings")


@dataclass(frozen=True, eq=False)
class Comparison:
    """``backends``: the associative processors, then the arrays they are compared with; ratios refer to the first
    (``reference``). ``break_even`` and ``sensitivity``: of every associative processor with every array.
    ``factor``: of the sensitivity; ``images``: of the dataset; ``notes``: what was left out, and why."""

    workload: Workload
    backends: Sequence[Backend]
    break_even: Sequence[BreakEven]
    sensitivity: Sequence[Sensitivity]
    factor: float | None
    images: int | None
    notes: Sequence[str]

    @property
    def reference(self) -> Backend:
        return self.backends[0]

    def ratio_to_ap(self, backend: Backend) -> float:
        """Energy of an image over that on the reference."""
        return backend.energy_J / self.reference.energy_J


def compare(
    source: Any, options: CompareOptions, *, example: Any = None, warn: Callable[[str], None] = warnings.warn
) -> Comparison:
    """Compare backends on ``source``: a program, the path of an .apc file, or a model (as for
    ``apc.driver.compile_model``, whose warnings go to ``warn``) that is compiled for the first target. Raises
    UserError, one line, for what the user can mend."""
    name = Path(source).stem if isinstance(source, str | Path) and Path(source).suffix in (".apc", ".onnx") else ""
    if isinstance(source, str | Path) and Path(source).suffix == ".apc":
        options.progress(0, 0, "loading the program")
        source = artifact.load(source)
    if isinstance(source, Program):
        own = Target.from_table(source.target)
        sides = choose_sides(own, options.targets, options.against, options.overrides)
        return _compared(source, name, sides, options)
    first, overrides = first_target(options.targets, options.against, options.overrides)
    own = load_target(first, overrides)
    sides = choose_sides(own, options.targets, options.against, options.overrides, compiled_as=first)
    compiling = CompileOptions(target=first, overrides=overrides)
    compilation = compile_model(source, compiling, example=example, progress=options.progress)
    for message in compilation.warnings:
        warn(message)
    return _compared(compilation.program, name, sides, options)


def _compared(program: Program, name: str, sides: Sides, options: CompareOptions) -> Comparison:
    """``name``: of the network in what is reported; the program's where it is empty."""
    options.progress(0, 0, "reading the network")
    graph = source_graph(program)
    name = name or program.name or graph.name
    inputs = options.inputs
    data = None if inputs is None else _run(program, graph, inputs, options)
    work = workload(graph, name, program.model_sha256, options.batch if data is None else data.batch)
    if not work.macs:
        raise UserError(f"{work.name}: has no convolution and no matrix product: there is nothing to compare")
    accounts = Accounts(program) if data is None else data.accounts
    options.progress(0, 0, "pricing the backends")
    pricer = Pricer(accounts, work.batch, None if data is None else data.written_bits)
    backends = [
        associative_backend(pricer, target, preset, sides.overrides[preset], work.macs) for preset, target in sides.aps
    ]
    backends += array_backends(graph, work, sides.arrays, sides.overrides, data)
    for item in backends:
        if not item.energy_J:
            raise UserError(f"{item.name}: takes no energy at all with these figures, so that nothing compares with it")
    if data is not None:
        backends = _with_accuracy(backends, sides, graph, data, options)
    aps, arrays = backends[: len(sides.aps)], backends[len(sides.aps) :]
    return Comparison(
        work,
        backends,
        [break_even(ap, array) for ap in aps for array in arrays],
        _sensitivities(aps, arrays, options),
        options.factor,
        None if data is None else data.images,
        sides.notes,
    )


def _run(program: Program, graph: Graph, inputs: Mapping[str, np.ndarray], options: CompareOptions) -> Data:
    chosen = {name: array[: options.images] if np.ndim(array) else array for name, array in inputs.items()}
    labels = None if options.labels is None else options.labels[: options.images]
    return run_data(program, graph, chosen, labels, options.batch, options.threads, options.progress)


def _with_accuracy(
    backends: Sequence[Backend], sides: Sides, graph: Graph, data: Data, options: CompareOptions
) -> list[Backend]:
    exact, labels = data.classes, data.classifier.labels
    aps, arrays = backends[: len(sides.aps)], backends[len(sides.aps) :]
    found = [replace(item, accuracy=accuracy_of(exact, exact, labels)) for item in aps]
    for number, (item, (_, target)) in enumerate(zip(arrays, sides.arrays, strict=True)):
        progress = part_of(options.progress, number, len(arrays), item.name)
        classes = array_classes(graph, target, data, options.threads, progress)
        found.append(replace(item, accuracy=accuracy_of(classes, exact, labels)))
    return found


def _sensitivities(aps: Sequence[Backend], arrays: Sequence[Backend], options: CompareOptions) -> list[Sensitivity]:
    if options.factor is None:
        return []
    of_aps, of_arrays = ([probes(item, options.factor, options.progress) for item in side] for side in (aps, arrays))
    return [
        sensitivity(ap, array, of_ap, of_array)
        for ap, of_ap in zip(aps, of_aps, strict=True)
        for array, of_array in zip(arrays, of_arrays, strict=True)
    ]
