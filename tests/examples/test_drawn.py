"""The drawn examples but ResNet-18: topology and weights of small versions, and the files that the scripts write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from torch import nn

from examples import drawn, mobilenet, resnet18, resnet50, vgg


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(("layers", "channels", "pools"), [(9, "112244", 3), (11, "12448888", 5)])
def test_vgg_has_its_layers(layers: int, channels: str, pools: int) -> None:
    model = vgg.VGG(layers, size=32, width=64, num_classes=10)
    assert [module.out_channels for module in convolutions(model)] == [64 * int(digit) for digit in channels]
    kinds = Counter(type(module) for module in model.modules())
    assert kinds[nn.Conv2d] + kinds[nn.Linear] == layers and kinds[nn.MaxPool2d] == pools


def test_mobilenet_has_the_published_number_of_weights() -> None:
    model = mobilenet.MobileNet(mobilenet.BLOCKS, width=32, num_classes=1000, small_input=False)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_231_976, "Howard et al. 2017: 4.2 million"
    depthwise = convolutions(model)[1::2]
    assert len(depthwise) == 13 and all(module.groups == module.out_channels for module in depthwise)


def test_resnet50_has_its_layers_and_the_published_number_of_weights() -> None:
    model = resnet50.ResNet50(resnet50.BLOCKS, num_classes=1000, width=64)
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_557_032, "torchvision's resnet50"
    strided = [module.kernel_size for module in convolutions(model) if module.stride == (2, 2)]
    assert strided == [(7, 7), *[(3, 3), (1, 1)] * 3], "v1.5: the 3x3 convolution has the stride, and the shortcut"


@pytest.mark.parametrize("ternary_ends", [False, True])
def test_weights_are_ternary_but_for_the_ends(ternary_ends: bool) -> None:
    small: list[nn.Module] = [
        vgg.build(layers=9, size=16, width=8, ternary_ends=ternary_ends)[0],
        mobilenet.build(size=16, width=8, blocks=((2, 1), (4, 2)), ternary_ends=ternary_ends)[0],
        resnet50.build(size=32, width=4, blocks=(1, 1, 1, 1), ternary_ends=ternary_ends)[0],
    ]
    for model in small:
        weights = [m.weight.detach().numpy() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for weight in weights if ternary_ends else weights[1:-1]:
            rows = weight.reshape(len(weight), -1)
            assert all(len(np.unique(np.abs(row[row != 0]))) == 1 for row in rows)
            assert (np.count_nonzero(rows, axis=1) == max(1, round(0.2 * rows.shape[1]))).all()
        if not ternary_ends:
            assert all(len(np.unique(np.abs(end))) > 10 * len(end) for end in (weights[0], weights[-1]))


@pytest.mark.parametrize(
    ("example", "options", "operators"),
    [
        (resnet18, ["--small-input"], {"Conv": 20, "Add": 8, "Gemm": 1}),
        (resnet50, [], {"Conv": 53, "Add": 16, "MaxPool": 1, "Gemm": 1}),
        (vgg, ["--layers", "11", "--ternary-ends"], {"Conv": 8, "MaxPool": 5, "Gemm": 3}),
        (mobilenet, ["--small-input"], {"Conv": 27, "Gemm": 1}),
    ],
)
def test_scripts_write_a_model_and_an_input(
    example: object, options: list[str], operators: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = ["--size", "32", "--width", "4", "--classes", "5", "--batch", "2"]
    monkeypatch.setattr("sys.argv", ["example.py", "-o", str(tmp_path / "net.onnx"), *size, *options])
    example.main()
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model)
    found = Counter(node.op_type for node in model.graph.node)
    assert {operator: found[operator] for operator in operators} == operators
    with np.load(tmp_path / "net_input.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {"input": (2, 3, 32, 32)}
    levels = {
        tensor.name.split(".")[0]: int(np.abs(numpy_helper.to_array(tensor).astype(np.int64)).max())
        for tensor in model.graph.initializer
        if tensor.name.endswith("_quantized")
    }
    assert (max(levels.values()) == 1) == ("--ternary-ends" in options)


def test_large_maps_are_averaged_before_the_linear_layers() -> None:
    assert vgg.VGG(9, size=32, width=4, num_classes=2).fc1.in_features == 16 * 4 * 4
    assert vgg.VGG(9, size=64, width=4, num_classes=2).fc1.in_features == 16


def test_exported_images_were_not_calibrated_on() -> None:
    model, crops = mobilenet.build(size=16, width=4, num_classes=3, blocks=((2, 2),), small_input=True)
    _, inputs = drawn.export(model, crops, batch=3)
    assert crops.shape == (drawn.CALIBRATION_IMAGES, 3, 16, 16) and inputs.shape == (3, 3, 16, 16)
    assert not any(np.array_equal(image, crop) for image in inputs for crop in crops)
