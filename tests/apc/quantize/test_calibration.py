"""Ranges and scales against numpy, batches, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from apc.quantize.calibration import Observed, activation_range, activation_scale, check_feeds, observe, random_feeds
from apc.quantize.onnx_graph import OnnxGraph
from ir.errors import UserError
from tests.apc.quantize.models import images, parse, residual_net, run


def seen(*values: float) -> Observed:
    observed = Observed()
    observed.add(np.array(values, np.float32), 1)
    return observed


def test_minmax_and_percentile_ranges() -> None:
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    observed = [seen(*values[:5000]), seen(*values[5000:])]
    assert activation_range(observed, "minmax", 99) == (values.min(), values.max())
    np.testing.assert_allclose(activation_range(observed, "percentile", 99), np.percentile(values, [1, 99]))


def test_a_range_holds_zero() -> None:
    assert activation_range([seen(2, 3)], "minmax", 100) == (0, 3)
    assert activation_range([seen(-2, -3)], "minmax", 100) == (-3, 0)


def test_a_percentile_that_would_leave_nothing_falls_back_to_the_extremes() -> None:
    assert activation_range([seen(*[0.0] * 9999, 5.0)], "percentile", 99) == (0, 5)


@pytest.mark.parametrize(
    ("low", "high", "bits", "signed", "scale"),
    [(0, 15, 4, False, 1), (0, 3, 4, False, 0.2), (-8, 7, 4, True, 1), (-8, 1, 4, True, 1), (-1, 14, 4, True, 2)],
)
def test_scales_by_hand(low: float, high: float, bits: int, signed: bool, scale: float) -> None:
    assert activation_scale(low, high, bits, signed) == np.float32(scale)


def test_a_range_without_width_gets_scale_one() -> None:
    assert activation_scale(0, 0, 4, False) == 1
    assert activation_scale(0, 0, 8, True) == 1


@pytest.mark.parametrize("batch", ["N", "4"])
def test_inner_tensors_are_observed_over_all_images(batch: str) -> None:
    model, data = residual_net(batch=batch), images(6)
    observed = observe(OnnxGraph(model), ["x", "stem", "y"], {"x": data})
    whole = run(residual_net(), {"x": data}, extra={"stem": 1})
    assert observed["x"].low == data.min() and observed["x"].high == data.max()
    np.testing.assert_allclose(observed["y"].high, whole[0].max(), rtol=1e-5)
    np.testing.assert_allclose(observed["stem"].low, whole[1].min(), rtol=1e-5)


def test_random_feeds_follow_the_seed_and_the_shape() -> None:
    graph = OnnxGraph(residual_net())
    first, again, other = (random_feeds(graph, seed)["x"] for seed in (1, 1, 2))
    assert first.shape[1:] == (3, 8, 8) and first.dtype == np.float32
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    with pytest.raises(UserError, match="input x has no fixed shape; give calibration data"):
        random_feeds(OnnxGraph(parse("g (float[N, C] x) => (float[N, C] y) { y = Relu (x) }")), 0)


@pytest.mark.parametrize(
    ("feeds", "reason"),
    [
        ({"image": images(1)}, r"arrays \['image'\] do not match the model's inputs \['x'\]"),
        ({"x": images(1)[:, :2]}, r"array x has shape \[1, 2, 8, 8\], the model takes \['batch', 3, 8, 8\]"),
        ({"x": images(1)[0]}, "array x has shape"),
        ({"x": images(1)[:0]}, "array x has shape"),
        ({"x": np.full((1, 3, 8, 8), np.nan)}, "array x holds NaN or infinity"),
        ({"x": np.full((1, 3, 8, 8), "a")}, "array x has type"),
    ],
)
def test_bad_calibration_data_is_refused(feeds: dict[str, np.ndarray], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check_feeds(OnnxGraph(residual_net()), feeds)


def test_a_model_that_overflows_is_named() -> None:
    model = parse("g (float[1] x) => (float[1] y) { z = Mul (x, huge)  y = Relu (z) }", huge=np.float32(3e38))
    with pytest.raises(UserError, match="tensor z is not finite"):
        observe(OnnxGraph(model), ["z", "y"], {"x": np.full(1, 1e10, np.float32)})


def test_a_model_that_onnxruntime_refuses_gives_one_line() -> None:
    model = parse("g (float[1] x) => (float[1] y) { y = Frobnicate (x) }")
    with pytest.raises(UserError, match="onnxruntime cannot run the model") as caught:
        observe(OnnxGraph(model), ["y"], {"x": np.ones(1, np.float32)})
    assert "\n" not in str(caught.value)
