"""Convolutions: the same as a matrix on unfolded patches, however they are cut into batches and threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
import torch

from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.layer import CrossbarLayer, Geometry

CONVOLUTIONS = {
    "plain": ((4, 3, 3, 3), Geometry()),
    "strided, uneven pads": ((4, 3, 3, 2), Geometry((2, 1), (1, 0, 2, 1))),
    "dilated": ((2, 4, 3, 3), Geometry(dilations=(2, 1), pads=(2, 1, 2, 1))),
    "grouped": ((6, 2, 3, 3), Geometry(pads=(1, 1, 1, 1), groups=3)),
    "depthwise": ((4, 1, 3, 3), Geometry((2, 2), (1, 1, 1, 1), groups=4)),
    "pointwise": ((5, 6, 1, 1), Geometry((2, 2))),
}
CELLS: dict[str, Any] = {"cell_bits": 6, "dac_bits": 4}
SLICED: dict[str, Any] = {"weight_bits": 6, "slices": 3, "dac_bits": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "ideal": {},
    "quantised": {"weight_bits": 6, "cell_bits": 5, "dac_bits": 4},
    "digitised": {"cell_bits": 5, "dac_bits": 4, "adc_bits": 6, "rows_max": 7},
    "sliced": SLICED | {"dac_bits": 5, "input_slice_bits": 1, "adc_bits": 5, "rows_max": 10, "on_off_ratio": 9},
    "offset": SLICED | {"mapping": "offset", "adc_bits": 6, "on_off_ratio": 9, "rows_max": 10},
    "unit column": CELLS | {"mapping": "offset", "offset_subtraction": "unit_column", "adc_bits": 8, "columns_max": 1},
    "erroneous": {"programming_error": {"independent": 0.05}, "dac_bits": 4, "adc_bits": 6, "stuck_on": 0.1},
    "noisy": CELLS | {"read_noise": {"independent": 0.05}, "input_slice_bits": 2, "adc_bits": 6, "rows_max": 10},
    "noisy sum": CELLS | {"read_noise": "sonos", "input_slice_bits": 2, "adc_per_input_slice": False},
    "real": {"adc_bits": 8, "rows_max": 10, "read_noise": {"proportional": 0.05}, "column_resistance": 1e-3},
    "binary": {"binary_mapping": "xnor_rows", "dac_bits": 4, "adc_bits": 5, "rows_max": 8},
    "resistive": SLICED | {"row_resistance": 1e-3, "column_resistance": 1e-3, "adc_bits": 9},
    "gated": CELLS | {"input_slice_bits": 1, "topology": "separate_source", "column_resistance": 1e-3, "adc_bits": 9},
}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads(), numba.get_num_threads()
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


def case(name: str, config: dict[str, Any], count: int = 2) -> tuple[np.ndarray, Geometry, torch.Tensor]:
    shape, geometry = CONVOLUTIONS[name]
    rng = np.random.default_rng(11)
    weights = rng.choice([-1.0, 1.0], shape) if "binary_mapping" in config else rng.normal(size=shape)
    for group in np.split(weights, geometry.groups):
        group.flat[0] = 1.0 if "binary_mapping" in config else 4.0  # the same largest weight in every group
    x = torch.from_numpy(rng.uniform(-1, 1, (count, shape[1] * geometry.groups, 7, 6)))
    return weights, geometry, x


def patches(
    x: np.ndarray, kernel: tuple[int, int], geometry: Geometry, group: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """(rows, N * Ho * Wo) of one group, one window at a time."""
    top, left, bottom, right = geometry.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    channels = x.shape[1] // geometry.groups
    extent = [geometry.dilations[axis] * (kernel[axis] - 1) + 1 for axis in range(2)]
    rows = range(0, padded.shape[2] - extent[0] + 1, geometry.strides[0])
    columns = range(0, padded.shape[3] - extent[1] + 1, geometry.strides[1])
    seen = [
        padded[
            n,
            group * channels : (group + 1) * channels,
            i : i + extent[0] : geometry.dilations[0],
            j : j + extent[1] : geometry.dilations[1],
        ].ravel()
        for n in range(len(x))
        for i in rows
        for j in columns
    ]
    return np.array(seen).T, (len(x), len(rows), len(columns))


@pytest.mark.parametrize(
    "kind", ["ideal", "quantised", "digitised", "sliced", "offset", "unit column", "resistive", "gated"]
)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_is_a_matrix_on_patches(name: str, kind: str) -> None:
    weights, geometry, x = case(name, CONFIGS[kind])
    config = CrossbarConfig(**CONFIGS[kind])
    result = CrossbarLayer(weights, config, geometry=geometry, seed=1)(x).numpy()
    for group, own in enumerate(np.split(weights, geometry.groups)):
        seen, shape = patches(x.numpy(), weights.shape[2:], geometry, group)
        expected = CrossbarArray(own.reshape(len(own), -1), config, seed=1).mvm(seen)
        outputs = np.split(result, geometry.groups, axis=1)[group]
        back = np.moveaxis(expected.reshape(-1, *shape), 0, 1)
        np.testing.assert_allclose(outputs, back, rtol=1e-9, atol=1e-9 * np.abs(back).max())


def test_xnor_rows_of_a_convolution_are_those_of_its_patches() -> None:
    weights, geometry, x = case("plain", {"binary_mapping": ""})
    config = CrossbarConfig(binary_mapping="xnor_rows", dac_bits=4, adc_bits=4, on_off_ratio=5)
    seen, shape = patches(x.numpy(), weights.shape[2:], geometry, 0)
    expected = CrossbarArray(weights.reshape(4, -1), config).mvm(seen).reshape(4, *shape)
    result = CrossbarLayer(weights, config, geometry=geometry, seed=1)(x)
    np.testing.assert_allclose(result.numpy(), np.moveaxis(expected, 0, 1), rtol=1e-12)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("name", ["strided, uneven pads", "grouped"])
def test_neither_batches_nor_threads_matter(name: str, kind: str) -> None:
    weights, geometry, x = case(name, CONFIGS[kind], count=5)
    x = x.repeat(1, 1, 5, 5)
    layer = CrossbarLayer(weights, CrossbarConfig(**CONFIGS[kind]), geometry=geometry, seed=(3, 4))
    whole = layer(x, first_image=10)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)
        split = [layer(x[:2], first_image=10), layer(x[2:3], first_image=12), layer(x[3:], first_image=13)]
        assert torch.equal(whole, torch.cat(split))


def test_integers_without_a_dac_do_not_depend_on_batches_either() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(-128, 128, (6, 64, 9, 9)).astype(np.float32))
    layer = CrossbarLayer(rng.normal(size=(32, 64, 3, 3)), CrossbarConfig(), seed=0, input_range=(-128, 127))
    assert torch.equal(layer(x), torch.cat([layer(image[None]) for image in x]))


def test_sums_of_real_weights_with_integers_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.uniform(0.9, 1.0, (8, 3000, 1, 1)), rng.integers(200, 256, (2, 3000, 2, 2))
    order = rng.permutation(3000)
    one, other = (
        CrossbarLayer(weights[:, own], CrossbarConfig(dac_signed=False), seed=0, input_range=(0, 255))(
            torch.from_numpy(x[:, own])
        )
        for own in (np.arange(3000), order)
    )
    assert torch.equal(one, other)
    np.testing.assert_allclose(one, np.einsum("oc,nchw->nohw", weights[:, :, 0, 0], x), rtol=1e-14)


@pytest.mark.parametrize("kind", ["ideal", "quantised", "erroneous", "resistive"])
@pytest.mark.parametrize("mapping", ["differential", "offset"])
@pytest.mark.parametrize("unit", ["digital", "unit_column"])
def test_the_shortcut_is_the_long_way(kind: str, mapping: str, unit: str) -> None:
    table = {"mapping": mapping, "offset_subtraction": unit, "rows_max": 5, "columns_max": 3, "on_off_ratio": 6}
    table |= {key: value for key, value in CONFIGS[kind].items() if key not in ("adc_bits", "cell_bits")}
    weights, geometry, x = case("grouped", {})
    layer = CrossbarLayer(weights, CrossbarConfig(**table), geometry=geometry, seed=1)
    assert layer.shortcut
    expected = layer.long_way(x)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-11, atol=1e-11 * float(expected.abs().max()))


@pytest.mark.parametrize(("span", "lossless"), [(63, True), (21, True), (7, False), (62, False)])
def test_a_lossless_adc_is_left_out(span: int, lossless: bool) -> None:
    """Cells of 2 bits and inputs of 1: currents are thirds. 127 codes over +-span / 3 have steps that divide 1/3
    where span divides 63, and nine rows can exceed 7/3."""
    weights, geometry, x = case("plain", {})
    config = CrossbarConfig(
        weight_bits=4,
        slices=2,
        dac_bits=2,
        input_slice_bits=1,
        adc_bits=7,
        adc_range=(-span / 3, span / 3),
        adc_sign_magnitude=True,
        rows_max=9,
    )
    layer = CrossbarLayer(weights, config, geometry=geometry, seed=1)
    assert layer.shortcut == lossless
    if lossless:
        np.testing.assert_allclose(layer(x), layer.long_way(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "lossless"), [([1, 1, 1], True), ([1, -1, 1], True), ([1, 1, 1, 1], False), ([1, 1, -1, -1], False)]
)
def test_an_adc_is_lossless_up_to_the_largest_current(weights: list[int], lossless: bool) -> None:
    config = CrossbarConfig(cell_bits=1, dac_bits=2, adc_bits=3, adc_range=(-3, 3), adc_sign_magnitude=True)
    assert CrossbarLayer(np.reshape(weights, (1, -1, 1, 1)), config, seed=0).shortcut == lossless


def test_calibrating_again_replaces_what_came_of_it_before() -> None:
    table: dict[str, Any] = {"adc_range": "calibrated", "adc_percentile": 100, "adc_sign_magnitude": True}
    config = CrossbarConfig(cell_bits=1, dac_bits=2, adc_bits=3, **table)
    layer = CrossbarLayer(np.ones((1, 3, 1, 1)), config, seed=0)
    x = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]).view(2, 3, 1, 1)
    for inputs, lossless in ((x, True), (x[:1] * torch.tensor([1, 0, 0]).view(1, 3, 1, 1), False), (x, True)):
        layer.calibrate(inputs)
        assert layer.shortcut == lossless


@pytest.mark.parametrize(("rows_max", "tops"), [(0, [8]), (8, [4, 4]), (6, [4, 5, 4])])
def test_of_a_pair_of_xnor_rows_one_is_driven(rows_max: int, tops: list[int]) -> None:
    config = CrossbarConfig(binary_mapping="xnor_rows", dac_bits=2, adc_bits=4, rows_max=rows_max)
    layer = CrossbarLayer(np.ones((1, 2, 2, 2)), config, seed=0)
    assert layer.adc_range == [[(0.0, float(top))] for top in tops]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_precision_float32_is_near(precision: str) -> None:
    weights, geometry, x = case("plain", {})
    for kind in ("ideal", "erroneous", "noisy", "sliced"):
        table = {key: value for key, value in CONFIGS[kind].items() if key != "adc_bits"}
        exact = CrossbarLayer(weights, CrossbarConfig(**table), geometry=geometry, seed=1)(x)
        result = CrossbarLayer(weights, CrossbarConfig(**table, precision=precision), geometry=geometry, seed=1)(x)
        assert result.dtype == getattr(torch, precision)
        np.testing.assert_allclose(result, exact, atol=3e-4 * float(exact.abs().max()))


def test_sums_beyond_float32_are_exact() -> None:
    rng = np.random.default_rng(2)
    weights = rng.integers(-(2**11) + 1, 2**11, (3, 500, 1, 1)).astype(float)
    weights[0] = 2**11 - 1
    for bits in (6, 9, 12):  # one convolution, several, and float64
        config = CrossbarConfig(weight_bits=12, cell_bits=11, dac_bits=bits, dac_signed=False)
        top = 2**bits - 1
        x = rng.integers(0, top + 1, (4, 500, 3, 3))
        x[0] = rng.integers(top - 1, top + 1, x[0].shape)  # sums near the largest there can be
        layer = CrossbarLayer(weights, config, seed=0, input_range=(0, top))
        expected = np.einsum("oc,nchw->nohw", weights[:, :, 0, 0], x)
        np.testing.assert_allclose(layer(torch.from_numpy(x)), expected, rtol=1e-13)


def test_arrays_do_not_depend_on_each_other() -> None:
    """The cells of a tile are drawn for its place alone."""
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(8, 12, 1, 1))
    config = CrossbarConfig(programming_error={"independent": 0.1}, rows_max=6, columns_max=4, weight_max_per="column")  # type: ignore[arg-type]
    whole = CrossbarLayer(weights, config, seed=9).conductances()
    part = CrossbarLayer(weights[:4], config, seed=9).conductances()
    assert (whole[:, :, :, :4] == part).all()
    assert (CrossbarLayer(weights, config, seed=10).conductances() != whole).mean() > 0.5


@pytest.mark.parametrize(
    "errors",
    [
        {"programming_error": {"independent": 0.1}},
        {"drift": {"model": "power_law", "time": 10.0, "exponent": 0.2, "exponent_spread": 0.1}},
        {"stuck_off": 0.5},
    ],
)
def test_every_array_has_errors_of_its_own_and_so_has_every_seed(errors: dict[str, Any]) -> None:
    config = CrossbarConfig(mapping="offset", rows_max=6, columns_max=4, **errors)
    seen = set()
    for seed in (0, (0, 0), (0, 1), (1, 0), 1):
        layer = CrossbarLayer(np.ones((16, 12, 1, 1)), config, geometry=Geometry(groups=2), seed=seed)
        tiles = layer.conductances()[0, 0].reshape(2, 2, 4, 2, 6).transpose(0, 1, 3, 2, 4).reshape(8, -1)
        seen |= {tile.tobytes() for tile in tiles}
    assert len(seen) == 5 * 8


def test_drift_and_programming_errors_are_drawn_apart() -> None:
    weights, law = np.ones((50, 40)), {"model": "power_law", "time": 10.0, "exponent": 0.2, "exponent_spread": 0.02}
    tables: list[dict[str, Any]] = [{"programming_error": {"proportional": 0.02}}, {"drift": law}]
    error, drift = (
        CrossbarArray(weights, CrossbarConfig(mapping="offset", **table), 1).conductances().ravel() for table in tables
    )
    both = CrossbarArray(weights, CrossbarConfig(mapping="offset", **tables[0], **tables[1]), 1).conductances().ravel()
    np.testing.assert_allclose(both, error * drift, rtol=1e-12)
    assert abs(np.corrcoef(error, drift)[0, 1]) < 4 / np.sqrt(error.size)


def test_uncalibrated_layers_say_so() -> None:
    layer = CrossbarLayer(np.ones((1, 1, 1, 1)), CrossbarConfig(adc_bits=4, adc_range="calibrated"), seed=0)
    with pytest.raises(CrossbarConfigError, match="call calibrate first"):
        layer(torch.ones(1, 1, 1, 1))


@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 3), 1), ((3, 2, 3, 3), 2), ((0, 2, 3, 3), 1)])
def test_weights_must_be_a_convolutions(shape: tuple[int, ...], groups: int) -> None:
    with pytest.raises(CrossbarConfigError, match=r"weights: shape \(.*\) must be \(Cout, Cin / groups, kh, kw\)"):
        CrossbarLayer(np.ones(shape), CrossbarConfig(), geometry=Geometry(groups=groups), seed=0)


@pytest.mark.parametrize("shape", [(1, 3, 5, 5), (1, 1, 5, 5), (2, 5, 5), (1, 2, 2, 5)])
@pytest.mark.parametrize("kind", ["ideal", "digitised"])
def test_images_must_fit(kind: str, shape: tuple[int, ...]) -> None:
    layer = CrossbarLayer(np.ones((4, 2, 3, 3)), CrossbarConfig(**CONFIGS[kind]), seed=0)
    with pytest.raises(CrossbarConfigError, match="x: shape"):
        layer(torch.ones(shape))


@pytest.mark.parametrize("kind", CONFIGS)
def test_no_image_is_none_afterwards(kind: str) -> None:
    weights, geometry, x = case("grouped", CONFIGS[kind])
    layer = CrossbarLayer(weights, CrossbarConfig(**CONFIGS[kind], precision="float32"), geometry=geometry, seed=1)
    assert layer(x[:0]).shape == (0, *layer(x).shape[1:]) and layer(x[:0]).dtype == torch.float32


def test_there_must_be_images_to_calibrate_on() -> None:
    layer = CrossbarLayer(np.ones((1, 1, 1, 1)), CrossbarConfig(adc_bits=4, adc_range="calibrated"), seed=0)
    with pytest.raises(CrossbarConfigError, match="x: holds no image"):
        layer.calibrate(torch.ones(0, 1, 1, 1))


def test_seeds_are_not_negative() -> None:
    with pytest.raises(CrossbarConfigError, match=r"seed = \(1, -1\): must be whole numbers from 0"):
        CrossbarLayer(np.ones((1, 1, 1, 1)), CrossbarConfig(), seed=(1, -1))


@pytest.mark.parametrize("slices", [1, 2])
def test_no_current_is_a_code_of_a_calibrated_adc(slices: int) -> None:
    config = CrossbarConfig(
        weight_bits=5, slices=slices, cell_bits=4 if slices == 1 else 0, dac_bits=4, adc_bits=5, adc_range="calibrated"
    )
    random = np.random.default_rng(5)
    weights, x = random.integers(-15, 16, (7, 9)), random.integers(-7, 8, (9, 30)) + 2
    weights[3], weights[4, 1:] = 0, 0
    array = CrossbarArray(weights, config, seed=0)
    array.calibrate(x / 9)
    (ranges,) = array.adc_range or []
    for low, high in ranges:
        assert low < 0 < high and abs(low / (high - low) * 31 % 1) in (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert (array.mvm(x / 9)[3] == 0).all() and (array.mvm(np.zeros(9)) == 0).all()
