"""Comparing a simulation with what it must equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from apc.driver import CheckResult
from apc.onnxruntime_session import open_session
from ir.errors import UserError
from ir.program import Boundary, Program

if TYPE_CHECKING:
    import onnx

    from ir.graph import Graph
    from simulator.rtm.run import SimulationResult


class ReferenceCheck:
    """Every stored tensor, batch after batch, against the integer reference interpreter on the model that the program
    was made from.

    The graph is imported again from the model in the program and is not transformed, so that passes, lowering, code
    generation and simulation all stand on trial. Tensors are matched by name, which no pass may invent.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = source_graph(program)
        self.batches: list[list[dict[str, Any]]] = []

    def add(self, inputs: Mapping[str, np.ndarray], simulation: SimulationResult) -> None:
        """Compare a batch. ``inputs``: integers by name; ``simulation``: with all tensors. Raises UserError for a
        tensor that the imported graph does not have: the check would pass over it in silence."""
        from ir.interpreter import run_graph

        values = run_graph(self.graph, {name: array.astype(np.int64) for name, array in inputs.items()}, keep="all")
        stored = [(index, tensor.name) for index, tensor in enumerate(self.program.tensors) if tensor.producer >= 0]
        self.batches.append([_compare(name, simulation.tensors[index], values.get(name)) for index, name in stored])

    def result(self) -> CheckResult:
        """Of all batches."""
        layers = [
            {
                "name": batches[0]["name"],
                "elements": sum(layer["elements"] for layer in batches),
                "mismatches": sum(layer["mismatches"] for layer in batches),
                "max_abs_difference": max(layer["max_abs_difference"] for layer in batches),
            }
            for batches in zip(*self.batches, strict=True)
        ]
        return CheckResult(
            "reference",
            sum(layer["elements"] for layer in layers),
            sum(layer["mismatches"] for layer in layers),
            max((layer["max_abs_difference"] for layer in layers), default=0),
            layers,
        )


def _compare(name: str, got: np.ndarray, wanted: np.ndarray | None) -> dict[str, Any]:
    """``got``: as stored; where channels are stored one a position, (N, 1, C, 1) stands for (N, C, 1, 1)."""
    if wanted is not None and got.shape == (wanted.shape[0], 1, wanted.shape[1], 1) and wanted.shape[2:] == (1, 1):
        wanted = wanted.reshape(got.shape)
    if wanted is None or got.shape != wanted.shape:
        raise UserError(
            f"--check reference: the model in this program has no tensor {name} of shape {got.shape} to compare with: "
            "compile it again"
        )
    difference = np.abs(got - wanted)
    return {
        "name": name,
        "elements": difference.size,
        "mismatches": int(np.count_nonzero(difference)),
        "max_abs_difference": int(difference.max(initial=0)),
    }


def check_onnxruntime(
    program: Program, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> CheckResult:
    """The outputs against onnxruntime with graph optimisations off, in steps of each output's own scale.

    onnxruntime computes in float32: differences of one step where its rounding decides are its own, and are reported.
    """
    expected = run_onnxruntime(source_model(program), inputs, [boundary.name for boundary in program.outputs])
    elements = mismatches = 0
    largest = 0.0
    for boundary in program.outputs:
        steps = np.abs(_in_steps(boundary, outputs[boundary.name]) - _in_steps(boundary, expected[boundary.name]))
        elements += steps.size
        mismatches += int(np.count_nonzero(np.rint(steps)))
        largest = max(largest, float(np.rint(steps).max(initial=0)))
    return CheckResult("onnxruntime", elements, mismatches, largest)


def _in_steps(boundary: Boundary, values: np.ndarray) -> np.ndarray:
    if boundary.scale is None:
        return values.astype(np.float64)
    column = (1, -1, *([1] * (values.ndim - 2))) if values.ndim > 1 else (-1,)
    return values.astype(np.float64) / boundary.scale.astype(np.float64).reshape(column)


def run_onnxruntime(
    model: onnx.ModelProto, inputs: Mapping[str, np.ndarray], names: list[str], threads: int = 2
) -> dict[str, np.ndarray]:
    """Outputs of a model by onnxruntime, graph optimisations off, batch by batch where its batch is fixed.

    Raises UserError where onnxruntime cannot run the model (operators of QONNX), or the images fill no fixed batch.
    """
    batch = next(iter(inputs.values())).shape[0]
    complaint = "--check onnxruntime: it cannot run this model, use --check reference"
    with open_session(model, complaint, threads) as session:
        fixed = next((i.shape[0] for i in session.get_inputs() if i.shape and isinstance(i.shape[0], int)), None)
        size = batch if fixed is None else fixed
        if batch % size:
            raise UserError(
                f"--check onnxruntime: the model takes batches of {size}, and {batch} images are no multiple"
            )
        parts = [
            session.run(names, {name: array[start : start + size] for name, array in inputs.items()})
            for start in range(0, batch, size)
        ]
    return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}


def source_graph(program: Program) -> Graph:
    """The integer graph of that model, imported again and not transformed."""
    from apc.frontend import load_graph

    return load_graph(source_model(program)).graph


def source_model(program: Program) -> onnx.ModelProto:
    """The quantised ONNX model that a program was compiled from. Raises UserError where it holds none."""
    import onnx

    if not program.model:
        raise UserError("this program does not contain the model it was compiled from: compile it again")
    return onnx.load_model_from_string(program.model)
