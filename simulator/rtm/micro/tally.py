"""Counting the ones of a word in 64 counters at once, inside Numba."""

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba import types
from numba.extending import intrinsic

_intrinsic: Any = intrinsic
COUNTERS = llvm.VectorType(llvm.IntType(32), 64)


@_intrinsic
def tally(typing: Any, word: Any, address: Any) -> Any:
    """Add 1 to those of the 64 int32 at ``address`` (int64) whose bit of ``word`` (uint64) is one."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        pointer = builder.inttoptr(args[1], COUNTERS.as_pointer())
        ones = builder.zext(builder.bitcast(args[0], llvm.VectorType(llvm.IntType(1), 64)), COUNTERS)
        builder.store(builder.add(builder.load(pointer, align=4), ones), pointer, align=4)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64), codegen
