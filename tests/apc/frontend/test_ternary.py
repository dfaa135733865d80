"""Recovery of ternary weights: exact or refused, snapped only within a tolerance."""

from fractions import Fraction

import numpy as np
import pytest

from apc.frontend.ternary import NotTernary, recover
from apc.frontend.values import Const

TERNARY = np.array([[1, 0, -1, 1], [0, 0, 0, 0], [-1, -1, 0, 0]])
SCALE = np.array([0.1, 1.0, 0.3], dtype=np.float32)


def test_exact_weights_of_either_sign_of_scale() -> None:
    weights = (TERNARY * SCALE[:, None] * np.float32(-1)).astype(np.float32)
    found = recover(Const(weights), 0.0)
    assert np.array_equal(found.values, -TERNARY)
    assert found.scale == tuple(Fraction(float(s)) for s in SCALE)
    assert found.residual == 0


def test_rounding_noise_of_a_folded_batch_norm_is_exact() -> None:
    weights = (TERNARY * SCALE[:, None]).astype(np.float32)
    weights[0, 2] = np.nextafter(np.nextafter(weights[0, 2], np.float32(0)), np.float32(0))
    found = recover(Const(weights), 0.0)
    assert np.array_equal(found.values, TERNARY)
    weights[0, 2] *= 1 - 2**-18
    with pytest.raises(NotTernary, match="not ternary: they lie up to"):
        recover(Const(weights), 0.0)


def test_nearly_ternary_weights_need_a_tolerance() -> None:
    """{-128, 0, 127} of an int8 grid that was dequantised to floats."""
    weights = np.array([[127, -128, 0, 127]], dtype=np.float32) / 64
    with pytest.raises(NotTernary, match="0.00524 of the channel's scale"):
        recover(Const(weights), 0.0)
    found = recover(Const(weights), 0.01)
    assert found.values.tolist() == [[1, -1, 0, 1]]
    assert found.residual == pytest.approx(2 / 3 / (382 / 3), rel=1e-4)
    assert found.scale == (Fraction(float(np.float32(np.mean([127, 128, 127]) / 64))),)
    with pytest.raises(NotTernary):
        recover(Const(weights), 0.005)


def with_integers(values: list[list[int]], scale: float = 0.5) -> Const:
    integers = np.array(values)
    return Const((integers * scale).astype(np.float32), (integers, np.full(integers.shape, scale, dtype=np.float32)))


def test_integer_weights_are_divided_only_where_that_makes_them_ternary() -> None:
    found = recover(with_integers([[-127, 0, 127], [4, -2, 6], [0, 0, 0]]), 0.0)
    assert found.values.tolist() == [[-1, 0, 1], [4, -2, 6], [0, 0, 0]]
    assert found.scale == (Fraction(127, 2), Fraction(1, 2), Fraction(1))


def test_integer_weights_snap_only_on_request() -> None:
    const = with_integers([[-128, 0, 127]])
    assert recover(const, 0.0).values.tolist() == [[-128, 0, 127]]
    assert recover(const, 0.001).values.tolist() == [[-128, 0, 127]]
    assert recover(const, 0.01).values.tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize(
    ("const", "message"),
    [
        (with_integers([[300, 1]]), "reach 300; at most 8 bits"),
        (Const(np.array([[np.nan, 1.0]])), "NaN"),
        (Const(np.array([[0.3, -0.1, 0.7]])), "not ternary"),
        (
            Const(np.ones((1, 2)), (np.ones((1, 2), dtype=np.int64), np.array([[0.5, 0.25]]))),
            "different scales within one output channel",
        ),
    ],
)
def test_refusals(const: Const, message: str) -> None:
    with pytest.raises(NotTernary, match=message):
        recover(const, 0.0)
