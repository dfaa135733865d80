"""Noise of conversions: the normals themselves, and what they make of codes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.noise import TOGETHER, four_normals
from simulator.analog.normals import philox, philox_seed


def normals(position: int, number: int, count: int, seed: tuple[int, ...] = (1, 2)) -> np.ndarray:
    out = np.empty((TOGETHER, count), np.float32)
    four_normals(position, number, philox_seed(seed), np.empty((4, count), np.uint64), np.empty(count, np.float32), out)
    return out


def test_normals_are_the_transform_of_box_and_muller() -> None:
    seed, words = philox_seed((1, 2)), np.empty((4, 64), np.uint64)
    seed[2] ^= np.uint64(9)
    seed[3] ^= np.uint64(2)
    philox(1 << 33, seed, words)
    found = normals(1 << 33, (2 << 32) + 9, 64).astype(float)
    for pair in range(2):
        radii, angles = words[2 * pair].astype(float), words[2 * pair + 1].astype(float)
        # angles are measured from the middle of the first quadrant
        turn = (angles % 2**30 - 2**30 * (angles % 2**30 >= 2**29)) / 2**30 + np.floor(angles / 2**30)
        radius = np.sqrt(-2 * np.log((radii + 0.5) / 2**32))
        np.testing.assert_allclose(found[2 * pair], radius * np.cos(turn * np.pi / 2), rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(found[2 * pair + 1], radius * np.sin(turn * np.pi / 2), rtol=1e-4, atol=2e-6)


def test_normals_are_those_of_a_position_and_a_number() -> None:
    whole = normals(100, 5, 96)
    assert (normals(132, 5, 32) == whole[:, 32:64]).all()
    others = [normals(100, 6, 96), normals(100, 5 + (1 << 32), 96), normals(100, 5, 96, (1, 3)), normals(196, 5, 96)]
    assert all(not (other == whole).any() for other in others)


def test_normals_have_the_moments_and_tails_of_a_normal_distribution() -> None:
    drawn = np.concatenate([normals(0, number, 4096) for number in range(64)], axis=1).astype(float)
    count = drawn.size
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((drawn**power).mean() - moment) < 4 * math.sqrt(spread / count)
    for threshold in (1.0, 2.0, 3.0, 4.0):
        share = 2 * stats.norm.sf(threshold)
        assert abs((abs(drawn) > threshold).mean() - share) < 4 * math.sqrt(share / count)
    correlations = np.corrcoef(drawn)[np.triu_indices(TOGETHER, 1)]
    assert abs(correlations).max() < 4 / math.sqrt(drawn.shape[1])
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 4 / math.sqrt(count)


def errors(sigma: float, **fields: object) -> tuple[np.ndarray, np.ndarray, AcimLayer]:
    """Codes less the noise-free ones, and the sums, of a lossless converter; none is clamped."""
    config = AcimConfig(rows=15, adc_bits=4, weight_bits=4, activation_bits=4, noise_lsb=sigma, **fields)
    generator = np.random.default_rng(5)
    layer = AcimLayer(generator.integers(-8, 8, (30, 15, 1, 1)), config, seed=11)
    x = torch.from_numpy(generator.integers(0, 16, (1, 15, 20, 20))).float()
    codes, macs = layer.codes(x), layer.macs(x)
    return codes - macs, macs, layer


@pytest.mark.parametrize("sigma", [0.15, 0.3, 0.6])
def test_codes_are_wrong_as_often_as_the_closed_form_says(sigma: float) -> None:
    """p = 2 Q(0.5 / sigma), where the sum is a code and no clamp is near."""
    difference, macs, _ = errors(sigma)
    inner = difference[(macs >= 4) & (macs <= 11)]
    expected = 2 * stats.norm.sf(0.5 / sigma)
    assert abs((inner != 0).mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / inner.size)
    variance = sum(
        k * k * (stats.norm.cdf((k + 0.5) / sigma) - stats.norm.cdf((k - 0.5) / sigma)) for k in range(-9, 9)
    )
    fourth = sum(k**4 * (stats.norm.cdf((k + 0.5) / sigma) - stats.norm.cdf((k - 0.5) / sigma)) for k in range(-9, 9))
    assert abs((inner**2.0).mean() - variance) < 4 * math.sqrt((fourth - variance**2) / inner.size)
    assert abs(inner.mean()) < 4 * math.sqrt(variance / inner.size)


def test_conversions_are_independent() -> None:
    """Between weight bits, digits, outputs, positions."""
    difference, macs, _ = errors(0.6)
    difference = np.where((macs >= 3) & (macs <= 12), difference, 0).astype(float)
    for axis in (1, 3, 4, 5):
        behind, ahead = (np.delete(difference, end, axis) for end in (-1, 0))
        assert abs((ahead * behind).mean() / difference.var()) < 4 / math.sqrt(ahead.size)


@pytest.mark.parametrize("rule", ["mode", "median"])
def test_votes_make_codes_right_as_often_as_three_draws_do(rule: str) -> None:
    """Three draws of -1, 0, 1 (others are rare) with p, 1 - 2 p, p: the median is right unless two or more are on one
    side; the mode, smallest of ties, unless two or more are alike on one side, or one is -1 and all differ."""
    sigma = 0.3
    difference, macs, layer = errors(sigma, voting=3, voting_level=7, voting_rule=rule)
    assert layer.config.cycles.conversions == 48
    inner = difference[(macs >= 4) & (macs <= 11)]
    p = stats.norm.sf(0.5 / sigma)
    one_side = 3 * p**2 * (1 - p) + p**3
    expected = 2 * one_side if rule == "median" else 2 * one_side + 6 * p**2 * (1 - 2 * p)
    assert abs((inner != 0).mean() - expected) < 4 * math.sqrt(expected / inner.size)


def test_noise_is_clamped_at_both_ends() -> None:
    difference, macs, _ = errors(2.0)
    codes = difference + macs
    assert codes.min() == 0 and codes.max() == 15
    ends = codes[macs == 0]
    assert abs((ends == 0).mean() - stats.norm.cdf(0.25)) < 4 * 0.5 / math.sqrt(ends.size)
