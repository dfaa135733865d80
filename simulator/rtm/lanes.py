"""Row words as SIMD values inside Numba: a ``Lanes`` value is n uint64 words, 64 * n rows of one cell.

It has ``&``, ``|``, ``^``, ``+``, ``-``; these functions load, store and count it, so that kernels read like scalar
code over one word. n is the length of a tuple of integers that callers pass along (``lanes``). With NUMBA_DISABLE_JIT
the same functions exist in Python, and a value is an array: slow, for a debugger.
"""

from __future__ import annotations

from typing import Any

from numba import config

from simulator.rtm import lanes_llvm, lanes_python

ROWS_PER_WORD = lanes_llvm.ROWS_PER_WORD

_chosen: Any = lanes_python if config.DISABLE_JIT else lanes_llvm  # type: ignore[attr-defined]
load, store, splat, popcount = _chosen.load, _chosen.store, _chosen.splat, _chosen.popcount
pack_bit, unpack_bit, read_integer = _chosen.pack_bit, _chosen.unpack_bit, _chosen.read_integer
copy_64_bytes, opaque = _chosen.copy_64_bytes, _chosen.opaque
