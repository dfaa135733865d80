"""Compiled kernels on disk, and the hole in Numba's cache of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def forget_stale(module: str) -> None:
    """Remove the compiled kernels in the folder of ``module`` (a ``__file__``) that are older than a source file there.

    Numba compares a kernel with its own file only, but compiles in the kernels of other files that it calls. Call this
    before kernels are defined that do.
    """
    folder = Path(module).parent
    with suppress(OSError):
        newest = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
