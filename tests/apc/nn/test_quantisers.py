"""Fake quantisers against the numpy quantiser, integer arithmetic and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apc.nn import ActivationQuantiser, ConversionError, Quantisation
from apc.nn.quantisers import WeightQuantiser, power_of_two
from apc.quantize.weights import quantise_weights
from tests.apc.nn.nets import random


@pytest.mark.parametrize("kind, name", [("int", "int4"), ("int", "int8"), ("ternary", "ternary"), ("binary", "binary")])
def test_levels_and_scales_are_those_of_the_onnx_quantiser(kind: str, name: str) -> None:
    weight = random(6, 4, 3, 3)
    weight[2] = 0
    bits = int(name[3:]) if kind == "int" else 8
    levels, scale = WeightQuantiser(Quantisation(weights=kind, weight_bits=bits), weight).levels(weight)
    expected = quantise_weights(weight.numpy(), name)
    assert levels.dtype == torch.int32
    assert np.array_equal(levels.numpy(), expected.levels)
    assert np.array_equal(scale.numpy(), expected.scale)


@pytest.mark.parametrize("kind", ["int", "ternary", "binary"])
def test_one_scale_for_the_layer_is_that_of_all_weights_as_one_output(kind: str) -> None:
    weight = random(6, 4)
    quantisation = Quantisation(weights=kind, per_channel=False)
    levels, scale = WeightQuantiser(quantisation, weight).levels(weight)
    expected = quantise_weights(weight.reshape(1, -1).numpy(), "int8" if kind == "int" else kind)
    assert np.array_equal(levels.numpy().reshape(1, -1), expected.levels)
    assert scale.shape == (6,) and (scale == float(expected.scale[0])).all()


def test_wide_weights_keep_their_bits() -> None:
    weight = torch.tensor([[1.0, -0.5, 2.0**-15]])
    levels, scale = WeightQuantiser(Quantisation(weight_bits=16), weight).levels(weight)
    assert levels.tolist() == [[32767, round(-32767 / 2), 1]]
    assert scale.item() == pytest.approx(1 / 32767)


@given(st.floats(2.0**-100, 2.0**100, width=32))
@settings(max_examples=200, deadline=None)
def test_powers_of_two_are_the_nearest_by_logarithm_or_not_below(value: float) -> None:
    nearest = float(power_of_two(torch.tensor(value)))
    above = float(power_of_two(torch.tensor(value), up=True))
    assert np.log2(above) == np.ceil(np.log2(value)) and above / 2 < value <= above
    assert np.log2(nearest) % 1 == 0 and abs(np.log2(nearest) - np.log2(value)) <= 0.5 + 1e-6


@pytest.mark.parametrize("kind", ["int", "ternary", "binary"])
def test_scales_that_are_powers_of_two(kind: str) -> None:
    weight = random(6, 9)
    plain = Quantisation(weights=kind, weight_bits=4)
    _, free = WeightQuantiser(plain, weight).levels(weight)
    levels, scale = WeightQuantiser(Quantisation(weights=kind, weight_bits=4, power_of_two=True), weight).levels(weight)
    assert (torch.frexp(scale).mantissa == 0.5).all()
    if kind == "int":  # nothing is clipped
        assert ((scale >= free) & (scale < 2 * free)).all()
        assert torch.equal(levels, torch.round(weight / scale[:, None]).int())
    else:
        assert ((scale / free).log2().abs() <= 0.5).all()


def test_weights_pass_gradients_straight_through() -> None:
    weight = random(3, 5).requires_grad_()
    factors = random(3, 5, seed=1)
    quantiser = WeightQuantiser(Quantisation(weights="ternary"), weight)
    value = quantiser(weight)
    levels, scale = quantiser.levels(weight)
    assert torch.allclose(value, levels * scale[:, None], atol=1e-6)
    (value * factors).sum().backward()
    assert torch.equal(weight.grad, factors)


def test_learned_weight_scales_have_the_gradients_of_lsq() -> None:
    """Esser et al., 2020, equations 2 and 3, with its gradient scale 1 / sqrt(N Q)."""
    weight = torch.tensor([[0.31, -0.74, 1.9, -2.5], [0.05, 0.4, -0.12, 0.2]], requires_grad=True)
    factors = random(2, 4, seed=2)
    quantiser = WeightQuantiser(Quantisation(weight_bits=3, weight_scale="learned"), weight)
    assert quantiser.scale is not None
    assert torch.allclose(quantiser.scale, 2 * weight.detach().abs().mean(1) / 3**0.5)
    quantiser.scale.data = torch.tensor([0.5, 0.1])
    (quantiser(weight) * factors).sum().backward()
    steps = weight.detach() / torch.tensor([[0.5], [0.1]])
    inside = steps.abs() < 3
    assert torch.allclose(weight.grad, factors * inside)
    by_scale = torch.where(inside, steps.round() - steps, 3 * steps.sign())
    assert torch.allclose(quantiser.scale.grad, (by_scale * factors).sum(1) / (4 * 3) ** 0.5, rtol=1e-5)
    levels, scale = quantiser.levels(weight)
    assert torch.equal(levels, steps.round().clamp(-3, 3).int()) and scale.tolist() == pytest.approx([0.5, 0.1])


@pytest.mark.parametrize("signed, low, high", [(False, 0, 15), (True, -7, 7)])
def test_inputs_become_levels_of_the_range(signed: bool, low: int, high: int) -> None:
    quantiser = ActivationQuantiser(Quantisation(activation_bits=4))
    x = random(40) * 3
    assert quantiser(x) is x  # until there is a range
    quantiser.set_range(signed, largest=2.5, mean=1.0)
    scale = np.float32(2.5 / high)
    expected = np.clip(np.rint(x.numpy() / scale), low, high)
    assert quantiser.range == (low, high) and float(quantiser.scale) == scale
    assert np.array_equal(quantiser.levels(x).numpy(), expected)
    assert np.allclose(quantiser(x).numpy(), expected * scale, atol=1e-6)


def test_inputs_pass_gradients_inside_the_range_only() -> None:
    quantiser = ActivationQuantiser(Quantisation(activation_bits=2))
    quantiser.set_range(signed=False, largest=3.0, mean=1.0)
    x = torch.tensor([-0.4, 0.3, 2.9, 3.2], requires_grad=True)
    quantiser(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 0]


def test_learned_input_scales_start_as_lsq_says_and_learn() -> None:
    quantiser = ActivationQuantiser(Quantisation(activation_bits=3, activation_scale="learned"))
    quantiser.set_range(signed=False, largest=9.0, mean=0.5)
    assert quantiser.scale.item() == pytest.approx(2 * 0.5 / 7**0.5)
    quantiser.scale.data.fill_(0.5)
    x = torch.tensor([[0.6, 1.2, 9.0]])
    quantiser(x).sum().backward()
    steps = x[0] / 0.5
    expected = (1 - steps[0]) + (2 - steps[1]) + 7
    assert float(quantiser.scale.grad) == pytest.approx(float(expected) / (3 * 7) ** 0.5, rel=1e-5)


def test_power_of_two_of_learned_scales_is_what_is_used() -> None:
    quantiser = ActivationQuantiser(Quantisation(activation_scale="learned", power_of_two=True))
    quantiser.set_range(signed=False, largest=1.0, mean=0.5)
    quantiser.scale.data.fill_(0.3)
    assert float(quantiser.current_scale()) == 0.25
    assert quantiser.levels(torch.tensor([1.0])).tolist() == [4]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weights": "int8"}, "weights = 'int8': must be one of int, ternary, binary"),
        ({"weight_bits": 1}, "weight_bits = 1: must be a whole number from 2 to 16"),
        ({"activation_bits": 17}, "activation_bits = 17: must be a whole number from 1 to 16"),
        ({"weight_scale": "percentile"}, "weight_scale = 'percentile': must be one of max, learned"),
        ({"activation_scale": "mean"}, "activation_scale = 'mean': must be one of max, percentile, learned"),
        ({"percentile": 0}, "percentile = 0: must be from 50 to 100"),
        ({"weights": "binary", "weight_scale": "learned"}, "weight_scale = learned with weights = binary"),
    ],
)
def test_bad_values_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=f"^{message}"):
        Quantisation(**options)


def test_one_bit_inputs_have_no_sign() -> None:
    quantiser = ActivationQuantiser(Quantisation(activation_bits=1))
    quantiser.set_range(signed=False, largest=1.0, mean=0.5)
    assert quantiser.range == (0, 1)
    with pytest.raises(ConversionError, match="activation_bits = 1"):
        quantiser.set_range(signed=True, largest=1.0, mean=0.5)
