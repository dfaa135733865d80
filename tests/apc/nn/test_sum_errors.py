"""Errors of sums with noise on top of static errors, against many simulated calls."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import apc.nn
from apc.nn.sum_errors import sum_errors
from simulator.analog.acim.config import AcimConfig
from tests.apc.nn.nets import only_layer, random

STATIC = {"weight_bits": 3, "activation_bits": 2, "rows": 15, "offset_lsb": 0.4, "gain_sigma": 0.05, "inl_lsb": 0.5}


@pytest.mark.parametrize(
    "config",
    [
        AcimConfig(**STATIC, adc_bits=4, noise_lsb=0.4),
        AcimConfig(**STATIC, adc_bits=4, noise_lsb=0.4, voting=3, voting_level=3, hybrid_level=1),
        AcimConfig(**STATIC, adc_bits=3, noise_lsb=0.1),
        AcimConfig(**STATIC, adc_bits=5, noise_lsb=0.0),
    ],
    ids=["lossless grid", "votes", "little noise", "no noise"],
)
@torch.no_grad()
def test_noise_smooths_what_static_errors_do(config: AcimConfig) -> None:
    torch.manual_seed(0)
    x, calls = random(2, 4, 5, 5, positive=True), 2000
    model = apc.nn.convert(nn.Conv2d(4, 6, 3, groups=2), config, calibration=x, seed=3)
    layer = only_layer(model)
    images = layer.input_quantiser.levels(x)
    found = sum_errors(layer, images)
    exact = nn.functional.conv2d(images.double(), layer.levels()[0].double(), groups=2)
    many = torch.cat([images] * calls)
    errors = layer.engine(many, first_image=0).double().unflatten(0, (calls, 2)) - exact
    mean, variance = errors.mean(0), errors.var(0)
    assert float(mean.abs().max()) > 1
    spread = (found.variance / calls).sqrt()
    assert ((mean - found.mean).abs() <= 5 * spread + 1e-3).all()
    assert float(found.variance.sum()) == pytest.approx(float(variance.sum()), rel=0.02)
