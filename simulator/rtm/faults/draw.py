"""Drawing which of many slots fail, one draw a failure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.rtm.faults.slots import Kind


def image_generator(seed: int, trial: int, image: int, kind: Kind) -> np.random.Generator:
    """The generator of the faults of one kind in one image (its index in the user's input)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(trial, image, int(kind)))
    return np.random.Generator(np.random.PCG64(sequence))


@dataclass(frozen=True, eq=False)
class Candidates:
    """Slots that fail, ascending (int64[n]), and a number from [0, 1) for each that decides how (float64[n])."""

    slots: np.ndarray
    uniform: np.ndarray


def draw_candidates(generator: np.random.Generator, slots: int, rate: float) -> Candidates:
    """Each of ``slots`` slots with probability ``rate``: the gaps between those chosen are geometric."""
    parts: list[np.ndarray] = []
    last = -1
    while rate > 0 and last < slots:
        expected = (slots - 1 - last) * rate
        count = int(expected + 4 * expected**0.5) + 8
        gaps = np.minimum(generator.geometric(rate, count), slots + 1)  # so that sums of huge gaps stay in int64
        chosen = last + np.cumsum(gaps)
        parts.append(chosen[chosen < slots])
        last = int(chosen[-1])
    chosen = np.concatenate([np.zeros(0, np.int64), *parts])
    return Candidates(chosen, generator.random(len(chosen)))
