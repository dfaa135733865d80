"""Layers: the short way, independence of batches and threads, what is refused. Codes: ``test_codes.py``."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from simulator.analog.acim.array import AcimArray
from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.layer import AcimLayer, Geometry
from tests.simulator.analog.one_thread import one_thread

SAME = Geometry(pads=(1, 1, 1, 1))
NOISY = AcimConfig(rows=40, adc_bits=5, noise_lsb=0.4, voting=3, voting_level=4, hybrid_level=2, inl_lsb=0.3)


def drawn(shape: tuple[int, ...], low: int, high: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape)


def images(*shape: int, low: int = 0, high: int = 256, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(drawn(shape, low, high, seed)).float()


GEOMETRIES = [
    (SAME, 24, 6, (3, 3), 0),
    (Geometry((2, 1), (0, 2, 1, 1), (2, 1)), 24, 6, (3, 3), -100),
    (Geometry((1, 2), (1, 1, 1, 1), groups=4), 24, 8, (3, 3), 0),
    (Geometry(groups=6), 6, 12, (2, 3), -255),
    (Geometry(), 700, 5, (1, 1), -128),
]
LOSSLESS = [AcimConfig(), AcimConfig(rows=51), AcimConfig(rows=17, dac_bits=4), AcimConfig(adc_bits=3, hybrid_level=15)]


@pytest.mark.parametrize("config", LOSSLESS)
@pytest.mark.parametrize(("geometry", "inputs", "outputs", "kernel", "low"), GEOMETRIES)
def test_the_short_way_is_the_long_way_and_the_convolution(
    config: AcimConfig, geometry: Geometry, inputs: int, outputs: int, kernel: tuple[int, int], low: int
) -> None:
    weights = drawn((outputs, inputs // geometry.groups, *kernel), -128, 128)
    layer = AcimLayer(weights, config, geometry=geometry, seed=0, input_low=low)
    assert layer.shortcut
    x = images(2, inputs, 7, 6, low=low, high=low + 256)
    top, left, bottom, right = geometry.pads
    moves = (geometry.strides, 0, geometry.dilations, geometry.groups)
    exact = functional.conv2d(
        functional.pad(x, (left, right, top, bottom)).double(), torch.from_numpy(weights).double(), None, *moves
    )
    assert torch.equal(layer(x), exact) and torch.equal(layer.long_way(x), exact)


def test_lossy_and_noisy_arrays_have_no_short_way() -> None:
    weights, x = drawn((2, 30, 1, 1), -128, 128), images(3, 30, 1, 1)
    for change in ({"adc_bits": 7}, {"noise_lsb": 0.1}, {"inl_lsb": 0.1}, {"offset_lsb": 0.1}, {"gain_sigma": 0.1}):
        layer = AcimLayer(weights, AcimConfig(**change), seed=0)
        assert not layer.shortcut and torch.equal(layer(x), layer.long_way(x))


@pytest.mark.parametrize("size", [1, 5, 17])
def test_results_do_not_depend_on_batches_and_threads(size: int) -> None:
    geometry = SAME if size > 1 else Geometry()
    kernel = (3, 3) if size > 1 else (1, 1)
    config = replace(NOISY, weight_bits=5, activation_bits=3)
    layer = AcimLayer(drawn((18, 9, *kernel), -16, 16), config, geometry=geometry, seed=(4, 2))
    x = images(64, 9, size, size, high=8)
    whole = layer(x, first_image=3)
    for batch in (1, 7):
        parts = [layer(x[start : start + batch], first_image=3 + start) for start in range(0, 64, batch)]
        assert torch.equal(torch.cat(parts), whole)
    with one_thread():
        assert torch.equal(layer(x, first_image=3), whole)
    assert not torch.equal(layer(x, first_image=4), whole)


def test_the_seed_decides_all_that_is_drawn() -> None:
    weights, x = drawn((4, 90, 1, 1), -128, 128), images(5, 90, 1, 1)
    for config in (AcimConfig(noise_lsb=1.0), AcimConfig(inl_lsb=2.0), AcimConfig(gain_sigma=0.1)):
        results = [AcimLayer(weights, config, seed=seed)(x) for seed in (7, (7,), (7, 0), 8)]
        assert torch.equal(results[0], results[1])
        assert len({tuple(result.flatten().tolist()) for result in results}) == 3


def test_images_that_are_alike_have_noise_of_their_own() -> None:
    layer = AcimLayer(drawn((8, 20, 1, 1), -128, 128), AcimConfig(noise_lsb=0.5), seed=0)
    x = images(1, 20, 2, 2).expand(2, 20, 2, 2)[:, :, :1, :1].repeat(1, 1, 2, 2)
    results = layer(x).permute(0, 2, 3, 1).reshape(8, 8)
    assert len(torch.unique(results, dim=0)) == 8


def test_codes_are_those_that_outputs_are_made_of() -> None:
    """With noise, votes, hybrid cycles and static errors; several blocks of positions, and several tiles."""
    config = replace(NOISY, weight_bits=5, activation_bits=6, dac_bits=2)
    layer = AcimLayer(drawn((20, 7, 3, 3), -16, 16), config, geometry=SAME, seed=1, input_low=-9)
    x = images(2, 7, 18, 17, low=-9, high=55)
    codes, macs = layer.codes(x, first_image=5).astype(np.int64), layer.macs(x).astype(np.int64)
    assert codes.shape == macs.shape == (2, 20, 2, 5, 3, 18 * 17) and layer.tiles == 2
    total = np.zeros((2, 20, 18 * 17))
    for i in range(5):
        for j in range(3):
            place = 2 ** (i + 2 * j) * (-1 if i == 4 else 1)
            analog, exact = codes[:, :, :, i, j].sum(2), macs[:, :, :, i, j].sum(2)
            assert (
                (codes[:, :, :, i, j] == -1).all() if config.cycles.digital(i, j) else (codes[:, :, :, i, j] >= 0).all()
            )
            total += place * (exact if config.cycles.digital(i, j) else analog * config.full_scale / config.top_code)
    total += -9 * layer._matrix.sum(-1).reshape(1, -1, 1)
    np.testing.assert_allclose(layer(x, first_image=5).flatten(2).numpy(), total, rtol=0, atol=1e-6)


def test_the_histogram_counts_every_sum() -> None:
    layer = AcimLayer(drawn((20, 8, 3, 3), -128, 128), AcimConfig(rows=50, adc_bits=4), geometry=SAME, seed=0)
    x = images(3, 8, 20, 20)
    macs, histogram = layer.macs(x), layer.mac_histogram(x)
    assert histogram.shape == (8, 8, 51)
    for i, j in ((0, 0), (7, 7), (3, 5)):
        assert (histogram[i, j] == np.bincount(macs[:, :, :, i, j].ravel(), minlength=51)).all()


def test_conversions_are_counted() -> None:
    layer = AcimLayer(drawn((6, 100, 3, 3), -128, 128), AcimConfig(voting=3, voting_level=2, hybrid_level=1), seed=0)
    assert (layer.tiles, layer.conversions_per_position) == (4, 6 * 4 * (64 - 1 + 2 * 2))


def test_inputs_are_rounded_and_clipped_as_by_a_dac() -> None:
    for config in (AcimConfig(activation_bits=3), AcimConfig(activation_bits=3, adc_bits=7)):
        layer = AcimLayer(drawn((3, 4, 1, 1), -128, 128), config, seed=0, input_low=-2)
        x = torch.tensor([-9.0, 1.2, 4.9, 70.0]).reshape(1, 4, 1, 1)
        assert torch.equal(layer(x), layer(torch.tensor([-2.0, 1.0, 5.0, 5.0]).reshape(1, 4, 1, 1)))


@pytest.mark.parametrize("config", [AcimConfig(), AcimConfig(adc_bits=7)])
def test_no_images_give_no_results(config: AcimConfig) -> None:
    layer = AcimLayer(drawn((3, 4, 1, 1), -128, 128), config, seed=0)
    assert layer(torch.zeros(0, 4, 5, 6)).shape == (0, 3, 5, 6)


@pytest.mark.parametrize(
    ("weights", "change", "message"),
    [
        (np.zeros((2, 3)), {}, r"weights: shape \(2, 3\)"),
        (np.zeros((3, 2, 1, 1)), {"geometry": Geometry(groups=2)}, "Cout a multiple of 2 groups"),
        (np.full((1, 1, 1, 1), 128), {}, "weights: 128 is no whole number from -128 to 127"),
        (np.full((1, 1, 1, 1), -129), {}, "weights: -129 is no whole number"),
        (np.full((1, 1, 1, 1), 0.5), {}, "weights: 0.5 is no whole number"),
        (np.zeros((1, 1, 1, 1)), {"seed": -1}, "seed = -1"),
        (np.zeros((1, 1, 1, 1)), {"seed": 1.5}, "seed = 1.5: must be whole numbers from 0"),
        (np.zeros((1, 1, 1, 1)), {"seed": "12"}, "seed = '12': must be whole numbers from 0"),
        (np.full((1, 1, 1, 1), "1"), {}, "weights: <U1 are no real numbers"),
        (np.zeros((1, 1, 1, 1)), {"input_low": 1}, "input_low = 1: must be a whole number from -255 to 0"),
        (np.zeros((1, 1, 1, 1)), {"input_low": -256}, "input_low = -256: .* activation_bits = 8"),
        (np.zeros((1, 1, 1, 1)), {"input_low": -0.5}, "input_low = -0.5: must be a whole number"),
        (np.zeros((1, 1, 1, 1)), {"geometry": Geometry(groups=0)}, "groups = 0: must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_refused(weights: np.ndarray, change: dict[str, object], message: str) -> None:
    with pytest.raises(AcimConfigError, match=message):
        AcimLayer(weights, AcimConfig(), **({"seed": 0} | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "geometry", [Geometry(strides=(0, 1)), Geometry(dilations=(1, 0)), Geometry(pads=(0, 0, -1, 0))]
)
def test_no_convolution_moves_so(geometry: Geometry) -> None:
    layer = AcimLayer(np.zeros((1, 1, 1, 1)), AcimConfig(), geometry=geometry, seed=0)
    with pytest.raises(AcimConfigError, match="strides and dilations must be 1 or more, pads 0 or more"):
        layer(torch.zeros(1, 1, 5, 5))


@pytest.mark.parametrize("first", [-1, 1 << 60])
def test_images_are_counted_from_0_as_far_as_counters_go(first: int) -> None:
    layer = AcimLayer(np.ones((1, 1, 1, 1)), AcimConfig(noise_lsb=0.3), seed=0)
    assert layer(torch.zeros(1, 1, 3, 3), first_image=(1 << 58)).shape == (1, 1, 3, 3)
    with pytest.raises(AcimConfigError, match=f"first_image = {first}: must be from 0 to "):
        layer(torch.zeros(1, 1, 3, 3), first_image=first)


def test_results_beyond_64_bits_are_refused() -> None:
    config = AcimConfig(weight_bits=16, activation_bits=16, dac_bits=15, adc_bits=16, rows=256)
    with pytest.raises(AcimConfigError, match="adc_bits = 16: .* beyond 2\\^62: use fewer bits"):
        AcimLayer(np.zeros((1, 1, 1, 1)), config, seed=0)


@pytest.mark.parametrize("config", [AcimConfig(), AcimConfig(adc_bits=7)])
def test_images_of_another_shape_are_refused(config: AcimConfig) -> None:
    layer = AcimLayer(np.zeros((1, 2, 3, 3)), config, seed=0)
    with pytest.raises(AcimConfigError, match=r"x: shape \(1, 3, 4, 4\) must be \(N, 2, H, W\)"):
        layer(torch.zeros(1, 3, 4, 4))
    with pytest.raises(AcimConfigError, match="smaller than the kernel"):
        layer(torch.zeros(1, 2, 2, 4))


def test_an_array_is_a_layer_for_numpy() -> None:
    weights, x = drawn((5, 300), -128, 128), drawn((300, 7), 0, 256, 1)
    array = AcimArray(weights, AcimConfig(noise_lsb=0.3), seed=3)
    assert array.tiles == 2 and array.codes(x).shape == array.macs(x).shape == (2, 8, 8, 5, 7)
    one = array.mvm(x[:, 4], first_input=4)
    assert one.shape == (5,) and (one == array.mvm(x)[:, 4]).all()
    assert (array.codes(x[:, 4], first_input=4)[..., 0] == array.codes(x)[..., 4]).all()
    assert (AcimArray(weights, AcimConfig()).mvm(x) == weights @ x).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 1)), r"x: shape \(3, 1\) must be \(2, n\) or \(2,\)"),
        (np.array([0, 256]), "x: 256 must be a whole number from 0 to 255"),
        (np.array([-1, 0]), "x: -1 must be"),
        (np.array([0.5, 0]), "x: 0.5 must be"),
        (np.array([np.nan, 0]), "x: nan must be"),
    ],
)
def test_an_array_refuses_other_inputs(x: np.ndarray, message: str) -> None:
    with pytest.raises(AcimConfigError, match=message):
        AcimArray(np.ones((1, 2), int), AcimConfig()).mvm(x)


def test_an_array_refuses_other_weights() -> None:
    with pytest.raises(AcimConfigError, match=r"weights: shape \(3,\) must be \(out, in\)"):
        AcimArray(np.zeros(3, int), AcimConfig())
