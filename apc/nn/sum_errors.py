"""What hardware gets wrong in a layer's sums: expected values and variances, element by element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from apc.nn.engines import AcimEngine, Engine, Software, build_engine
from apc.nn.simulated import SimulatedLayer
from simulator.analog.acim.code_errors import ErrorModel
from simulator.analog.acim.code_statistics import REACH, code_distribution, vote_distribution
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.predictor import layer_error

STEP, FINEST = 1 / 16, 1 / 2048
"""Between points of the curve that noise makes of codes: in its deviations (at most 1), and at least, in LSB."""


@dataclass(frozen=True, eq=False)
class SumErrors:
    """Of the differences from the exact sums W * x, in their units: float64 (N, Cout, H', W').

    ``mean``: what every call gets wrong alike; ``variance``: of what differs from call to call, and is independent of
    other elements; ``code_error``: probability that a conversion gives another code than without noise and static
    errors, None where that is not known; ``observed``: ``mean`` is what one call got wrong, noise with it.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    code_error: float | None
    observed: bool


def sum_errors(layer: SimulatedLayer, images: torch.Tensor) -> SumErrors:
    """Of what ``layer`` makes of ``images``, integers (N, Cin, H, W).

    In SRAM arrays in closed form: every conversion's sum has its mean code and variance under noise and votes. Static
    errors are those of the layer's own arrays. Of other hardware, as observed.
    """
    engine = layer.engine
    exact = _in_software(layer)(images, first_image=0).double()
    nothing = torch.zeros_like(exact)
    if engine.is_ideal:
        return SumErrors(nothing, nothing, 0.0, False)
    if not isinstance(engine, AcimEngine):
        return SumErrors(engine(images, first_image=0).double() - exact, nothing, None, True)
    mean, variance = _conversions(engine.layer, images, exact.shape)
    return SumErrors(mean, variance, code_error(engine.layer, images), False)


def code_error(arrays: AcimLayer, images: torch.Tensor) -> float:
    """Probability that a conversion of ``images`` gives another code than without noise and static errors."""
    if arrays.shortcut:
        return 0.0
    return layer_error(arrays.config, arrays.mac_histogram(images), arrays.tiles).code_error


def _in_software(layer: SimulatedLayer) -> Engine:
    """The layer's weights without hardware."""
    kernel = layer.kernel(layer.programmed().levels).cpu().numpy()
    return build_engine(Software(), kernel, layer.geometry, layer.input_low, layer.input_high, layer.seed)


def _conversions(arrays: AcimLayer, images: torch.Tensor, shape: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of the errors that all conversions of an element add up to, of ``shape``."""
    config = arrays.config
    made = _Shifted if config.static_errors else _Unshifted
    codes = {votes: made(arrays, votes) for votes in {1, config.voting}}
    mean, variance = np.zeros((2, *shape[:2], shape[2] * shape[3]))
    for number in range(len(images)):
        macs = arrays.macs(images[number : number + 1])[0]
        for i in range(config.weight_bits):
            for j in range(config.digits):
                votes, weight = config.cycles.votes(i, j), 2.0 ** (i + config.dac_bits * j)
                if votes:
                    sign = -1.0 if i == config.weight_bits - 1 else 1.0
                    of_mean, of_variance = codes[votes].errors(macs[:, :, i, j], i)
                    mean[number] += sign * weight * of_mean.sum(1)
                    variance[number] += weight**2 * of_variance.sum(1)
    return torch.from_numpy(mean).reshape(shape), torch.from_numpy(variance).reshape(shape)


class _Unshifted:
    """Converters without static errors."""

    def __init__(self, arrays: AcimLayer, votes: int) -> None:
        config = arrays.config
        model, macs = ErrorModel(config), np.arange(config.full_scale + 1)
        mean, variance = np.zeros((2, len(macs)))
        for some, errors in model.errors(macs, votes):
            mean[some], variance[some] = np.rint(model.values[some]) + errors.mean, errors.temporal
        unit = config.full_scale / config.top_code
        self._mean, self._variance = mean * unit - macs, variance * unit**2

    def errors(self, macs: np.ndarray, bit: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the sums ``macs`` (outputs, tiles, positions) of a weight bit's columns, mean and variance of what the
        code that wins stands for, less the sum."""
        return self._mean[macs], self._variance[macs]


class _Shifted:
    """Converters with the static errors of a layer's arrays, which noise smooths: between points that are ``STEP`` of
    its deviation apart, codes' mean and variance are linear."""

    def __init__(self, arrays: AcimLayer, votes: int) -> None:
        config, static = arrays.config, arrays.static
        self._config = config
        self._gain, self._offset, self._nonlinear = (
            _by_output(own) for own in (static.gain, static.offset, static.inl)
        )
        sigma, top = config.noise_sigma_lsb, config.top_code
        self._points = np.zeros(0)
        if sigma:
            ends = REACH * sigma + 1
            number = int((top + 2 * ends) / max(STEP * min(sigma, 1.0), FINEST))
            self._points = np.linspace(-ends, top + ends, number)
            first, single = code_distribution(self._points, sigma, top)
            winner = vote_distribution(single, votes, config.voting_rule)
            codes = first[:, None] + np.arange(winner.shape[1])
            self._means = (winner * codes).sum(1)
            self._variances = (winner * (codes - self._means[:, None]) ** 2).sum(1)

    def errors(self, macs: np.ndarray, bit: int) -> tuple[np.ndarray, np.ndarray]:
        """As of `_Unshifted`."""
        config, unit = self._config, self._config.full_scale / self._config.top_code
        ideal = macs / unit
        place = ideal / config.top_code * (self._nonlinear.shape[-1] - 1)
        step = np.minimum(place.astype(np.int64), self._nonlinear.shape[-1] - 2)
        low, high = (np.take_along_axis(self._nonlinear, index, axis=-1) for index in (step, step + 1))
        values = ideal * self._gain[..., bit, None] + self._offset[..., bit, None] + low + (high - low) * (place - step)
        if not len(self._points):
            return np.rint(np.clip(values, 0, config.top_code)) * unit - macs, np.zeros(macs.shape)
        mean, variance = (np.interp(values, self._points, own) for own in (self._means, self._variances))
        return mean * unit - macs, variance * unit**2


def _by_output(errors: np.ndarray) -> np.ndarray:
    """(groups, tiles, outputs, ...) as float64 (outputs of all groups, tiles, ...)."""
    return np.moveaxis(errors.astype(np.float64), 1, 2).reshape(-1, errors.shape[1], errors.shape[3])
