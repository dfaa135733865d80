"""The sum of a column of cells, for many positions at once: AND and population count of bit planes, as LLVM vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
"""Positions that are counted together: two registers of AVX-512. LLVM makes of them what a machine has."""
WORD_BITS = 32


def _lane_macs(  # type: ignore[no-untyped-def]
    typing, planes, first, bits, bit_stride, words, word_stride, weights, weight, out, place
):
    """``out[place : place + LANES]``, int32 <- the sums over ``bits`` b and ``words`` w of 2^b times the ones that
    ``weights[weight + w]`` has in common with ``planes[first + b * bit_stride + w * word_stride]`` and the LANES - 1
    behind it.

    All arrays are contiguous and are indexed flat; planes and weights are uint32. Nothing is checked.
    """
    index = types.intp
    signature = types.void(planes, index, index, index, index, index, weights, index, out, index)
    return signature, _generate


lane_macs: Callable[..., None] = intrinsic(_lane_macs)
"""What `_lane_macs` describes, without its first argument; for compiled functions."""


def _generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    planes, weights, out = (_data(context, builder, signature.args[at], args[at]) for at in (0, 6, 8))
    first, bits, bit_stride, words, word_stride = args[1:6]
    lanes = ir.VectorType(ir.IntType(32), LANES)
    popcount = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(lanes, [lanes]), f"llvm.ctpop.v{LANES}i32"
    )
    one = ir.Constant(lanes, [1] * LANES)
    total = cgutils.alloca_once_value(builder, ir.Constant(lanes, [0] * LANES))
    with cgutils.for_range(builder, bits) as bit:
        # the highest bit first, doubled by every bit behind it
        builder.store(builder.shl(builder.load(total), one), total)
        below = builder.sub(builder.sub(bits, ir.Constant(bits.type, 1)), bit.index)
        plane = builder.add(first, builder.mul(below, bit_stride))
        with cgutils.for_range(builder, words) as word:
            place = builder.add(plane, builder.mul(word.index, word_stride))
            seen = builder.load(_lanes_at(builder, planes, place, lanes), align=4)
            weight = builder.load(builder.gep(weights, [builder.add(args[7], word.index)]))
            common = builder.and_(seen, _in_all_lanes(builder, weight, lanes))
            builder.store(builder.add(builder.load(total), builder.call(popcount, [common])), total)
    builder.store(builder.load(total), _lanes_at(builder, out, args[9], lanes), align=4)
    return context.get_dummy_value()


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data


def _lanes_at(builder: Any, data: Any, place: Any, lanes: Any) -> Any:
    return builder.bitcast(builder.gep(data, [place]), lanes.as_pointer())


def _in_all_lanes(builder: Any, value: Any, lanes: Any) -> Any:
    undefined = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))
