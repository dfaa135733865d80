"""Distributions of codes against error functions, and of votes against every outcome there is."""

from collections import Counter
from itertools import product
from math import erf, erfc, sqrt

import numpy as np
import pytest

from simulator.analog.acim.code_statistics import code_distribution, vote_distribution


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 40.0])
@pytest.mark.parametrize("value", [0.0, 0.4, 3.5, 6.9, 15.0, -2.0, 17.3])
def test_a_code_is_as_likely_as_noise_between_its_edges(value: float, sigma: float) -> None:
    first, got = code_distribution(np.array(value), sigma, 15)
    full = np.zeros(16)
    full[first : first + len(got)] = got

    def below(edge: float) -> float:
        return (1 + erf((edge - value) / sigma / sqrt(2))) / 2

    inner = [below(code + 0.5) for code in range(15)]
    np.testing.assert_allclose(full, np.diff([0.0, *inner, 1.0]), atol=1e-14)
    assert got.sum() == pytest.approx(1, abs=1e-14)


def test_tails_keep_their_digits() -> None:
    first, got = code_distribution(np.array([4.0, 5.0]), 0.1, 15)
    two = dict(zip(first[1] + np.arange(got.shape[1]), got[1], strict=True))
    for code in (4, 6):
        assert two[code] == pytest.approx(erfc(5 / sqrt(2)) / 2, rel=1e-12, abs=0)
    rare = vote_distribution(np.array([1e-9, 1 - 3e-9, 1e-9, 1e-9]), 3, "median")
    np.testing.assert_allclose(rare[[0, 2, 3]], [3e-18, 9e-18, 3e-18], rtol=1e-6)


def test_without_noise_there_is_one_code() -> None:
    values = np.array([0.0, 0.5, 1.5, 2.5, 14.5, 15.0])
    first, got = code_distribution(values, np.zeros(6), 15)
    assert got.max(-1).tolist() == [1.0] * 6
    assert (first + got.argmax(-1)).tolist() == [0, 0, 2, 2, 14, 15]


@pytest.mark.parametrize("rule", ["mode", "median"])
@pytest.mark.parametrize(("votes", "codes"), [(1, 3), (3, 1), (3, 2), (3, 5), (5, 4), (7, 3)])
def test_votes_are_counted(rule: str, votes: int, codes: int) -> None:
    single = np.random.default_rng(votes).dirichlet(np.full(codes, 0.6), 4)
    expected = np.zeros_like(single)
    for drawn in product(range(codes), repeat=votes):
        counts = Counter(drawn)
        most = [code for code in sorted(counts) if counts[code] == max(counts.values())]
        winner = most[0] if rule == "mode" else sorted(drawn)[votes // 2]
        expected[:, winner] += single[:, list(drawn)].prod(axis=1)
    np.testing.assert_allclose(vote_distribution(single, votes, rule), expected, rtol=1e-9, atol=1e-15)
