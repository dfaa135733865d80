"""Says when Numba compiles kernels: the first run on a machine takes longer, and people wonder why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_EVENT = "numba:compile"
"""Numba's event for a compilation; a kernel that is found in its cache on disk raises none."""


@contextmanager
def announced(say: Callable[[], None]) -> Iterator[None]:
    """Calls ``say`` whenever a kernel begins to be compiled in this process."""
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            say()

        def on_end(self, event: Any) -> None:
            return

    listener = Listener()
    event.register(_EVENT, listener)
    try:
        yield
    finally:
        event.unregister(_EVENT, listener)
