"""Kernels over parts of their work, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from numba import get_num_threads

PARTS_PER_THREAD = 4
"""More parts than threads, so that a thread that was held up does not hold up the others."""


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="analog")


def in_parts(work: Callable[[int, int], None], count: int, least: int = 1) -> None:
    """Call ``work(first, last)`` on ranges that together are 0 .. ``count``, each of ``least`` or more if there are so
    many. ``work`` releases the interpreter lock, and what it computes must not depend on how it is divided.
    """
    threads = get_num_threads()
    parts = min(threads * PARTS_PER_THREAD, count // max(1, least))
    if threads == 1 or parts <= 1:
        if count:
            work(0, count)
        return
    bounds = [count * part // parts for part in range(parts + 1)]
    list(_pool(threads).map(work, bounds[:-1], bounds[1:]))
