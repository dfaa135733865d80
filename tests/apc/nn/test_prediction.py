"""Predicted errors against closed forms where models are linear, and against simulation where they are not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import apc.nn
from apc.nn import error_flow
from apc.nn.calibration import simulated_layers
from apc.nn.error_flow import rounding_variance
from apc.nn.prediction import PROBES, predict_errors
from apc.nn.simulated import SimulatedLayer
from apc.nn.sum_errors import SumErrors, sum_errors
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.predictor import layer_error
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, Transformer, Windows, random, seeded

IMAGES = random(16, 1, 8, 8)
CROSSBAR = CrossbarConfig(rows_max=64, dac_bits=8, adc_bits=8, cell_bits=7, adc_range="calibrated")


def square_errors(net: nn.Module, hardware: Any, calls: int) -> torch.Tensor:
    """Mean square differences from the software model in each of some calls, which have noise of their own."""
    software, model = (apc.nn.convert(net, own, example=IMAGES) for own in (apc.nn.Software(), hardware))
    with torch.no_grad():
        wanted = software(IMAGES)
        return torch.stack([(model(IMAGES) - wanted).double().square().mean() for _ in range(calls)])


@pytest.mark.parametrize("outputs", [7, PROBES + 30])
def test_of_a_single_matrix_it_is_the_errors_of_its_sums(outputs: int) -> None:
    net, x = seeded(nn.Linear, 30, outputs), random(8, 30)
    model = apc.nn.convert(net, AcimConfig(adc_bits=6, noise_lsb=0.4, rows=20), example=x)
    found = predict_errors(model, x)
    (layer,) = simulated_layers(model)
    errors = sum_errors(layer, layer.integers(x))
    scale = layer.output_scale().double()[:, None, None]
    square = (scale.square() * (errors.variance + errors.mean.square())).mean()
    # random directions find the squares of all outputs together but for cross terms of means
    assert found.logit_error == pytest.approx(math.sqrt(float(square)), rel=1e-6 if outputs <= PROBES else 0.1)
    (one,) = found.layers
    assert one.logit_error == found.logit_error and found.rounding == 0 and not one.observed
    assert one.code_error == errors.code_error and one.mean == pytest.approx(float(errors.mean.mean()))
    spread = float(errors.variance.mean() + errors.mean.var(correction=0))
    assert one.std == pytest.approx(math.sqrt(spread))
    assert found.as_table()["layers"][0]["std"] == one.std


@pytest.mark.parametrize(("net", "level"), [(ConvNet, 5), (ConvNet, 9), (Transformer, 7)])
def test_noise_is_predicted_as_simulated(net: type[nn.Module], level: int) -> None:
    made, hardware = seeded(net), AcimConfig(noise_lsb=0.3, hybrid_level=level)
    found = predict_errors(apc.nn.convert(made, hardware, example=IMAGES), IMAGES)
    simulated = square_errors(made, hardware, 16)
    deviation = float(simulated.std()) / math.sqrt(16)
    wanted = float(simulated.mean())
    assert abs(found.logit_error**2 - wanted) < 4 * deviation + 0.1 * wanted  # beyond first order: some percent
    squares = sum(layer.logit_error**2 for layer in found.layers) + found.rounding**2
    assert squares == pytest.approx(found.logit_error**2, rel=0.05)  # but for means that add up


@pytest.mark.parametrize(
    "hardware",
    [
        AcimConfig(offset_lsb=0.4, hybrid_level=6),
        AcimConfig(gain_sigma=0.3, inl_lsb=0.5, noise_lsb=0.1, hybrid_level=6),
        AcimConfig(adc_bits=6, hybrid_level=6),
        CROSSBAR,
    ],
)
def test_errors_that_do_not_change_are_predicted_as_simulated(hardware: Any) -> None:
    net = seeded(ConvNet)
    found = predict_errors(apc.nn.convert(net, hardware, example=IMAGES), IMAGES)
    simulated = float(square_errors(net, hardware, 4).mean())
    assert found.logit_error == pytest.approx(math.sqrt(simulated), rel=0.25)
    assert all(layer.observed == isinstance(hardware, CrossbarConfig) for layer in found.layers)
    assert all((layer.code_error is None) == layer.observed for layer in found.layers)


class Sums(nn.Module):
    """Linear from the first layer to the outputs: images' mean over positions, twice the same layer on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.square = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.square(self.square(self.conv(x).mean((2, 3))))


def sums() -> tuple[nn.Module, list[SimulatedLayer], list[torch.Tensor]]:
    """The model with fine inputs, its layers, and (outputs, channels) derivatives by the results of its three calls."""
    quantisation = apc.nn.Quantisation(activation_bits=16)
    model = apc.nn.convert(seeded(Sums), apc.nn.Software(), quantisation=quantisation, example=IMAGES)
    square = model.get_submodule("square")
    levels, scale = square.levels()
    matrix = levels.double() * scale.double()[:, None]
    return model, simulated_layers(model), [matrix @ matrix, matrix, torch.eye(3, dtype=torch.float64)]


def alike(layer: SimulatedLayer, images: torch.Tensor, mean: float, variance: float) -> SumErrors:
    """The same errors of all sums."""
    kernel = layer.kernel(layer.levels()[0]).shape
    size = layer.geometry.output_size(images.shape[2:], kernel[2:])
    ones = torch.ones(len(images), kernel[0], *size, dtype=torch.float64)
    return SumErrors(ones * mean, ones * variance, 0.0, False)


def test_means_add_up_before_they_are_squared(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (conv, square), paths = sums()
    means = {conv: 2.0, square: -5.0}
    monkeypatch.setattr(error_flow, "sum_errors", lambda layer, images: alike(layer, images, means[layer], 0.0))
    found = predict_errors(model, IMAGES)
    own = [paths[0] @ (2.0 * conv.output_scale().double())]
    own += [path @ (-5.0 * square.output_scale().double()) for path in paths[1:]]
    by_layer = [own[0], own[1] + own[2]]
    for layer, wanted in zip(found.layers, by_layer, strict=True):
        assert layer.logit_error == pytest.approx(float(wanted.square().mean().sqrt()), rel=1e-5)
    assert found.logit_error**2 - found.rounding**2 == pytest.approx(float(sum(own).square().mean()), rel=1e-5)
    assert [(layer.mean, layer.std) for layer in found.layers] == [(2.0, 0.0), (-5.0, 0.0)]


def test_windows_of_an_image_add_up_in_its_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = apc.nn.convert(seeded(Windows), apc.nn.Software(), example=IMAGES)
    (linear,) = simulated_layers(model)
    monkeypatch.setattr(error_flow, "sum_errors", lambda layer, images: alike(layer, images, 2.0, 0.0))
    wanted = (4 * 2.0 * linear.output_scale().double()).square().mean().sqrt()
    assert predict_errors(model, IMAGES).logit_error == pytest.approx(float(wanted), rel=1e-6)


def test_variances_of_positions_are_averaged_and_means_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (conv, _), paths = sums()
    square = (paths[0] * conv.output_scale().double()).square().sum(1).mean()

    def noise(layer: SimulatedLayer, images: torch.Tensor) -> SumErrors:
        return alike(layer, images, 0.0, 9.0 if layer is conv else 0.0)

    monkeypatch.setattr(error_flow, "sum_errors", noise)
    found = predict_errors(model, IMAGES)
    assert found.layers[0].logit_error == pytest.approx(math.sqrt(9 * float(square) / 36), rel=1e-5)
    assert found.layers[1].logit_error == 0
    assert found.layers[0].std == 3.0


def test_operands_changed_in_place_make_no_difference() -> None:
    x, hardware = random(4, 12), AcimConfig(noise_lsb=0.3)
    found = []
    for inplace in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(12, 9), nn.ReLU(inplace), nn.Linear(9, 4))
        found.append(predict_errors(apc.nn.convert(net, hardware, example=x), x))
    assert found[0] == found[1]


@pytest.mark.parametrize("variance", [0.0, 1e-4, 0.01, 1 / 64 - 1e-9, 1 / 64, 0.1, 1.0, 30.0])
def test_rounding_adds_the_variance_of_a_coin_for_the_fraction(variance: float) -> None:
    errors, step = np.linspace(-9, 9, 2_000_001, retstep=True)
    density = np.exp(-(errors**2) / 2) / math.sqrt(2 * math.pi) * step
    fraction = np.abs(errors) * math.sqrt(variance) % 1
    wanted = float((density * fraction * (1 - fraction)).sum())
    assert rounding_variance(variance) == pytest.approx(wanted, abs=1e-7)


NOISY = AcimConfig(noise_lsb=0.4, adc_bits=6, rows=20, hybrid_level=3, voting=3, voting_level=6)


@pytest.mark.parametrize("hardware", [NOISY, replace(NOISY, voting_rule="median", dac_bits=2)])
def test_each_elements_error_has_the_mean_and_variance_of_many_calls(hardware: AcimConfig) -> None:
    net, x = seeded(nn.Conv2d, 5, 4, 3, padding=1), random(3, 5, 4, 4)
    model = apc.nn.convert(net, hardware, example=x)
    (layer,) = simulated_layers(model)
    images, calls = layer.integers(x), 2000
    known = sum_errors(layer, images)
    exact = functional.conv2d(images.double(), layer.levels()[0].double(), padding=1)
    seen = torch.stack([layer.engine(images, first_image=3 * call).double() - exact for call in range(calls)])
    off = (seen.mean(0) - known.mean) / (known.variance / calls).sqrt()
    assert off.abs().max() < 5 and abs(off.square().mean() - 1) < 4 * math.sqrt(2 / 192)  # elements
    assert torch.allclose(seen.var(0), known.variance, rtol=0.25)
    assert float((seen.var(0) / known.variance).mean()) == pytest.approx(1, abs=4 * math.sqrt(2 / calls / 192))
    arrays = layer.engine.layer
    together = layer_error(arrays.config, arrays.mac_histogram(images), arrays.tiles)
    assert float(known.mean.mean()) == pytest.approx(together.mean)
    assert float(known.variance.mean()) == pytest.approx(together.noise_variance)
    assert known.code_error == together.code_error


def test_static_errors_are_those_of_the_models_arrays() -> None:
    net, x = seeded(nn.Linear, 40, 30), random(6, 40)
    for seed in (0, 1):
        model = apc.nn.convert(net, AcimConfig(offset_lsb=1.0, rows=20), example=x, seed=seed)
        (layer,) = simulated_layers(model)
        images = layer.integers(x)
        known = sum_errors(layer, images)
        exact = functional.conv2d(images.double(), layer.levels()[0].double()[:, :, None, None])
        assert torch.allclose(known.mean, layer.engine(images, first_image=9).double() - exact)
        assert not known.variance.any() and (known.code_error or 0) > 0.3


def test_the_model_stays_as_it_was() -> None:
    net, hardware = seeded(ConvNet), AcimConfig(noise_lsb=0.3)
    one, other = (apc.nn.convert(net, hardware, example=IMAGES) for _ in range(2))
    for parameter in other.parameters():
        parameter.requires_grad_(False)
    predict_errors(other, IMAGES)
    with torch.no_grad():
        assert torch.equal(one(IMAGES), other(IMAGES))
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in other.parameters())
    assert all(layer.hardware == hardware for layer in simulated_layers(other))


def test_ideal_hardware_has_no_error_and_what_cannot_be_predicted_says_so() -> None:
    net = seeded(ConvNet)
    found = predict_errors(apc.nn.convert(net, "acim-22nm", example=IMAGES), IMAGES)
    assert found.logit_error == found.rounding == 0 and [layer.code_error for layer in found.layers] == [0.0] * 3
    with pytest.raises(apc.nn.ConversionError, match="call apc.nn.convert first"):
        predict_errors(net, IMAGES)
    with pytest.raises(apc.nn.ConversionError, match="call apc.nn.calibrate"):
        predict_errors(apc.nn.convert(net, AcimConfig()), IMAGES)

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.only(x), x

    pair = apc.nn.convert(Pair(), AcimConfig(), example=random(2, 4))
    with pytest.raises(apc.nn.ConversionError, match="Pair: gives tuple, but errors are of one tensor"):
        predict_errors(pair, random(2, 4))
