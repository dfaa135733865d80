"""Noise belongs to images: batches, restarts, repeated calls and tokens."""

from __future__ import annotations

import copy

import numba
import pytest
import torch
from torch import nn

import apc.nn
from apc.nn.images import CALL_STRIDE, Calls, CountImages, Images
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from simulator.analog.config_records import ReadNoise
from tests.apc.nn.nets import ConvNet, Transformer, random, seeded

NOISY = AcimConfig(weight_bits=3, activation_bits=2, rows=63, adc_bits=6, noise_lsb=0.7)


def in_batches(model: nn.Module, x: torch.Tensor, size: int) -> torch.Tensor:
    apc.nn.restart(model)
    with torch.no_grad():
        return torch.cat([model(part) for part in x.split(size)])


@pytest.mark.parametrize("make", [ConvNet, Transformer])
def test_results_do_not_depend_on_batches_and_threads(make: type[nn.Module]) -> None:
    x = random(64, 1, 8, 8)
    model = apc.nn.convert(seeded(make), NOISY, calibration=[x])
    threads = numba.get_num_threads()
    together = in_batches(model, x, 64)
    for size in (1, 7):
        assert torch.equal(in_batches(model, x, size), together)
    torch.set_num_threads(2)
    numba.set_num_threads(1)
    try:
        assert torch.equal(in_batches(model, x, 64), together)
    finally:
        numba.set_num_threads(threads)


class SequenceFirst(nn.Module):
    """Tokens (N, L, E) through layers that want (L, N, E)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(0, 1)
        return self.decoder(x, self.encoder(x)).transpose(0, 1)


def test_images_may_be_the_second_axis_of_a_transformer() -> None:
    x = random(7, 3, 8)
    net = seeded(SequenceFirst)
    model = apc.nn.convert(net, NOISY, calibration=[x])
    together = in_batches(model, x, 7)
    for size in (1, 3):
        assert torch.equal(in_batches(model, x, size), together)
    exact = apc.nn.convert(net, apc.nn.Software(), calibration=[x])
    with torch.no_grad():
        assert (exact(x) - net(x)).abs().max() < 0.1
        sequence = exact.encoder(x[0])  # without images
        assert torch.allclose(sequence, exact.encoder(x[0][:, None])[:, 0], atol=1e-5)


def test_noise_goes_on_until_it_is_restarted() -> None:
    x = random(3, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), NOISY, calibration=[x])
    with torch.no_grad():
        first, second = model(x), model(x)
        assert not torch.equal(first, second)
        apc.nn.restart(model)
        assert torch.equal(model(x), first)
        apc.nn.restart(model, first_image=3)
        assert torch.equal(model(x), second)
        apc.nn.restart(model, first_image=1)
        both = model(torch.cat([x[1:], x[:1]]))
    assert torch.equal(both, torch.cat([first[1:], second[:1]]))


def test_read_noise_of_crossbars_belongs_to_images_too() -> None:
    x = random(9, 1, 8, 8)
    config = CrossbarConfig(cell_bits=7, dac_bits=8, read_noise=ReadNoise(proportional=0.1))
    model = apc.nn.convert(seeded(ConvNet), config, calibration=[x])
    together = in_batches(model, x, 9)
    assert torch.equal(in_batches(model, x, 2), together)
    assert not torch.equal(together, in_batches(apc.nn.convert(seeded(ConvNet), config, calibration=[x], seed=1), x, 9))


def test_a_module_that_is_called_twice_gets_other_noise() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.layer(x), self.layer(x)

    x = random(5, 6)
    model = apc.nn.convert(seeded(Twice), NOISY, calibration=[x])
    with torch.no_grad():
        one, two = model(x)
        assert not torch.equal(one, two)
        apc.nn.restart(model)
        parts = [model(part) for part in x.split(2)]
    assert torch.equal(torch.cat([part[0] for part in parts]), one)
    assert torch.equal(torch.cat([part[1] for part in parts]), two)


def test_places_of_a_layers_images() -> None:
    images = Images()
    calls = Calls(images)
    assert calls.first_image(5) == 0  # no batch of the model's yet
    images.begin(4)
    assert [calls.first_image(4), calls.first_image(4)] == [0, CALL_STRIDE]
    images.begin(4)
    assert [calls.first_image(12), calls.first_image(4)] == [12, 4 + CALL_STRIDE]  # three windows of every image
    images.begin(2)
    assert calls.first_image(3) == 8  # not the images: their first one still
    images.restart(100)
    images.begin(2)
    assert calls.first_image(2) == 100


def test_the_hook_finds_images_wherever_they_are() -> None:
    images, x = Images(), random(3, 2)
    hook = CountImages(images)
    for args, kwargs in [((x,), {}), ((), {"x": x}), (({"a": [1, x]},), {}), ((None, (x,)), {})]:
        before = images.first + images.count
        hook(nn.Identity(), args, kwargs)
        assert (images.first, images.count) == (before, 3)


def test_copies_count_for_themselves() -> None:
    x = random(2, 1, 8, 8)
    model = apc.nn.convert(seeded(ConvNet), NOISY, calibration=[x])
    other = copy.deepcopy(model)
    with torch.no_grad():
        first = model(x)
        assert torch.equal(other(x), first)
        assert torch.equal(other(x), model(x))
