"""Weight quantisation against hand-computed values and the defining formulas."""

from __future__ import annotations

import numpy as np
import pytest

from apc.quantize.weights import quantise_weights, recover_ternary, relative_error, requantise
from ir.errors import UserError


def test_ternary_by_hand() -> None:
    weight = np.array([[1.0, -0.8, 0.1, 0.5], [-2.0, 0.0, 0.0, 2.0]], np.float32)
    quantised = quantise_weights(weight, "ternary")
    # row 0: mean 0.6, threshold 0.42, kept 1, 0.8, 0.5; row 1: mean 1, threshold 0.7, kept 2, 2
    assert quantised.levels.tolist() == [[1, -1, 0, 1], [-1, 0, 0, 1]]
    np.testing.assert_allclose(quantised.scale, [2.3 / 3, 2.0], rtol=1e-7)
    assert quantised.levels.dtype == np.int8 and quantised.scale.dtype == np.float32


def test_a_weight_at_the_threshold_is_dropped() -> None:
    weight = np.array([[5.0, 3.5, -6.5, 5.0]], np.float32)
    assert 0.7 * np.abs(weight).mean() == 3.5
    assert quantise_weights(weight, "ternary").levels.tolist() == [[1, 0, -1, 1]]


def test_binary_by_hand() -> None:
    quantised = quantise_weights(np.array([[0.5, -1.5, 0.0, 1.0]], np.float32), "binary")
    assert quantised.levels.tolist() == [[1, -1, 1, 1]]
    assert quantised.scale.tolist() == [0.75]
    assert quantised.bits == 1


def test_int4_by_hand() -> None:
    quantised = quantise_weights(np.array([[7.0, -14.0, 3.0, 5.0]], np.float32), "int4")
    # scale 14 / 7 = 2; 3.5 and 1.5 and 2.5 are ties: to even
    assert quantised.scale.tolist() == [2.0]
    assert quantised.levels.tolist() == [[4, -7, 2, 2]]


@pytest.mark.parametrize("kind", ["ternary", "binary", "int2", "int8"])
def test_a_channel_of_zeros_stays_zero_with_scale_one(kind: str) -> None:
    weight = np.zeros((2, 3), np.float32)
    weight[1] = [1, -1, 1]
    quantised = quantise_weights(weight, kind)
    assert quantised.scale[0] == 1
    assert np.array_equal(quantised.dequantised(), weight)


@pytest.mark.parametrize("kind", ["ternary", "binary", "int3", "int8"])
def test_levels_scale_and_error_of_random_weights(kind: str) -> None:
    generator = np.random.default_rng(1)
    weight = generator.normal(size=(6, 4, 3, 3)).astype(np.float32) * np.arange(1, 7).reshape(-1, 1, 1, 1)
    weight = weight.astype(np.float32)
    quantised = quantise_weights(weight, kind)
    limit = {"ternary": 1, "binary": 1, "int3": 3, "int8": 127}[kind]
    assert np.abs(quantised.levels).max() == limit
    assert (quantised.scale > 0).all()
    worst = {"ternary": 0.5, "binary": 0.7, "int3": 0.35, "int8": 0.01}[kind]
    assert relative_error(weight, quantised.dequantised()) < worst


@pytest.mark.parametrize("kind", ["ternary", "binary"])
def test_the_scale_is_the_least_squares_one_for_its_levels(kind: str) -> None:
    weight = np.random.default_rng(2).normal(size=(5, 40)).astype(np.float32)
    quantised = quantise_weights(weight, kind)
    levels = quantised.levels.astype(np.float64)
    best = (weight * levels).sum(axis=1) / (levels**2).sum(axis=1)
    np.testing.assert_allclose(quantised.scale, best, rtol=1e-6)


def test_axis_one_is_the_transpose() -> None:
    weight = np.random.default_rng(3).normal(size=(7, 5)).astype(np.float32)
    along, across = quantise_weights(weight, "ternary", axis=1), quantise_weights(weight.T, "ternary")
    assert np.array_equal(along.levels, across.levels.T)
    assert np.array_equal(along.scale, across.scale)
    assert np.array_equal(along.dequantised(), across.dequantised().T)


def test_ternary_of_ternary_is_the_same() -> None:
    generator = np.random.default_rng(4)
    levels = generator.integers(-1, 2, (9, 30))
    scale = generator.uniform(0.01, 3, (9, 1)).astype(np.float32)
    weight = (levels * scale).astype(np.float32)
    assert np.array_equal(quantise_weights(weight, "ternary").dequantised(), weight)


def test_recovery_is_bit_exact_or_refused() -> None:
    scale = np.array([[0.1], [0.3]], np.float32)
    weight = np.array([[1, 0, -1], [-1, -1, 1]], np.float32) * scale
    recovered = recover_ternary(weight)
    assert recovered is not None
    assert recovered.levels.tolist() == [[1, 0, -1], [-1, -1, 1]]
    assert np.array_equal(recovered.dequantised(), weight)
    weight[0, 0] = np.nextafter(weight[0, 0], np.float32(1))
    assert recover_ternary(weight) is None


def test_requantise_takes_the_nearest_levels_of_a_larger_scale() -> None:
    weight = np.array([[7.0, -14.0, 3.0]], np.float32)
    wider = requantise(weight, quantise_weights(weight, "int4"), np.array([4.0], np.float32))
    assert wider.levels.tolist() == [[2, -4, 1]]


def test_relative_error_of_zeros_is_zero() -> None:
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == 0.8


@pytest.mark.parametrize("kind", ["int1", "int9", "twn", "int", "INT4"])
def test_unknown_kinds_are_refused(kind: str) -> None:
    with pytest.raises(UserError, match="choose ternary, binary"):
        quantise_weights(np.ones((1, 1), np.float32), kind)
