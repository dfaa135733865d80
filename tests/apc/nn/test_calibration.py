"""Ranges of inputs and of converters from data, however they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import apc.nn
from apc.nn import ActivationQuantiser, ConversionError, Quantisation, Software
from apc.nn.calibration import simulated_layers
from apc.nn.engines import CrossbarEngine
from simulator.analog.config import CrossbarConfig
from simulator.analog.crossbar_network import fitted
from simulator.analog.layer import CrossbarLayer, Geometry
from tests.apc.nn.nets import ConvNet, only_layer, random, seeded

RANGED = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=6, adc_range="calibrated", rows_max=40)


def state(model: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in model.state_dict().items() if "quantiser" in name or "extra" in name}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        for name, value in one.items()
    )


@pytest.mark.parametrize("scale", ["max", "percentile", "learned"])
def test_scales_do_not_depend_on_how_data_are_cut(scale: str) -> None:
    x = random(70, 1, 8, 8)
    labels = torch.arange(70)
    quantisation = Quantisation(activation_scale=scale, percentile=97.0)
    net = seeded(ConvNet)

    def calibrated(data: Any) -> dict[str, Any]:
        return state(apc.nn.convert(net, RANGED, quantisation=quantisation, calibration=data))

    def lazily() -> Iterator[torch.Tensor]:
        yield from x.split(11)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), batch_size=9)
    expected = calibrated([x])
    for data in (x, x.split(1), x.split(7), lazily(), loader, [((part,), None) for part in x.split(64)]):
        assert same(calibrated(data), expected)


@torch.no_grad()
def test_max_is_the_largest_magnitude_that_the_float_model_has() -> None:
    x = random(40, 1, 8, 8)
    net = seeded(ConvNet)
    model = apc.nn.convert(net, Software(), calibration=[x])
    layers = {layer.name: layer for layer in simulated_layers(model)}
    hidden = torch.relu(net.norm(net.stem(x)))
    for name, values, low, high in [("stem", x, -127, 127), ("body.0", hidden, 0, 255)]:
        assert (layers[name].input_low, layers[name].input_high) == (low, high)
        assert layers[name].input_scale == pytest.approx(float(values.abs().max()) / high, rel=1e-6)


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 100.0])
def test_percentiles_are_right_to_the_width_of_a_bin(percentile: float) -> None:
    x = random(50, 40) ** 3
    quantisation = Quantisation(activation_scale="percentile", percentile=percentile)
    model = apc.nn.convert(nn.Linear(40, 2), Software(), quantisation=quantisation, calibration=x.split(8))
    exact = float(np.quantile(x.abs().numpy(), percentile / 100, method="inverted_cdf"))
    reach = only_layer(model).input_scale * 127
    assert exact * (1 - 1e-6) <= reach <= exact * (1 + 2.0**-7)


def test_learned_scales_begin_at_the_mean() -> None:
    x = random(50, 40)
    model = apc.nn.convert(
        nn.Linear(40, 2), Software(), quantisation=Quantisation(activation_scale="learned"), calibration=x.split(8)
    )
    assert only_layer(model).input_scale == pytest.approx(2 * float(x.abs().mean()) / 127**0.5, rel=1e-5)


def test_scales_that_are_powers_of_two_clip_nothing() -> None:
    x = random(50, 40)
    model = apc.nn.convert(nn.Linear(40, 2), Software(), quantisation=Quantisation(power_of_two=True), calibration=x)
    scale = only_layer(model).input_scale
    assert np.log2(scale) == np.ceil(np.log2(float(x.abs().max()) / 127))


@torch.no_grad()
def test_converters_are_set_in_the_networks_order() -> None:
    """A layer's currents are those that the ranges chosen before it cause, as of ``CrossbarNetwork``."""
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    x = random(30, 6)
    model = apc.nn.convert(net, RANGED, calibration=x.split(4))
    values = x
    for layer in (model[0], model[2]):
        levels, scale = layer.levels()
        config = fitted(RANGED, layer.input_low, layer.input_high)
        twin = CrossbarLayer(levels.numpy()[:, :, None, None], config, geometry=Geometry(), seed=layer.seed)
        integers = (values / layer.input_scale).round().clamp(layer.input_low, layer.input_high)[:, :, None, None]
        twin.calibrate(integers)
        engine = layer.engine
        assert isinstance(engine, CrossbarEngine) and engine.layer.adc_range == twin.adc_range
        values = torch.relu(twin(integers).float().flatten(1) * (scale * layer.input_scale) + layer.bias)
    assert torch.equal(torch.relu(model(x)), values)


@torch.no_grad()
def test_ranges_outlast_changed_weights() -> None:
    model = apc.nn.convert(nn.Linear(6, 5), RANGED, calibration=random(30, 6))
    layer = only_layer(model)
    ranges = layer.engine.layer.adc_range
    layer.weight.mul_(-1)
    assert not layer.engine.calibrates and layer.engine.layer.adc_range == ranges
    apc.nn.calibrate(model, 2 * random(30, 6, seed=1))
    assert layer.engine.layer.adc_range != ranges


def test_the_model_computes_floats_meanwhile_and_modes_are_kept() -> None:
    x = random(20, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), Software())
    model.train()
    model.body.eval()
    mean = model.norm.running_mean.clone()
    apc.nn.calibrate(model, [x])
    assert torch.equal(model.norm.running_mean, mean)
    assert model.training and model.stem.training and not model.body.training


def test_quantisers_that_the_author_placed_are_set_too() -> None:
    x = random(20, 5)
    net = nn.Sequential(nn.Linear(5, 4), ActivationQuantiser(Quantisation(activation_bits=4)), nn.ReLU())
    net.eval()
    model = apc.nn.convert(net, Software(), calibration=[x])
    with torch.no_grad():
        hidden = net[0](x)
        assert torch.equal(net(x), torch.relu(hidden))  # the original's passes values on
        assert float(model[1].scale) == pytest.approx(float(hidden.abs().max()) / 7, rel=1e-6)
        levels = model(x) / model[1].scale
    assert torch.allclose(levels, levels.round(), atol=1e-5) and levels.max() <= 7


@pytest.mark.parametrize(
    "data, message",
    [
        ([], "calibration: holds no image, give at least one"),
        (torch.zeros(0, 6), "calibration: holds no image, give at least one"),
        ([torch.full((2, 6), float("nan"))], "layer 0: calibration data give it inputs that are not finite"),
        (
            [{"x": 1}],
            "calibration: batches must be tensors, \\(inputs, labels\\) or tables of named",
        ),
    ],
)
def test_data_that_cannot_be_used(data: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=f"^{message}"):
        apc.nn.convert(nn.Sequential(nn.Linear(6, 2)), Software(), calibration=data)


def test_one_bit_inputs_below_0_name_the_layer() -> None:
    with pytest.raises(ConversionError, match="^layer 0: activation_bits = 1: inputs below 0 need 2 bits or more"):
        quantisation = Quantisation(activation_bits=1)
        apc.nn.convert(nn.Sequential(nn.Linear(6, 2)), Software(), quantisation=quantisation, calibration=random(3, 6))


def test_a_model_that_is_not_converted_is_an_error() -> None:
    with pytest.raises(ConversionError, match="^Linear: no layer is simulated, call apc.nn.convert first"):
        apc.nn.calibrate(nn.Linear(2, 2), [random(2, 2)])
