"""The programmed arrays of one convolution: `CrossbarLayer`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.conversion import Conversion
from simulator.analog.converters import AdcCode, InputStage, adc_levels, calibrated_ranges, static_ranges
from simulator.analog.direct import direct_matrix, lossless
from simulator.analog.linear import WindowSums
from simulator.analog.partition import RowPart, row_parts
from simulator.analog.programmed import Arrays
from simulator.analog.shapes import check_weights, checked_seed, output_size
from simulator.analog.unfold import Geometry

__all__ = ["CrossbarLayer", "Geometry"]

Ranges = list[tuple[float, float]]


class CrossbarLayer:
    """``weights``, real (Cout, Cin / groups, kh, kw), in the arrays of a crossbar. A matrix is a 1x1 convolution.

    Rows of an array are (channel, kernel row, kernel column) of one group, cut into parts of at most ``rows_max``;
    every group and part has arrays and converters of its own, and their results are added digitally. ``seed`` decides
    every error and all noise. ``input_range``: lowest and highest operand; None: the configuration's. Full scale is
    its width, or half of it with ``dac_signed``: a signed DAC should have a symmetric range, an unsigned one a range
    from 0.

    Results do not depend on batches and threads, but with ``precision`` float32 what is analog may differ in its last
    place from batch to batch. Raises ``CrossbarConfigError`` for weights that do not fit the configuration or the
    geometry, and for a negative seed.
    """

    def __init__(
        self,
        weights: np.ndarray,
        config: CrossbarConfig,
        *,
        geometry: Geometry = Geometry(),  # noqa: B008
        seed: int | Sequence[int],
        input_range: tuple[float, float] | None = None,
    ) -> None:
        weights = np.asarray(weights, np.float64)
        check_weights(weights.shape, geometry.groups, CrossbarConfigError)
        self.config, self.geometry = config, geometry
        self._seed = checked_seed(seed, CrossbarConfigError)
        self._outputs, self._inputs = len(weights), weights.shape[1] * geometry.groups
        self._kernel = (weights.shape[2], weights.shape[3])
        self._stage = InputStage(config, input_range or config.input_range)
        if config.binary_mapping == "xnor_rows":
            weights = np.stack([weights, -weights], axis=2).reshape(weights.shape[0], -1, *self._kernel)
        channels, taps = weights.shape[1], self._kernel[0] * self._kernel[1]
        rows = row_parts(channels, taps, config.rows_max)
        groups = geometry.groups
        self._arrays = Arrays(weights.reshape(groups, -1, channels * taps), config, self._seed, rows)
        self._all_rows = RowPart(0, channels * taps, taps)
        self._calibrated: Ranges | None = None
        top, left, bottom, right = geometry.pads
        self._uneven = top != bottom or left != right
        self._moves = Geometry(geometry.strides, (0, 0, 0, 0), geometry.dilations, groups) if self._uneven else geometry
        if not (config.adc_bits and config.adc_range == "calibrated"):
            self._program()

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        """``x`` (N, Cin, H, W), any real dtype, finite -> (N, Cout, Ho, Wo) in units of weights * x, of
        ``config.precision``.

        ``first_image``: the place of x[0] among all images, which read noise is keyed by. Raises
        ``CrossbarConfigError`` for another shape, and where the ADC's range is still to be calibrated.
        """
        if not self.shortcut:
            return self.long_way(x, first_image=first_image)
        size = self._output_size(x)
        sums, factor = self._direct
        if not len(x):
            return torch.empty(0, self._outputs, *size, dtype=factor.dtype)
        return (sums(self._drive(x)).to(factor.dtype) * factor).unflatten(2, size)

    def long_way(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        """The same by every array, input slice and conversion, where a shortcut exists as well."""
        size, codes = self._output_size(x), self._codes()
        if not len(x):
            return torch.empty(0, self._outputs, *size, dtype=getattr(torch, self.config.precision))
        return self._conversion.outputs(self._drive(x), codes, self._seed, first_image).unflatten(2, size)

    def calibrate(self, x: torch.Tensor) -> None:
        """Choose the ADC ranges that keep the inner ``adc_percentile`` of the currents that ``x`` (N, Cin, H, W)
        causes, over all arrays, slice by slice. Read noise is left out. Nothing happens but for ``adc_range =
        "calibrated"``. Raises ``CrossbarConfigError`` for another shape, and for no image."""
        if self.config.adc_bits and self.config.adc_range == "calibrated":
            self._output_size(x)
            if not len(x):
                raise CrossbarConfigError("x: holds no image to calibrate on")
            kept = self._conversion.inner_ranges(self._drive(x), self.config.adc_percentile)
            self._calibrated = calibrated_ranges(kept, self.config)
            self.__dict__.pop("shortcut", None)
            self._program()

    @property
    def adc_range(self) -> list[Ranges] | None:
        """Of every row part, the range of each slice's ADC in units of Gmax x full input; None without an ADC."""
        codes = self._codes()
        return None if codes is None else [[(code.low, code.high) for code in part] for part in codes]

    def conductances(self) -> np.ndarray:
        """float64[slices, sides, groups, columns, rows]: all cells as programmed, in units of Gmax; unit columns
        last."""
        return np.concatenate([self._arrays.cells(number) for number in range(len(self._arrays.rows))], axis=-1)

    def short_weights(self) -> np.ndarray | None:
        """float64 (Cout, Cin / groups, kh, kw): what inputs are multiplied by where all is one product, else None (so
        of XNOR rows)."""
        if not self.shortcut or self.config.binary_mapping == "xnor_rows":
            return None
        matrix, factor = direct_matrix(self._arrays)
        scaled = matrix * (factor * (self._stage.unit / self._stage.scale))[..., None]
        return scaled.reshape(self._outputs, -1, *self._kernel)

    def _program(self) -> None:
        """Make what calls read, before several threads ask for it at once."""
        if self.shortcut:
            _ = self._direct
        else:
            _ = self._conversion

    @cached_property
    def _conversion(self) -> Conversion:
        return Conversion(self._arrays, self._stage, self._moves, self._kernel)

    @cached_property
    def _direct(self) -> tuple[WindowSums, torch.Tensor]:
        matrix, factor = direct_matrix(self._arrays)
        precision = self.config.precision
        sums = WindowSums(matrix, self._all_rows, self._kernel, self._moves, self._stage.whole, precision)
        scale = torch.from_numpy(factor.reshape(-1, 1) * (self._stage.unit / self._stage.scale))
        return sums, scale if precision == "float64" else scale.float()

    @cached_property
    def shortcut(self) -> bool:
        """Whether arrays and converters amount to one product, without a conversion."""
        if self.config.read_noise is not None or not self._arrays.linear:
            return False
        if not self.config.adc_bits:
            return True
        codes = self._codes()
        if codes is None or not self._arrays.whole_levels:
            return False
        return lossless(self._arrays, codes, self._stage)

    def _codes(self) -> list[list[AdcCode]] | None:
        if not self.config.adc_bits:
            return None
        if self.config.adc_range == "calibrated" and self._calibrated is None:
            raise CrossbarConfigError("adc_range = calibrated: there is no range yet, call calibrate first")
        levels = adc_levels(self.config)
        ranges = [
            static_ranges(self.config, self._driven(rows)) or self._calibrated or [] for rows in self._arrays.rows
        ]
        return [[AdcCode(low, high, levels) for low, high in own] for own in ranges]

    def _driven(self, rows: RowPart) -> int:
        """How many rows can be driven at once: of two for one XNOR input, one."""
        if self.config.binary_mapping != "xnor_rows":
            return rows.stop - rows.start
        order = np.arange(rows.start, rows.stop)
        return len(np.unique(order // (2 * rows.taps) * rows.taps + order % rows.taps))

    def _output_size(self, x: torch.Tensor) -> tuple[int, int]:
        """(Ho, Wo) for images ``x``, whose shape is checked: kernels that are compiled trust it."""
        return output_size(tuple(x.shape), self._inputs, self._kernel, self.geometry, CrossbarConfigError)

    def _drive(self, x: torch.Tensor) -> torch.Tensor:
        drive = self._stage(x)
        if not self._uneven:
            return drive
        top, left, bottom, right = self.geometry.pads
        return functional.pad(drive, (left, right, top, bottom))
