"""Errors of columns and converters that stay: their statistics, and what they do to codes."""

import math

import numpy as np
import pytest
import torch

from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.static import draw_static

CONVERTERS = (2, 3, 500)


def near(found: np.ndarray, mean: float, sigma: float) -> bool:
    """Whether mean and standard deviation are within 4 standard errors."""
    count = found.size
    return bool(
        abs(found.mean() - mean) < 4 * sigma / math.sqrt(count)
        and abs(found.std() - sigma) < 4 * sigma / math.sqrt(2 * count)
    )


def test_columns_have_gains_and_offsets_of_their_own() -> None:
    config = AcimConfig(offset_lsb=0.4, gain_sigma=0.02)
    errors = draw_static(config, CONVERTERS, (3,))
    assert errors.gain.shape == errors.offset.shape == (*CONVERTERS, 8)
    assert near(errors.gain, 1, 0.02) and near(errors.offset, 0, 0.4) and not errors.inl.any()
    assert abs(np.corrcoef(errors.gain.ravel(), errors.offset.ravel())[0, 1]) < 4 / math.sqrt(errors.gain.size)
    assert near(errors.gain[..., 1:] - errors.gain[..., :-1], 0, 0.02 * math.sqrt(2))
    other = draw_static(config, CONVERTERS, (4,))
    assert not (errors.gain == other.gain).any() and not (errors.offset == other.offset).any()


@pytest.mark.parametrize("bits", [2, 3, 8, 12])
def test_the_nonlinearity_is_a_bridge(bits: int) -> None:
    """0 at both ends; Cov(b(s), b(t)) = 4 sigma^2 s (1 - t), s <= t the shares of the way, sigma^2 in the middle, up to
    the discrete steps."""
    inl = draw_static(AcimConfig(inl_lsb=0.7, adc_bits=bits), CONVERTERS, (3,)).inl.astype(float)
    steps = min(2**bits - 1, 255)
    assert inl.shape == (*CONVERTERS, steps + 1)
    assert np.abs(inl[..., [0, -1]]).max() < 1e-5
    middle = (inl[..., steps // 2] + inl[..., steps // 2 + 1]) / 2
    assert near(middle, 0, 0.7)
    scale = 4 * 0.7**2 * steps / (steps - 1)
    for low, high in ((1, 1), (steps // 3, steps // 2), (1, steps - 1)):
        s, t = low / steps, high / steps
        found = inl[..., low] * inl[..., high]
        assert abs(found.mean() - scale * s * (1 - t)) < 4 * found.std() / math.sqrt(found.size)


def test_a_converter_of_one_bit_has_nothing_to_bend() -> None:
    assert not draw_static(AcimConfig(inl_lsb=1, adc_bits=1), (1, 1, 4), (0,)).inl.any()


def test_errors_depend_on_seed_and_place_only() -> None:
    config = AcimConfig(inl_lsb=0.5, gain_sigma=0.1, offset_lsb=0.2)
    shape = (6, 300, 1, 1)
    layers = [AcimLayer(np.full(shape, value), config, seed=2) for value in (0, 77)]
    for name in ("gain", "offset", "inl"):
        assert (vars(layers[0].static)[name] == vars(layers[1].static)[name]).all()
    whole, part = draw_static(config, (1, 2, 6), (2,)), draw_static(config, (1, 2, 6), (2,))
    assert (whole.inl == part.inl).all() and (layers[0].static.inl == whole.inl).all()


@pytest.mark.parametrize("fields", [{"inl_lsb": 1.5}, {"gain_sigma": 0.1}, {"offset_lsb": 0.8}, {"adc_bits": 10}])
def test_codes_are_those_of_the_levels_with_errors(fields: dict[str, float]) -> None:
    """round(clamp((1 + gain) v + offset + inl(v))), re-computed in float64: equal but where float32 may decide."""
    base = {"adc_bits": 6, "rows": 50, "weight_bits": 5, "activation_bits": 4, "dac_bits": 2}
    config = AcimConfig(**(base | {"inl_lsb": 0.4, "gain_sigma": 0.03, "offset_lsb": 0.3} | fields))
    generator = np.random.default_rng(1)
    layer = AcimLayer(generator.integers(-16, 16, (7, 120, 1, 1)), config, seed=6)
    x = torch.from_numpy(generator.integers(0, 16, (4, 120, 3, 3))).float()
    codes, macs, static = layer.codes(x), layer.macs(x), layer.static
    checked = 0
    for output in range(7):
        for tile in range(layer.tiles):
            curve = static.inl[0, tile, output].astype(float)
            points = np.linspace(0, config.top_code, len(curve))
            for i in range(5):
                v = macs[:, output, tile, i] * config.top_code / config.full_scale
                gain, offset = (float(errors[0, tile, output, i]) for errors in (static.gain, static.offset))
                level = np.clip(gain * v + offset + np.interp(v, points, curve), 0, config.top_code)
                sure = abs(level % 1 - 0.5) > 1e-3
                assert (codes[:, output, tile, i] == np.rint(level))[sure].all()
                checked += int(sure.sum())
    assert checked > 0.98 * codes.size
    assert (codes != np.rint(macs * config.top_code / config.full_scale)).mean() > 0.05
