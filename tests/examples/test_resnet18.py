"""The ternary ResNet-18 example at reduced width and size."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from examples.common import onnxruntime_outputs, photo_crops
from examples.drawn import export
from examples.resnet18 import build


@functools.cache
def exported(ternary_ends: bool) -> tuple[onnx.ModelProto, np.ndarray]:
    model, crops = build(size=32, width=8, num_classes=10, density=0.2, ternary_ends=ternary_ends, seed=1)
    return export(model, crops, batch=2, seed=1)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("ternary_ends", [False, True])
def test_topology_and_weights(ternary_ends: bool) -> None:
    model, inputs = exported(ternary_ends)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Conv") == 20 and operators.count("Gemm") == 1 and operators.count("Add") == 8
    names = {node.op_type: node.name for node in reversed(model.graph.node)}
    assert (names["Conv"], names["Add"], names["Gemm"]) == ("conv1", "layer1.0.add", "fc")
    assert model.ir_version == 10 and inputs.shape == (2, 3, 32, 32)
    values = constants(model)
    layers = [name for name in values if name.endswith("_quantized")]
    assert len(layers) == 21
    for name in layers:
        levels = values[name].astype(np.int64)
        if name.startswith(("conv1.", "fc.")) and not ternary_ends:
            assert 50 < np.abs(levels).max() <= 127
            continue
        per_channel = (levels.reshape(len(levels), -1) != 0).sum(axis=1)
        fan_in = levels[0].size
        assert set(np.unique(levels)) == {-1, 0, 1}
        assert (per_channel == max(1, round(0.2 * fan_in))).all()
    bits = [(node.input[1], node.input[2]) for node in model.graph.node if node.op_type == "Clip"]
    limits = {(int(values[low]), int(values[high])) for low, high in bits}
    assert limits == {(0, 15), (-8, 7)}


def test_onnxruntime_equals_another_evaluator_bit_for_bit() -> None:
    model, inputs = exported(False)
    logits = onnxruntime_outputs(model, inputs)
    assert logits.shape == (2, 10)
    (reference,) = ReferenceEvaluator(model).run(["logits"], {"input": inputs})
    assert np.array_equal(logits, np.asarray(reference))
    assert len(np.unique(logits)) > 5


def test_activations_spread_over_their_range() -> None:
    model, inputs = exported(False)
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    for node in model.graph.node:
        if node.op_type == "Clip":
            value = constants(model)[node.input[1]]
            kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            exposed.graph.output.append(onnx.helper.make_tensor_value_info(node.output[0], kind, None))
    _, *tensors = ReferenceEvaluator(exposed).run(None, {"input": inputs})
    for levels in map(np.asarray, tensors):
        assert len(np.unique(levels)) >= 8
        assert np.mean((levels == levels.max()) & (levels != 0)) < 0.25


def test_crops_are_normalised_photos_that_follow_the_seed() -> None:
    crops = photo_crops(4, 48, seed=3)
    assert crops.shape == (4, 3, 48, 48) and crops.dtype == np.float32
    assert np.array_equal(crops, photo_crops(4, 48, seed=3))
    assert not np.array_equal(crops, photo_crops(4, 48, seed=4))
    assert -2.2 < crops.min() < crops.max() < 2.7
    neighbours = np.corrcoef(crops[..., 1:].ravel(), crops[..., :-1].ravel())[0, 1]
    assert neighbours > 0.8, "photos are smooth, noise is not"
