"""What computes a layer's integers: an engine for every kind of hardware."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import torch

from apc.nn.quantisation import MOST_BITS, Quantisation
from simulator.analog.acim import network as acim_network
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.config import CrossbarConfig
from simulator.analog.crossbar_network import fitted
from simulator.analog.layer import CrossbarLayer
from simulator.analog.linear import Inputs, WindowSums
from simulator.analog.partition import RowPart
from simulator.analog.unfold import Geometry

if TYPE_CHECKING:
    from apc.nn.associative import RtmAp
    from apc.nn.presets import Preset

    Hardware: TypeAlias = "AcimConfig | CrossbarConfig | RtmAp | Preset | Software"

STATED_BITS = 8
"""Of weights and inputs where hardware does not say."""
NEARLY = 1e-9
"""How far from a level a weight that an array holds may be and still be that level."""


@dataclass(frozen=True)
class Software:
    """The quantised model without hardware: exact integer sums."""


class Engine(Protocol):
    """A layer programmed into hardware.

    ``is_ideal``: whether results are exactly the integer sums, for all inputs in range; ``calibrates``: whether
    ``calibrate`` chooses something.
    """

    @property
    def calibrates(self) -> bool: ...

    @property
    def is_ideal(self) -> bool: ...

    def __call__(self, x: torch.Tensor, *, first_image: int) -> torch.Tensor:
        """``x``: whole numbers, float32 (N, Cin, H, W) -> (N, Cout, H', W'), float32 or float64, in units of W * x.
        ``first_image``: the place of x[0] among all images, which noise is keyed by."""

    def calibrate(self, x: torch.Tensor) -> None:
        """Choose what depends on data, where something does."""


@singledispatch
def build_engine(
    hardware: object, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]
) -> Engine:
    """The engine of ``hardware`` for weights ``levels``, integers (Cout, Cin / groups, kh, kw), and inputs that are
    whole numbers from ``low`` to ``high``. ``seed`` decides every error and all noise. Kinds of hardware register
    here. Raises UserError for what the hardware cannot hold."""
    raise TypeError(f"no engine for {hardware!r}")


def is_hardware(thing: object) -> bool:
    """Whether ``thing`` is of a kind that engines are built for."""
    return build_engine.dispatch(type(thing)) is not build_engine.dispatch(object)


@singledispatch
def stated_quantisation(hardware: object) -> Quantisation:
    """The bits that hardware states, else 8 each. Kinds of hardware register here."""
    return Quantisation()


class SoftwareEngine:
    """Exact integer sums of windows."""

    is_ideal = True
    calibrates = False

    def __init__(self, levels: np.ndarray, geometry: Geometry, low: int, high: int) -> None:
        outputs, channels, *kernel = levels.shape
        self._kernel, self._geometry = (kernel[0], kernel[1]), geometry
        taps = kernel[0] * kernel[1]
        part = RowPart(0, channels * taps, taps)
        matrix = levels.reshape(geometry.groups, outputs // geometry.groups, -1).astype(np.float64)
        inputs = Inputs(float(max(high, -low)), low < 0, True)
        moves = replace(geometry, pads=(0, 0, 0, 0))
        self._sums = WindowSums(matrix, part, self._kernel, moves, inputs, "float64")

    def __call__(self, x: torch.Tensor, *, first_image: int) -> torch.Tensor:
        top, left, bottom, right = self._geometry.pads
        size = self._geometry.output_size((x.shape[2], x.shape[3]), self._kernel)
        return self._sums(torch.nn.functional.pad(x, (left, right, top, bottom))).unflatten(2, size)

    def calibrate(self, x: torch.Tensor) -> None:
        """Nothing depends on data."""


class AcimEngine:
    """A layer in SRAM arrays."""

    calibrates = False

    def __init__(self, layer: AcimLayer) -> None:
        self.layer = layer

    @property
    def is_ideal(self) -> bool:
        return self.layer.shortcut

    def __call__(self, x: torch.Tensor, *, first_image: int) -> torch.Tensor:
        return self.layer(x, first_image=first_image)

    def calibrate(self, x: torch.Tensor) -> None:
        """The converters' range is the array's full scale: nothing depends on data."""


class CrossbarEngine:
    """A layer in a crossbar that is fitted to its inputs."""

    def __init__(self, layer: CrossbarLayer, levels: np.ndarray) -> None:
        config = layer.config
        self.layer, self._levels = layer, levels
        self.calibrates = bool(config.adc_bits) and config.adc_range == "calibrated"
        self.is_ideal = not self.calibrates and self._exact()

    @property
    def settled(self) -> CrossbarConfig:
        """The configuration with the ADC ranges that calibration chose, which are those of every row part."""
        ranges = self.layer.adc_range
        if not self.calibrates or ranges is None:
            return self.layer.config
        return replace(self.layer.config, adc_range=tuple(ranges[0]))

    def __call__(self, x: torch.Tensor, *, first_image: int) -> torch.Tensor:
        y = self.layer(x, first_image=first_image)
        return torch.round(y) if self.is_ideal else y

    def calibrate(self, x: torch.Tensor) -> None:
        self.layer.calibrate(x)
        self.is_ideal = self._exact()

    def _exact(self) -> bool:
        """Whether results are integer sums but for float64's rounding. (A DAC of fewer bits than the inputs have shows
        in the weights: its full scale stands for another integer.)"""
        weights = self.layer.short_weights()
        if weights is None or self.layer.config.precision != "float64":
            return False
        return bool(np.abs(weights - self._levels).max() < NEARLY)


@build_engine.register
def _(hardware: Software, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]) -> Engine:
    return SoftwareEngine(levels, geometry, low, high)


@build_engine.register
def _(
    hardware: AcimConfig, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]
) -> Engine:
    config = acim_network.fitted(hardware, low, high)
    return AcimEngine(AcimLayer(levels, config, geometry=geometry, seed=seed, input_low=low))


@build_engine.register
def _(
    hardware: CrossbarConfig, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]
) -> Engine:
    layer = CrossbarLayer(levels, fitted(hardware, low, high), geometry=geometry, seed=seed)
    return CrossbarEngine(layer, levels)


@stated_quantisation.register
def _(hardware: AcimConfig) -> Quantisation:
    return Quantisation(weight_bits=hardware.weight_bits, activation_bits=hardware.activation_bits)


@stated_quantisation.register
def _(hardware: CrossbarConfig) -> Quantisation:
    activation_bits = min(hardware.dac_bits or STATED_BITS, MOST_BITS)
    if hardware.binary_mapping is not None:
        return Quantisation(weights="binary", activation_bits=activation_bits)
    cells = hardware.slice_bits + hardware.differential if hardware.slice_bits else STATED_BITS
    weight_bits = min(max(hardware.weight_bits or cells, 2), MOST_BITS)
    return Quantisation(weight_bits=weight_bits, activation_bits=activation_bits)
