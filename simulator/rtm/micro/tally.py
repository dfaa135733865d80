"""Counting the ones of a word in 64 counters at once."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import config, types
from numba.extending import intrinsic

from simulator.rtm.lanes import ROWS_PER_WORD

_intrinsic: Any = intrinsic
COUNTERS = llvm.VectorType(llvm.IntType(32), ROWS_PER_WORD)


@_intrinsic
def _tally_jitted(typing: Any, word: Any, address: Any) -> Any:
    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        pointer = builder.inttoptr(args[1], COUNTERS.as_pointer())
        ones = builder.zext(builder.bitcast(args[0], llvm.VectorType(llvm.IntType(1), ROWS_PER_WORD)), COUNTERS)
        builder.store(builder.add(builder.load(pointer, align=4), ones), pointer, align=4)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64), codegen


def _tally_in_python(word: int, address: int) -> None:
    memory: Any = (ctypes.c_int32 * ROWS_PER_WORD).from_address(int(address))
    counters = np.frombuffer(memory, np.int32)
    counters += np.array([int(word) >> row & 1 for row in range(ROWS_PER_WORD)], np.int32)


tally: Any = _tally_in_python if config.DISABLE_JIT else _tally_jitted  # type: ignore[attr-defined]
"""``tally(word, address)`` adds 1 to those of the 64 int32 at ``address`` (int64) whose bit of ``word`` (uint64) is
one."""
