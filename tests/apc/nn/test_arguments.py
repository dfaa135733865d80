"""Models called with several arguments, by position and by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import apc.nn
from apc.nn.arguments import Arguments, recut
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import random, seeded

NOISY = AcimConfig(rows=31, adc_bits=6, noise_lsb=0.4)


class Both(nn.Module):
    """Features of an image and a token of it, as libraries of pretrained models call theirs: by names."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(6, 5)
        self.token = nn.Linear(4, 5)

    def forward(self, pixels: torch.Tensor, token: torch.Tensor, sign: int = 1) -> torch.Tensor:
        return self.features(pixels) + sign * self.token(token)


class Table(nn.Module):
    """One argument, a table."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(6, 5)

    def forward(self, table: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.features(table["pixels"])


@torch.no_grad()
def test_arguments_by_name_do_what_they_do_by_position() -> None:
    pixels, token = random(20, 6), random(20, 4, seed=1)
    net = seeded(Both)
    named = [{"pixels": pixels[:7], "token": token[:7]}, {"pixels": pixels[7:], "token": token[7:]}]
    by_name = apc.nn.convert(net, NOISY, calibration=named)
    by_place = apc.nn.convert(net, NOISY, calibration=[((pixels, token), None)])
    assert torch.equal(by_name(pixels=pixels, token=token), by_place(pixels, token))
    everything = {"pixels": pixels, "token": token}
    assert apc.nn.summary(by_name, everything) == apc.nn.summary(by_place, (pixels, token))
    predictions = [apc.nn.predict_errors(by_name, one).as_table() for one in (everything, (pixels, token))]
    assert predictions[0] == predictions[1]


@torch.no_grad()
def test_a_table_may_be_the_argument_itself() -> None:
    pixels, net = random(20, 6), seeded(Table)
    model = apc.nn.convert(net, NOISY, calibration=[(({"pixels": part},), 0) for part in pixels.split(3)])
    assert [layer.name for layer in apc.nn.summary(model, ({"pixels": pixels},)).layers] == ["features"]
    together = model({"pixels": pixels})
    apc.nn.restart(model)
    assert torch.equal(torch.cat([model({"pixels": part}) for part in pixels.split(7)]), together)


@pytest.mark.parametrize("batch", [7, (7, 3), [], {"x": "a"}, torch.tensor(1.0), (torch.tensor(1.0), 2)])
def test_batches_without_images_are_refused(batch: Any) -> None:
    with pytest.raises(apc.nn.ConversionError, match="^calibration: batches must be tensors, "):
        Arguments.of_batch(batch)


def test_images_stay_together_and_in_order() -> None:
    x = torch.arange(23)
    parts = [Arguments((part, {"twice": 2 * part}), {"sign": -1}) for part in x.split(5)]
    found = list(recut(parts, 8))
    assert [len(one) for one in found] == [8, 8, 7]
    assert torch.equal(torch.cat([one.positional[0] for one in found]), x)
    assert torch.equal(torch.cat([one.positional[1]["twice"] for one in found]), 2 * x)
    assert all(one.named == {"sign": -1} for one in found)
    assert list(recut([Arguments((x[:0],), {})], 8)) == []


@torch.no_grad()
def test_images_of_several_shapes_calibrate_one_shape_after_the_other() -> None:
    x = [random(5, 1, 6, 7), random(20, 1, 8, 8, seed=1), random(3, 1, 6, 7, seed=2)]
    found = list(recut([Arguments((part,), {}) for part in (x[0][:2], x[0][2:], x[1], x[2])], 16))
    assert [tuple(one.positional[0].shape) for one in found] == [
        (5, 1, 6, 7),
        (16, 1, 8, 8),
        (4, 1, 8, 8),
        (3, 1, 6, 7),
    ]
    hardware = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=6, adc_range="calibrated")
    model = apc.nn.convert(nn.Conv2d(1, 2, 3), hardware, calibration=x)
    assert model.input_scale == pytest.approx(float(max(part.abs().max() for part in x)) / 127)
    alone = apc.nn.convert(nn.Conv2d(1, 2, 3), hardware)
    alone.load_state_dict(model.state_dict())
    assert torch.equal(alone(x[1]), model(x[1]))


def test_a_layer_whose_weights_others_read_is_warned_of() -> None:
    class Read(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[1](nn.functional.linear(x, self[0].weight))

    with pytest.warns(UserWarning, match="^calibration calls no layer 0: nothing of it is simulated"):
        apc.nn.convert(Read(nn.Linear(6, 6), nn.Linear(6, 2)), NOISY, calibration=random(3, 6))
