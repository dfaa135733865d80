"""Converters: what becomes of an input before the array, and which currents an ADC tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.converter_kernels import quantise, take_slices
from simulator.analog.linear import Inputs
from simulator.analog.threads import in_parts

LEAST_ELEMENTS = 1 << 14
"""Fewer are not worth a thread."""


class InputStage:
    """From an operand x to what drives the rows. With a DAC these are integers: u = X * unit in [-1, 1], where u =
    scale * x; without, they are x itself (unit = scale)."""

    def __init__(self, config: CrossbarConfig, input_range: tuple[float, float]) -> None:
        low, high = input_range
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise CrossbarConfigError(f"input_range = {input_range}: must be finite, lo not above hi")
        self._config = config
        # An operand that is always the same needs no range.
        self.scale = (2 if config.dac_signed else 1) / ((high - low) or 1.0)
        self._top = (1 << config.magnitude_bits) - 1
        self.unit = 1 / self._top if config.dac_bits else self.scale
        self._paired = config.binary_mapping == "xnor_rows"
        self.signed = not self._paired and (config.dac_signed or not config.dac_bits)
        largest = float(self._top) if config.dac_bits else max(abs(low), abs(high))
        self.whole = Inputs(largest, self.signed, bool(config.dac_bits))
        self.digitised_slices = bool(config.input_slice_bits) and config.adc_per_input_slice

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """What drives the rows for ``x`` (N, C, H, W): float32 integers behind a DAC, which clips; else x as it is.
        XNOR rows: 2C channels, positive and negative parts in turn."""
        if self._config.dac_bits:
            x = self._quantised(x)
        if not self._config.dac_bits and self._config.precision == "float64":
            x = x.double()
        if not self._paired:
            return x
        return torch.stack([x.clamp(min=0), (-x).clamp(min=0)], dim=2).flatten(1, 2)

    def _quantised(self, x: torch.Tensor) -> torch.Tensor:
        source = x if x.dtype in (torch.float32, torch.float64) else x.double()
        flat = source.contiguous().view(-1).numpy()
        out = torch.empty(x.shape, dtype=torch.float32)
        low, steps = (-1.0, 2.0 * self._top) if self._config.dac_signed else (0.0, float(self._top))
        result = out.view(-1).numpy()
        in_parts(lambda a, b: quantise(flat, self.scale, low, steps, result, a, b), len(flat), LEAST_ELEMENTS)
        return out

    @property
    def read(self) -> Inputs:
        """What drives the rows while an ADC converts once: an input slice where each is digitised, else all."""
        if not self.digitised_slices:
            return self.whole
        return Inputs(float((1 << self._config.input_slice_bits) - 1), self.signed, True)

    @property
    def read_unit(self) -> float:
        """What 1 of such a drive is of full scale."""
        return 1 / self.read.largest if self.digitised_slices else self.unit

    def take(self, x: torch.Tensor, start: int, number: int, base: float) -> torch.Tensor:
        """float32: the input slices start, start + 1 ... of the integers ``x``, ``number`` of them packed base
        ``base``."""
        bits = self._config.input_slice_bits
        flat, out = x.contiguous().view(-1).numpy(), torch.empty(x.shape, dtype=torch.float32)
        result = out.view(-1).numpy()
        in_parts(lambda a, b: take_slices(flat, bits, start, number, base, result, a, b), len(flat), LEAST_ELEMENTS)
        return out

    def squares(self, x: torch.Tensor) -> torch.Tensor:
        """float64: the sum of the squares of what rows are driven with, slice by slice, in units of ``unit``
        squared."""
        config = self._config
        if not config.input_slice_bits:
            return x.double().square()
        slices = range(config.input_slices)
        return torch.stack([
            self.take(x, index, 1, 1.0).double().square() * 4.0 ** (config.input_slice_bits * index) for index in slices
        ]).sum(0)  # fmt: skip

    def slice_units(self) -> list[float]:
        """Of every input slice: what its currents, driven with full scale for the largest digit, count in the whole."""
        bits = self._config.input_slice_bits
        return [((1 << bits) - 1) * 2.0 ** (bits * index) / self._top for index in range(self._config.input_slices)]


@dataclass(frozen=True)
class AdcCode:
    """An ADC of ``levels`` codes from ``low`` to ``high``, in units of Gmax x full input."""

    low: float
    high: float
    levels: int

    @property
    def step(self) -> float:
        """Between two codes."""
        return (self.high - self.low) / (self.levels - 1)

    @property
    def zero(self) -> float:
        """The code, not always whole, of no current."""
        return (self.levels - 1) / 2 if self.low == -self.high else -self.low / self.step


def adc_levels(config: CrossbarConfig) -> int:
    """How many codes an ADC has."""
    return (1 << config.adc_bits) - config.adc_sign_magnitude


def static_ranges(config: CrossbarConfig, rows: int) -> list[tuple[float, float]] | None:
    """The range of each slice's ADC behind ``rows`` rows that can be driven at once; None where it is calibrated.

    CrossSim v3.2.0 definitions, checked, but that ``max`` never clips: log2 of the rows is rounded up where offset
    slices round it, and doubled should the top code still lie below. Where these leave a choice: ``granular``
    with an offset and unsigned inputs begins at 0 and has 2^bits - 1 steps; binary mappings count as slices of one bit;
    unsliced weights without ``weight_bits`` have the bits of their cells (and a sign in pairs).
    """
    if config.adc_range == "max":
        return [_max_range(config, rows)] * config.slices
    if config.adc_range == "granular":
        return [_granular_range(config)] * config.slices
    if isinstance(config.adc_range, str):
        return None
    ranges = [pair for pair in config.adc_range if isinstance(pair, tuple)]
    if ranges:
        return ranges * (config.slices if len(ranges) == 1 else 1)
    low, high = (float(end) for end in config.adc_range if isinstance(end, float))
    return [(low, high)] * config.slices


def _two_sided(config: CrossbarConfig) -> bool:
    return config.differential or (config.dac_signed and config.binary_mapping != "xnor_rows")


def _correction(config: CrossbarConfig) -> float:
    """Full scale of a DAC over its largest integer in units of its step."""
    bits = config.magnitude_bits
    return 2.0**bits / (2.0**bits - 1) if config.dac_bits else 1.0


def _max_range(config: CrossbarConfig, rows: int) -> tuple[float, float]:
    high = float(rows)
    if config.slices > 1 and not config.differential:
        codes = 2.0**config.adc_bits
        missing = 2 if config.dac_signed and config.adc_bits > 1 else 1
        cell = 2.0**config.slice_bits
        high = 2.0 ** math.ceil(math.log2(rows)) * cell / (cell - 1) * (codes - missing) / codes * _correction(config)
        while high < rows:
            high *= 2
    return (-high if _two_sided(config) else 0.0), high


def _granular_range(config: CrossbarConfig) -> tuple[float, float]:
    if config.slices > 1 or config.binary_mapping is not None:
        step = 1 / ((1 << config.slice_bits) - 1)
    else:
        step = 2.0 ** -(config.weight_bits or config.slice_bits + config.differential)
    step *= _correction(config)
    if not _two_sided(config):
        return 0.0, step * ((1 << config.adc_bits) - 1)
    high = step * max((1 << (config.adc_bits - 1)) - 1, 1)
    return -high, high


class InnerRange:
    """The range of the inner ``percentile`` of ``total`` values that come in parts: only the outer ones are kept.
    Between values it is interpolated as by numpy.percentile."""

    def __init__(self, percentile: float, total: int) -> None:
        self._place = (total - 1) * (100 - percentile) / 200
        self._kept = min(int(self._place) + 2, total)
        self._low, self._high = np.empty(0), np.empty(0)

    def add(self, values: np.ndarray) -> None:
        """Some of the values, 1-d, float32 or float64."""
        self._low = self._lowest(self._low, values)
        self._high = self._lowest(self._high, -values)

    def _lowest(self, kept: np.ndarray, values: np.ndarray) -> np.ndarray:
        if len(kept) == self._kept:
            values = values[values < kept.max()]
        both = np.concatenate([kept, values])
        return np.partition(both, self._kept - 1)[: self._kept] if self._kept < len(both) else both

    def ends(self) -> tuple[float, float]:
        """Lowest and highest of the inner values."""
        whole = int(self._place)
        low, high = (
            np.interp(self._place, [whole, whole + 1], np.resize(np.sort(outer)[whole : whole + 2], 2))
            for outer in (self._low, self._high)
        )
        return float(low), -float(high)


def calibrated_ranges(kept: list[tuple[float, float]], config: CrossbarConfig) -> list[tuple[float, float]]:
    """The ADC ranges of slices whose inner currents are in the ranges ``kept``: symmetric for sign and magnitude;
    with widths a power of two apart from the widest, never narrower than what is kept, about the same middle (after
    Xiao et al., arXiv 2109.01262, section 7); and moved by half a step at most, so that no current is a code where
    currents have both signs: else every sparse column would read as half a step."""
    if config.adc_sign_magnitude:
        kept = [(-reach, reach) for reach in (max(abs(low), abs(high)) for low, high in kept)]
    widths = np.array([max(high - low, abs(high) * 2.0**-20, 2.0**-20) for low, high in kept])
    widths = widths.max() * 2.0 ** -np.floor(np.log2(widths.max() / widths))
    steps = widths / (adc_levels(config) - 1)
    lows = [(low + high - width) / 2 for (low, high), width in zip(kept, widths, strict=True)]
    return [_with_zero(low, float(width), float(step)) for low, width, step in zip(lows, widths, steps, strict=True)]


def _with_zero(low: float, width: float, step: float) -> tuple[float, float]:
    """[low, low + width], moved so that 0 is a whole number of steps above ``low`` if it is inside."""
    if low < 0 < low + width:
        low = step * round(low / step)
    return low, low + width
