"""The functions of ``simulator.rtm.lanes`` as LLVM instructions, for jitted code.

Numba vectorises only innermost loops, but an adder's loop over bits must be outside the loop over words, its carry in a
register. So words become a type of their own, an LLVM vector <n x i64>. n is the length of a tuple of integers, because
only a tuple's length is part of its Numba type.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

_intrinsic: Any = intrinsic
I32, I64 = llvm.IntType(32), llvm.IntType(64)
ROWS_PER_WORD = 64


class LanesType(types.Type):
    """The Numba type of ``n`` words."""

    def __init__(self, n: int) -> None:
        self.n = n
        super().__init__(name=f"Lanes({n})")


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes_type: LanesType) -> None:
        super().__init__(manager, lanes_type, llvm.VectorType(I64, lanes_type.n))


def _broadcast(builder: llvm.IRBuilder, scalar: llvm.Value, n: int) -> llvm.Value:
    undefined = llvm.Constant(llvm.VectorType(scalar.type, n), llvm.Undefined)
    single = builder.insert_element(undefined, scalar, I32(0))
    return builder.shuffle_vector(single, undefined, llvm.Constant(llvm.VectorType(I32, n), [0] * n))


def _cell_pointer(context: Any, builder: llvm.IRBuilder, planes_type: Any, args: Any, n: int) -> llvm.Value:
    planes, index = args
    data = cgutils.create_struct_proxy(planes_type)(context, builder, planes).data
    word = builder.gep(data, [builder.mul(index, I64(n))])
    return builder.bitcast(word, llvm.VectorType(I64, n).as_pointer())


@_intrinsic
def load(typing: Any, planes: Any, cell: Any, lanes: Any) -> Any:
    """The words of one cell: ``planes[cell*n : cell*n + n]``."""
    n = len(lanes)

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        return builder.load(_cell_pointer(context, builder, planes, args[:2], n), align=8)

    return LanesType(n)(planes, types.int64, lanes), codegen


@_intrinsic
def store(typing: Any, planes: Any, cell: Any, words: Any) -> Any:
    """``planes[cell*n : cell*n + n] = words``."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        builder.store(args[2], _cell_pointer(context, builder, planes, args[:2], words.n), align=8)
        return context.get_dummy_value()

    return types.void(planes, types.int64, words), codegen


@_intrinsic
def splat(typing: Any, word: Any, lanes: Any) -> Any:
    """``word`` in every lane."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        return _broadcast(builder, args[0], len(lanes))

    return LanesType(len(lanes))(types.uint64, lanes), codegen


@_intrinsic
def popcount(typing: Any, words: Any) -> Any:
    """The number of ones of every lane."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        vector = args[0].type
        function = llvm.FunctionType(vector, [vector])
        return builder.call(
            cgutils.get_or_insert_function(builder.module, function, f"llvm.ctpop.v{words.n}i64"), [args[0]]
        )

    return words(words), codegen


def _elementwise(build: str) -> Any:
    @_intrinsic
    def apply(typing: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
            return vars(llvm.IRBuilder)[build](builder, args[0], args[1])

        return left(left, right), codegen

    return apply


def _define_operator(symbol: Callable[[Any, Any], Any], build: str) -> None:
    apply = _elementwise(build)

    def implementation(left: Any, right: Any) -> Any:
        return apply(left, right)

    @overload(symbol)
    def typed(left: Any, right: Any) -> Callable[[Any, Any], Any] | None:
        return implementation if isinstance(left, LanesType) and left == right else None


for _symbol, _build in (
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
    (operator.add, "add"),
    (operator.sub, "sub"),
):
    _define_operator(_symbol, _build)


def _rows_at(builder: llvm.IRBuilder, address: llvm.Value, kind: Any) -> llvm.Value:
    vector = llvm.VectorType(llvm.IntType(kind.bitwidth), ROWS_PER_WORD)
    return builder.inttoptr(address, vector.as_pointer())


@_intrinsic
def pack_bit(typing: Any, address: Any, bit: Any, kind: Any) -> Any:
    """Bit ``bit`` of the 64 integers of ``kind``'s type at ``address`` (int64) as one uint64, the first value
    lowest."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        values = builder.load(_rows_at(builder, args[0], kind), align=kind.bitwidth // 8)
        integer = values.type.element
        mask = _broadcast(builder, builder.shl(integer(1), builder.trunc(args[1], integer)), ROWS_PER_WORD)
        ones = builder.icmp_unsigned("!=", builder.and_(values, mask), llvm.Constant(values.type, None))
        return builder.bitcast(ones, I64)

    return types.uint64(types.int64, types.int64, kind), codegen


@_intrinsic
def unpack_bit(typing: Any, word: Any, address: Any, value: Any, kind: Any) -> Any:
    """OR ``value`` into those of the 64 integers of ``kind``'s type at ``address`` whose bit of ``word`` is one."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        pointer = _rows_at(builder, args[1], kind)
        old = builder.load(pointer, align=kind.bitwidth // 8)
        where = builder.bitcast(args[0], llvm.VectorType(llvm.IntType(1), ROWS_PER_WORD))
        value = builder.trunc(args[2], old.type.element)
        bits = builder.select(where, _broadcast(builder, value, ROWS_PER_WORD), llvm.Constant(old.type, None))
        builder.store(builder.or_(old, bits), pointer, align=kind.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64, types.int64, kind), codegen


@_intrinsic
def read_integer(typing: Any, address: Any, index: Any, kind: Any) -> Any:
    """The integer of ``kind``'s type that is ``index`` places behind ``address``."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        pointer = builder.inttoptr(args[0], llvm.IntType(kind.bitwidth).as_pointer())
        return builder.load(builder.gep(pointer, [args[1]]))

    return kind(types.int64, types.int64, kind), codegen


@_intrinsic
def copy_64_bytes(typing: Any, target: Any, source: Any) -> Any:
    """The 64 bytes at address ``target`` <- those at address ``source``."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        pointers = [builder.inttoptr(address, llvm.VectorType(I64, 8).as_pointer()) for address in args]
        builder.store(builder.load(pointers[1], align=1), pointers[0], align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@_intrinsic
def opaque(typing: Any, value: Any) -> Any:
    """``value``, of which the compiler knows nothing: a loop that counts with it is not unrolled. The loops over the
    bits of an operand are too short to gain from that, and setting up an unrolled loop takes longer than running it."""

    def codegen(context: Any, builder: llvm.IRBuilder, signature: Any, args: Any) -> llvm.Value:
        function = llvm.FunctionType(I64, [I64])
        return builder.asm(function, "", "=r,0", [args[0]], False)

    return types.int64(types.int64), codegen
