"""Every code of every conversion against a re-computation in whole numbers and fractions (``reference.py``)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from simulator.analog.acim.array import AcimArray
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.unfold import Geometry
from tests.simulator.analog.acim.reference import Conversions, code_of, conversions, tile_rows

SMALL = AcimConfig(weight_bits=4, activation_bits=3, rows=10, adc_bits=3)
"""Lossy: 11 sums on 8 codes."""


def check(weights: np.ndarray, images: np.ndarray, config: AcimConfig, geometry: Geometry, low: int = 0) -> Conversions:
    """Codes, sums and outputs of a layer, all of them equal to the reference's."""
    expected = conversions(weights, images, config, geometry, low)
    layer = AcimLayer(weights, config, geometry=geometry, seed=1, input_low=low)
    x = torch.from_numpy(images).float()
    np.testing.assert_array_equal(layer.macs(x), expected.macs)
    np.testing.assert_array_equal(layer.codes(x), expected.codes)
    # one division of whole numbers below 2^53 each: the nearest float64 of the fraction
    np.testing.assert_array_equal(layer(x).numpy(), expected.values.astype(np.float64))
    np.testing.assert_array_equal(layer.long_way(x).numpy(), expected.values.astype(np.float64))
    counts = np.array(
        [
            [np.bincount(expected.macs[:, :, :, i, j].ravel(), minlength=config.full_scale + 1) for j in digits]
            for i, digits in ((i, range(config.digits)) for i in range(config.weight_bits))
        ]
    )
    np.testing.assert_array_equal(layer.mac_histogram(x), counts)
    return expected


def drawn(
    outputs: int, inputs: int, kernel: tuple[int, int], size: tuple[int, int], config: AcimConfig, groups: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Integer weights of all the values there are, and two images."""
    rng = np.random.default_rng([outputs, inputs, *kernel, *size])
    half, most = 2 ** (config.weight_bits - 1), 2**config.activation_bits
    weights = rng.integers(-half, half, (outputs, inputs // groups, *kernel))
    weights.flat[0] = -half
    return weights, rng.integers(0, most, (2, inputs, *size))


GEOMETRIES = {
    "plain": (3, 4, (3, 3), (5, 5), Geometry()),
    "channels that do not divide the rows": (2, 7, (3, 3), (4, 4), Geometry(pads=(1, 1, 1, 1))),
    "groups": (4, 6, (3, 2), (5, 4), Geometry(groups=2)),
    "groups of one output": (3, 6, (3, 3), (4, 4), Geometry(groups=3)),
    "depthwise": (4, 4, (3, 3), (5, 5), Geometry(pads=(1, 1, 1, 1), groups=4)),
    "depthwise, two outputs a channel": (6, 3, (2, 2), (4, 4), Geometry(groups=3)),
    "dilation": (2, 3, (3, 2), (7, 6), Geometry(dilations=(2, 3))),
    "strides": (2, 3, (3, 3), (8, 7), Geometry(strides=(2, 3), pads=(1, 1, 1, 1))),
    "tuple padding": (2, 3, (3, 3), (4, 4), Geometry(pads=(2, 0, 2, 0))),
    "uneven padding": (2, 3, (2, 4), (4, 4), Geometry(pads=(0, 1, 1, 2))),
    "all at once": (4, 6, (2, 3), (7, 8), Geometry((2, 1), (1, 0, 0, 2), (2, 2), 2)),
    "a matrix": (5, 23, (1, 1), (1, 1), Geometry()),
    "a row": (3, 4, (1, 5), (1, 9), Geometry(pads=(0, 2, 0, 2))),
}


@pytest.mark.parametrize("case", GEOMETRIES)
def test_any_convolution(case: str) -> None:
    *shape, geometry = GEOMETRIES[case]
    weights, images = drawn(*shape, SMALL, geometry.groups)
    check(weights, images, SMALL, geometry)


CONFIGS = {
    "one row": AcimConfig(weight_bits=3, activation_bits=2, rows=1, adc_bits=1),
    "one bit of input": AcimConfig(weight_bits=5, activation_bits=1, rows=7, adc_bits=3),
    "many rows": AcimConfig(weight_bits=2, activation_bits=3, rows=300, adc_bits=5),
    "one code": AcimConfig(weight_bits=4, activation_bits=4, rows=16, adc_bits=1),
    "halves": AcimConfig(weight_bits=4, activation_bits=4, rows=14, adc_bits=3),
    "lossless": AcimConfig(weight_bits=8, activation_bits=8, rows=15, adc_bits=4),
    "lossless, codes to spare": AcimConfig(weight_bits=4, activation_bits=4, rows=17, adc_bits=8),
    "two-bit digits": AcimConfig(weight_bits=4, activation_bits=4, dac_bits=2, rows=9, adc_bits=4),
    "a digit of fewer bits": AcimConfig(weight_bits=3, activation_bits=7, dac_bits=3, rows=11, adc_bits=6),
    "bit parallel": AcimConfig(weight_bits=4, activation_bits=4, dac_bits=4, rows=20, adc_bits=7),
    "a DAC wider than the input": AcimConfig(weight_bits=4, activation_bits=3, dac_bits=5, rows=12, adc_bits=8),
    "a lossless DAC": AcimConfig(weight_bits=4, activation_bits=4, dac_bits=2, rows=17, adc_bits=8),
    "hybrid 1": replace(SMALL, hybrid_level=1),
    "hybrid 3": replace(SMALL, hybrid_level=3),
    "hybrid 4, beyond the digits": replace(SMALL, hybrid_level=4),
    "hybrid digits": AcimConfig(weight_bits=4, activation_bits=6, dac_bits=2, rows=9, adc_bits=4, hybrid_level=2),
    "all digital": replace(SMALL, hybrid_level=6),
    "voting, nothing to vote on": replace(SMALL, voting=3, voting_level=6),
    "voting by the median": replace(SMALL, voting=5, voting_level=3, voting_rule="median", hybrid_level=2),
    "wide": AcimConfig(weight_bits=12, activation_bits=10, dac_bits=2, rows=40, adc_bits=10),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_any_array(case: str) -> None:
    config = CONFIGS[case]
    weights, images = drawn(3, 6, (3, 2), (4, 3), config)
    check(weights, images, config, Geometry(pads=(1, 0, 0, 1)))


@pytest.mark.parametrize(
    ("rows", "adc_bits", "dac_bits", "hybrid_level"), [(255, 8, 1, 0), (255, 7, 1, 3), (256, 8, 1, 0), (128, 6, 4, 1)]
)
def test_the_usual_array(rows: int, adc_bits: int, dac_bits: int, hybrid_level: int) -> None:
    """Eight bits by eight, a layer of several tiles."""
    config = AcimConfig(rows=rows, adc_bits=adc_bits, dac_bits=dac_bits, hybrid_level=hybrid_level)
    weights, images = drawn(2, 64, (3, 3), (4, 5), config)
    check(weights, images, config, Geometry(pads=(1, 1, 1, 1)))


@pytest.mark.parametrize("size", [(31, 19), (1, 601), (67, 4)])
def test_many_positions(size: tuple[int, int]) -> None:
    """However they are divided among lanes, blocks and threads."""
    weights, images = drawn(3, 2, (2, 3), size, SMALL)
    check(weights, images, SMALL, Geometry(pads=(1, 1, 0, 1)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_there_is(data: st.DataObject) -> None:
    """Any shape, geometry and array that go together."""
    small = st.integers(1, 3)
    bits, inputs, n = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 6)), data.draw(small)
    digits = -(-inputs // n)
    level = st.integers(0, bits + digits - 1)
    config = AcimConfig(
        weight_bits=bits,
        activation_bits=inputs,
        dac_bits=n,
        rows=data.draw(st.integers(1, 40)),
        adc_bits=data.draw(st.integers(1, 9)),
        hybrid_level=data.draw(level),
        voting=data.draw(st.sampled_from([1, 3])),
        voting_level=data.draw(st.integers(1, bits + digits - 1)),
    )
    groups, kernel = data.draw(small), (data.draw(small), data.draw(small))
    pads = tuple(data.draw(st.integers(0, 2)) for _ in range(4))
    strides, dilations = (data.draw(small), data.draw(small)), (data.draw(small), data.draw(small))
    size = tuple(
        max(1, dilations[k] * (kernel[k] - 1) + 1 - pads[k] - pads[k + 2]) + data.draw(st.integers(0, 3))
        for k in range(2)
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (groups * data.draw(small), data.draw(small), *kernel))
    low = data.draw(st.integers(-(2**inputs) + 1, 0))
    images = rng.integers(low, low + 2**inputs, (data.draw(small), groups * weights.shape[1], *size))
    check(weights, images, config, Geometry(strides, pads, dilations, groups), low)


@pytest.mark.parametrize("low", [-1, -4, -7])
def test_signed_inputs_drive_rows_with_their_distance_from_the_lowest(low: int) -> None:
    """Padding, which is 0, drives them as well; nothing of it is left where converters lose nothing."""
    config = replace(SMALL, rows=7, adc_bits=3)
    weights, images = drawn(3, 3, (3, 3), (4, 4), config)
    expected = check(weights, images + low, config, Geometry(pads=(1, 0, 2, 1)), low)
    padded = functional.pad(torch.from_numpy(images + low).double(), (0, 1, 1, 2))
    exact = functional.conv2d(padded, torch.from_numpy(weights).double()).numpy()
    np.testing.assert_array_equal(expected.values.astype(np.float64), exact)


def test_inputs_beyond_the_dac_are_clipped() -> None:
    weights, images = drawn(2, 3, (2, 2), (3, 3), SMALL)
    check(weights, images * 3 - 6, SMALL, Geometry())
    check(weights, images * 3 - 9, SMALL, Geometry(), -3)


@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), (1, 1)), ((2, 4), (1, 1)), ((3, 2), (2, 3))])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_same_padding_is_torchs(kernel: tuple[int, int], dilation: tuple[int, int], groups: int) -> None:
    """Where nothing is lost the reference and the layer are PyTorch's convolution."""
    config = replace(SMALL, rows=7)
    weights, images = drawn(3, 6, kernel, (5, 6), config, groups)
    both = [dilation[k] * (kernel[k] - 1) for k in range(2)]
    pads = (both[0] // 2, both[1] // 2, -(-both[0] // 2), -(-both[1] // 2))
    expected = check(weights, images, config, Geometry(pads=pads, dilations=dilation, groups=groups))
    x, kernels = torch.from_numpy(images).double(), torch.from_numpy(weights).double()
    exact = functional.conv2d(x, kernels, padding="same", dilation=dilation, groups=groups).numpy()
    np.testing.assert_array_equal(expected.values.astype(np.float64), exact)


@pytest.mark.parametrize(("rows", "inputs"), [(1, 6), (4, 6), (23, 6), (24, 130), (300, 6)])
def test_the_matrix_of_an_array(rows: int, inputs: int) -> None:
    config = AcimConfig(weight_bits=5, activation_bits=4, dac_bits=2, rows=rows, adc_bits=4, hybrid_level=2)
    rng = np.random.default_rng(rows)
    weights, x = rng.integers(-16, 16, (3, 24)), rng.integers(0, 16, (24, inputs))
    expected = conversions(weights[:, :, None, None], x.T[:, :, None, None], config, Geometry())
    array = AcimArray(weights, config, seed=0)
    for got, want in ((array.codes(x), expected.codes), (array.macs(x), expected.macs)):
        np.testing.assert_array_equal(got, want[..., 0].transpose(2, 3, 4, 1, 0))
    product = expected.values[..., 0, 0].T.astype(np.float64)
    np.testing.assert_array_equal(array.mvm(x), product)
    np.testing.assert_array_equal(array.mvm(x[:, 2]), product[:, 2])


def test_halves_are_rounded_to_even_codes() -> None:
    """14 rows on 7 steps: every odd sum is halfway between two codes."""
    config = CONFIGS["halves"]
    array = AcimArray(np.full((1, 14), -8), config, seed=0)
    for mac in range(15):
        x = np.array([1] * mac + [0] * (14 - mac))
        assert array.macs(x)[0, 3, 0, 0] == mac
        below, rest = divmod(mac, 2)
        assert array.codes(x)[0, 3, 0, 0] == below + (rest and below % 2)
        assert code_of(mac, config) == below + (rest and below % 2)


@pytest.mark.parametrize(
    ("rows", "adc_bits", "dac_bits"),
    [(255, 7, 1), (256, 8, 1), (1000, 9, 1), (255, 8, 2), (74, 2, 1), (90, 2, 1), (316, 2, 1)],
)
def test_every_sum_of_a_large_array(rows: int, adc_bits: int, dac_bits: int) -> None:
    """One column of ones, driven to every sum there is; with 74 rows and others, half codes are none in float32."""
    config = AcimConfig(weight_bits=2, activation_bits=dac_bits, dac_bits=dac_bits, rows=rows, adc_bits=adc_bits)
    most = 2**dac_bits - 1
    sums = np.arange(most * rows + 1)
    x = np.clip(sums - most * np.arange(rows)[:, None], 0, most)
    codes = AcimArray(np.ones((1, rows), int), config, seed=0).codes(x)
    np.testing.assert_array_equal(codes[0, 0, 0, 0], [code_of(mac, config) for mac in sums])
    assert not codes[0, 1].any()


def test_tiles_drop_nothing() -> None:
    for count, most in [(256 * 9, 255), (512 * 9, 256), (1, 255), (255, 255), (256, 255)]:
        tiles = tile_rows(count, most)
        assert [row for rows in tiles for row in rows] == list(range(count))
        assert max(map(len, tiles)) <= most and len(tiles) == -(-count // most)
    for channels in (256, 512):
        weights = np.zeros((1, channels, 3, 3), int)
        weights[:, -8:] = 1
        layer = AcimLayer(weights, AcimConfig(rows=255), seed=0)
        assert layer(torch.ones(1, channels, 3, 3)).item() == 8 * 9
