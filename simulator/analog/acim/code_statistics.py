"""Exact distributions of an ADC's code: of a conversion under Gaussian noise, of the mode or median of several."""

from __future__ import annotations

from math import factorial

import numpy as np
from scipy.special import betainc, ndtr

REACH = 9.0
"""Standard deviations beyond which there is nothing: simulated noise ends at 6.8."""


def code_distribution(values: np.ndarray, sigma: np.ndarray | float, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the codes of ``values`` + N(0, sigma), in LSB, rounded half to even and clamped to 0 .. top.

    ``values`` and ``sigma`` broadcast together. Returns the first code int64(...) of a window of codes as wide as it
    must be, and float64(..., window): what is beyond a window is counted at its ends.
    """
    values, sigma = np.broadcast_arrays(np.asarray(values, np.float64), np.asarray(sigma, np.float64))
    half = int(np.ceil(REACH * sigma.max(initial=0.0))) + 1
    width = min(2 * half + 1, top + 1)
    nearest = np.clip(np.rint(values), 0, top).astype(np.int64)
    first = np.clip(nearest - half, 0, top + 1 - width)
    exact = (nearest - first)[..., None] == np.arange(width)
    scale = np.where(sigma > 0, sigma, 1.0)[..., None]
    edges = (first[..., None] + np.arange(1, width) - 0.5 - values[..., None]) / scale
    noisy = _between(ndtr(edges), ndtr(-edges), edges < 0)
    return first, np.where(sigma[..., None] > 0, noisy, exact)


def vote_distribution(probabilities: np.ndarray, votes: int, rule: str) -> np.ndarray:
    """Of what ``votes`` independent codes with ``probabilities`` (..., codes, ascending) give by ``rule``: "mode", of
    several the smallest, or "median"."""
    if votes == 1:
        return probabilities
    return _mode(probabilities, votes) if rule == "mode" else _median(probabilities, votes)


def _between(below: np.ndarray, above: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Probabilities (..., n + 1) of what n edges separate, from those ``below`` and ``above`` each: differences are
    taken on the side where they are small (``lower``: of the median), for the tails."""
    zero = np.zeros((*below.shape[:-1], 1))
    from_left = np.diff(np.concatenate([zero, below, zero + 1], axis=-1), axis=-1)
    from_right = -np.diff(np.concatenate([zero + 1, above, zero], axis=-1), axis=-1)
    return np.where(np.concatenate([lower, np.zeros(zero.shape, bool)], axis=-1), from_left, from_right)


def _median(probabilities: np.ndarray, votes: int) -> np.ndarray:
    """The median is at most c where more than half of the codes are: the regularised incomplete beta function."""
    half = (votes + 1) / 2
    below = np.minimum(np.cumsum(probabilities, axis=-1), 1.0)[..., :-1]
    above = np.minimum(np.cumsum(probabilities[..., ::-1], axis=-1), 1.0)[..., -2::-1]
    return _between(betainc(half, half, below), betainc(half, half, above), below < 0.5)


def _mode(probabilities: np.ndarray, votes: int) -> np.ndarray:
    """Code c wins with k votes where no smaller code has as many and no larger one more. The ways are coefficients of
    exponential generating functions: votes! [x^votes] (p_c x)^k / k! * prod_{below} E_{k-1}(p x) * prod_{above} E_k(p
    x), where E_k(y) = sum_{j <= k} y^j / j!."""
    won = np.zeros_like(probabilities)
    for own in range(1, votes + 1):
        rest = votes - own
        below = _products(probabilities, own - 1, rest)
        above = _products(probabilities[..., ::-1], own, rest)[..., ::-1, ::-1]
        won += probabilities**own / factorial(own) * (below * above).sum(-1)
    return won * factorial(votes)


def _products(probabilities: np.ndarray, most: int, degree: int) -> np.ndarray:
    """(..., codes, degree + 1): of each code, the coefficients of the product of E_most(p x) over the codes before."""
    result = np.empty((*probabilities.shape, degree + 1))
    product = np.zeros((*probabilities.shape[:-1], degree + 1))
    product[..., 0] = 1.0
    for code in range(probabilities.shape[-1]):
        result[..., code, :] = product
        factor, product = product, product.copy()
        for power in range(1, min(most, degree) + 1):
            term = probabilities[..., code, None] ** power / factorial(power)
            product[..., power:] += factor[..., : degree + 1 - power] * term
    return result
