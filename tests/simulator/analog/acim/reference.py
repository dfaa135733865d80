"""What an SRAM array computes, in whole numbers and fractions, from its definition alone: one conversion for every
(weight bit, activation digit, row tile), code = round_half_even(clamp(mac / FS, 0, 1) (2^B - 1)), decoded as code FS /
(2^B - 1), shifted and added with the sign of the top weight bit; the k (k + 1) / 2 most significant cycles exact."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from simulator.analog.acim.config import AcimConfig
from simulator.analog.unfold import Geometry


@dataclass(frozen=True)
class Conversions:
    """``codes`` (-1 where a cycle is digital) and ``macs``, int64[images, outputs, tiles, weight bits, digits,
    positions]; ``values``: of each output and position, Fraction[images, outputs, rows, columns]."""

    codes: np.ndarray
    macs: np.ndarray
    values: np.ndarray


def code_of(mac: int, config: AcimConfig) -> int:
    share = Fraction(int(mac), (2**config.dac_bits - 1) * config.rows)
    return round(min(max(share, Fraction(0)), Fraction(1)) * (2**config.adc_bits - 1))  # Python rounds half to even


def is_digital(i: int, j: int, config: AcimConfig, level: int) -> bool:
    digits = (config.activation_bits + config.dac_bits - 1) // config.dac_bits
    return i + j > config.weight_bits + digits - 2 - level


def tile_rows(count: int, most: int) -> list[range]:
    """As few tiles as can be, as even as can be, the smaller first."""
    number = (count + most - 1) // most
    sizes = sorted((count + k) // number for k in range(number))
    return [range(sum(sizes[:k]), sum(sizes[: k + 1])) for k in range(number)]


def driven_windows(image: np.ndarray, kernel: tuple[int, int], geometry: Geometry, low: int) -> np.ndarray:
    """(channels * kh * kw, Ho, Wo) of what drives the rows for one group's ``image`` (channels, H, W): x - low, which
    is -low where there is only padding."""
    channels, high, wide = image.shape
    (top, left, bottom, right), (down, across) = geometry.pads, geometry.strides
    reach = [geometry.dilations[k] * (kernel[k] - 1) + 1 for k in range(2)]
    rows = range(-top, high + bottom - reach[0] + 1, down)
    columns = range(-left, wide + right - reach[1] + 1, across)
    seen = np.full((channels, *kernel, len(rows), len(columns)), -low)
    for (c, u, v, a, b), _ in np.ndenumerate(seen):
        y, x = rows[a] + u * geometry.dilations[0], columns[b] + v * geometry.dilations[1]
        if 0 <= y < high and 0 <= x < wide:
            seen[c, u, v, a, b] = image[c, y, x] - low
    return seen.reshape(-1, len(rows), len(columns))


def conversions(
    weights: np.ndarray, images: np.ndarray, config: AcimConfig, geometry: Geometry, low: int = 0
) -> Conversions:
    """Of integer ``weights`` (Cout, Cin / groups, kh, kw) and ``images`` (N, Cin, H, W)."""
    n, groups = config.dac_bits, geometry.groups
    digits = (config.activation_bits + n - 1) // n
    full, top = (2**n - 1) * config.rows, 2**config.adc_bits - 1
    matrix = weights.reshape(len(weights), -1)
    tiles = tile_rows(matrix.shape[1], config.rows)
    windows = [
        [driven_windows(part, weights.shape[2:], geometry, low) for part in np.split(image, groups)]
        for image in images.clip(low, low + 2**config.activation_bits - 1)
    ]
    size = windows[0][0].shape[1:]
    macs = np.zeros((len(images), len(weights), len(tiles), config.weight_bits, digits, *size), np.int64)
    for (image, output, t, i, j), _ in np.ndenumerate(macs[..., 0, 0]):
        driven = windows[image][output * groups // len(weights)]
        ones = matrix[output] % 2**config.weight_bits // 2**i % 2
        for row in tiles[t]:
            macs[image, output, t, i, j] += ones[row] * (driven[row] // 2 ** (n * j) % 2**n)
    table = np.array([code_of(mac, config) for mac in range(full + 1)])
    codes = table[macs]
    exact = low * matrix.sum(1)
    values = np.zeros((len(images), len(weights), *size), object) + exact[:, None, None]
    for i in range(config.weight_bits):
        for j in range(digits):
            weight = 2 ** (i + n * j) * (-1 if i == config.weight_bits - 1 else 1)
            if is_digital(i, j, config, config.hybrid_level):
                codes[:, :, :, i, j] = -1
                values = values + weight * macs[:, :, :, i, j].sum(2)
            else:
                values = values + Fraction(weight * full, top) * codes[:, :, :, i, j].sum(2)
    shape = (*codes.shape[:5], -1)
    return Conversions(codes.reshape(shape), macs.reshape(shape), values)
