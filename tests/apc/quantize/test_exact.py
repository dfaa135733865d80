"""The scales of exact float32 inference: few bits, on a grid, and sums that float32 holds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from apc.quantize.exact import powers_of_two, round_bias, round_scale, scale_bits


@pytest.mark.parametrize(("scale", "expected"), [(0.3, (0.25, 0.5)), (1.0, (1.0, 1.0)), (5.0, (4.0, 8.0))])
def test_powers_of_two(scale: float, expected: tuple[float, float]) -> None:
    assert powers_of_two(np.float32(scale)) == expected


def test_rounded_scales_by_hand() -> None:
    scale = np.array([0.7, 1.3, 3.0], np.float32)
    assert round_scale(scale, 2).tolist() == [0.75, 1.5, 3.0]  # 0.7 = 2.8 / 4; 1.3 = 2.6 / 2
    assert round_scale(scale, 1).tolist() == [0.5, 1.0, 4.0]  # 3 = 0.75 * 4: a tie, to even
    assert round_scale(scale, 2, up=True).tolist() == [0.75, 1.5, 3.0]
    assert round_scale(np.array([0.51]), 2, up=True).tolist() == [0.75]


def test_scale_bits_leave_room_for_the_largest_sum_and_the_bias() -> None:
    levels = np.ones((2, 1000), np.int8)
    assert scale_bits(levels, 0, 15) == 8  # 15,000 needs 14 bits: 9 are left, 8 are enough
    assert scale_bits(127 * levels, 0, 255) == 0  # 3.2e7 does not fit
    assert scale_bits(levels, 0, 255) == 23 - 18


def test_the_bias_lies_on_the_grid_of_the_products() -> None:
    scale = round_scale(np.array([0.011, 0.4, 7.3], np.float32), 5)
    bias = round_bias(np.array([0.3, -1.7, 5.0], np.float32), scale, 5, np.float32(0.125))
    for weight, value, wanted in zip(scale.tolist(), bias.tolist(), (0.3, -1.7, 5.0), strict=True):
        exponent = np.frexp(weight)[1] - 5
        unit = Fraction(2) ** int(exponent) / 8
        assert (Fraction(weight) / 8 / unit).denominator == 1
        assert (Fraction(value) / unit).denominator == 1
        assert abs(value - wanted) <= float(unit) / 2


def test_float32_sums_are_exact_in_any_order() -> None:
    generator = np.random.default_rng(0)
    levels = generator.integers(-1, 2, (1, 4096)).astype(np.int8)
    bits = scale_bits(levels, 0, 15)
    scale = round_scale(generator.uniform(0.01, 1, 1).astype(np.float32), bits)
    products = levels[0].astype(np.float32) * scale * (generator.integers(0, 16, 4096) * np.float32(0.25))
    exact = sum(Fraction(float(value)) for value in products)
    for _ in range(5):
        total = np.float32(0)
        for value in generator.permutation(products):
            total = np.float32(total + value)
        assert Fraction(float(total)) == exact
