"""Batch norms in the layers before them: what is folded, what stays, and a ResNet from PyTorch to the compiler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import apc
import apc.nn
from apc.nn import ActivationQuantiser, ConversionError, Quantisation, Software, fold_batch_norm
from apc.nn.calibration import simulated_layers
from simulator.analog.acim.config import AcimConfig
from tests.apc.nn.nets import random


def trained(model: nn.Module, seed: int = 1) -> nn.Module:
    """With norms as of a trained model, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            values = [norm.running_mean, norm.running_var, norm.weight, norm.bias]
            for value in (one for one in values if one is not None):
                value.data.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return model.eval()


def norms(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


class Block(nn.Module):
    """A residual block as torchvision's, of ``inputs`` to ``outputs`` channels at half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """A small one with torchvision's names; 3 x 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 6, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(2)
        self.layer1 = Block(6, 8)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layer1(x)), 1))


@torch.no_grad()
def test_a_resnet_computes_the_same_without_its_norms() -> None:
    net, x = trained(ResNet()), random(7, 3, 8, 8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    folded = fold_batch_norm(net)
    assert type(folded) is ResNet and norms(folded) == []
    assert [name for name, _ in folded.named_modules()] == [name for name, _ in net.named_modules()]
    assert torch.allclose(folded(x), net(x), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    # y = gamma (W x - mean) / sqrt(var + eps) + beta
    scale = net.bn1.weight / torch.sqrt(net.bn1.running_var + net.bn1.eps)
    assert torch.allclose(folded.conv1.weight, net.conv1.weight * scale[:, None, None, None])
    assert torch.allclose(folded.conv1.bias, net.bn1.bias - scale * net.bn1.running_mean)
    assert all(parameter.requires_grad for parameter in folded.parameters())


@pytest.mark.parametrize(
    "layer, norm, x",
    [
        (nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), random(2, 3, 9)),
        (nn.Conv2d(4, 6, 3, groups=2, padding="same", padding_mode="reflect"), nn.BatchNorm2d(6), random(2, 4, 5, 5)),
        (nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3, affine=False), random(2, 2, 4, 4, 4)),
        (nn.Linear(5, 4), nn.BatchNorm1d(4), random(6, 5)),
    ],
    ids=lambda value: type(value).__name__,
)
@torch.no_grad()
def test_every_kind_of_layer(layer: nn.Module, norm: nn.Module, x: torch.Tensor) -> None:
    net = trained(nn.Sequential(layer, norm, nn.ReLU()))
    folded = fold_batch_norm(net)
    assert norms(folded) == []
    assert torch.allclose(folded(x), net(x), rtol=1e-5, atol=1e-5)


class OwnNorm(nn.BatchNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(super().forward(x))


class OwnConv(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class ReadTwice(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self[0](x)
        return y + self[1](y)


class CalledTwice(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self[1](self[0](self[0](x)))


CONV, NORM = (3, 3, 3, 1, 1), 3


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.BatchNorm2d(NORM), nn.Conv2d(*CONV)),
        nn.Sequential(nn.Conv2d(*CONV), nn.ReLU(), nn.BatchNorm2d(NORM)),
        nn.Sequential(nn.Conv2d(*CONV), nn.BatchNorm2d(NORM, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(*CONV), nn.InstanceNorm2d(NORM)),
        nn.Sequential(nn.Conv2d(*CONV), OwnNorm(NORM)),
        nn.Sequential(OwnConv(*CONV), nn.BatchNorm2d(NORM)),
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(*CONV)), nn.BatchNorm2d(NORM)),
        ReadTwice(nn.Conv2d(*CONV), nn.BatchNorm2d(NORM)),
        CalledTwice(nn.Conv2d(*CONV), nn.BatchNorm2d(NORM)),
    ],
    ids=["before", "behind a relu", "no statistics", "instance", "own norm", "own", "weight norm", "read", "called"],
)
@torch.no_grad()
def test_what_stays(net: nn.Module) -> None:
    x = random(2, 3, 5, 5)
    trained(net)
    folded = fold_batch_norm(net)
    assert norms(folded) == norms(net)
    assert torch.equal(folded(x), net(x))


@torch.no_grad()
def test_a_norm_of_two_names_is_gone_under_both() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(*CONV), nn.BatchNorm2d(NORM)
            self.steps = nn.ModuleList([self.conv, self.bn])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.steps[1](self.steps[0](x))

    x, net = random(2, 3, 5, 5), trained(Two())
    folded = fold_batch_norm(net)
    assert norms(folded) == [] and folded.steps[0] is folded.conv
    assert torch.allclose(folded(x), net(x), rtol=1e-5, atol=1e-5)


def test_a_folded_resnet_is_fine_tuned_exported_and_compiled_bit_for_bit(tmp_path: Path) -> None:
    x, path = random(24, 3, 8, 8), tmp_path / "resnet.onnx"
    quantisation = Quantisation(weights="ternary", activation_bits=5, power_of_two=True)
    net = fold_batch_norm(trained(ResNet()))
    # where apc compile wants integers: both operands of the sum, and what pools read
    for module in (net, net.layer1):
        module.relu = nn.Sequential(nn.ReLU(), ActivationQuantiser(quantisation))
    net.layer1.bn2 = ActivationQuantiser(quantisation)
    net.layer1.downsample[1] = ActivationQuantiser(quantisation)
    model = apc.nn.convert(net, AcimConfig(noise_lsb=0.3), quantisation=quantisation, calibration=[x]).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(2):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(24) % 5).backward()
        optimiser.step()
    apc.nn.export(model, x[:1], path)
    (logits,) = apc.run(apc.compile(path), {"input": x.numpy()}).outputs.values()
    for layer in simulated_layers(model):
        layer.hardware = Software()
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    assert len(np.unique(expected)) > 20
    assert np.array_equal(logits, expected)


def test_what_cannot_be_folded_is_one_line() -> None:
    with pytest.raises(ConversionError, match=r"^Sequential: torch.fx cannot trace it \(.*\): fold its batch norms"):
        fold_batch_norm(nn.Sequential(Loop()))
    with pytest.raises(ConversionError, match="^Sequential: is converted already, begin with the original"):
        fold_batch_norm(apc.nn.convert(nn.Sequential(nn.Linear(2, 2)), Software()))


class Loop(nn.Module):
    """Computes as its data say."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x
