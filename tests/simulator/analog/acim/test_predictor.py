"""The predictor against closed forms, every outcome there is, and simulation (within 4 standard errors)."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import comb, erfc, sqrt

import numpy as np
import pytest
import torch

from simulator.analog.acim.array import AcimArray
from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.predictor import (
    code_error_probability,
    conversion_error,
    expected_histogram,
    layer_error,
    layer_error_of_macs,
)
from simulator.analog.unfold import Geometry
from tests.simulator.analog.acim.reference import code_of

SMALL = AcimConfig(weight_bits=3, activation_bits=4, rows=31, adc_bits=5)
"""Lossless but for what a test adds."""
NOISY = {
    "noise": replace(SMALL, noise_lsb=0.35),
    "noise in percent, lossy": replace(SMALL, adc_bits=4, noise_percent_fs=3.0),
    "much noise, clamped": replace(SMALL, adc_bits=3, noise_lsb=2.0),
    "digits": replace(SMALL, dac_bits=2, noise_lsb=0.5, adc_bits=6),
    "hybrid": replace(SMALL, hybrid_level=2, noise_lsb=0.4),
    "mode": replace(SMALL, noise_lsb=0.5, voting=3, voting_level=6),
    "mode of five, some cycles": replace(SMALL, noise_lsb=0.8, voting=5, voting_level=2),
    "median": replace(SMALL, noise_lsb=0.5, voting=3, voting_level=6, voting_rule="median"),
    "median of five, lossy": replace(
        SMALL, noise_lsb=0.4, adc_bits=4, voting=5, voting_level=4, voting_rule="median", hybrid_level=1
    ),
}


def near(got: np.ndarray | float, expected: np.ndarray | float, error: np.ndarray | float) -> bool:
    """Within 4 standard errors."""
    return bool((np.abs(np.subtract(got, expected)) <= 4 * np.asarray(error) + 1e-12).all())


def exact(config: AcimConfig) -> AcimConfig:
    """The same converters without noise and static errors."""
    return replace(
        config, noise_lsb=0, noise_percent_fs=0, offset_lsb=0, gain_sigma=0, inl_lsb=0, voting=1, voting_level=0
    )


def counts(macs: np.ndarray, config: AcimConfig) -> np.ndarray:
    """Histogram of ``macs`` (tiles, weight bits, digits, out, n)."""
    cycles = [
        [np.bincount(macs[:, i, j].ravel(), minlength=config.full_scale + 1) for j in range(config.digits)]
        for i in range(config.weight_bits)
    ]
    return np.array(cycles)


def test_the_chance_of_another_code() -> None:
    for sigma in (0.1, 0.2, 0.5, 3.0):
        assert code_error_probability(sigma) == pytest.approx(erfc(0.5 / sigma / sqrt(2)), rel=1e-12)
        sides = [erfc(distance / sigma / sqrt(2)) / 2 for distance in (0.2, 0.8)]
        assert code_error_probability(sigma, 0.3) == pytest.approx(sum(sides), rel=1e-12)
    np.testing.assert_array_equal(code_error_probability(np.array([0.0, 1e-9])), [0, 0])
    assert code_error_probability(0.05, -0.5) == pytest.approx(0.5)


def test_the_chance_of_another_code_is_that_of_a_conversion() -> None:
    config = replace(SMALL, noise_lsb=0.3)
    histogram = np.zeros((3, 4, 32))
    histogram[..., 10:20] = 1  # every sum is the middle of a code
    np.testing.assert_allclose(conversion_error(config, histogram).code_error, code_error_probability(0.3), rtol=1e-12)


def test_sums_of_independent_bits() -> None:
    """Every pattern of weight bits and digits, one by one."""
    config = AcimConfig(weight_bits=2, activation_bits=3, dac_bits=2, rows=3, adc_bits=4)
    ones, driven = [Fraction(1, 4), Fraction(2, 3)], [Fraction(1, 2), Fraction(1, 5), Fraction(3, 4)]
    got = expected_histogram(
        config, [2, 3], weight_density=np.array(ones, float), input_density=np.array(driven, float)
    )
    expected = np.zeros((2, 2, config.full_scale + 1), object) + Fraction(0)
    for i, j, rows in product(range(2), range(2), (2, 3)):
        chances = driven[2 * j : 2 * j + 2]
        digits = range(2 ** len(chances))
        for bits, values in product(product((0, 1), repeat=rows), product(digits, repeat=rows)):
            chance = Fraction(1, 2)  # of this tile
            for bit in bits:
                chance *= ones[i] if bit else 1 - ones[i]
            for value, (place, share) in product(values, enumerate(chances)):
                chance *= share if value >> place & 1 else 1 - share
            expected[i, j, sum(bit * value for bit, value in zip(bits, values, strict=True))] += chance
    np.testing.assert_allclose(got, expected.astype(float), atol=1e-15)
    plain = expected_histogram(AcimConfig(), 255, weight_density=0.5, input_density=0.2)
    binomial = [comb(255, k) * 0.1**k * 0.9 ** (255 - k) for k in range(256)]
    np.testing.assert_allclose(plain, np.broadcast_to(binomial, plain.shape), atol=1e-14)


@pytest.mark.parametrize("config", [replace(SMALL, adc_bits=4), replace(SMALL, dac_bits=3, adc_bits=6, hybrid_level=1)])
def test_rounding_is_exact(config: AcimConfig) -> None:
    histogram = np.random.default_rng(0).integers(0, 9, (3, config.digits, config.full_scale + 1))
    got = conversion_error(config, histogram)
    unit = Fraction(config.full_scale, config.top_code)
    errors = [code_of(mac, config) * unit - mac for mac in range(config.full_scale + 1)]
    for i, j in product(range(3), range(config.digits)):
        total, rows = int(histogram[i, j].sum()), list(zip(map(int, histogram[i, j]), errors, strict=True))
        mean = sum(count * error for count, error in rows) / total
        variance = sum(count * (error - mean) ** 2 for count, error in rows) / total
        if config.cycles.digital(i, j):
            mean = variance = 0
        assert (got.mean[i, j], got.variance[i, j]) == pytest.approx((float(mean), float(variance)), abs=1e-12)
    assert not got.code_error.any() and not got.noise_variance.any()


@pytest.mark.parametrize("case", NOISY)
def test_noisy_conversions(case: str) -> None:
    """Codes of one array, many inputs, cycle by cycle."""
    config, rng = NOISY[case], np.random.default_rng(0)
    weights, x = rng.integers(-4, 4, (6, 50)), rng.integers(0, 16, (50, 1500))
    array = AcimArray(weights, config, seed=5)
    codes, macs = array.codes(x), array.macs(x)
    ideal = AcimArray(weights, exact(config), seed=5).codes(x)
    predicted = conversion_error(config, counts(macs, config))
    errors = np.where(codes < 0, 0, codes * (config.full_scale / config.top_code) - macs)
    number = codes[:, 0, 0].size
    wrong, mean, square = ((codes != ideal).mean((0, 3, 4)), errors.mean((0, 3, 4)), (errors**2).mean((0, 3, 4)))
    assert near(wrong, predicted.code_error, np.sqrt(predicted.code_error * (1 - predicted.code_error) / number))
    assert near(mean, predicted.mean, np.sqrt(predicted.noise_variance / number))
    expected_square = predicted.variance + predicted.mean**2
    assert near(square, expected_square, (errors**2).std((0, 3, 4)) / sqrt(number))
    assert predicted.code_error.max() > 0.05


@pytest.mark.parametrize("case", NOISY)
def test_noisy_layers(case: str) -> None:
    """A grouped convolution of the same image again and again: what differs is noise."""
    config, rng = NOISY[case], np.random.default_rng(1)
    weights, image = rng.integers(-4, 4, (4, 8, 3, 3)), rng.integers(0, 16, (1, 16, 5, 5))
    layer = AcimLayer(weights, config, geometry=Geometry((2, 2), (1, 1, 1, 1), (1, 1), 2), seed=2)
    repeats = 200
    outputs = layer(torch.from_numpy(image).float().expand(repeats, -1, -1, -1)).numpy().reshape(repeats, -1)
    whole = AcimLayer(weights, replace(config, hybrid_level=config.cycles.most_level), geometry=layer.geometry, seed=0)
    errors = outputs - whole(torch.from_numpy(image).float()).numpy().reshape(-1)
    predicted = layer_error(config, layer.mac_histogram(torch.from_numpy(image).float()), layer.tiles)
    assert near(errors.mean(), predicted.mean, sqrt(predicted.noise_variance / errors.size))
    each = errors.var(axis=0, ddof=1)
    assert near(each.mean(), predicted.noise_variance, each.std(ddof=1) / sqrt(len(each)))
    assert predicted.variance >= predicted.noise_variance > 0


STATIC = {
    "offset": (replace(SMALL, offset_lsb=0.3), 0.0),
    "small offset of a lossless converter": (replace(SMALL, offset_lsb=0.22), 0.05),
    "offset of a lossy converter": (replace(SMALL, offset_lsb=0.4, adc_bits=4), 0.0),
    "gain": (replace(SMALL, gain_sigma=0.05), 0.0),
    "gain and noise": (replace(SMALL, gain_sigma=0.05, noise_lsb=0.3), 0.0),
    "offset, noise, votes": (
        replace(SMALL, offset_lsb=0.3, noise_lsb=0.4, voting=3, voting_level=6, voting_rule="median"),
        0.0,
    ),
    "nonlinearity": (replace(SMALL, inl_lsb=0.6), 0.15),
    "nonlinearity of four codes": (replace(SMALL, inl_lsb=0.4, adc_bits=2, rows=29), 0.1),
    "everything": (
        replace(SMALL, offset_lsb=0.3, gain_sigma=0.03, inl_lsb=0.4, noise_lsb=0.3, voting=3, voting_level=3),
        0.05,
    ),
}
"""And how far a variance may be off besides: where it is of first order only."""


@pytest.mark.parametrize("case", STATIC)
def test_static_errors_over_columns(case: str) -> None:
    """The same weights in many columns, under one input."""
    (config, tolerance), rng = STATIC[case], np.random.default_rng(7)
    columns = 6000
    row, x = rng.integers(-4, 4, 28), rng.integers(0, 16, 28)
    array = AcimArray(np.tile(row, (columns, 1)), config, seed=9)
    macs = array.macs(x)
    predicted = layer_error(config, counts(macs, config), 1)
    ideal = AcimArray(row[None], exact(config), seed=0).codes(x)
    wrong = (array.codes(x) != ideal).mean((0, 3, 4))
    chance = predicted.conversions.code_error
    assert near(wrong, chance, np.sqrt(chance * (1 - chance) / columns))
    errors = array.mvm(x) - row @ x
    assert near(errors.mean(), predicted.mean, errors.std() / sqrt(columns))
    deviation = (errors - errors.mean()) ** 2
    error = deviation.std() / sqrt(columns) + tolerance / 4 * predicted.variance
    assert near(deviation.mean(), predicted.variance, error)


@pytest.mark.parametrize(
    "config",
    [replace(SMALL, adc_bits=4), replace(SMALL, adc_bits=3, noise_lsb=0.3), replace(SMALL, dac_bits=2, noise_lsb=0.5)],
)
def test_layers_without_data(config: AcimConfig) -> None:
    """Random weights and inputs, one output of each: a depthwise convolution of one position."""
    rng, outputs = np.random.default_rng(3), 4000
    weights, x = rng.integers(-4, 4, (outputs, 1, 5, 5)), rng.integers(0, 16, (1, outputs, 5, 5))
    layer = AcimLayer(weights, config, geometry=Geometry(groups=outputs), seed=4)
    errors = layer(torch.from_numpy(x).float()).numpy().ravel() - (weights[:, 0] * x[0]).sum((1, 2))
    predicted = layer_error(config, expected_histogram(config, 25), 1)
    assert near(errors.mean(), predicted.mean, errors.std() / sqrt(outputs))
    deviation = (errors - errors.mean()) ** 2
    assert near(deviation.mean(), predicted.variance, deviation.std() / sqrt(outputs))


@pytest.mark.parametrize(
    "config",
    [
        replace(SMALL, adc_bits=4),
        replace(SMALL, rows=32),
        replace(SMALL, adc_bits=4, noise_lsb=0.2, voting=3, voting_level=2, hybrid_level=1),
        replace(SMALL, adc_bits=4, noise_lsb=0.5, offset_lsb=0.2),
    ],
)
def test_rounding_errors_as_they_occur_together(config: AcimConfig) -> None:
    """Smooth images, in which the sums of all weight bits go up and down together."""
    rng = np.random.default_rng(5)
    level = rng.integers(0, 12, (60, 1, 1, 1)) + rng.integers(0, 4, (60, 7, 4, 4))
    weights, x = rng.integers(-4, 4, (40, 7, 3, 3)), torch.from_numpy(level).float()
    layer = AcimLayer(weights, config, seed=6)
    errors = layer(x).numpy() - torch.nn.functional.conv2d(x.double(), torch.from_numpy(weights).double()).numpy()
    predicted = layer_error_of_macs(config, layer.macs(x))
    independent = layer_error(config, layer.mac_histogram(x), layer.tiles)
    assert predicted.mean == pytest.approx(independent.mean) and predicted.code_error == independent.code_error
    assert predicted.noise_variance == pytest.approx(independent.noise_variance)
    if not config.noise_sigma_lsb:
        assert (errors.mean(), errors.var()) == pytest.approx((predicted.mean, predicted.variance), rel=1e-9)
        assert config.rows != 32 or independent.variance > 1.3 * predicted.variance
    # static errors are of an output, so outputs are what is independent
    each = ((errors - errors.mean()) ** 2).mean((0, 2, 3))
    assert near(errors.var(), predicted.variance, each.std(ddof=1) / sqrt(len(each)))


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, noise_lsb=1.0, offset_lsb=1.0, hybrid_level=6)])
def test_what_is_lossless_has_no_errors(config: AcimConfig) -> None:
    predicted = layer_error(config, expected_histogram(config, 31), 4)
    assert (predicted.code_error, predicted.mean, predicted.variance, predicted.noise_variance) == (0, 0, 0, 0)


def test_next_to_no_noise_beside_static_errors() -> None:
    still = AcimConfig(weight_bits=2, activation_bits=1, rows=15, adc_bits=3, offset_lsb=0.7, gain_sigma=0.05)
    histogram = expected_histogram(still, 15)
    exact, found = (conversion_error(config, histogram) for config in (still, replace(still, noise_lsb=1e-9)))
    np.testing.assert_allclose(found.code_error, exact.code_error, atol=1e-3)
    np.testing.assert_allclose(found.variance, exact.variance, rtol=1e-3)


def test_rows_that_an_array_does_not_have_are_refused() -> None:
    with pytest.raises(AcimConfigError, match=r"rows = \[200, 256\]: must be of each row tile, from 0 to 255"):
        expected_histogram(AcimConfig(), [200, 256])


def test_a_histogram_of_another_array_is_refused() -> None:
    with pytest.raises(AcimConfigError, match=r"histogram: shape \(3, 4, 31\) must be \(3, 4, 32\)"):
        conversion_error(SMALL, np.zeros((3, 4, 31)))
    with pytest.raises(AcimConfigError, match=r"macs: shape \(1, 2, 1, 4, 3, 9\) must be"):
        layer_error_of_macs(SMALL, np.zeros((1, 2, 1, 4, 3, 9), int))
