"""Residual networks on their way to ``apc compile``: quantisers in front of sums and averages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import apc
import apc.nn
from apc.nn import ActivationQuantiser, ConversionError, Quantisation, Software
from apc.nn.calibration import simulated_layers
from simulator.analog.acim.config import AcimConfig
from tests.apc.nn.nets import random, seeded
from tests.apc.nn.test_export import in_onnxruntime, reference


class Block(nn.Module):
    """As torchvision's basic block, additions and rectifiers in place."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class Residual(nn.Module):
    """A stem with batch norm and max-pool, two blocks, an average, a classifier; 1 x 12 x 12 images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.pool = nn.Conv2d(1, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(Block(6, 6, 1), Block(6, 8, 2))
        self.average, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None and norm.running_var is not None
                norm.running_mean.uniform_(-0.1, 0.1)
                norm.running_var.uniform_(0.1, 0.4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.pool(torch.relu(self.norm(self.stem(x)))))
        return self.head(torch.flatten(self.average(x), 1))


@pytest.mark.parametrize(
    "quantisation",
    [Quantisation(power_of_two=True), Quantisation(power_of_two=True, weights="ternary", activation_bits=4)],
)
def test_a_pretrained_residual_network_goes_to_the_compiler_bit_for_bit(
    quantisation: Quantisation, tmp_path: Path
) -> None:
    net, x = seeded(Residual), random(32, 1, 12, 12, positive=True)
    ready = apc.nn.quantise_sums(apc.nn.fold_batch_norm(net), quantisation)
    model = apc.nn.convert(ready, AcimConfig(noise_lsb=0.3), quantisation=quantisation, calibration=[x]).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(32) % 5).backward()
        optimiser.step()
    path = tmp_path / "net.onnx"
    proto = apc.nn.export(model.eval(), x[:2], path)
    for layer in simulated_layers(model):
        layer.hardware = Software()
    with torch.no_grad():
        expected = model(x).numpy()
    assert len(np.unique(expected)) > 10
    assert np.array_equal(reference(proto, x), expected)
    assert np.array_equal(in_onnxruntime(proto, x), expected)
    (logits,) = apc.run(apc.compile(path), {"input": x[:3].numpy()}).outputs.values()
    assert np.array_equal(logits, expected[:3])


@torch.no_grad()
def test_every_operand_has_one_quantiser_and_layers_keep_their_names() -> None:
    net, x = seeded(Residual), random(4, 1, 12, 12)
    ready = apc.nn.quantise_sums(net)
    names = {name for name, module in ready.named_modules() if isinstance(module, ActivationQuantiser)}
    # the operands of two sums (the first block's input is one, its output none), and what is averaged
    assert len(names) == 5 and all(name.startswith("quantiser_") for name in names)
    layers = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    kept = [name for name, module in ready.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert sorted(kept) == sorted(layers)
    assert torch.equal(ready(x), net(x))  # until calibration
    assert not any(isinstance(module, ActivationQuantiser) for module in net.modules())
    again = apc.nn.quantise_sums(ready)
    assert sum(isinstance(module, ActivationQuantiser) for module in again.modules()) == 5


def test_constants_are_no_activations() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.shift = nn.Linear(3, 3), nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x) + self.shift + 1

    ready = apc.nn.quantise_sums(Shifted())
    assert not any(isinstance(module, ActivationQuantiser) for module in ready.modules())


def test_what_cannot_be_traced_is_said() -> None:
    class Choosing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x if x.sum() > 0 else x

    with pytest.raises(ConversionError, match="Choosing: torch.fx cannot trace it .*: place apc.nn.ActivationQuant"):
        apc.nn.quantise_sums(Choosing())
    converted = apc.nn.convert(seeded(Residual), Software())
    with pytest.raises(ConversionError, match="Residual: is converted already"):
        apc.nn.quantise_sums(converted)
