"""Errors and noise over seeds against closed forms, within four standard errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.noise import rectified_moments

ERRORS = 4.0
ROWS, COLUMNS = 40, 500


def moments(g: float, spread: float) -> tuple[float, float]:
    """Mean and variance of max(N(g, spread), 0), by the formulas of the facts page."""
    if spread == 0:
        return g, 0.0
    first = g * norm.cdf(g / spread) + spread * norm.pdf(g / spread)
    second = (g * g + spread * spread) * norm.cdf(g / spread) + g * spread * norm.pdf(g / spread)
    return first, second - first * first


def check(samples: np.ndarray, mean: float, variance: float) -> None:
    """``samples``: independent draws of one nearly Gaussian sum."""
    count = samples.size
    spread = np.sqrt(variance)
    assert abs(samples.mean() - mean) <= ERRORS * spread / np.sqrt(count)
    kurtosis = np.mean((samples - samples.mean()) ** 4) / samples.var() ** 2
    assert abs(samples.std() - spread) <= ERRORS * spread * np.sqrt((kurtosis - 1) / (4 * count))


def expected(
    w: np.ndarray, x: np.ndarray, config: CrossbarConfig, independent: float, proportional: float
) -> tuple[float, float]:
    """Mean and variance of W @ x with wmax = 1, cell by cell."""
    low = config.lowest_conductance
    reach = 1 - low
    mean = variance = 0.0
    for value, u in zip(w, x, strict=True):
        if config.mapping == "offset":
            cells, gain = [(low + reach * (value + 1) / 2, 1)], 2 / reach
        elif config.differential_style == "two_sided":
            cells, gain = [(low + reach * (1 + value) / 2, 1), (low + reach * (1 - value) / 2, -1)], 1 / reach
        else:
            cells, gain = [(low + reach * max(value, 0), 1), (low + reach * max(-value, 0), -1)], 1 / reach
        for g, sign in cells:
            first, second = moments(g, np.hypot(independent, proportional * g))
            mean += gain * sign * first * u
            variance += gain**2 * second * u * u
        if config.mapping == "offset":
            mean -= gain * (low + reach / 2) * u
    return mean, variance


CASES: list[dict[str, Any]] = [
    {},  # infinite on/off, one sided: half of the cells are at 0, where errors are cut off
    {"on_off_ratio": 10},
    {"differential_style": "two_sided"},
    {"differential_style": "two_sided", "on_off_ratio": 10},
    {"mapping": "offset"},
    {"mapping": "offset", "on_off_ratio": 10},
]
SPREADS = [(0.05, 0.0), (0.0, 0.1), (0.03, 0.05)]


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("case", CASES)
def test_programming_errors(case: dict[str, Any], spread: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    w, x = rng.uniform(-1, 1, ROWS), rng.uniform(-1, 1, ROWS)
    w[0] = 1
    record = {"independent": spread[0], "proportional": spread[1]}
    config = CrossbarConfig(**case, programming_error=record)
    # every column has errors of its own, and every seed
    samples = [CrossbarArray(np.tile(w, (COLUMNS, 1)), config, seed).mvm(x) for seed in range(4)]
    check(np.array(samples), *expected(w, x, config, *spread))


@pytest.mark.parametrize(
    "slicing", [{}, {"input_slice_bits": 2}, {"input_slice_bits": 3, "adc_per_input_slice": False}]
)
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("case", CASES)
def test_read_noise(case: dict[str, Any], spread: tuple[float, float], slicing: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    whole = rng.integers(-31, 32, ROWS)
    w, x = rng.uniform(-1, 1, ROWS), whole / 31
    w[0] = 1
    record = {"independent": spread[0], "proportional": spread[1]}
    config = CrossbarConfig(**case, **slicing, dac_bits=6, read_noise=record, rows_max=15)
    array = CrossbarArray(np.tile(w, (20, 1)), config, 3)
    samples = array.mvm(np.tile(x[:, None], (1, 200)))
    mean, variance = expected(w, x, config, *spread)
    if slicing:
        bits = config.input_slice_bits
        digits = [
            (abs(whole) >> bits * k & (1 << bits) - 1) * 2.0 ** (bits * k) / 31 for k in range(config.input_slices)
        ]
        variance = sum(expected(w, digit, config, *spread)[1] for digit in digits)
    check(samples, mean, variance)


def test_read_noise_is_keyed_by_seed_and_image() -> None:
    rng = np.random.default_rng(2)
    w, x = rng.normal(size=(3, 8)), np.tile(rng.uniform(-1, 1, (8, 1)), (1, 6))
    config = CrossbarConfig(read_noise={"independent": 0.1})  # type: ignore[arg-type]
    result = CrossbarArray(w, config, 1).mvm(x)
    assert len(np.unique(result)) == result.size
    assert (CrossbarArray(w, config, 1).mvm(x[:, :2], first_input=4) == result[:, 4:]).all()
    assert (CrossbarArray(w, config, 2).mvm(x) != result).all()


@pytest.mark.parametrize("g", [0.0, 1e-3, 0.05, 1.0])
@pytest.mark.parametrize("spread", [1e-3, 0.05, 2.0])
def test_rectified_moments_are_the_integrals(g: float, spread: float) -> None:
    def integral(power: int, about: float) -> float:
        ends = max(0.0, g - 12 * spread), g + 12 * spread
        above = quad(
            lambda v: (v - about) ** power * norm.pdf(v, g, spread), *ends, epsabs=0, epsrel=1e-11, points=[g]
        )[0]
        return float(above + (-about) ** power * norm.cdf(-g / spread))

    mean, variance = (float(value) for value in rectified_moments(np.array(g), np.array(spread)))
    assert mean == pytest.approx(integral(1, 0.0), rel=1e-8)
    assert variance == pytest.approx(integral(2, mean), rel=1e-7)


def test_stuck_cells_are_as_frequent_as_said() -> None:
    config = CrossbarConfig(stuck_on=0.02, stuck_off=0.1, on_off_ratio=10)
    cells = CrossbarArray(np.full((100, 200), 0.5), CrossbarConfig(on_off_ratio=10, weight_max="max"), 0).conductances()
    stuck = CrossbarArray(np.tile(np.linspace(0.2, 0.9, 200), (100, 1)), config, 1).conductances()[:, 0]
    assert cells.shape == (1, 2, 100, 200)
    count = stuck.size
    for share, at in ((0.02, 1.0), (0.1, 0.1)):
        # one weight in 200 is the largest and at Gmax anyway
        seen = (stuck[..., :-1] == at).mean()
        assert abs(seen - share) <= ERRORS * np.sqrt(share * (1 - share) / count)


TABLES = {
    "sonos": lambda g: 19.88665 * (1 - np.exp(-g * 1600 / 176.3115)) / 1600,
    "pcm": lambda g: (-0.00178767 * (25 * g) ** 2 + 0.07585724 * 25 * g + 0.28638599) / 25,
    "rram_wan": lambda g: (
        (1.536e-4 * (39.26 * g) ** 3 - 1.167e-2 * (39.26 * g) ** 2 + 0.2374 * 39.26 * g + 1.053) / 39.26
    ),
    "rram_milo": lambda g: (-0.009107 * 225 * g + 4.782321) / 225,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_their_published_spread(name: str) -> None:
    config = CrossbarConfig(programming_error=name, mapping="offset", on_off_ratio=4.5)  # type: ignore[arg-type]
    # weights of 1 (Gmax) and 0 (half-way)
    cells = CrossbarArray(np.tile([1.0, 0.0], (2000, 1)), config, 1).conductances()[0, 0]
    for column, g in ((0, 1.0), (1, 1 / 4.5 + (1 - 1 / 4.5) / 2)):
        check(cells[:, column], g, float(TABLES[name](g)) ** 2)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("conductance,sigma\n0,1\n10,3\n20,2\n", encoding="utf-8")
    config = CrossbarConfig(programming_error=str(path), mapping="offset")  # type: ignore[arg-type]
    cells = CrossbarArray(np.tile([1.0, 0.5, 0.0], (2000, 1)), config, 1).conductances()[0, 0]
    for column, (g, sigma) in enumerate([(1.0, 2 / 20), (0.75, 2.5 / 20), (0.5, 3 / 20)]):
        check(cells[:, column], g, sigma**2)
    path.write_text("conductance,sigma\n20,4\n", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    check(CrossbarArray(np.ones((2000, 1)), config, 1).conductances()[0, 0, :, 0], 1.0, (4 / 20) ** 2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("g,s\n1,2\n", ":1: the header must be conductance,sigma"),
        ("conductance,sigma\n1,2\n1,x\n", ":3: '1,x' must be two numbers"),
        ("conductance,sigma\n2,1\n1,1\n", ":3: '1,1': conductances must ascend"),
        ("conductance,sigma\n1,-1\n", ":2: '1,-1'"),
        ("conductance,sigma\n1,nan\n", ":2: '1,nan'"),
        ("conductance,sigma\n", ": no row with a conductance above 0"),
    ],
)
def test_malformed_tables_are_refused_with_their_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CrossbarConfigError) as error:
        CrossbarConfig(programming_error={"table": str(path)})  # type: ignore[arg-type]
    assert f"{path}{line}" in str(error.value) and "\n" not in str(error.value)


def test_drift_of_sonos_lies_between_the_days_and_the_power_law_is_one() -> None:
    w = np.tile([1.0, 0.0], (3000, 1))
    half = CrossbarArray(w, CrossbarConfig(drift={"model": "sonos", "days": 0.5}, mapping="offset"), 1).conductances()  # type: ignore[arg-type]
    spread = np.mean([a * (1 - np.exp(-1600 / b)) for a, b in ((19.88665, 176.3115), (25.59102, 186.85544))]) / 1600
    check(half[0, 0, :, 0], 1.0, spread**2)
    law = {"model": "power_law", "time": 1000.0, "reference_time": 10.0, "exponent": 0.05, "exponent_spread": 0.005}
    drifted = CrossbarArray(w, CrossbarConfig(drift=law, mapping="offset"), 1).conductances()[0, 0, :, 0]  # type: ignore[arg-type]
    check(-np.log(drifted) / np.log(100.0), 0.05, 0.005**2)
    never_up = law | {"exponent": 0.0, "exponent_spread": 0.1}
    cells = CrossbarArray(w, CrossbarConfig(drift=never_up, mapping="offset"), 1).conductances()[0, 0, :, 0]  # type: ignore[arg-type]
    assert cells.max() == 1 and abs((cells == 1).mean() - 0.5) <= ERRORS * 0.5 / np.sqrt(cells.size)
