"""PyTorch networks through both exporters, factories, and float activations."""

import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from apc.frontend import load_graph
from ir.errors import UserError
from ir.ops import Conv
from tests.apc.frontend.oracle import compare, run_imported, run_onnxruntime


class FakeQuantise(nn.Module):
    """A fixed quantiser, which exports as QuantizeLinear and DequantizeLinear."""

    def __init__(self, low: int, high: int, scale: float = 0.125) -> None:
        super().__init__()
        self.low, self.high, self.scale = low, high, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, self.scale, 0, self.low, self.high)


class Residual(nn.Module):
    """A ternary residual network with batch norms whose factors have either sign."""

    def __init__(self, quantised: bool = True) -> None:
        super().__init__()
        make = FakeQuantise if quantised else lambda low, high: nn.Identity()
        self.enter = make(-128, 127)
        self.stem = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.norm0 = nn.BatchNorm2d(8)
        self.act0 = make(0, 255)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.conv1 = nn.Conv2d(8, 8, 3, 1, 1, groups=2)
        self.norm1 = nn.BatchNorm2d(8)
        self.act1 = make(0, 255)
        self.head = nn.Linear(8, 10)
        generator = torch.Generator().manual_seed(7)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                values = torch.randint(-1, 2, layer.weight.shape, generator=generator)
                values.view(len(values), -1)[:, 0] = 1
                scale = torch.rand(len(values), *[1] * (values.ndim - 1), generator=generator) / 4 + 0.1
                layer.weight.data = values * scale
                if layer.bias is not None:
                    layer.bias.data = torch.randn(len(values), generator=generator) / 4
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.data = torch.randn(8, generator=generator)
                layer.bias.data = torch.randn(8, generator=generator) / 4
                layer.running_mean = torch.randn(8, generator=generator) / 4
                layer.running_var = torch.rand(8, generator=generator) + 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.act0(torch.relu(self.norm0(self.stem(self.enter(x))))))
        x = self.act1(torch.relu(self.norm1(self.conv1(x)) + x))
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def network(quantised: bool = True) -> tuple[nn.Module, torch.Tensor]:
    """A factory, as `module:factory` wants it."""
    return Residual(quantised).eval(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def float_network() -> tuple[nn.Module, torch.Tensor]:
    return network(quantised=False)


def not_a_pair() -> int:
    return 3


def raises() -> float:
    return 1 / 0


NOT_CALLABLE = 3


def test_module_in_memory() -> None:
    module, example = network()
    module.train()
    loaded = load_graph(module, example=example)
    assert module.training
    assert {"stem", "conv1", "head"} <= set(loaded.graph.nx)
    convs = [op for op in map(loaded.graph.op, loaded.graph.order()) if isinstance(op, Conv)]
    assert all(np.abs(op.weights).max() == 1 for op in convs)
    assert loaded.warnings == []
    feeds = {loaded.graph.graph_inputs[0].name: example.numpy()}
    expected = run_onnxruntime(loaded.onnx_model, feeds)
    for name, value in run_imported(loaded, feeds).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_dynamo(optimize: bool) -> None:
    """With batch norm folded into the weights, or kept, with its biases as Shape-Expand-CastLike chains."""
    module, example = network()
    model = torch.onnx.export(module, (example,), dynamo=True, optimize=optimize, verbose=False).model_proto
    kinds = {node.op_type for node in model.graph.node}
    assert ("BatchNormalization" in kinds) != optimize
    compare(model, {model.graph.input[0].name: example.numpy()}, step=0.02, share=0.2)


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("keep_initializers_as_inputs", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_torchscript(tmp_path, opset: int, keep_initializers_as_inputs: bool) -> None:
    module, example = network()
    path = tmp_path / "net.onnx"
    torch.onnx.export(
        module,
        (example,),
        path,
        dynamo=False,
        opset_version=opset,
        keep_initializers_as_inputs=keep_initializers_as_inputs,
        input_names=["image"],
        dynamic_axes={"image": {0: "batch"}},
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(2)).numpy()
    loaded = compare(onnx.load(path), {"image": images}, step=0.02, share=0.2)
    assert loaded.graph.graph_inputs[0].shape == (None, 3, 16, 16)


def test_float_activations_are_quantised_with_a_warning() -> None:
    module, example = float_network()
    loaded = load_graph(module, example=example, activations=8)
    assert len(loaded.warnings) == 1 and "without calibration data" in loaded.warnings[0]
    assert any(node.op_type == "QuantizeLinear" for node in loaded.onnx_model.graph.node)
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(3)).numpy()
    name = loaded.graph.graph_inputs[0].name
    calibrated = load_graph(module, example=example, activations=8, calibration={name: images})
    assert calibrated.warnings == []
    real = module(torch.from_numpy(images[:1])).detach().numpy()
    value = next(iter(run_imported(calibrated, {name: images[:1]}).values()))
    assert np.abs(value - real).max() < 0.1 * np.abs(real).max()
    assert loaded.model_bytes_sha256 == calibrated.model_bytes_sha256


def test_factory(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "factory_of_tests", sys.modules[__name__])
    loaded = load_graph("factory_of_tests:network")
    assert "stem" in loaded.graph
    for source, message in [
        ("no_such_module_here:network", "cannot be imported"),
        ("factory_of_tests:nothing", "has no callable nothing"),
        ("factory_of_tests:raises", "the factory raised ZeroDivisionError: division by zero"),
        ("factory_of_tests:NOT_CALLABLE", "has no callable NOT_CALLABLE"),
        ("factory_of_tests:not_a_pair", r"must return \(nn.Module, example input\), not int"),
    ]:
        with pytest.raises(UserError, match=f"{source}: .*{message}"):
            load_graph(source)


def test_modules_that_do_not_export() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("nothing to see")

    with pytest.raises(UserError, match="Broken: torch.onnx.export failed: ") as caught:
        load_graph(Broken(), example=torch.zeros(1, 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="needs an example input"):
        load_graph(Broken())


def test_unused_calibration_is_mentioned() -> None:
    module, example = network()
    loaded = load_graph(module, example=example, calibration={"x": example.numpy()})
    assert "calibration data is not used" in loaded.warnings[0]
