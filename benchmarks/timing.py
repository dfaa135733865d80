"""Timing two things in turn, so that what disturbs one disturbs the other."""

from __future__ import annotations

import time
from collections.abc import Callable

Work = Callable[[], object]


def in_turn(first: Work, second: Work, repetitions: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, after a warm-up of each. What is faster than 0.2 s is run several times."""
    first()
    second()
    inner = [max(1, min(10, round(0.2 / _seconds(work, 1)))) for work in (first, second)]
    pairs = [(_seconds(first, inner[0]), _seconds(second, inner[1])) for _ in range(repetitions)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _seconds(work: Work, times: int) -> float:
    """Seconds of one call, as the mean over ``times`` calls."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times
