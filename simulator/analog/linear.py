"""Sums of products of a convolution's windows, the same for any batch and any number of threads.

Integers: float32 holds every partial sum below 2^24, in any order, so an ordinary convolution is exact; what is
larger is cut into channel ranges that are not, or computed in float64. Real weights are rounded to a power-of-two
grid on which every partial sum with integer inputs is exact in float64, fine enough not to matter, or are cut in two
such grids. Sums with real inputs are not exact, but always in the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from simulator.analog.ordered import ordered_product
from simulator.analog.partition import RowPart
from simulator.analog.unfold import Geometry, windows

EXACT_FLOAT32, EXACT_FLOAT64 = 2.0**24, 2.0**53
MOST_CHUNKS = 4
"""Beyond as many float32 convolutions, one in float64 is faster."""
FINE_GRID = 2.0**-35
"""A grid of weights, relative to the largest, that is fine enough by itself."""


@dataclass(frozen=True)
class Inputs:
    """What inputs of a sum can be: ``largest`` magnitude; ``signed`` or not; ``whole`` numbers or any."""

    largest: float
    signed: bool
    whole: bool


def largest_sum(matrix: np.ndarray, inputs: Inputs) -> float:
    """The largest magnitude that a sum of any of the products of a row of ``matrix`` (..., rows) can have."""
    above, below = np.maximum(matrix, 0).sum(-1), np.maximum(-matrix, 0).sum(-1)
    reach = above + below if inputs.signed else np.maximum(above, below)
    return float(reach.max(initial=0.0)) * inputs.largest


class WindowSums:
    """``matrix`` (groups, signals, rows of ``part``) times the windows of an image.

    A call takes (N, groups * channels, H, W), padded already where that is not the same on both sides, and returns
    (N, groups * signals, Ho * Wo): float32 where that is exact or ``precision`` says so, else float64.
    """

    def __init__(
        self,
        matrix: np.ndarray,
        part: RowPart,
        kernel: tuple[int, int],
        geometry: Geometry,
        inputs: Inputs,
        precision: str,
    ) -> None:
        self._part, self._kernel, self._geometry = part, kernel, geometry
        self._inputs, self._signals = inputs, matrix.shape[1]
        whole = bool((matrix == np.rint(matrix)).all())
        chunks = _chunks(matrix, part, inputs) if whole and inputs.whole else None
        if chunks is None and precision == "float32" and not (whole and inputs.whole):
            chunks = [(part.first_channel, part.stop_channel)]
        if chunks is not None:
            weights = self._as_kernels(matrix)
            self._chunks = [(low, high, self._narrow(weights, low, high)) for low, high in chunks]
            self._matrices: list[torch.Tensor] = []
        else:
            self._chunks = []
            self._matrices = [torch.from_numpy(half) for half in _exact_parts(matrix, inputs)]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._matrices:
            return self._in_float64(x)
        total = self._convolved(x, *self._chunks[0])
        if len(self._chunks) > 1:
            total = total.double()
            for chunk in self._chunks[1:]:
                total += self._convolved(x, *chunk)
        return total

    def _as_kernels(self, matrix: np.ndarray) -> torch.Tensor:
        """float32 (groups, signals, touched channels, kh, kw); taps outside the part are 0."""
        padded = np.pad(matrix.astype(np.float32), ((0, 0), (0, 0), self._part.padded))
        return torch.from_numpy(padded.reshape(*matrix.shape[:2], -1, *self._kernel))

    def _narrow(self, kernels: torch.Tensor, low: int, high: int) -> torch.Tensor:
        first = self._part.first_channel
        return kernels[:, :, low - first : high - first].flatten(0, 1).contiguous()

    def _convolved(self, x: torch.Tensor, low: int, high: int, kernels: torch.Tensor) -> torch.Tensor:
        groups, signals = self._geometry.groups, self._signals
        window = select_channels(x.float(), groups, low, high)
        if not (window.shape[1] == groups > 1 and signals > 1):
            return self._convolution(window, kernels).flatten(2)
        # Depthwise convolutions are fast where every channel has one output.
        each = [self._convolution(window, kernels[own::signals]).flatten(2) for own in range(signals)]
        return torch.stack(each, dim=2).flatten(1, 2)

    def _convolution(self, x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        g = self._geometry
        return functional.conv2d(x, kernels, None, g.strides, g.pads[:2], g.dilations, g.groups)

    def _in_float64(self, x: torch.Tensor) -> torch.Tensor:
        groups, signals = self._geometry.groups, self._signals
        height, width = self._geometry.output_size(x.shape[2:], self._kernel)
        sums = torch.empty((len(x), groups, signals, height * width), dtype=torch.float64)
        product = torch.matmul if self._exact(x) else ordered_product
        done = 0
        for count, columns in windows(x, self._part, self._kernel, self._geometry):
            own = product(self._matrices[0], columns)
            for matrix in self._matrices[1:]:
                own += product(matrix, columns)
            sums[done : done + count] = own.unflatten(2, (count, -1)).permute(2, 0, 1, 3)
            done += count
        return sums.flatten(1, 2)

    def _exact(self, x: torch.Tensor) -> bool:
        """Whether ``x`` is integers that sums are exact with."""
        if self._inputs.whole:
            return True
        return bool((x == x.round()).all()) and float(x.abs().amax()) <= self._inputs.largest


def select_channels(x: torch.Tensor, groups: int, low: int, high: int) -> torch.Tensor:
    """The channels [low, high) of every group of (N, groups * channels, H, W)."""
    channels = x.shape[1] // groups
    if (low, high) == (0, channels):
        return x
    if groups == 1:
        return x[:, low:high]
    return x.unflatten(1, (groups, channels))[:, :, low:high].flatten(1, 2)


def _chunks(matrix: np.ndarray, part: RowPart, inputs: Inputs) -> list[tuple[int, int]] | None:
    """The fewest equal channel ranges whose partial sums float32 holds; None where that takes too many."""
    first, last = part.first_channel, part.stop_channel
    padded = np.pad(matrix, ((0, 0), (0, 0), part.padded)).reshape(*matrix.shape[:2], last - first, part.taps)
    for number in range(1, min(MOST_CHUNKS, last - first) + 1):
        bounds = [(last - first) * index // number for index in range(number + 1)]
        pieces = list(zip(bounds[:-1], bounds[1:], strict=True))
        if all(
            largest_sum(padded[:, :, a:b].reshape(*matrix.shape[:2], -1), inputs) <= EXACT_FLOAT32 for a, b in pieces
        ):
            return [(first + a, first + b) for a, b in pieces]
    return None


def _exact_parts(matrix: np.ndarray, inputs: Inputs) -> list[np.ndarray]:
    """``matrix`` as one or two matrices, float64, whose sums with whole inputs up to the largest are exact."""
    if (matrix == np.rint(matrix)).all() and largest_sum(matrix, inputs) <= EXACT_FLOAT64:
        return [matrix.astype(np.float64)]
    largest = float(np.abs(matrix).max(initial=0.0))
    if largest == 0:
        return [matrix]
    grid = _grid(max(largest_sum(matrix, inputs), largest))
    rough = np.rint(matrix / grid) * grid
    if grid <= largest * FINE_GRID:
        return [rough]
    rest = matrix - rough
    finer = _grid(max(largest_sum(rest, inputs), grid))
    return [rough, np.rint(rest / finer) * finer]


def _grid(largest: float) -> float:
    """The power of two in whose multiples float64 holds all sums up to ``largest``, and a percent more for their
    rounding."""
    return 2.0 ** math.ceil(math.log2(1.01 * largest / EXACT_FLOAT64))
