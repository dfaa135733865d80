"""Row words as SIMD values inside Numba: a ``Lanes`` value is n uint64 words, 64 * n rows of one cell.

It has ``&``, ``|``, ``^``, ``+``, ``-``; these functions load, store and count it, so that kernels read like scalar
code over one word. n is the length of a tuple of integers that callers pass along (``lanes``). With NUMBA_DISABLE_JIT
the same functions exist in Python, and a value is an array: slow, for a debugger.
"""

from __future__ import annotations

from numba import config

ROWS_PER_WORD = 64

if config.DISABLE_JIT:  # type: ignore[attr-defined]
    from simulator.rtm.lanes_python import (
        copy_64_bytes,
        load,
        opaque,
        pack_bit,
        popcount,
        read_integer,
        splat,
        store,
        unpack_bit,
    )
else:
    from simulator.rtm.lanes_llvm import (
        copy_64_bytes,
        load,
        opaque,
        pack_bit,
        popcount,
        read_integer,
        splat,
        store,
        unpack_bit,
    )

__all__ = [
    "ROWS_PER_WORD",
    "copy_64_bytes",
    "load",
    "opaque",
    "pack_bit",
    "popcount",
    "read_integer",
    "splat",
    "store",
    "unpack_bit",
]
