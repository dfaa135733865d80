"""Compiled kernels on disk, and the hole in Numba's cache of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def forget_stale(module: str, *called: str) -> None:
    """Remove the compiled kernels in the folder of ``module`` (a ``__file__``) that are older than a source file there,
    or than one in the folder of a module in ``called``.

    Numba compares a kernel with its own file only, but compiles in the kernels and constants of other files that it
    uses. Call this before kernels are defined that do; ``called``: the ``__file__`` of modules in other folders, and
    of those that these use in turn.
    """
    folder = Path(module).parent
    with suppress(OSError):
        sources = [source for file in (module, *called) for source in Path(file).parent.glob("*.py")]
        newest = max((source.stat().st_mtime for source in sources), default=0.0)
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
