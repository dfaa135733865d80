"""Confidence intervals, against figures from tables."""

from __future__ import annotations

import pytest

from apc.intervals import interval


def test_several_trials_have_student_s_interval() -> None:
    """Shares 0.4, 0.5, 0.6: deviation 0.1, and 4.303 is the quantile for two degrees of freedom."""
    found = interval([4, 5, 6], 10)
    half = 4.302653 * 0.1 / 3**0.5
    assert found.method == "t" and found.mean == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)


def test_trials_that_are_alike_have_the_interval_of_one() -> None:
    assert interval([9, 9], 10) == interval([9], 10)


def test_bounds_stay_shares() -> None:
    assert (interval([0, 10], 10).low, interval([0, 10], 10).high) == (0.0, 1.0)


def test_a_single_trial_has_wilson_s_interval() -> None:
    """81 of 263 is Newcombe's example (1998): 0.2553 to 0.3662."""
    found = interval([81], 263)
    assert found.method == "wilson" and found.mean == 81 / 263
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("count", "bounds"), [(0, (0.0, 0.2775)), (10, (0.7225, 1.0))])
def test_wilson_at_the_ends(count: int, bounds: tuple[float, float]) -> None:
    found = interval([count], 10)
    assert (found.low, found.high) == pytest.approx(bounds, abs=5e-5)
