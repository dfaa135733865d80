"""Small VGG and MobileNet networks: exported, compiled at several levels, simulated, compared."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest

from apc.driver import CompileOptions, compile_model, run_model
from examples import drawn, mobilenet, vgg
from ir.verify_program import verify_program


@functools.cache
def network(name: str) -> tuple[onnx.ModelProto, np.ndarray]:
    """The model, and three images."""
    if name == "vgg":
        built = vgg.build(layers=9, size=16, width=4, num_classes=5, seed=1)
    else:
        blocks = ((2, 1), (4, 2), (4, 1))
        built = mobilenet.build(size=12, width=4, num_classes=5, small_input=True, blocks=blocks, seed=1)
    return drawn.export(*built, batch=3, seed=1)


@pytest.mark.parametrize("level", ["O0", "O1", "O2"])
@pytest.mark.parametrize("name", ["vgg", "mobilenet"])
def test_no_element_differs_from_the_reference(name: str, level: str) -> None:
    model, images = network(name)
    program = compile_model(model, CompileOptions(level=level)).program
    verify_program(program)
    logits = []
    for batch in (1, 3):
        result = run_model(program, {"input": images[:batch]}, check="reference")
        assert result.check is not None and result.check.mismatches == 0
        assert len(result.check.layers) == len(program.layers)
        assert result.check.elements == sum(
            batch * t.channels * t.positions for t in program.tensors if t.producer >= 0
        )
        logits.append(result.outputs["logits"])
    assert np.array_equal(logits[0], logits[1][:1])
    assert len(np.unique(logits[1])) > 5, "the images are told apart"
    check = run_model(program, {"input": images}, check="onnxruntime").check
    assert check is not None and check.mismatches == 0
