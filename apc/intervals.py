"""95 % confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A share and what it lies between. ``method``: ``t``, Student's over independent trials, or ``wilson``, Wilson's
    over the images of a single one, or where all trials are alike."""

    mean: float
    low: float
    high: float
    method: Literal["t", "wilson"]


def interval(counts: Sequence[int], images: int) -> Interval:
    """Of the share of ``images`` images that ``counts`` counts, one number a trial."""
    if len(counts) == 1:
        return _wilson(counts[0], images)
    from scipy.special import stdtrit

    shares = [count / images for count in counts]
    trials = len(shares)
    mean = math.fsum(shares) / trials
    deviation = math.sqrt(math.fsum((share - mean) ** 2 for share in shares) / (trials - 1))
    if deviation == 0:  # trials that are all alike say nothing of how far they scatter
        return _wilson(counts[0], images)
    half = float(stdtrit(trials - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(trials)
    return Interval(mean, max(mean - half, 0.0), min(mean + half, 1.0), "t")


def _wilson(count: int, images: int) -> Interval:
    share, square = count / images, _NORMAL_QUANTILE**2 / images
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    low = 0.0 if count == 0 else centre - half
    high = 1.0 if count == images else centre + half
    return Interval(share, low, high, "wilson")
