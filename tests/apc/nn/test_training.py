"""Gradients through simulated hardware, and training with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import apc.nn
from apc.nn import Quantisation, Software
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, Transformer, only_layer, random, seeded

NOISY = AcimConfig(adc_bits=6, rows=63, noise_lsb=0.5)


def test_values_are_the_hardwares_and_gradients_the_quantised_layers() -> None:
    layer = seeded(nn.Conv2d, 3, 4, 3, padding=1, groups=1)
    x, factors = random(5, 3, 6, 6), random(5, 4, 6, 6, seed=1)
    model = apc.nn.convert(layer, NOISY, calibration=[0.6 * x])
    simulated = only_layer(model)
    apc.nn.restart(model)
    with torch.no_grad():
        expected = model(x)
    apc.nn.restart(model)
    x.requires_grad_()
    y = model(x)
    assert torch.equal(y, expected)
    (y * factors).sum().backward()

    levels, scale = simulated.levels()
    weight = (levels * scale.reshape(-1, 1, 1, 1)).requires_grad_()
    steps = x.detach() / simulated.input_scale
    inside = (steps >= -127) & (steps <= 127)
    quantised = (steps.round().clamp(-127, 127) * simulated.input_scale).requires_grad_()
    (functional.conv2d(quantised, weight, layer.bias, padding=1) * factors).sum().backward()
    assert torch.allclose(simulated.weight.grad, weight.grad, rtol=1e-4, atol=1e-4)
    assert torch.allclose(simulated.bias.grad, factors.sum((0, 2, 3)), rtol=1e-4)
    assert not inside.all()
    assert torch.allclose(x.grad, quantised.grad * inside, rtol=1e-4, atol=1e-4)


def test_layers_behind_may_work_in_place() -> None:
    x = random(5, 4)
    model = apc.nn.convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True)), NOISY, calibration=[x])
    model(x).sum().backward()
    assert model[0].weight.grad is not None


def test_noise_is_on_in_training() -> None:
    x = random(5, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), NOISY, calibration=[x]).train()
    assert not torch.equal(model(x), model(x))


def test_no_graph_is_kept_where_nothing_learns() -> None:
    layer = nn.Linear(4, 3).requires_grad_(False)
    model = apc.nn.convert(layer, Software(), calibration=[random(5, 4)])
    assert not model(random(5, 4)).requires_grad


@pytest.mark.parametrize(
    "make, hardware, quantisation",
    [
        (Transformer, NOISY, Quantisation()),
        (ConvNet, AcimConfig(weight_bits=2, adc_bits=6, rows=63), Quantisation(weights="ternary", activation_bits=4)),
        (ConvNet, CrossbarConfig(binary_mapping="two_columns"), Quantisation(weights="binary", activation_bits=4)),
        (
            Transformer,
            Software(),
            Quantisation(weight_bits=3, activation_bits=3, weight_scale="learned", activation_scale="learned"),
        ),
        (
            ConvNet,
            CrossbarConfig(cell_bits=3, dac_bits=4, adc_bits=8, adc_range="calibrated"),
            Quantisation(weight_bits=4, activation_bits=4, power_of_two=True, weight_scale="learned"),
        ),
    ],
)
def test_training_through_hardware_learns(make: type[nn.Module], hardware: object, quantisation: Quantisation) -> None:
    labels = torch.arange(16) % 2
    x = random(16, 1, 8, 8) + labels[:, None, None, None]
    model = apc.nn.convert(seeded(make), hardware, quantisation=quantisation, calibration=[x]).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("scale", ["max", "learned"])
def test_models_of_other_precisions_learn_with_powers_of_two(dtype: torch.dtype, scale: str) -> None:
    quantisation = Quantisation(power_of_two=True, weight_scale=scale, activation_scale=scale)
    x = random(6, 1, 8, 8).to(dtype)
    model = apc.nn.convert(seeded(ConvNet).to(dtype), NOISY, quantisation=quantisation, calibration=[x]).train()
    y = model(x)
    y.square().mean().backward()
    assert y.dtype == dtype and all(parameter.grad is not None for parameter in model.parameters())


def test_training_is_reproducible() -> None:
    def trained() -> torch.Tensor:
        x = random(8, 1, 8, 8)
        model = apc.nn.convert(seeded(ConvNet), NOISY, calibration=[x], seed=3).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(2):
            optimiser.zero_grad()
            model(x).square().mean().backward()
            optimiser.step()
        return model.stem.weight.detach()

    assert torch.equal(trained(), trained())
