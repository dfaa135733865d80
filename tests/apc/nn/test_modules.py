"""Simulated layers against torch's own arithmetic on their integers."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import apc.nn
from apc.nn import ConversionError, Quantisation, Software
from apc.nn.engines import AcimEngine
from apc.nn.simulated import SimulatedLayer
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, only_layer, random, seeded

IDEAL = {
    "software": Software(),
    "acim": AcimConfig(),
    "hybrid acim": AcimConfig(rows=16, adc_bits=4, hybrid_level=15),
    "analog crossbar": CrossbarConfig(),
    "crossbar": CrossbarConfig(cell_bits=7, dac_bits=8, rows_max=32),
    "sliced crossbar": CrossbarConfig(mapping="offset", weight_bits=8, slices=4, dac_bits=8, input_slice_bits=1),
}
LAYERS = {
    "plain": nn.Conv2d(3, 4, 3, padding=1),
    "strided": nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(0, 2), bias=False),
    "dilated": nn.Conv2d(3, 4, 3, dilation=(1, 2), padding="same"),
    "same, even kernel": nn.Conv2d(3, 4, (2, 4), padding="same"),
    "valid": nn.Conv2d(3, 4, 3, padding="valid"),
    "grouped": nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": nn.Conv2d(4, 8, 3, groups=4),
    "reflected": nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect"),
    "circular, same": nn.Conv2d(3, 4, (2, 3), padding="same", padding_mode="circular"),
    "one-dimensional": nn.Conv1d(3, 4, 3, stride=2, padding=1, groups=1),
    "one-dimensional, same": nn.Conv1d(4, 4, 4, padding="same", dilation=2, groups=2),
    "one-dimensional, replicated": nn.Conv1d(3, 4, 3, padding=2, padding_mode="replicate"),
    "linear": nn.Linear(6, 4),
    "linear without bias": nn.Linear(6, 4, bias=False),
}


def inputs_of(layer: nn.Module, images: int = 3) -> torch.Tensor:
    if isinstance(layer, nn.Linear):
        return random(images, layer.in_features)
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return random(images, layer.in_channels, *(9, 8)[: layer.weight.ndim - 2])


def from_integers(layer: nn.Module, simulated: SimulatedLayer, x: torch.Tensor) -> torch.Tensor:
    """Torch's layer in float64 on the integers, which is exact, then one multiplication and the bias in float32."""
    low, high = simulated.input_low, simulated.input_high
    integers = np.clip(np.rint(x.numpy() / np.float32(simulated.input_scale)), low, high)
    weight, scale = simulated.levels()
    twin = copy.deepcopy(layer).double()
    twin.weight.data = weight.double()
    twin.bias = None
    sums = twin(torch.from_numpy(integers).double()).float()
    shape = (-1, *[1] * (sums.ndim - 2)) if not isinstance(layer, nn.Linear) else (-1,)
    y = sums * (scale * np.float32(simulated.input_scale)).reshape(shape)
    return y if layer.bias is None else y + layer.bias.reshape(shape)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_every_layer_is_its_integers(name: str) -> None:
    layer = LAYERS[name]
    x = inputs_of(layer)
    model = apc.nn.convert(layer, Software(), calibration=[x])
    simulated = only_layer(model)
    assert simulated.is_ideal and simulated.input_low == -127
    expected = from_integers(layer, simulated, x)
    assert torch.equal(model(x), expected)
    assert (model(x) - layer(x)).abs().max() < 0.02 * layer(x).abs().max()


@pytest.mark.parametrize("hardware", IDEAL)
@pytest.mark.parametrize("positive", [False, True])
@torch.no_grad()
def test_ideal_hardware_is_the_software_model_bit_for_bit(hardware: str, positive: bool) -> None:
    for name in ("plain", "strided", "depthwise", "one-dimensional, same", "linear"):
        layer = LAYERS[name]
        x = inputs_of(layer).abs() if positive else inputs_of(layer)
        model = apc.nn.convert(layer, IDEAL[hardware], calibration=[x[:2]])
        software = apc.nn.convert(layer, Software(), calibration=[x[:2]])
        assert only_layer(model).is_ideal
        assert torch.equal(model(3 * x), software(3 * x))  # inputs beyond the range, too


@pytest.mark.parametrize(
    "hardware",
    [
        AcimConfig(adc_bits=7),
        AcimConfig(noise_lsb=0.1),
        CrossbarConfig(cell_bits=6, dac_bits=8),
        CrossbarConfig(cell_bits=7, dac_bits=7),
        CrossbarConfig(dac_bits=1, dac_signed=False),
        CrossbarConfig(cell_bits=7, dac_bits=8, precision="float32"),
        CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=8, adc_range="calibrated"),
    ],
)
def test_other_hardware_does_not_claim_to_be_ideal(hardware: object) -> None:
    layer = LAYERS["linear"]
    model = apc.nn.convert(layer, hardware, quantisation=Quantisation(), calibration=[inputs_of(layer)])
    assert not only_layer(model).is_ideal


@pytest.mark.parametrize("bits", [1, 4, 8, 11])
@torch.no_grad()
def test_arrays_are_driven_with_the_bits_that_inputs_have(bits: int) -> None:
    layer = LAYERS["linear"]
    x = inputs_of(layer).abs()
    quantisation = Quantisation(activation_bits=bits)
    model = apc.nn.convert(layer, AcimConfig(), quantisation=quantisation, calibration=[x])
    engine = only_layer(model).engine
    assert isinstance(engine, AcimEngine) and engine.layer.config.activation_bits == bits
    assert torch.equal(model(x), apc.nn.convert(layer, Software(), quantisation=quantisation, calibration=[x])(x))


@torch.no_grad()
def test_axes_between_images_and_features_are_positions() -> None:
    layer = nn.Linear(5, 3)
    x = random(2, 4, 3, 5)
    model = apc.nn.convert(layer, Software(), calibration=[x])
    assert torch.equal(model(x), model(x.reshape(-1, 5)).reshape(2, 4, 3, 3))
    assert torch.equal(model(x[0, 0, 0]), model(x)[0, 0, 0])
    assert model(x[:0]).shape == (0, 4, 3, 3)


@torch.no_grad()
@pytest.mark.parametrize("name", ["plain", "one-dimensional"])
def test_images_without_a_batch_axis(name: str) -> None:
    layer = LAYERS[name]
    x = inputs_of(layer)
    model = apc.nn.convert(layer, AcimConfig(adc_bits=6), calibration=[x])
    assert torch.equal(model(x[1]), model(x)[1])


@torch.no_grad()
def test_scales_do_not_depend_on_the_batch() -> None:
    layer, x = LAYERS["plain"], inputs_of(LAYERS["plain"], 6)
    model = apc.nn.convert(layer, AcimConfig(adc_bits=6), calibration=[x])
    small = torch.cat([0.01 * x[:1], x[1:]])
    assert torch.equal(model(small)[1:], model(x)[1:])


@torch.no_grad()
def test_changed_weights_are_programmed_anew() -> None:
    layer = nn.Linear(6, 4)
    x = inputs_of(layer)
    model = apc.nn.convert(layer, AcimConfig(adc_bits=6), calibration=[x])
    simulated = only_layer(model)
    model(x)
    engine = simulated.engine
    simulated.weight.mul_(2)  # other scales, the same levels
    assert simulated.engine is engine
    assert torch.equal(model(x), apc.nn.convert(simulated_twin(simulated), AcimConfig(adc_bits=6), calibration=[x])(x))
    simulated.weight.data[0, 0] *= -1
    assert simulated.engine is not engine
    assert torch.equal(model(x), apc.nn.convert(simulated_twin(simulated), AcimConfig(adc_bits=6), calibration=[x])(x))


def simulated_twin(simulated: SimulatedLayer) -> nn.Linear:
    twin = nn.Linear(*reversed(simulated.weight.shape))
    assert simulated.bias is not None
    twin.weight.data, twin.bias.data = simulated.weight.data.clone(), simulated.bias.data.clone()
    return twin


@torch.no_grad()
def test_other_hardware_is_programmed_anew() -> None:
    layer, x = LAYERS["linear"], inputs_of(LAYERS["linear"])
    model = apc.nn.convert(layer, AcimConfig(adc_bits=5), calibration=[x])
    before = model(x)
    only_layer(model).hardware = Software()
    assert not torch.equal(model(x), before)
    assert torch.equal(model(x), apc.nn.convert(layer, Software(), calibration=[x])(x))


@torch.no_grad()
def test_state_dicts_load_both_ways() -> None:
    x = random(4, 1, 8, 8)
    net, other = seeded(ConvNet), ConvNet().eval()
    model = apc.nn.convert(net, Software(), calibration=[x])
    again = apc.nn.convert(other, Software(), calibration=[x])
    again.load_state_dict(net.state_dict())  # strict, the original's names only
    assert {name for name, _ in again.named_parameters()} == {name for name, _ in net.named_parameters()}
    apc.nn.calibrate(again, [x])
    assert torch.equal(again(x), model(x))
    missing, unexpected = other.load_state_dict(model.state_dict(), strict=False)
    assert not missing and torch.equal(other(x), net(x))
    assert all("quantiser" in name or "_extra_state" in name for name in unexpected)


@torch.no_grad()
def test_a_checkpoint_holds_what_calibration_chose() -> None:
    x = random(4, 1, 8, 8)
    config = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=6, adc_range="calibrated", rows_max=40)
    model = apc.nn.convert(seeded(ConvNet), config, calibration=[x])
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = apc.nn.convert(seeded(ConvNet), config)
    fresh.load_state_dict(torch.load(file))
    assert torch.equal(fresh(x), model(x))


@torch.no_grad()
def test_models_are_copied_and_pickled() -> None:
    x = random(4, 1, 8, 8)
    config = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=6, adc_range="calibrated", rows_max=40)
    model = apc.nn.convert(seeded(ConvNet), {"stem": config, "*": AcimConfig(noise_lsb=0.3)}, calibration=[x])
    expected = model(x)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        apc.nn.restart(twin)
        assert torch.equal(twin(x), expected)
        twin.stem.weight.data.mul_(-1)
        assert not torch.equal(twin(x), expected)
    apc.nn.restart(model)
    assert torch.equal(model(x), expected)


def test_bias_is_on_the_products_grid_where_scales_are_powers_of_two() -> None:
    layer = nn.Linear(6, 4)
    x = inputs_of(layer)
    model = apc.nn.convert(layer, Software(), quantisation=Quantisation(power_of_two=True), calibration=[x])
    simulated = only_layer(model)
    bias, unit = simulated.grid_bias(), simulated.output_scale()
    assert bias is not None and torch.equal(bias / unit, torch.round(bias / unit))
    assert ((bias - layer.bias).abs() <= unit / 2).all()


def test_without_calibration_there_is_an_error() -> None:
    model = apc.nn.convert(seeded(ConvNet), Software())
    with pytest.raises(ConversionError, match=r"^layer stem: inputs have no range yet, call apc.nn.calibrate"):
        model(random(1, 1, 8, 8))


def test_what_hardware_cannot_hold_is_named() -> None:
    x = random(2, 1, 8, 8)
    wide = Quantisation(weight_bits=10)
    with pytest.raises(ConversionError, match="^layer stem: weights: .* weight_bits = 8"):
        apc.nn.convert(seeded(ConvNet), AcimConfig(), quantisation=wide, calibration=[x])(x)


def test_half_precision_goes_in_and_comes_out() -> None:
    layer, x = LAYERS["plain"], inputs_of(LAYERS["plain"])
    model = apc.nn.convert(layer, Software(), calibration=[x])
    with torch.no_grad():
        y = model(x.half())
        assert y.dtype == torch.float16
        assert torch.equal(y, model(x.half().float()).half())


def test_padding_is_zero_in_hardware_that_shifts_inputs() -> None:
    """Rows of SRAM arrays are driven from the lowest input on: what stands for a padded 0 is not 0 there."""
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    layer.weight.data.fill_(1.0)
    x = -torch.ones(1, 1, 1, 1)
    model = apc.nn.convert(layer, AcimConfig(adc_bits=12, rows=4095), calibration=[x])
    with torch.no_grad():
        assert model(x).item() == pytest.approx(-1)
        assert functional.conv2d(x, layer.weight, padding=1).item() == -1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@torch.no_grad()
def test_a_model_on_a_gpu_gives_what_it_gives_on_the_cpu() -> None:
    layer, x = LAYERS["plain"], inputs_of(LAYERS["plain"])
    expected = apc.nn.convert(layer, AcimConfig(noise_lsb=0.3), calibration=[x])(x)
    model = apc.nn.convert(copy.deepcopy(layer).cuda(), AcimConfig(noise_lsb=0.3), calibration=[x])
    y = model(x.cuda())
    assert y.is_cuda and torch.equal(y.cpu(), expected)
