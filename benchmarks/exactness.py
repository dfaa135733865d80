"""Is every bit right? Against the reference interpreter and against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from ir.program import Program


def exactness(workload: Workload) -> Iterator[Result]:
    """Elements that differ from the reference interpreter in any layer, and logits that equal onnxruntime's."""
    yield _against_reference(workload, workload.program)
    share, top = _against_onnxruntime(workload, workload.program)
    images = f"{workload.size.batch} images, graph optimisations off"
    yield Result("logits' quantised values equal to onnxruntime's", share, "%", Limit(">=", 99.9), images)
    yield Result("images with onnxruntime's top-1", top, "%", Limit("==", 100), images)


def float_scales(workload: Workload) -> Iterator[Result]:
    """The same with arbitrary activation scales: float32 has to round, and an untrained network amplifies that."""
    import apc

    workload.compile(workload.float_scales_model)
    program = apc.load(workload.float_scales_model.with_suffix(".apc"))
    yield _against_reference(workload, program)
    share, top = _against_onnxruntime(workload, program)
    yield Result("logits' quantised values equal to onnxruntime's", share, "%")
    yield Result("images with onnxruntime's top-1", top, "%")


def _against_reference(workload: Workload, program: Program) -> Result:
    from apc.driver import run_model

    check = run_model(program, {"input": workload.images(1)}, threads=workload.size.threads, check="reference").check
    if check is None:
        raise RuntimeError("the check against the reference did not run")
    note = f"of {check.elements:,} in the outputs of {len(check.layers)} of {len(program.layers)} layers, one image"
    return Result("elements that differ from the reference", check.mismatches, "", Limit("==", 0), note)


def _against_onnxruntime(workload: Workload, program: Program) -> tuple[float, float]:
    """Percent of the logits' quantised values that are equal, percent of images with the same top-1."""
    import onnx

    from apc.checks import check_onnxruntime, run_onnxruntime
    from apc.driver import run_model

    inputs = {"input": workload.images(workload.size.batch)}
    outputs = run_model(program, inputs, threads=workload.size.threads).outputs
    check = check_onnxruntime(program, inputs, outputs)
    theirs = run_onnxruntime(onnx.load_model_from_string(program.model), inputs, ["logits"])["logits"]
    same = outputs["logits"].argmax(axis=1) == theirs.argmax(axis=1)
    return 100 * (1 - check.mismatches / check.elements), 100 * float(same.mean())
