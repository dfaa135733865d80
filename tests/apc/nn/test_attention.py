"""Simulated attention against torch's own, with wide integers, and its encoder without the fused path."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import apc.nn
from apc.nn import ConversionError, Quantisation, Software
from apc.nn.attention import PROJECTIONS, SimulatedMultiheadAttention
from apc.nn.calibration import simulated_layers
from simulator.analog.acim.config import AcimConfig
from tests.apc.nn.nets import Transformer, random, seeded

FINE = Quantisation(weight_bits=16, activation_bits=16)
NEAR = 2e-3


def attention(**options: Any) -> nn.MultiheadAttention:
    made = seeded(nn.MultiheadAttention, 8, 2, **options)
    assert isinstance(made, nn.MultiheadAttention)
    with torch.no_grad():
        if made.in_proj_bias is not None:
            made.in_proj_bias.copy_(random(24, seed=5))
    return made


def simulated(module: nn.Module, *inputs: torch.Tensor) -> nn.Module:
    """``module`` in fine integers, whose ranges leave room for what masks make of the inputs."""
    return apc.nn.convert(module, Software(), quantisation=FINE, calibration=[(tuple(3 * x for x in inputs),)])


MASKS: dict[str, dict[str, Any]] = {
    "none": {},
    "causal": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(1)},
    "causal hint": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(1), "is_causal": True},
    "added": {"attn_mask": random(5, 5, seed=3)},
    "a head": {"attn_mask": random(6, 5, 5, seed=4)},
    "padding": {"key_padding_mask": torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]]).bool()},
    "both": {"key_padding_mask": random(3, 5, seed=6), "attn_mask": random(5, 5, seed=3)},
    "weights": {"need_weights": True, "attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(1)},
    "weights of heads": {"need_weights": True, "average_attn_weights": False},
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("batch_first", [True, False])
@torch.no_grad()
def test_attention_is_torchs_with_masks(mask: str, batch_first: bool) -> None:
    module = attention(batch_first=batch_first)
    x = random(3, 5, 8)
    x = x if batch_first else x.transpose(0, 1)
    options = {"need_weights": False} | MASKS[mask]
    y, weights = simulated(module, x, x, x)(x, x, x, **options)
    expected, expected_weights = module(x, x, x, **options)
    assert torch.allclose(y, expected, atol=NEAR)
    assert (weights is None) == (expected_weights is None)
    if weights is not None:
        assert torch.allclose(weights, expected_weights, atol=NEAR)


@pytest.mark.parametrize("options", [{}, {"kdim": 6, "vdim": 4}, {"bias": False}])
@torch.no_grad()
def test_attention_to_something_else(options: dict[str, Any]) -> None:
    module = attention(batch_first=True, **options)
    query, key, value = random(2, 3, 8), random(2, 5, module.kdim, seed=1), random(2, 5, module.vdim, seed=2)
    y, _ = simulated(module, query, key, value)(query, key, value)
    assert torch.allclose(y, module(query, key, value)[0], atol=NEAR)


@torch.no_grad()
def test_attention_without_a_batch_axis() -> None:
    module, x = attention(), random(5, 8)
    y, weights = simulated(module, x, x, x)(x, x, x)
    expected, expected_weights = module(x, x, x)
    assert y.shape == (5, 8) and torch.allclose(y, expected, atol=NEAR)
    assert weights.shape == (5, 5) and torch.allclose(weights, expected_weights, atol=NEAR)


@torch.no_grad()
def test_a_causal_hint_alone_makes_the_mask() -> None:
    module, x = attention(batch_first=True), random(3, 5, 8)
    model = simulated(module, x, x, x)
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert torch.equal(model(x, x, x, is_causal=True)[0], model(x, x, x, attn_mask=mask)[0])


def test_parameters_keep_their_names_and_gradients() -> None:
    module, x = attention(batch_first=True), random(3, 5, 8)
    model = simulated(module, x, x, x)
    assert {name for name, _ in model.named_parameters()} == {name for name, _ in module.named_parameters()}
    model(x, x, x)[0].square().sum().backward()
    module(x, x, x)[0].square().sum().backward()
    for (name, own), (_, original) in zip(model.named_parameters(), module.named_parameters(), strict=True):
        assert own.grad is not None and original.grad is not None, name
        assert torch.allclose(own.grad, original.grad, rtol=0.02, atol=0.02 * float(original.grad.abs().max())), name


@torch.no_grad()
def test_copies_have_weights_of_their_own() -> None:
    module, x = attention(batch_first=True), random(3, 5, 8)
    model = simulated(module, x, x, x)
    before = model(x, x, x)[0]
    twin = copy.deepcopy(model)
    assert isinstance(twin, SimulatedMultiheadAttention)
    twin.in_proj_weight.mul_(0.5)
    assert torch.equal(model(x, x, x)[0], before)
    assert not torch.equal(twin(x, x, x)[0], before)


@pytest.mark.parametrize("norm_first", [True, False])
@torch.no_grad()
def test_an_encoder_calls_the_simulated_layers(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first).eval()
    x = random(3, 5, 8)
    padding = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 1, 1]]).bool()
    model = apc.nn.convert(encoder, AcimConfig(noise_lsb=1.0), calibration=[x])
    alike = random(300, 1, 8, seed=1).expand(-1, 5, -1)  # attended to, one token alone and all that are the same
    fine = apc.nn.convert(encoder, Software(), quantisation=FINE, calibration=[x, alike, random(300, 5, 8, seed=2)])
    names = [layer.name for layer in simulated_layers(model)]
    first = [f"layers.0.self_attn.{part}" for part in PROJECTIONS] + ["layers.0.linear1", "layers.0.linear2"]
    assert sorted(names) == sorted(first + [name.replace("0", "1", 1) for name in first])
    assert not torch.equal(model(x), model(x))  # there is noise
    assert torch.allclose(fine(x), encoder(x), atol=5 * NEAR)
    kept = ~padding
    masked = encoder(x, src_key_padding_mask=padding)
    assert torch.allclose(fine(x, src_key_padding_mask=padding)[kept], masked[kept], atol=5 * NEAR)


@torch.no_grad()
def test_a_small_vision_transformer_is_near_its_original() -> None:
    net, x = seeded(Transformer), random(8, 1, 8, 8)
    y = net(x)
    errors = [
        float((apc.nn.convert(net, Software(), quantisation=bits, calibration=[x])(x) - y).norm() / y.norm())
        for bits in (FINE, Quantisation(), Quantisation(weight_bits=4, activation_bits=4))
    ]
    assert errors[0] < 1e-3 < errors[1] < 0.05 < errors[2]


@pytest.mark.parametrize("options", [{"add_bias_kv": True}, {"add_zero_attn": True}])
def test_rare_attention_is_refused(options: dict[str, bool]) -> None:
    net = nn.Sequential(nn.MultiheadAttention(8, 2, **options))
    with pytest.raises(ConversionError, match="^0: attention with add_bias_kv or add_zero_attn is not simulated: excl"):
        apc.nn.convert(net, Software())
