"""Drawn networks where end_to_end/test_drawn_networks.py is silent: VGG-11, bottlenecks, -O3, and (slow) full size."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from apc.driver import CompileOptions, compile_model, run_model
from examples import mobilenet, resnet50, vgg
from examples.drawn import export


def exported(name: str) -> tuple[onnx.ModelProto, np.ndarray]:
    """The model, and three images."""
    if name == "mobilenet":
        built = mobilenet.build(size=12, width=4, num_classes=5, small_input=True, blocks=((2, 1), (4, 2)), seed=1)
        return export(*built, batch=3, seed=1)
    if name == "resnet50":
        built = resnet50.build(size=32, width=4, num_classes=5, blocks=(2, 1, 1, 1), seed=1)
        return export(*built, batch=3, seed=1)
    net, crops = vgg.build(layers=11, size=32, width=4, num_classes=5, seed=1)
    return export(net, crops, batch=3, seed=1)


@pytest.mark.parametrize(
    ("name", "level"),
    [("vgg11", "O0"), ("vgg11", "O2"), ("vgg11", "O3"), ("mobilenet", "O3"), ("resnet50", "O2")],
)
def test_no_element_differs(name: str, level: str) -> None:
    model, images = exported(name)
    program = compile_model(model, CompileOptions(level=level)).program
    result = run_model(program, {"input": images}, check="reference")
    assert result.check is not None and result.check.mismatches == 0
    result = run_model(program, {"input": images}, check="onnxruntime")
    assert result.check is not None and result.check.mismatches == 0


@pytest.mark.slow
def test_vgg9_at_full_size_has_no_element_that_differs() -> None:
    model, images = export(*vgg.build())
    result = run_model(compile_model(model).program, {"input": images}, check="reference")
    assert result.check is not None and result.check.mismatches == 0
