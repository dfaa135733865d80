"""Drawing by geometric gaps gives what drawing every slot on its own would."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulator.rtm.faults.draw import draw_candidates, image_generator
from simulator.rtm.faults.slots import Kind


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.7])
def test_how_many_slots_fail_is_binomial_and_all_are_as_likely(rate: float) -> None:
    slots, runs = 40, 20_000
    generator = np.random.default_rng(1)
    chosen = [draw_candidates(generator, slots, rate).slots for _ in range(runs)]
    counts = np.bincount([len(part) for part in chosen], minlength=slots + 1)
    expected = stats.binom.pmf(np.arange(slots + 1), slots, rate) * runs
    likely = expected > 10
    observed = np.append(counts[likely], counts[~likely].sum())
    wanted = np.append(expected[likely], expected[~likely].sum())
    assert stats.chisquare(observed, wanted).pvalue > 1e-3
    each = np.bincount(np.concatenate(chosen), minlength=slots)
    assert stats.chisquare(each).pvalue > 1e-3


def test_gaps_are_geometric_and_do_not_see_where_a_stretch_of_draws_ends() -> None:
    slots, rate = 3_000_000, 0.01
    drawn = draw_candidates(np.random.default_rng(2), slots, rate)
    gaps = np.diff(drawn.slots)
    assert gaps.min() >= 1
    edges = np.array([0, 10, 30, 70, 120, 200, 300, 500])
    observed = np.histogram(gaps, np.append(edges, np.inf), density=False)[0]
    cumulative = stats.geom.cdf(np.append(edges - 1, np.inf), rate)
    assert stats.chisquare(observed, np.diff(cumulative) / cumulative[-1] * len(gaps)).pvalue > 1e-3
    assert stats.kstest(drawn.uniform, "uniform").pvalue > 1e-3


def test_the_ends_of_the_scale() -> None:
    generator = np.random.default_rng(3)
    assert len(draw_candidates(generator, 1000, 0).slots) == 0
    assert len(draw_candidates(generator, 0, 0.5).slots) == 0
    np.testing.assert_array_equal(draw_candidates(generator, 1000, 1).slots, np.arange(1000))
    assert len(draw_candidates(generator, 1 << 50, 1e-300).slots) == 0
    assert 0 < len(draw_candidates(generator, 1 << 40, 1e-11).slots) < 40


def test_every_image_trial_and_kind_has_a_generator_of_its_own() -> None:
    names = [(seed, trial, image, kind) for seed in (0, 1) for trial in (0, 1) for image in (0, 1) for kind in Kind]
    firsts = {image_generator(*name).random() for name in names}
    assert len(firsts) == len(names)
    assert image_generator(1, 2, 3, Kind.WRITE).random() == image_generator(1, 2, 3, Kind.WRITE).random()
