"""VGG and MobileNet examples, small: compiled at every level, run, and compared element by element."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from apc.driver import CompileOptions, compile_model, run_model
from examples import mobilenet, vgg
from examples.drawn import export

LEVELS = ("O0", "O1", "O2", "O3")
FEW_BLOCKS = ((2, 1), (4, 2), (4, 1))


@functools.cache
def exported(name: str, batch: int) -> tuple[onnx.ModelProto, np.ndarray]:
    if name == "mobilenet":
        model, crops = mobilenet.build(size=16, width=6, num_classes=5, small_input=True, blocks=FEW_BLOCKS, seed=1)
        return export(model, crops, batch=batch, seed=1)
    layers = int(name.removeprefix("vgg"))
    net, crops = vgg.build(layers=layers, size=32 if layers == 11 else 16, width=4, num_classes=5, seed=1)
    return export(net, crops, batch=batch, seed=1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["vgg9", "vgg11", "mobilenet"])
def test_no_element_differs(name: str, batch: int, level: str) -> None:
    model, images = exported(name, batch)
    program = compile_model(model, CompileOptions(level=level)).program
    checks: tuple[Literal["reference", "onnxruntime"], ...] = ("reference", "onnxruntime")
    for against in checks:
        result = run_model(program, {"input": images}, check=against)
        assert result.check is not None and result.check.elements >= 5 * batch
        assert result.check.mismatches == 0
        assert result.images == batch and len(np.unique(result.outputs["logits"])) > 3


@pytest.mark.parametrize(
    ("name", "convolutions", "linear", "pools"), [("vgg9", 6, 3, 3), ("vgg11", 8, 3, 5), ("mobilenet", 7, 1, 0)]
)
def test_topology_and_weights(name: str, convolutions: int, linear: int, pools: int) -> None:
    model, _ = exported(name, 1)
    operators = [node.op_type for node in model.graph.node]
    assert [operators.count(kind) for kind in ("Conv", "Gemm", "MaxPool")] == [convolutions, linear, pools]
    levels = [
        numpy_helper.to_array(tensor).astype(np.int64)
        for tensor in model.graph.initializer
        if tensor.name.endswith("_quantized")
    ]
    ternary = [values for values in levels if np.abs(values).max() == 1]
    assert len(levels) == convolutions + linear and len(ternary) == len(levels) - 2, "the ends are int8"
    for values in ternary:
        nonzeros = (values.reshape(len(values), -1) != 0).sum(axis=1)
        assert (nonzeros == max(1, round(0.2 * values[0].size))).all()


def test_depthwise_convolutions_are_grouped() -> None:
    model, _ = exported("mobilenet", 1)
    groups = [attribute.i for node in model.graph.node for attribute in node.attribute if attribute.name == "group"]
    assert sorted(group for group in groups if group > 1) == [6, 12, 24]


def test_larger_images_are_averaged_before_the_linear_layers() -> None:
    net, _ = vgg.build(layers=11, size=64, width=4, num_classes=5)
    assert net.fc1.in_features == 32


@pytest.mark.slow
def test_vgg9_at_full_size_has_no_element_that_differs() -> None:
    model, images = export(*vgg.build())
    result = run_model(compile_model(model).program, {"input": images}, check="reference")
    assert result.check is not None and result.check.mismatches == 0
