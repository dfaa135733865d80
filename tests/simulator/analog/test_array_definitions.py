"""Arrays against an exact rational crossbar, over configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.converters import InnerRange, calibrated_ranges
from tests.simulator.analog.exact_crossbar import ExactCrossbar

RELATIVE = 1e-9


def agrees(weights: np.ndarray, x: np.ndarray, config: CrossbarConfig, with_cells: bool = False) -> None:
    array = CrossbarArray(weights, config, seed=5)
    array.calibrate(x)
    cells = array.conductances() if with_cells else None
    exact = ExactCrossbar(weights, config, config.input_range, array.adc_range, cells)
    expected = np.array([exact.mvm(column) for column in x.T]).T
    size = np.abs(weights).sum(1).max() * np.abs(x).max() + 1e-300
    assert np.abs(array.mvm(x) - expected).max() <= RELATIVE * max(np.abs(expected).max(), 1e-3 * size)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    slices = draw(st.sampled_from([1, 1, 2, 3, 4]))
    dac_bits = draw(st.sampled_from([0, 2, 4, 8]))
    magnitude = dac_bits - 1
    table = {
        "mapping": draw(st.sampled_from(["differential", "offset"])),
        "differential_style": draw(st.sampled_from(["one_sided", "two_sided"])) if slices == 1 else "one_sided",
        "subtract_in_analog": draw(st.booleans()),
        "offset_subtraction": draw(st.sampled_from(["digital", "unit_column"])),
        "slices": slices,
        "on_off_ratio": draw(st.sampled_from(["inf", 4, 10])),
        "weight_max": draw(st.sampled_from(["max", 90])),
        "weight_max_per": draw(st.sampled_from(["matrix", "column"])),
        "dac_bits": dac_bits,
        "dac_signed": draw(st.booleans()),
        "input_range": draw(st.sampled_from([(-1.0, 1.0), (0.0, 3.0), (-2.0, 2.0)])),
        "adc_bits": draw(st.sampled_from([0, 3, 8, 12])),
        "adc_sign_magnitude": draw(st.booleans()),
        "adc_range": draw(st.sampled_from(["max", "calibrated", "granular", (-1.5, 1.5)])),
        "rows_max": draw(st.sampled_from([0, 4])),
        "columns_max": draw(st.sampled_from([0, 2])),
    }
    if slices > 1 or table["adc_range"] == "granular":
        table["weight_bits"] = draw(st.integers(max(slices, 4), 8))
    if slices == 1:
        table["cell_bits"] = draw(st.sampled_from([0, 8]))
    if dac_bits:
        table["input_slice_bits"] = draw(st.sampled_from([0, *range(1, min(magnitude, 3) + 1)]))
        table["adc_per_input_slice"] = draw(st.booleans())
    return table


@settings(max_examples=150)
@given(tables(), st.integers(0, 2**32 - 1))
def test_mvm_equals_the_definitions(table: dict[str, Any], seed: int) -> None:
    try:
        config = CrossbarConfig(**table)
    except CrossbarConfigError:
        assume(False)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, 9))
    low, high = config.input_range
    x = rng.uniform(low * 1.1, high * 1.1, (9, 2))
    x[rng.random(x.shape) < 0.2] = 0
    agrees(weights, x, config)


@pytest.mark.parametrize("binary", ["offset_cell", "two_columns", "xnor_rows"])
@pytest.mark.parametrize("rows_max", [0, 5])
@pytest.mark.parametrize(
    "adc", [{}, {"adc_bits": 3}, {"adc_bits": 6, "adc_range": "granular"}, {"adc_bits": 5, "adc_range": "calibrated"}]
)
@pytest.mark.parametrize("signed", [True, False])
def test_binary_mappings_equal_the_definitions(binary: str, rows_max: int, adc: dict[str, Any], signed: bool) -> None:
    rng = np.random.default_rng(3)
    config = CrossbarConfig(
        binary_mapping=binary,
        rows_max=rows_max,
        on_off_ratio=10,
        dac_bits=3,
        dac_signed=signed,
        input_range=(-3, 3) if signed else (0, 7),
        input_slice_bits=1,
        **adc,
    )
    agrees(rng.choice([-1.0, 1.0], (3, 8)), rng.integers(-3 if signed else 0, 4, (8, 3)).astype(float), config)


@pytest.mark.parametrize("binary", ["offset_cell", "two_columns", "xnor_rows"])
def test_a_binary_network_layer_is_exact_without_an_adc(binary: str) -> None:
    rng = np.random.default_rng(4)
    weights, x = rng.choice([-1.0, 1.0], (6, 40)), rng.choice([-1.0, 0.0, 1.0], (40, 5))
    config = CrossbarConfig(binary_mapping=binary, dac_bits=2, input_range=(-1, 1), on_off_ratio=3)
    assert (CrossbarArray(weights, config).mvm(x) == weights @ x).all()


def test_binary_mappings_refuse_other_weights() -> None:
    with pytest.raises(CrossbarConfigError, match="weights: 0 with binary_mapping = xnor_rows"):
        CrossbarArray(np.array([[1.0, 0.0]]), CrossbarConfig(binary_mapping="xnor_rows"))


@pytest.mark.parametrize("mapping", ["differential", "offset"])
@pytest.mark.parametrize("unit", ["digital", "unit_column"])
@pytest.mark.parametrize(
    "errors",
    [
        {"programming_error": {"independent": 0.1, "proportional": 0.05}},
        {"programming_error": "rram_milo"},
        {"drift": {"model": "sonos", "days": 2.5}},
        {"drift": {"model": "power_law", "time": 100.0, "exponent": 0.05, "exponent_spread": 0.01}},
        {"stuck_on": 0.1, "stuck_off": 0.2},
    ],
)
def test_outputs_follow_from_the_cells_as_programmed(mapping: str, unit: str, errors: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    weights, x = rng.normal(size=(4, 9)), rng.uniform(-1, 1, (9, 2))
    for converters in ({}, {"adc_bits": 6}, {"adc_bits": 5, "adc_range": "calibrated", "input_slice_bits": 2}):
        config = CrossbarConfig(
            mapping=mapping,
            offset_subtraction=unit,
            weight_bits=6,
            slices=2,
            on_off_ratio=8,
            dac_bits=5,
            rows_max=5,
            columns_max=3,
            **errors,
            **converters,
        )
        agrees(weights, x, config, with_cells=True)


def test_offset_cells_have_no_gain_error() -> None:
    """CrossSim v3.2.0 divides by the range of the cells instead of the range used: 0.9333 of W @ x at 4 bits."""
    weights = np.array([[7.0, -7.0, 3.0, 0.0]])
    config = CrossbarConfig(mapping="offset", cell_bits=4)
    np.testing.assert_allclose(CrossbarArray(weights, config).mvm(np.eye(4)), weights, rtol=1e-12, atol=1e-12)


def test_max_range_of_offset_slices_never_clips() -> None:
    """CrossSim v3.2.0 rounds log2 of the rows: 90 rows get a range of 64 * 4/3."""
    for rows in (3, 64, 90, 100, 1152):
        for bits in (1, 4, 8):
            config = CrossbarConfig(
                mapping="offset", weight_bits=8, slices=4, adc_bits=bits, dac_bits=8, dac_signed=False
            )
            ranges = CrossbarArray(np.ones((1, rows)), config).adc_range
            assert ranges is not None and all(high >= rows and low == 0 for low, high in ranges[0])


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"mapping": "differential"}, (-100, 100)),
        ({"mapping": "offset", "dac_signed": False}, (0, 100)),
        ({"mapping": "offset"}, (-100, 100)),
        ({"mapping": "offset", "slices": 4}, (-128 * 4 / 3 * 254 / 256, 128 * 4 / 3 * 254 / 256)),
        (
            {"mapping": "offset", "slices": 4, "dac_bits": 8, "dac_signed": False},
            (0, 128 * 4 / 3 * 255 / 256 * 256 / 255),
        ),
        ({"mapping": "differential", "adc_range": "granular"}, (-127 / 256, 127 / 256)),
        ({"adc_range": "granular", "slices": 4, "dac_bits": 8}, (-127 / 3 * 128 / 127, 127 / 3 * 128 / 127)),
        ({"adc_range": "granular", "slices": 4, "mapping": "offset", "dac_signed": False}, (0, 255 / 3)),
    ],
)
def test_ranges_follow_the_published_formulas(table: dict[str, Any], expected: tuple[float, float]) -> None:
    config = CrossbarConfig(weight_bits=8, adc_bits=8, **table)
    ranges = CrossbarArray(np.ones((2, 100)), config).adc_range
    assert ranges == [[pytest.approx(expected)] * config.slices]


def test_calibrated_ranges_of_slices_are_powers_of_two_apart_and_keep_what_they_should() -> None:
    rng = np.random.default_rng(1)
    config = CrossbarConfig(
        weight_bits=8, slices=4, adc_bits=8, dac_bits=8, adc_range="calibrated", adc_percentile=98, rows_max=50
    )
    array = CrossbarArray(rng.normal(size=(20, 100)), config)
    with pytest.raises(CrossbarConfigError, match="adc_range = calibrated"):
        array.mvm(np.zeros(100))
    array.calibrate(rng.uniform(-1, 1, (100, 200)))
    ranges = array.adc_range
    assert ranges is not None and ranges[0] == ranges[1]
    widths = np.array([high - low for low, high in ranges[0]])
    assert (np.log2(widths / widths[0]) == np.rint(np.log2(widths / widths[0]))).all()


def test_calibrated_ranges_are_no_narrower_than_what_is_kept() -> None:
    config = CrossbarConfig(weight_bits=6, slices=3, adc_bits=8, adc_range="calibrated")
    kept = [(-1.0, 1.0), (-0.3, 0.3), (-0.5, 0.0)]
    ranges = calibrated_ranges(kept, config)
    assert [high - low for low, high in ranges] == pytest.approx([2, 1, 0.5])
    for (low, high), (least, most) in zip(ranges, kept, strict=True):
        half_step = (high - low) / 255 / 2
        assert low <= least + half_step and high >= most - half_step


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.integers(-50, 50), min_size=1, max_size=20), min_size=1, max_size=5),
    st.sampled_from([100.0, 99.0, 80.0, 35.5]),
)
def test_inner_ranges_are_the_percentiles(parts: list[list[int]], percentile: float) -> None:
    everything = np.array(sum(parts, []), np.float64)
    inner = InnerRange(percentile, everything.size)
    for part in parts:
        inner.add(np.array(part, np.float64))
    expected = np.percentile(everything, [(100 - percentile) / 2, (100 + percentile) / 2])
    np.testing.assert_allclose(inner.ends(), expected, rtol=1e-9, atol=1e-9)


def test_inputs_of_one_column_and_of_integers() -> None:
    array = CrossbarArray(np.array([[1.0, 2.0], [3.0, -4.0], [0.0, 0.5]]), CrossbarConfig())
    assert array.mvm(np.array([1, -1])).tolist() == [-1.0, 7.0, -0.5]
    with pytest.raises(CrossbarConfigError, match=r"x: shape \(3, 1\) must be \(2, n\)"):
        array.mvm(np.zeros((3, 1)))
    with pytest.raises(CrossbarConfigError, match=r"weights: shape \(2,\) must be \(out, in\)"):
        CrossbarArray(np.ones(2), CrossbarConfig())
    with pytest.raises(CrossbarConfigError, match="weights: must be finite"):
        CrossbarArray(np.array([[np.nan]]), CrossbarConfig())
    with pytest.raises(CrossbarConfigError, match="x: must be finite"):
        array.mvm(np.array([1.0, np.inf]))
    assert array.mvm(np.zeros((2, 0))).shape == (3, 0)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"cell_bits": 4, "dac_bits": 4, "mapping": "offset", "on_off_ratio": 1.001},
        {"weight_bits": 5, "slices": 5, "dac_bits": 4, "input_slice_bits": 1, "adc_bits": 20, "rows_max": 1},
        {"mapping": "offset", "offset_subtraction": "unit_column", "rows_max": 1, "columns_max": 1, "adc_bits": 12},
    ],
)
@pytest.mark.parametrize("weights", [np.array([[-0.5]]), np.zeros((2, 3)), np.array([[1.0, -2.0, 0.25]])])
def test_the_smallest_arrays(table: dict[str, Any], weights: np.ndarray) -> None:
    agrees(weights, np.random.default_rng(3).uniform(-1, 1, (weights.shape[1], 4)), CrossbarConfig(**table))


@pytest.mark.parametrize("scale", [1.0, 1e9])
@pytest.mark.parametrize("table", [{}, {"adc_bits": 12}, {"column_resistance": 1e-3}, {"read_noise": "sonos"}])
def test_what_is_beside_a_column_does_not_matter(table: dict[str, Any], scale: float) -> None:
    """Inputs are real, or integers beyond the range in which sums are exact."""
    rng = np.random.default_rng(9)
    weights, x = rng.normal(size=(37, 201)), rng.uniform(-scale, scale, (201, 150))
    x = x if scale == 1 else np.rint(x)
    array = CrossbarArray(weights, CrossbarConfig(**table), 3)
    whole = array.mvm(x)
    for count in (1, 2, 17):
        assert (array.mvm(x[:, :count]) == whole[:, :count]).all()


@pytest.mark.parametrize("top", [7, 49, 119, 127])
def test_quantised_integers_come_back_as_they_are(top: int) -> None:
    """So that a network's integers can be compared in every bit."""
    rng = np.random.default_rng(8)
    weights = rng.integers(-top, top + 1, (5, 60)).astype(float)
    weights[0, 0] = top
    x = rng.integers(0, 256, (60, 9))
    bits = top.bit_length()
    for table in ({"cell_bits": bits}, {"slices": 2}, {"slices": 2, "mapping": "offset", "on_off_ratio": 7}):
        config = CrossbarConfig(weight_bits=bits + 1, dac_bits=8, dac_signed=False, input_range=(0, 255), **table)  # type: ignore[arg-type]
        result = CrossbarArray(weights, config).mvm(x)
        if top == (1 << bits) - 1:
            assert (result == weights @ x).all()
        else:
            np.testing.assert_allclose(result, weights @ x, atol=0.5 * x.sum(0).max())


def test_percentiles_and_columns_have_their_own_largest_weight() -> None:
    weights = np.array([[4.0, 1.0, 2.0, 3.0], [0.4, 0.1, 0.2, 0.3]])
    pairs = CrossbarArray(weights, CrossbarConfig(weight_max_per="column")).conductances()[0, 0]
    np.testing.assert_allclose(pairs, np.tile([1.0, 0.25, 0.5, 0.75], (2, 1)))
    pairs = CrossbarArray(weights, CrossbarConfig(weight_max_per="column", weight_max=50)).conductances()[0, 0]
    np.testing.assert_allclose(pairs, np.tile([1.0, 0.4, 0.8, 1.0], (2, 1)))
    with pytest.raises(CrossbarConfigError, match="weight_max = 50: this percentile of .weights. is 0"):
        CrossbarArray(np.array([[5.0, 0, 0, 0]]), CrossbarConfig(weight_max=50))
    zeros = CrossbarArray(np.zeros((2, 3)), CrossbarConfig(weight_max=50, weight_max_per="column")).conductances()
    assert not zeros.any()
