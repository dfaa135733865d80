"""One matrix in SRAM arrays: `AcimArray`, an `AcimLayer` for numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.shapes import real_numbers


class AcimArray:
    """``weights``, integers (out, in), in SRAM arrays as ``config`` describes them; ``seed`` decides static errors and
    all noise. Raises AcimConfigError for weights that do not fit."""

    def __init__(self, weights: np.ndarray, config: AcimConfig, seed: int | Sequence[int] = 0) -> None:
        weights = real_numbers("weights", weights, AcimConfigError)
        if weights.ndim != 2 or not weights.size:
            raise AcimConfigError(f"weights: shape {weights.shape} must be (out, in), neither of them 0")
        self.config, self._inputs = config, weights.shape[1]
        self._layer = AcimLayer(weights[:, :, None, None], config, seed=seed)

    def mvm(self, x: np.ndarray, *, first_input: int = 0) -> np.ndarray:
        """``x``, unsigned integers (in, n) or (in,) -> float64 (out, n) or (out,), in units of weights @ x. The noise
        of column k of ``x`` is that of input ``first_input`` + k. Raises AcimConfigError for other inputs."""
        result = self._layer(self._images(x), first_image=first_input).flatten(1).numpy().T
        return result.reshape(len(result), *np.shape(x)[1:])

    def codes(self, x: np.ndarray, *, first_input: int = 0) -> np.ndarray:
        """int32 (tiles, weight_bits, digits, out, n): the converters' codes, after voting; -1 where there is none."""
        return self._by_cycle(self._layer.codes(self._images(x), first_image=first_input))

    def macs(self, x: np.ndarray) -> np.ndarray:
        """int32 (tiles, weight_bits, digits, out, n): the exact sums of the columns."""
        return self._by_cycle(self._layer.macs(self._images(x)))

    @property
    def tiles(self) -> int:
        """Row tiles that the inputs are cut into."""
        return self._layer.tiles

    @staticmethod
    def _by_cycle(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values[..., 0].transpose(2, 3, 4, 1, 0))

    def _images(self, x: np.ndarray) -> torch.Tensor:
        columns = real_numbers("x", x, AcimConfigError)
        if columns.ndim not in (1, 2) or len(columns) != self._inputs:
            raise AcimConfigError(f"x: shape {columns.shape} must be ({self._inputs}, n) or ({self._inputs},)")
        top = (1 << self.config.activation_bits) - 1
        wrong = (columns != np.rint(columns)) | (columns < 0) | (columns > top)
        if wrong.any():
            raise AcimConfigError(f"x: {columns[wrong].flat[0]} must be a whole number from 0 to {top}")
        count = columns.size // self._inputs
        images = np.ascontiguousarray(columns.reshape(self._inputs, count).T, np.float32)
        return torch.from_numpy(images)[:, :, None, None]
