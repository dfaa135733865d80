"""The SRAM arrays of one convolution: `AcimLayer`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.conversion import Conversions
from simulator.analog.acim.static import StaticErrors, draw_static
from simulator.analog.linear import Inputs, WindowSums
from simulator.analog.partition import RowPart, row_parts
from simulator.analog.shapes import check_weights, checked_seed, output_size, real_numbers
from simulator.analog.unfold import Geometry

__all__ = ["AcimLayer", "Geometry"]


class AcimLayer:
    """``weights``, integers (Cout, Cin / groups, kh, kw), in SRAM arrays. A matrix is a 1x1 convolution.

    Rows of an array are (channel, kernel row, kernel column) of one group, cut into tiles of at most ``config.rows``;
    every group and tile has arrays and converters of its own, and their results are added digitally. ``seed`` decides
    static errors and all noise. ``input_low`` (<= 0): the lowest input. Rows are driven by inputs less it, and what
    that adds is subtracted digitally and exactly; inputs are rounded to whole numbers and clipped to
    ``config.activation_bits`` from it on, as a DAC does. 0, which pads are, must be among these.

    Results do not depend on batches and threads. Raises ``AcimConfigError`` for weights that do not fit the
    configuration or the geometry, and for a negative seed.
    """

    def __init__(
        self,
        weights: np.ndarray,
        config: AcimConfig,
        *,
        geometry: Geometry = Geometry(),  # noqa: B008
        seed: int | Sequence[int],
        input_low: int = 0,
    ) -> None:
        self.config, self.geometry, self.input_low = config, geometry, input_low
        weights = _checked(weights, config, geometry.groups)
        self._seed = checked_seed(seed, AcimConfigError)
        most = (1 << config.activation_bits) - 1
        if input_low != int(input_low) or not -most <= input_low <= 0:
            raise AcimConfigError(
                f"input_low = {input_low}: must be a whole number from {-most} to 0, so that 0 is among the inputs of "
                f"activation_bits = {config.activation_bits}"
            )
        self._outputs, self._inputs = len(weights), weights.shape[1] * geometry.groups
        self._kernel = (weights.shape[2], weights.shape[3])
        channels, taps = weights.shape[1], self._kernel[0] * self._kernel[1]
        self._rows = row_parts(channels, taps, config.rows)
        self._all_rows = RowPart(0, channels * taps, taps)
        self._matrix = weights.reshape(geometry.groups, -1, channels * taps)
        top, left, bottom, right = geometry.pads
        self._even = top == bottom and left == right
        self._moves = Geometry(geometry.strides, (0, 0, 0, 0), geometry.dilations, geometry.groups)
        # before several threads ask for it at once
        _ = self._sums if self.shortcut else self._conversions

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        """``x`` (N, Cin, H, W), any real dtype, whole numbers -> float64 (N, Cout, Ho, Wo) in units of weights * x.

        ``first_image``: the place of x[0] among all images, which noise is keyed by. Raises ``AcimConfigError`` for
        another shape.
        """
        if not self.shortcut:
            return self.long_way(x, first_image=first_image)
        size = self._output_size(x)
        driven = self._clipped(x)
        if not self._even:
            driven = functional.pad(driven, self._pads())
        return self._sums(driven).double().unflatten(2, size)

    def long_way(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        """The same by every conversion, where a shortcut exists as well."""
        size = self._output_size(x)
        return torch.from_numpy(self._conversions.outputs(self._driven(x), size, first_image)).unflatten(2, size)

    def calibrate(self, x: torch.Tensor) -> None:
        """Nothing in these arrays depends on data."""

    @property
    def tiles(self) -> int:
        """Row tiles of a group."""
        return len(self._rows)

    @property
    def conversions_per_position(self) -> int:
        """Conversions that the hardware makes for all outputs of one position."""
        return self._outputs * self.tiles * self.config.cycles.conversions

    @property
    def shortcut(self) -> bool:
        """Whether arrays and converters amount to one product of integers."""
        return self.config.lossless

    @cached_property
    def static(self) -> StaticErrors:
        """The errors of columns and converters that do not change."""
        groups = self.geometry.groups
        return draw_static(self.config, (groups, self.tiles, self._outputs // groups), self._seed)

    def codes(self, x: torch.Tensor, *, first_image: int = 0) -> np.ndarray:
        """int32 (N, Cout, tiles, weight_bits, digits, positions): the codes after voting, -1 where a cycle is digital.
        For small ``x``: all are held at once."""
        size = self._output_size(x)
        return self._conversions.codes(self._driven(x), size, first_image)

    def macs(self, x: torch.Tensor) -> np.ndarray:
        """The same of the exact sums of the columns, from 0 to the full scale."""
        size = self._output_size(x)
        return self._conversions.macs(self._driven(x), size)

    def mac_histogram(self, x: torch.Tensor) -> np.ndarray:
        """int64[weight_bits, digits, full scale + 1]: how often each sum occurs, over all images, outputs, row tiles
        and positions."""
        size = self._output_size(x)
        return self._conversions.histogram(self._driven(x), size)

    def _driven(self, x: torch.Tensor) -> np.ndarray:
        """What drives the rows: uint16 (N, groups, channels, height, width), with pads."""
        driven = functional.pad(self._clipped(x) - self.input_low, self._pads(), value=-self.input_low)
        groups = self.geometry.groups
        return driven.unflatten(1, (groups, self._inputs // groups)).numpy().astype(np.uint16)

    def _clipped(self, x: torch.Tensor) -> torch.Tensor:
        high = self.input_low + (1 << self.config.activation_bits) - 1
        return x.float().round().clamp_(self.input_low, high)

    def _pads(self) -> tuple[int, int, int, int]:
        top, left, bottom, right = self.geometry.pads
        return left, right, top, bottom

    def _output_size(self, x: torch.Tensor) -> tuple[int, int]:
        """(Ho, Wo) for images ``x``, whose shape is checked: kernels that are compiled trust it."""
        return output_size(tuple(x.shape), self._inputs, self._kernel, self.geometry, AcimConfigError)

    @cached_property
    def _sums(self) -> WindowSums:
        high = self.input_low + (1 << self.config.activation_bits) - 1
        inputs = Inputs(float(max(high, -self.input_low)), self.input_low < 0, True)
        matrix = self._matrix.astype(np.float64)
        geometry = self.geometry if self._even else self._moves
        return WindowSums(matrix, self._all_rows, self._kernel, geometry, inputs, "float64")

    @cached_property
    def _conversions(self) -> Conversions:
        added = self.input_low * self._matrix.sum(-1).ravel()
        moves = self._moves.moves(self._kernel)
        return Conversions(self._matrix, self._rows, moves, self.config, self.static, self._seed, added)


def _checked(weights: np.ndarray, config: AcimConfig, groups: int) -> np.ndarray:
    """``weights`` as int64; raises AcimConfigError where they do not fit."""
    weights = real_numbers("weights", weights, AcimConfigError)
    check_weights(weights.shape, groups, AcimConfigError)
    half = 1 << (config.weight_bits - 1)
    wrong = (weights != np.rint(weights)) | (weights < -half) | (weights >= half)
    if wrong.any():
        raise AcimConfigError(
            f"weights: {weights[wrong].flat[0]:g} is no whole number from {-half} to {half - 1}, which is what "
            f"weight_bits = {config.weight_bits} hold: use more bits"
        )
    return weights.astype(np.int64)
