"""Training, freezing and export of the trained examples: a short run by default, the full ones marked slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from apc.quantize.weights import quantise_weights
from examples import digits, mnist_resnet18
from examples.qat import ActivationQuantiser, Layer, ResidualNet, export_frozen, predict, shifted, straight_through
from examples.trained import Dataset, evaluate

SHORT = digits.Settings(epochs=3, width=8)


@pytest.fixture(scope="module")
def short_net(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResidualNet, onnx.ModelProto, Path]:
    folder = tmp_path_factory.mktemp("digits")
    net = digits.train(SHORT, cache=folder)
    return net, digits.export(net, folder), folder


def test_a_short_training_learns_and_onnxruntime_agrees(
    short_net: tuple[ResidualNet, onnx.ModelProto, Path],
) -> None:
    net, proto, folder = short_net
    result = evaluate(net, proto, digits.load_data())
    assert result.onnxruntime_accuracy > 0.6
    assert result.equal_predictions == result.images == 360
    assert result.equal_logits == 1
    with np.load(folder / "digits_test.npz") as inputs, np.load(folder / "digits_labels.npz") as labels:
        assert inputs.files == ["input"] and inputs["input"].shape == (360, 1, 8, 8)
        assert np.array_equal(labels["labels"], digits.load_data().test_labels)


def test_a_second_call_takes_the_checkpoint(short_net: tuple[ResidualNet, onnx.ModelProto, Path]) -> None:
    net, _, folder = short_net
    assert len(list(folder.glob("digits-*.pt"))) == 1
    images = torch.from_numpy(digits.load_data().test_images)
    assert np.array_equal(predict(digits.train(SHORT, cache=folder), images), predict(net, images))


def test_the_file_holds_the_frozen_integers_and_scales(
    short_net: tuple[ResidualNet, onnx.ModelProto, Path],
) -> None:
    net, proto, _ = short_net
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    assert proto.ir_version <= 10
    layers = {name: module for name, module in net.named_modules() if isinstance(module, Layer)}
    for name, layer in layers.items():
        levels = values[f"{name}.levels"]
        assert np.array_equal(levels, layer.levels.numpy())
        assert np.array_equal(values[f"{name}.level_scale"], layer.level_scale.numpy())
        most = 1 if layer.kind == "ternary" else 127
        assert levels.dtype == np.int8 and np.abs(levels).max() == most
    assert {node.name for node in proto.graph.node if node.op_type in ("Conv", "Gemm")} == set(layers)
    scales = {float(values[node.input[1]]) for node in proto.graph.node if node.op_type == "QuantizeLinear"}
    quantisers = [module for module in net.modules() if isinstance(module, ActivationQuantiser)]
    assert scales == {quantiser.scale for quantiser in quantisers}


@pytest.mark.parametrize("kind", ["ternary", "binary", "int8"])
def test_freezing_changes_a_layer_by_its_rounded_scale_only(kind: str) -> None:
    torch.manual_seed(0)
    layer = Layer(kind, nn.Conv2d(3, 4, 3, bias=False))
    assert layer.norm is not None
    layer.norm.weight.data = torch.tensor([1.0, -0.7, 0.0, 2.0])
    layer(torch.randn(8, 3, 6, 6))
    layer.eval()
    source = ActivationQuantiser(4, signed=False)
    x = source(torch.rand(2, 3, 6, 6)).detach()
    before = layer(x).detach()
    weight = layer.inner.weight.detach().numpy()
    layer.freeze(source)
    after = layer(x)
    assert (after - before).abs().max() < 0.01 * before.abs().max()
    signs = np.array([1, -1, 0, 1]).reshape(4, 1, 1, 1)
    assert np.array_equal(layer.levels.numpy(), quantise_weights(weight, kind).levels * signs)
    assert (layer.level_scale > 0).all()


def test_the_quantiser_rounds_forwards_and_passes_gradients_inside_its_range() -> None:
    quantiser = ActivationQuantiser(4, signed=False)
    quantiser.exponent.data.fill_(-2.0)
    quantiser.ready.fill_(True)
    x = torch.tensor([-1.0, 0.1, 0.124, 0.126, 1.0, 9.0], requires_grad=True)
    y = quantiser(x)
    assert y.tolist() == [0, 0, 0, 0.25, 1, 3.75]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 1, 0]
    quantiser.freeze()
    assert torch.equal(quantiser(x.detach()), y.detach())


def test_straight_through_and_shifts() -> None:
    x = torch.tensor([0.4], requires_grad=True)
    straight_through(x, torch.round(x)).backward()
    assert x.grad is not None and x.grad.item() == 1
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1
    moved = {
        tuple(int(index) for index in shifted(image, 1, torch.Generator().manual_seed(seed))[0, 0].nonzero()[0])
        for seed in range(60)
    }
    assert moved == {(row, column) for row in (1, 2, 3) for column in (1, 2, 3)}


@pytest.mark.parametrize(
    ("weights", "bits", "levels"), [("ternary", 4, 1), ("binary", 1, 1), ("binary", 8, 1), ("int8", 2, 127)]
)
def test_the_mnist_net_has_resnet18s_topology_and_the_wanted_bits(weights: str, bits: int, levels: int) -> None:
    net = mnist_resnet18.build(mnist_resnet18.Settings(width=4, weights=weights, bits=bits))
    images = torch.rand(4, 1, 28, 28).mul(256).floor().clamp(max=255) / 256
    net(images)
    net.freeze(images)
    proto = export_frozen(net, images[:2])
    operators = [node.op_type for node in proto.graph.node]
    counts = {name: operators.count(name) for name in ("Conv", "Gemm", "Add", "MaxPool", "ReduceMean")}
    assert counts == {"Conv": 20, "Gemm": 1, "Add": 8, "MaxPool": 1, "ReduceMean": 1}
    inner = [layer.levels.numpy() for name, layer in net.named_modules() if isinstance(layer, Layer) and "." in name]
    assert len(inner) == 19 and {int(np.abs(values).max()) for values in inner} == {levels}
    assert all(np.abs(values).min() == 1 for values in inner) == (weights == "binary")
    quantisers = {name: module for name, module in net.named_modules() if isinstance(module, ActivationQuantiser)}
    read = {module.high for name, module in quantisers.items() if name.endswith(("quantiser", "quantiser1", "stem"))}
    assert read == {2**bits - 1}, "what layers read has so many bits"
    added = {module.low for name, module in quantisers.items() if name.endswith(("quantiser2", "downsample"))}
    assert added == {-(2 ** (max(bits, 4) - 1))}, "and what is added to it at least 4"
    data = Dataset(images.numpy(), images.numpy(), np.zeros(4, np.int64), np.zeros(4, np.int64))
    assert evaluate(net, proto, data).equal_logits == 1


def test_the_mnist_split_is_stratified_and_whole() -> None:
    data = mnist_resnet18.load_data()
    assert data.train_images.shape == (4000, 1, 28, 28) and data.test_images.shape == (1000, 1, 28, 28)
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert np.array_equal(data.test_images * 256, np.round(data.test_images * 256))


@pytest.mark.slow
def test_digits_reach_97_percent() -> None:
    net = digits.train(cache=None)
    result = evaluate(net, export_frozen(net, torch.from_numpy(digits.load_data().test_images[:2])), digits.load_data())
    assert result.onnxruntime_accuracy >= 0.97 and result.equal_predictions == result.images


@pytest.mark.slow
def test_mnist_reaches_96_percent() -> None:
    net, data = mnist_resnet18.train(cache=None), mnist_resnet18.load_data()
    result = evaluate(net, export_frozen(net, torch.from_numpy(data.test_images[:2])), data)
    assert result.onnxruntime_accuracy >= 0.96 and result.equal_predictions == result.images
