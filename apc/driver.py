"""The way of a model: read, transform, compile, simulate, check, price."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apc.options import ModelOptions, Progress, part_of, silent, taking
from ir.program import Program

if TYPE_CHECKING:
    from apc.accounting import Accounts
    from apc.wear import RunWear
    from backends.cost import CostReport
    from backends.rtm_ap.decisions import Decision
    from ir.graph import Graph
    from ir.passes.manager import PassStatistics
    from simulator.rtm.run import SimulationResult


@dataclass(frozen=True)
class CompileOptions:
    """What ``compile_model`` can be told.

    ``overrides``: "KEY=VALUE" for figures of the target; ``passes``: "a,b{x=1}", to run instead of the level's own;
    ``pass_options``: "PASS.OPTION=VALUE", each changing one option; ``calibration``: inputs by name for activations
    that are still float; ``after_pass``: sees the graph after each of its passes; ``workers``: processes that compile
    layers (1: this one, None: as many as pay), which the program does not depend on.
    """

    target: str | Path = "rtm-ap-published"
    overrides: Sequence[str] = ()
    level: str = "O2"
    passes: str | None = None
    pass_options: Sequence[str] = ()
    calibration: Mapping[str, np.ndarray] | None = None
    activations: int = 4
    input_shapes: Mapping[str, tuple[int, ...]] | None = None
    ternary_tolerance: float = 0.0
    after_pass: Callable[[str, Graph], None] | None = None
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Compilation:
    """A program, the graph it came from, and what there is to say about both. ``passes``: what each of the graph's
    passes did; ``decisions``: how every layer came to be compiled the way it is."""

    program: Program
    graph: Graph
    passes: list[PassStatistics]
    decisions: list[Decision]
    warnings: list[str]


def compile_model(
    source: Any, options: CompileOptions | None = None, *, example: Any = None, progress: Progress = silent
) -> Compilation:
    """Compile an ``.onnx`` file, a "package.module:factory" or an nn.Module with an example input.

    Raises UserError, one line, for whatever is wrong with the model, the target or the options.
    """
    from apc.frontend import load_graph
    from apc.passes import choose_passes
    from backends.rtm_ap.compiler import Origin, compile_graph
    from backends.target import load_target
    from ir.passes.manager import run_passes

    options = options or CompileOptions()
    passes = choose_passes(options.level, options.passes, options.pass_options)
    target = load_target(options.target, options.overrides)
    progress(0, 0, "reading the model")
    loaded = load_graph(
        source,
        example=example,
        input_shapes=options.input_shapes,
        ternary_tolerance=options.ternary_tolerance,
        calibration=options.calibration,
        activations=options.activations,
    )
    progress(0, 0, "transforming the graph")
    statistics = run_passes(loaded.graph, passes.graph, options.after_pass)
    origin = Origin(loaded.model_bytes_sha256, options.level, tuple(passes.texts))
    progress(0, 0, "compiling the first layers")
    decisions: list[Decision] = []
    program = compile_graph(
        loaded.graph,
        target,
        origin,
        lambda name, done, total: progress(done, total, name),
        pipeline=passes.layer,
        decided=decisions.append,
        workers=options.workers,
    )
    program.model = loaded.onnx_model.SerializeToString()
    program.host_steps = host_steps(program)
    return Compilation(program, loaded.graph, statistics, decisions, loaded.warnings)


def host_steps(program: Program) -> list[dict[str, Any]]:
    """What is left to a host: the float side of the network's inputs and outputs, with the bytes that cross."""
    steps = []
    for kind, boundaries in (("quantise input", program.inputs), ("dequantise output", program.outputs)):
        for boundary in boundaries:
            if boundary.scale is not None:
                tensor = program.tensors[boundary.tensor]
                width = np.dtype(boundary.dtype).itemsize
                crossing = tensor.channels * tensor.positions * width
                steps.append({"name": boundary.name, "operator": kind, "bytes_per_image": crossing})
    return steps


@dataclass(frozen=True)
class CheckResult:
    """Elements that differ between the simulation and what it was compared with, in integer steps."""

    against: str
    elements: int
    mismatches: int
    max_abs_difference: float
    layers: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class RunResult:
    """``outputs``: by ONNX name, with the ONNX graph's shapes and dtypes. ``simulation``: of all images, with counters
    and what went wrong in every layer, and the outputs as integers. ``batches``: the cost of each batch; they follow
    one another on the chip, and ``cost`` is that of them all. ``wall_s``: of the simulation. ``accuracy``: share of the
    images whose highest output is that of their label, where labels were given."""

    images: int
    outputs: dict[str, np.ndarray]
    simulation: SimulationResult
    accounts: Accounts
    batches: list[CostReport]
    cost: CostReport
    wall_s: float
    check: CheckResult | None = None
    wear: RunWear | None = None
    accuracy: float | None = None


@taking(ModelOptions)
def run_model(program: Program, inputs: Mapping[str, np.ndarray], options: ModelOptions) -> RunResult:
    """Simulate images.

    ``inputs``: arrays by ONNX input name with the graph's shapes and dtypes (any number of images). Call it with the
    fields of ``ModelOptions`` as keywords. Raises UserError for inputs and faults that do not fit.
    """
    from apc.checks import ReferenceCheck, check_onnxruntime
    from apc.labels import Classifier
    from apc.session import BatchedRun, Session, images_of

    options.progress(0, 0, "preparing the program")
    session = Session(program, options)
    batches = session.batches(inputs)
    classifier = Classifier.of(program, options.labels, images_of(batches))
    runs = BatchedRun(session)
    reference = ReferenceCheck(program) if options.check == "reference" else None
    for number, batch in enumerate(batches):
        done = session.run(
            batch,
            keep="all" if reference else "outputs",
            faults=None if options.faults is None else session.plan(options.faults, batch, options.trial),
            wear=options.wear,
            progress=part_of(options.progress, number, len(batches)),
        )
        runs.add(done)
        if reference:
            options.progress(0, 0, "checking with the reference")
            reference.add(batch.integers, done.simulation)
    result = runs.result()
    result = replace(result, accuracy=classifier.accuracy(result.outputs))
    if reference:
        return replace(result, check=reference.result())
    if options.check == "onnxruntime":
        options.progress(0, 0, "checking with onnxruntime")
        return replace(result, check=check_onnxruntime(program, inputs, result.outputs))
    return result
