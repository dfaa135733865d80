"""What the conversions of an SRAM array get wrong, in closed form: nothing is simulated.

Every conversion's error follows from the distribution of its sums (``AcimLayer.mac_histogram``, or
``expected_histogram`` where there is no data): rounding and clamping of each sum, noise, votes, and static errors as
they are spread over columns. A layer's is the weighted sum of its conversions' errors, taken as independent but for the
static errors that conversions share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from simulator.analog.acim.code_errors import CodeErrors, ErrorModel
from simulator.analog.acim.config import AcimConfig, AcimConfigError


@dataclass(frozen=True)
class ConversionError:
    """Of one conversion, float64[weight_bits, digits]; 0 where cycles are digital. Errors are decoded - exact, in units
    of the sum.

    ``code_error``: probability of another code than a converter without noise and static errors gives; ``mean``,
    ``variance``: of the error; ``noise_variance``: the part of the variance that differs from call to call.
    """

    code_error: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    noise_variance: np.ndarray


@dataclass(frozen=True)
class LayerError:
    """Of a layer's outputs, in units of W * x. ``code_error``: of a conversion, on average (0 where there is none);
    ``noise_variance``: the part of ``variance`` that differs from call to call; ``conversions``: of each cycle."""

    code_error: float
    mean: float
    variance: float
    noise_variance: float
    conversions: ConversionError


def code_error_probability(sigma_lsb: float | np.ndarray, fraction: float | np.ndarray = 0.0) -> np.ndarray:
    """Probability that noise N(0, sigma_lsb) turns a value's code into another, away from both ends of the converter:
    2 Q(1 / (2 sigma)) for a value in the middle of its code.

    ``fraction``: how far from the middle the value is, from -1/2 to 1/2 LSB. Both broadcast.
    """
    sigma, fraction = np.asarray(sigma_lsb, np.float64), np.asarray(fraction, np.float64)
    scale = np.where(sigma > 0, sigma, 1.0)
    beyond = ndtr((fraction - 0.5) / scale) + ndtr((-fraction - 0.5) / scale)
    chance: np.ndarray = np.where(sigma > 0, beyond, 0.0)[()]
    return chance


def expected_histogram(
    config: AcimConfig,
    rows: int | Sequence[int],
    *,
    weight_density: float | np.ndarray = 0.5,
    input_density: float | np.ndarray = 0.5,
) -> np.ndarray:
    """float64[weight_bits, digits, full_scale + 1]: how likely each sum is, where bits are independent.

    ``rows``: that are driven, of each row tile (the mean over tiles is returned); ``weight_density``,
    ``input_density``: shares of ones, of all bits or of each bit, the lowest first.

    Raises ``AcimConfigError`` for rows that an array does not have.
    """
    weights = np.broadcast_to(np.asarray(weight_density, np.float64), config.weight_bits)
    bits = np.zeros(config.digits * config.dac_bits)
    bits[: config.activation_bits] = input_density
    tiles = np.atleast_1d(np.asarray(rows))
    if tiles.min() < 0 or tiles.max() > config.rows:
        raise AcimConfigError(f"rows = {rows}: must be of each row tile, from 0 to {config.rows}")
    result = np.zeros((config.weight_bits, config.digits, config.full_scale + 1))
    for j, own in enumerate(bits.reshape(config.digits, config.dac_bits)):
        digit = np.ones(1)
        for bit in own[::-1]:
            digit = np.stack([digit * (1 - bit), digit * bit], axis=-1).reshape(-1)
        # a row adds the digit where its weight bit is 1; rows add up: a product of characteristic functions
        row = weights[:, None] * digit
        row[:, 0] += 1 - weights
        spectrum = np.fft.rfft(row, config.full_scale + 1)
        for count in tiles:
            result[:, j] += np.fft.irfft(spectrum**count, config.full_scale + 1)
    return np.maximum(result, 0.0) / len(tiles)


def conversion_error(config: AcimConfig, histogram: np.ndarray) -> ConversionError:
    """What each conversion gets wrong where its sums are distributed as ``histogram`` [weight_bits, digits, full_scale
    + 1] says, counts or probabilities.

    Raises ``AcimConfigError`` for a histogram of another shape.
    """
    return _Prediction(config, histogram).conversions()


def layer_error(config: AcimConfig, histogram: np.ndarray, tiles: int) -> LayerError:
    """What a layer's outputs are off by, of ``tiles`` row tiles, where the sums of the conversions of all outputs,
    tiles and positions are distributed as ``histogram`` says (as for ``conversion_error``).

    ``mean`` and ``noise_variance`` are exact means over outputs and positions. ``variance`` takes the rounding errors
    of conversions as independent, which is too much where sums go up and down together (``layer_error_of_macs``
    knows); what static errors do to several conversions of a column at once is exact for an offset or a gain alone,
    else to first order.
    """
    prediction = _Prediction(config, histogram)
    return prediction.layer(tiles, tiles * prediction.independent_rounding())


def layer_error_of_macs(config: AcimConfig, macs: np.ndarray) -> LayerError:
    """The same from the sums themselves, (N, outputs, tiles, weight_bits, digits, positions) as ``AcimLayer.macs``
    gives them, of as many images as there is memory for: rounding errors are what they are together.

    Raises ``AcimConfigError`` for sums of another shape.
    """
    bits, digits = config.weight_bits, config.digits
    if macs.ndim != 6 or macs.shape[3:5] != (bits, digits):
        wanted = f"(N, outputs, tiles, {bits}, {digits}, positions)"
        raise AcimConfigError(f"macs: shape {macs.shape} must be {wanted}: take AcimLayer.macs")
    sums = np.moveaxis(macs, (3, 4), (0, 1)).reshape(bits, digits, -1)
    histogram = np.array([[np.bincount(own, minlength=config.full_scale + 1) for own in row] for row in sums])
    prediction = _Prediction(config, histogram)
    return prediction.layer(macs.shape[2], prediction.joint_rounding(macs))


class _Prediction:
    """Means over the sums of every cycle with a converter. ``cycles``: their weight bits and digits; ``weights``: what
    a sum of 1 adds to an output."""

    def __init__(self, config: AcimConfig, histogram: np.ndarray) -> None:
        wanted = (config.weight_bits, config.digits, config.full_scale + 1)
        if np.shape(histogram) != wanted:
            raise AcimConfigError(f"histogram: shape {np.shape(histogram)} must be {wanted}: take mac_histogram's")
        every = np.array([[config.cycles.votes(i, j) for j in range(wanted[1])] for i in range(wanted[0])])
        self.cycles = bits, digits = np.nonzero(every)
        self.weights = np.ldexp(np.where(bits == config.weight_bits - 1, -1.0, 1.0), bits + config.dac_bits * digits)
        self._config, self._model = config, ErrorModel(config)
        counts = np.asarray(histogram, np.float64)[self.cycles]
        shares = counts / np.maximum(counts.sum(-1, keepdims=True), np.finfo(float).tiny)
        self._moments = np.zeros((5, len(bits)))
        self._mean_errors = np.zeros(shares.shape)
        self._slopes = np.zeros(shares.shape)
        self._responses = np.zeros((len(bits), len(self._model.nodes)))
        votes = every[self.cycles]
        for count in np.unique(votes):
            own = np.flatnonzero(votes == count)
            for macs, errors in self._model.errors(np.flatnonzero(shares[own].any(0)), int(count)):
                self._add(own, macs, shares[np.ix_(own, macs)], errors)

    def _add(self, own: np.ndarray, macs: np.ndarray, shares: np.ndarray, errors: CodeErrors) -> None:
        unit = self._config.full_scale / self._config.top_code
        rounding = np.rint(self._model.values[macs]) * unit - macs
        mean, within = rounding + unit * errors.mean, unit**2 * (errors.square - errors.mean**2)
        self._moments[:, own] += np.stack([errors.wrong, mean, mean**2, within, unit**2 * errors.temporal]) @ shares.T
        self._mean_errors[np.ix_(own, macs)] = mean
        self._slopes[np.ix_(own, macs)] = shares * errors.slope
        self._responses[own] += shares @ errors.response

    def conversions(self) -> ConversionError:
        wrong, mean, _, within, temporal = self._moments
        result = np.zeros((4, self._config.weight_bits, self._config.digits))
        bits, digits = self.cycles
        result[:, bits, digits] = wrong, mean, self._between() + within, temporal
        return ConversionError(*result)

    def layer(self, tiles: int, rounding: float) -> LayerError:
        """``rounding``: variance of an output's mean error, over outputs and positions."""
        wrong, mean, _, within, temporal = self._moments
        squares = self.weights**2
        return LayerError(
            float(wrong.mean()) if len(wrong) else 0.0,
            tiles * float(self.weights @ mean),
            rounding + tiles * (float(squares @ within) + self._shared_static()),
            tiles * float(squares @ temporal),
            self.conversions(),
        )

    def independent_rounding(self) -> float:
        """Of a row tile."""
        return float(self.weights**2 @ self._between())

    def joint_rounding(self, macs: np.ndarray) -> float:
        """Of an output."""
        total = np.zeros((*macs.shape[:2], macs.shape[-1]))
        for weight, errors, i, j in zip(self.weights, self._mean_errors, *self.cycles, strict=True):
            total += weight * errors[macs[:, :, :, i, j]].sum(axis=2)
        return float(total.var())

    def _between(self) -> np.ndarray:
        _, mean, square, *_ = self._moments
        return np.maximum(square - mean**2, 0.0)

    def _shared_static(self) -> float:
        """Variance of a row tile's part of an output by what static errors have in common: offset and gain all digits
        of a column, nonlinearity all conversions of a converter.

        Two codes' means are functions of Gaussians of correlation r. Of their covariance the part of first order in r,
        the product of mean slopes times that of the Gaussians (Price's theorem), is exact for each pair of sums; the
        rest, which is known where r = 1, is taken to go by r^2.
        """
        config, (bits, _) = self._config, self.cycles
        if not config.static_errors:
            return 0.0
        values = self._model.values
        same = np.equal.outer(bits, bits)
        level, scaled = self._slopes.sum(-1), self._slopes @ values
        first = same * (config.offset_lsb**2 * np.outer(level, level) + config.gain_sigma**2 * np.outer(scaled, scaled))
        first += self._model.nonlinear_covariance(self._slopes)
        reach = self._slopes @ self._model.sigma
        most = np.outer(reach, reach)
        correlation = np.clip(np.divide(first, most, out=np.zeros_like(first), where=most > 0), 0, 1)
        mean = self._responses @ self._model.weights
        full = (self._responses * self._model.weights) @ self._responses.T - np.outer(mean, mean)
        covariance = first + correlation**2 * (full - most)
        np.fill_diagonal(covariance, 0.0)
        unit = config.full_scale / config.top_code
        return float(unit**2 * (self.weights @ covariance @ self.weights))
