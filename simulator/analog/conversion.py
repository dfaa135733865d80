"""The long way: every row part's arrays read input slice by input slice, digitised, and added up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from simulator.analog.config import CrossbarConfig
from simulator.analog.converter_kernels import convert
from simulator.analog.converters import AdcCode, InnerRange, InputStage
from simulator.analog.linear import EXACT_FLOAT32
from simulator.analog.programmed import Arrays
from simulator.analog.reading import PartReader
from simulator.analog.threads import in_parts
from simulator.analog.unfold import Geometry

MOST_PACKED = 6
CALIBRATED_TOGETHER = 8
"""Images, so that calibration needs little memory."""


@dataclass(frozen=True)
class Reading:
    """One pass over the inputs: the input slices first .. first + packed - 1, packed base ``base`` (a power of two)."""

    first: int
    packed: int
    base: float


class Conversion:
    """All row parts of a layer and the ADCs behind them."""

    def __init__(self, arrays: Arrays, stage: InputStage, geometry: Geometry, kernel: tuple[int, int]) -> None:
        self.arrays, self.stage = arrays, stage
        config = arrays.config
        self.parts = [PartReader(arrays, number, stage.read, geometry, kernel) for number in range(len(arrays.rows))]
        self._packed, self._base = self._packing(config)
        self._channels = [self._terms(part) for part in self.parts]

    def _packing(self, config: CrossbarConfig) -> tuple[int, float]:
        """How many input slices one exact float32 convolution can carry, and the base that keeps their sums apart."""
        if not self.stage.digitised_slices or not self.arrays.whole_levels:
            return 1, 1.0
        largest = max(part.largest for part in self.parts)
        base = 2.0 ** int(2 * largest).bit_length()
        packed = 1
        while packed < MOST_PACKED and largest * sum(base**index for index in range(packed + 1)) <= EXACT_FLOAT32:
            packed += 1
        return min(packed, config.input_slices), base

    def readings(self, packed: int | None = None) -> list[Reading]:
        """The passes over one input."""
        if not self.stage.digitised_slices:
            return [Reading(0, 1, 1.0)]
        most = packed or self._packed
        total = self.arrays.config.input_slices
        return [Reading(first, min(most, total - first), self._base) for first in range(0, total, most)]

    def drive(self, x: torch.Tensor, reading: Reading) -> torch.Tensor:
        """What rows are driven with in one pass, from the integers (or reals) ``x``."""
        return self.stage.take(x, reading.first, reading.packed, reading.base) if self.stage.digitised_slices else x

    def shares(self, reading: Reading) -> list[float]:
        """What the input slices of a pass count in the whole."""
        if not self.stage.digitised_slices:
            return [1.0]
        return self.stage.slice_units()[reading.first : reading.first + reading.packed]

    def sums(
        self, x: torch.Tensor, readings: list[Reading], seed: tuple[int, ...], first_image: int | None
    ) -> Iterator[tuple[int, Reading, torch.Tensor]]:
        """Part, pass, and currents in units of the drive, pass after pass; without noise where ``first_image`` is
        None."""
        noisy = self.arrays.config.read_noise is not None and first_image is not None
        for reading in readings:
            drive = self.drive(x, reading)
            squares = None
            if noisy:
                squares = drive.double().square() if self.stage.digitised_slices else self.stage.squares(x)
            for number, part in enumerate(self.parts):
                currents = part.currents(drive)
                if squares is not None and first_image is not None:
                    currents = part.add_noise(currents, squares, (*seed, reading.first), first_image)
                yield number, reading, currents

    def inner_ranges(self, x: torch.Tensor, percentile: float) -> list[tuple[float, float]]:
        """Of every slice, the range of its inner ``percentile`` of all currents before the ADC, in units of Gmax x
        full input, without noise."""
        slices, readings = self.arrays.config.slices, self.readings(1)
        ranges: list[InnerRange] | None = None
        for start in range(0, len(x), CALIBRATED_TOGETHER):
            for number, _, sums in self.sums(x[start : start + CALIBRATED_TOGETHER], readings, (), None):
                own = self._before_adc(number, sums).unflatten(2, (slices, -1)).unbind(2)
                if ranges is None:
                    total = own[0][0].numel() * len(x) * len(readings) * len(self.parts)
                    ranges = [InnerRange(percentile, total) for _ in range(slices)]
                for inner, values in zip(ranges, own, strict=True):
                    inner.add(values.flatten().numpy())
        step = self.stage.read_unit * self.parts[0].step
        return [(step * low, step * high) for low, high in (inner.ends() for inner in ranges or [])]

    def _before_adc(self, number: int, sums: torch.Tensor) -> torch.Tensor:
        """(N, groups, signals, positions), in units of a drive's unit times the part's step."""
        part = self.parts[number]
        groups = sums.unflatten(1, (part.groups, -1))
        if not part.per_input:
            return groups[:, :, : part.signals]
        groups = groups.double()
        return groups[:, :, : part.signals] + part.per_input / part.step * groups[:, :, part.signals :]

    def outputs(
        self, x: torch.Tensor, codes: list[list[AdcCode]] | None, seed: tuple[int, ...], first_image: int
    ) -> torch.Tensor:
        """(N, outputs, positions), in units of the weights' product with the operand; ``codes``: of every part and
        slice."""
        arrays = self.arrays
        wanted = torch.float64 if arrays.config.precision == "float64" else torch.float32
        readings = self.readings()
        once = len(readings) * len(self.parts) == 1
        scales = (arrays.mapped.scale[:, : arrays.columns] / self.stage.scale).ravel()
        out: torch.Tensor | None = None
        for index, (number, reading, sums) in enumerate(self.sums(x, readings, seed, first_image)):
            shape = (sums.shape[0], scales.size, sums.shape[2])
            started = out is not None
            out = torch.empty(shape, dtype=wanted if once else torch.float64) if out is None else out
            last = index + 1 == len(readings) * len(self.parts)
            self._convert(number, reading, sums, codes, scales if last else np.ones_like(scales), started, out)
        assert out is not None
        return out.to(wanted)

    def _convert(
        self,
        number: int,
        reading: Reading,
        sums: torch.Tensor,
        codes: list[list[AdcCode]] | None,
        scales: np.ndarray,
        started: bool,
        out: torch.Tensor,
    ) -> None:
        channels, inputs_channel = self._channels[number]
        factors, tops = self._factors(self.parts[number], reading, codes[number] if codes else None)
        source, result = sums.numpy(), out.flatten(0, 1).numpy()

        def work(first: int, last: int) -> None:
            convert(
                source,
                channels,
                inputs_channel,
                factors,
                tops,
                reading.base,
                scales,
                started,
                result,
                first,
                last,
            )

        in_parts(work, len(result), max(1, 4096 // max(1, result.shape[1])))

    def _terms(self, part: PartReader) -> tuple[np.ndarray, np.ndarray]:
        """int64[outputs, terms]: the signals of every output, and int64[outputs]: that of the sum of its inputs, or
        -1."""
        arrays = self.arrays
        groups, signals = part.groups, part.signals + part.sums_inputs
        slices = np.arange(arrays.config.slices)[:, None, None] * arrays.sides
        own = (slices + np.arange(arrays.sides)[:, None]) * arrays.signal_columns + np.arange(arrays.columns)
        if arrays.config.unit_column:
            own = np.concatenate([own, slices * arrays.signal_columns + arrays.unit_column()], axis=1)
        terms = own.reshape(-1, arrays.columns)
        if arrays.mapped.offset:
            terms = np.concatenate([terms, np.full((1, arrays.columns), signals - 1)])
        starts = np.arange(groups)[:, None, None] * signals
        channels = np.ascontiguousarray((starts + terms.T).reshape(groups * arrays.columns, -1), np.int64)
        inputs = np.repeat(np.arange(groups) * signals + signals - 1, arrays.columns)
        return channels, inputs if part.per_input else np.full_like(inputs, -1)

    def _factors(
        self, part: PartReader, reading: Reading, codes: list[AdcCode] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `convert` takes as factors and tops."""
        mapped, unit, shares = self.arrays.mapped, self.stage.read_unit, np.array(self.shares(reading))
        signs = (1.0, -1.0) if self.arrays.sides == 2 or self.arrays.config.unit_column else (1.0,)
        rows: list[tuple[float, float, float, float]] = []
        tops: list[float] = []
        for index, weight in enumerate(mapped.slice_weights):
            code = codes[index] if codes is not None else None
            step, zero = (code.step, code.zero) if code is not None else (1.0, 0.0)
            for sign in signs:
                rows.append((unit * part.step / step, unit * part.per_input / step, zero, sign * weight * step))
                tops.append(code.levels - 1.0 if code is not None else -1.0)
        if mapped.offset:
            rows.append((unit, 0.0, 0.0, -mapped.offset))
            tops.append(-1.0)
        factors = np.repeat(np.array(rows).T[:, None], len(shares), axis=1)
        factors[3] *= shares[:, None]
        return np.ascontiguousarray(factors), np.array(tops)
