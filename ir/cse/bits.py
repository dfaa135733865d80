"""The population count as one machine instruction."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir as llvm
from numba.core import cgutils
from numba.extending import intrinsic

# For mypy, an intrinsic is not what its function says: kernels call it without the typing context.
_intrinsic: Any = intrinsic


@_intrinsic
def ones(typing: Any, word: Any) -> Any:
    """How many bits of a uint64 are set, as a uint64."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        function = llvm.FunctionType(args[0].type, [args[0].type])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.ctpop.i64"), args)

    return numba.uint64(numba.uint64), codegen
