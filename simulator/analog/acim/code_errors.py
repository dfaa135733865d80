"""What a converter makes of each sum of a column, over its noise and over all columns' static errors, in LSB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulator.analog.acim.code_statistics import REACH, code_distribution, vote_distribution
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.static import MOST_STEPS

TOGETHER = 1 << 20
"""Probabilities that are held at once."""
FINE = 512
"""Nodes on either side of 0 where codes jump with the static error, not smoothed by noise."""
FINEST = 4096
"""The most, where noise hardly smooths."""


@dataclass(frozen=True)
class CodeErrors:
    """Of some sums, float64[sums] each, codes less those of a converter without errors. ``wrong``: probability that a
    code is another; ``mean`` and ``square``: means of the difference and its square; ``temporal``: variance from call
    to call; ``slope``: of the mean, by the value; ``response`` [sums, nodes]: the mean at the static errors that nodes
    stand for."""

    wrong: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    temporal: np.ndarray
    slope: np.ndarray
    response: np.ndarray


class ErrorModel:
    """The converters of ``config``. A static error is Gaussian at every value: ``sigma`` times a standard normal, for
    which ``nodes`` with ``weights`` stand."""

    def __init__(self, config: AcimConfig) -> None:
        self.config = config
        self.values = np.arange(config.full_scale + 1) * (config.top_code / config.full_scale)
        part, (steps, variance) = self.values / config.top_code, self._bridge
        fraction = part * steps % 1
        bridge = variance * (part * (1 - part) - fraction * (1 - fraction) / steps)
        gain = (config.gain_sigma * self.values) ** 2
        self.sigma = np.sqrt(config.offset_lsb**2 + gain + np.maximum(bridge, 0.0))

    @property
    def _bridge(self) -> tuple[int, float]:
        """The nonlinearity: unary steps of a converter, on which it is linear, and its variance per u (1 - u) at the
        part u of the scale between two, which makes it inl_lsb^2 in the middle of the middle step."""
        steps = min(self.config.top_code, MOST_STEPS)
        return steps, 4 * self.config.inl_lsb**2 * steps / max(1, steps - 1)

    def nonlinear_covariance(self, loads: np.ndarray) -> np.ndarray:
        """Of the nonlinearities at all sums, added up by each row of ``loads`` (n, sums): (n, n)."""
        steps, variance = self._bridge
        place = self.values / self.config.top_code * steps
        step = np.minimum(place.astype(np.int64), steps - 1)
        ends = np.zeros((len(loads), steps + 1))
        for of_ends, own in zip(ends, loads, strict=True):
            of_ends[:-1] = np.bincount(step, own * (step + 1 - place), steps)
            of_ends[1:] += np.bincount(step, own * (place - step), steps)
        # a bridge's covariance at parts u, v of the scale is min(u, v) - u v
        above, level = np.cumsum(ends[:, :0:-1], axis=-1), ends @ (np.arange(steps + 1) / steps)
        result: np.ndarray = variance * (above @ above.T / steps - np.outer(level, level))
        return result

    @cached_property
    def _rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of the trapezoidal rule, which is as good as exact where steps are half of what is smooth:
        the noise, unless that is below 1/200 of the static error."""
        static, noise = float(self.sigma.max()), self.config.noise_sigma_lsb
        if not static:
            return np.zeros(1), np.ones(1)
        number = int(np.ceil(min(FINEST, REACH / min(0.5, 0.5 * noise / static)))) if noise else FINE
        nodes = np.linspace(-REACH, REACH, 2 * number + 1)
        weights = np.exp(-(nodes**2) / 2)
        return nodes, weights / weights.sum()

    @property
    def nodes(self) -> np.ndarray:
        return self._rule[0]

    @property
    def weights(self) -> np.ndarray:
        return self._rule[1]

    def errors(self, macs: np.ndarray, votes: int) -> Iterator[tuple[np.ndarray, CodeErrors]]:
        """Some of the sums ``macs`` at a time, and the errors of their codes, of ``votes`` conversions."""
        noise = self.config.noise_sigma_lsb
        width = min(self.config.top_code + 1, 2 * REACH * max(noise, float(self.sigma.max())) + 3) * votes
        block = max(1, int(TOGETHER / (len(self.nodes) * width)))
        for start in range(0, len(macs), block):
            some = macs[start : start + block]
            yield some, self._noisy(some, votes) if noise else self._static(some)

    def _noisy(self, macs: np.ndarray, votes: int) -> CodeErrors:
        value, sigma, top = self.values[macs, None], self.sigma[macs, None], self.config.top_code
        first, single = code_distribution(value + sigma * self.nodes, self.config.noise_sigma_lsb, top)
        wrong, mean, square = _moments(vote_distribution(single, votes, self.config.voting_rule), first, value)
        # the mean derivative of a function of a normal is its mean product with it (Stein's lemma)
        slope = np.divide(mean * self.nodes, sigma, out=np.zeros_like(mean), where=sigma > 0)
        w = self.weights
        return CodeErrors(wrong @ w, mean @ w, square @ w, (square - mean**2) @ w, slope @ w, mean)

    def _static(self, macs: np.ndarray) -> CodeErrors:
        """Without noise: there is one spread, known exactly, and votes agree."""
        value, sigma, top = self.values[macs, None], self.sigma[macs, None], self.config.top_code
        first, single = code_distribution(value, sigma, top)
        wrong, mean, square = (each[:, 0] for each in _moments(single, first, value))
        response = np.rint(np.clip(value + sigma * self.nodes, 0, top)) - np.rint(value)
        return CodeErrors(wrong, mean, square, np.zeros(len(macs)), _edge_density(value, sigma, top), response)


def _moments(probabilities: np.ndarray, first: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, ...]:
    """Probability of another code than the value's, mean difference, mean square."""
    # values that are halfway are halfway in float64 too, so they are rounded as a converter does
    off = first[..., None] + np.arange(probabilities.shape[-1]) - np.rint(value)[..., None]
    return tuple((probabilities * factor).sum(-1) for factor in (off != 0, off, off**2))


def _edge_density(value: np.ndarray, sigma: np.ndarray, top: int) -> np.ndarray:
    """How fast the mean code of values with a Gaussian spread grows with the value: its density at all edges."""
    inverse = np.divide(1.0, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    density = np.exp(-(((np.arange(top) + 0.5 - value) * inverse) ** 2) / 2) * inverse
    result: np.ndarray = density.sum(-1) / np.sqrt(2 * np.pi)
    return result
