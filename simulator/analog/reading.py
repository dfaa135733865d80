"""Reading the arrays of one row part: currents for what drives their rows, and noise."""

from __future__ import annotations

import numpy as np
import torch

from simulator.analog.linear import Inputs, WindowSums, largest_sum
from simulator.analog.programmed import Arrays
from simulator.analog.unfold import Geometry, windows

READ = 4


class PartReader:
    """The currents of row part ``number``, in units of the integers that drive the rows: ``step`` * sum +
    ``per_input`` * the sum of the drive is a current in units of Gmax. ``inputs``: what the drive can be."""

    def __init__(
        self, arrays: Arrays, number: int, inputs: Inputs, geometry: Geometry, kernel: tuple[int, int]
    ) -> None:
        signals, precision = arrays.signals(number), arrays.config.precision
        self.groups, self.signals, _ = signals.matrix.shape
        self.step, self.per_input = signals.step, signals.per_input
        self.sums_inputs = bool(arrays.mapped.offset or self.per_input)
        self._arrays, self._number, self._geometry, self._kernel = arrays, number, geometry, kernel
        self._rows, self._gated = signals.rows, signals.gated
        ones = np.ones((self.groups, int(self.sums_inputs), signals.matrix.shape[-1]))
        matrix = ones if self._gated is not None else np.concatenate([signals.matrix, ones], axis=1)
        self.largest = largest_sum(matrix, inputs)
        self._sums = None
        if matrix.size:
            self._sums = WindowSums(matrix, self._rows, kernel, geometry, inputs, precision)
        self._variance = None
        if signals.variance is not None:
            squares = Inputs(inputs.largest**2, False, inputs.whole)
            self._variance = WindowSums(signals.variance, self._rows, kernel, geometry, squares, precision)

    def currents(self, drive: torch.Tensor) -> torch.Tensor:
        """(N, groups * signals, positions) for rows driven with ``drive``; behind a group's signals the sum of its
        inputs, where that is needed."""
        if self._gated is None:
            assert self._sums is not None
            return self._sums(drive)
        sums = self._gated_sums(drive, self._gated)
        if self._sums is not None:
            sums = torch.cat([sums, self._sums(drive).double().unflatten(1, (self.groups, 1))], dim=2)
        return sums.flatten(1, 2)

    def add_noise(
        self, sums: torch.Tensor, squares: torch.Tensor, seed: tuple[int, ...], first_image: int
    ) -> torch.Tensor:
        """``sums`` with read noise; ``squares``: the drive's squares. The noise of x[k] is that of image first_image
        + k."""
        from simulator.analog.normals import fill_normals

        assert self._variance is not None
        spread = self._variance(squares).sqrt_()
        drawn = np.empty(tuple(spread.shape), spread.numpy().dtype)
        fill_normals(drawn, (*seed, READ, self._number), first_image * drawn[0].size)
        noisy = sums.unflatten(1, (self.groups, -1))[:, :, : self.signals]
        noisy += spread.mul_(torch.from_numpy(drawn)).unflatten(1, (self.groups, -1))
        return sums

    def _gated_sums(self, drive: torch.Tensor, cells: np.ndarray) -> torch.Tensor:
        """float64 (N, groups, signals, positions): ``cells`` that input bits switch, bit by bit of ``drive``."""
        columns = cells.transpose(2, 4, 0, 1, 3).reshape(self.groups, cells.shape[4], -1)
        several = []
        for count, seen in windows(drive, self._rows, self._kernel, self._geometry):
            driven = seen.numpy().astype(np.int64)
            total = np.zeros((self.groups, columns.shape[2], driven.shape[2]))
            for group in range(self.groups):
                self._read_bits(columns[group], driven[group], total[group])
            several.append(total.reshape(self.groups, -1, count, driven.shape[2] // count))
        sides = np.concatenate(several, axis=2).transpose(2, 0, 1, 3)
        if self._arrays.pairs_subtracted:
            pairs = sides.reshape(*sides.shape[:2], *cells.shape[:2], cells.shape[3], sides.shape[3])
            sides = (pairs[:, :, :, 0] - pairs[:, :, :, 1]).reshape(*sides.shape[:2], -1, sides.shape[3])
        return torch.from_numpy(np.ascontiguousarray(sides))

    def _read_bits(self, columns: np.ndarray, driven: np.ndarray, total: np.ndarray) -> None:
        """total += currents of ``columns`` (rows, columns) for the bits of ``driven`` (rows, n), each sign in a pass
        of its own, weighted as the bits are."""
        from simulator.analog.parasitics import separate_source_currents

        sizes = np.abs(driven)
        for bit in range(int(sizes.max(initial=0)).bit_length()):
            on = (sizes >> bit & 1).astype(bool)
            for sign, chosen in ((1.0, driven > 0), (-1.0, driven < 0)):
                bits = on & chosen
                if bits.any():
                    total += sign * 2.0**bit * separate_source_currents(columns, bits, **self._arrays.wires())
