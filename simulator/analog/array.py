"""One matrix on a crossbar: `CrossbarArray`, a `CrossbarLayer` for numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.layer import CrossbarLayer


class CrossbarArray:
    """``weights``, real (out, in), in the arrays of a crossbar as ``config`` describes it, drawn from ``seed``."""

    def __init__(self, weights: np.ndarray, config: CrossbarConfig, seed: int | Sequence[int] = 0) -> None:
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 2 or not weights.size:
            raise CrossbarConfigError(f"weights: shape {weights.shape} must be (out, in), neither of them 0")
        self.config, self._inputs = config, weights.shape[1]
        self._layer = CrossbarLayer(weights[:, :, None, None], config, seed=seed)

    def mvm(self, x: np.ndarray, *, first_input: int = 0) -> np.ndarray:
        """``x`` (in, n) or (in,) -> (out, n) or (out,), in units of weights @ x. Read noise of column k of ``x`` is
        that of input ``first_input`` + k."""
        result = self._layer(self._images(x), first_image=first_input).flatten(1).numpy().T
        return result.reshape(len(result), *np.shape(x)[1:])

    def calibrate(self, x: np.ndarray) -> None:
        """Choose the range of a calibrated ADC from inputs ``x`` (in, n) or (in,)."""
        self._layer.calibrate(self._images(x))

    @property
    def adc_range(self) -> list[list[tuple[float, float]]] | None:
        """Of every row part, the range of each slice's ADC in units of Gmax x full input; None without an ADC."""
        return self._layer.adc_range

    def conductances(self) -> np.ndarray:
        """float64[slices, sides, columns, rows]: cells as programmed, in units of Gmax; unit columns last."""
        return self._layer.conductances()[:, :, 0]

    def _images(self, x: np.ndarray) -> torch.Tensor:
        columns = np.asarray(x)
        if columns.ndim not in (1, 2) or len(columns) != self._inputs:
            raise CrossbarConfigError(f"x: shape {columns.shape} must be ({self._inputs}, n) or ({self._inputs},)")
        if not np.isfinite(columns).all():
            raise CrossbarConfigError("x: must be finite numbers")
        count = columns.size // self._inputs
        return torch.from_numpy(np.ascontiguousarray(columns.reshape(self._inputs, count).T))[:, :, None, None]
