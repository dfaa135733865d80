"""QuantizeLinear, DequantizeLinear and QONNX's Quant, BipolarQuant and Trunc, on activations and on constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from apc.frontend.builder import Builder
from apc.frontend.elementwise import Handler, constant, operand, optional_array, per_channel, scale_and_shift
from apc.frontend.node import Node
from apc.frontend.quantiser import UNLIMITED, Quantiser, quantise_array
from apc.frontend.values import Affine, Coefficients, Const, Levels, Operand, Value, normal
from ir.ops import Rounding
from ir.types import QuantParams

ROUNDINGS = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.UP,
    "DOWN": Rounding.DOWN,
    "HALF_UP": Rounding.HALF_UP,
    "HALF_DOWN": Rounding.HALF_DOWN,
}
_LARGEST_BITS = 16
_LARGEST_WHOLE = 1 << 31
_LARGEST_SHIFT = 62


@dataclass(frozen=True, eq=False)
class _Linear:
    """Scale and zero point of QuantizeLinear or DequantizeLinear, broadcast to a constant where there is one."""

    scale: np.ndarray
    zero_point: np.ndarray


def _linear_parameters(node: Node, inputs: list[Operand | None], shape: tuple[int, ...]) -> _Linear:
    """``shape``: of the whole tensor (batch included); scales along ``axis`` or in blocks are brought to its rank."""
    scale = constant(node, inputs, 1, "scale").array
    _check_scale(node, scale)
    zero = optional_array(node, inputs, 2, "zero point")
    if zero is not None and zero.dtype.kind not in "iu":
        raise node.error(f"its zero point is not an integer but {zero.dtype}")
    zero = np.zeros(scale.shape, dtype=np.int64) if zero is None else zero.astype(np.int64)
    if zero.shape != scale.shape and zero.size != 1:
        raise node.error(f"its zero point of shape {zero.shape} does not fit its scale of shape {scale.shape}")
    if scale.size == 1:
        return _Linear(scale.reshape(()), zero.reshape(()))
    rank = len(shape)
    axis = node.integer("axis", 1)
    if not -rank <= axis < rank:
        raise node.error(f"its axis {axis} does not exist in a tensor of {rank} axes")
    axis %= rank
    block = node.integer("block_size", 0)
    if block:
        scale, zero = (np.repeat(array, block, axis=axis) for array in (scale, np.broadcast_to(zero, scale.shape)))
        scale, zero = (array.take(range(shape[axis]), axis=axis) for array in (scale, zero))
        return _Linear(scale, zero)
    if scale.ndim != 1 or scale.size != shape[axis]:
        raise node.error(f"its scale of shape {scale.shape} does not fit axis {axis} of a tensor of shape {shape}")
    column = [1] * rank
    column[axis] = -1
    return _Linear(scale.reshape(column), np.broadcast_to(zero, scale.shape).reshape(column))


def _check_constant(node: Node, value: Const) -> None:
    if value.array.dtype.kind not in "fiu" or not np.isfinite(value.array.astype(np.float64)).all():
        raise node.error("its constant operand holds NaN, infinite values or no numbers")


def _check_scale(node: Node, scale: np.ndarray) -> None:
    if not (np.isfinite(scale.astype(np.float64)) & (scale > 0)).all():
        raise node.error("its scale is not a positive number")


def _level_range(node: Node, inputs: list[Operand | None]) -> tuple[int, int]:
    """The integer range of QuantizeLinear's result, from its zero point's type or the output_dtype attribute."""
    from onnx import TensorProto, helper

    types: dict[int, tuple[int, bool]] = {
        TensorProto.UINT8: (8, False),
        TensorProto.INT8: (8, True),
        TensorProto.UINT16: (16, False),
        TensorProto.INT16: (16, True),
        TensorProto.UINT4: (4, False),
        TensorProto.INT4: (4, True),
        TensorProto.UINT2: (2, False),
        TensorProto.INT2: (2, True),
    }
    code = node.integer("output_dtype", 0)
    zero = inputs[2] if len(inputs) > 2 else None
    if isinstance(zero, Const):
        code = zero.element_type or helper.np_dtype_to_tensor_dtype(zero.array.dtype)
    bits, signed = types.get(code or TensorProto.UINT8, (0, False))
    if not bits:
        raise node.error("its zero point is not an integer of 2, 4, 8 or 16 bits")
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _one_zero_point(node: Node, zero_point: np.ndarray) -> int:
    values = np.unique(zero_point)
    if values.size != 1:
        raise node.error("its zero point differs from channel to channel; use one for the tensor")
    return int(values[0])


def _quantize_linear(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = operand(node, inputs, 0)
    lo, hi = _level_range(node, inputs)
    if isinstance(value, Const):
        _check_constant(node, value)
        linear = _linear_parameters(node, inputs, value.array.shape)
        ratio = np.rint(value.array.astype(np.float32) / linear.scale.astype(np.float32)).astype(np.float64)
        levels = np.clip(ratio + linear.zero_point, lo, hi)
        return Const(levels.astype(np.int64), name=value.name)
    linear = _linear_parameters(node, inputs, (builder.batch, *value.shape))
    scale = per_channel(node, linear.scale, value, "scale")
    return Levels(value, Quantiser(scale, _one_zero_point(node, linear.zero_point), lo, hi))


def _dequantize_linear(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = operand(node, inputs, 0)
    if isinstance(value, Const):
        linear = _linear_parameters(node, inputs, value.array.shape)
        if not np.issubdtype(value.array.dtype, np.integer):
            raise node.error("its operand is not an integer tensor")
        return _dequantised(value, value.array.astype(np.int64) - linear.zero_point, linear.scale)
    linear = _linear_parameters(node, inputs, (builder.batch, *value.shape))
    scale = per_channel(node, linear.scale, value, "scale")
    zero_point = per_channel(node, linear.zero_point, value, "zero point")
    if isinstance(value, Levels):
        length = max(len(scale), len(zero_point))
        meaning = QuantParams(
            np.broadcast_to(linear.scale.reshape(-1), length).copy(),
            np.broadcast_to(linear.zero_point.reshape(-1), length).copy(),
        )
        value = builder.levels(node, value, meaning)
    shift = tuple(-s * z for s, z in zip(scale * len(zero_point), zero_point * len(scale), strict=False))
    shift = shift if len(scale) == 1 or len(zero_point) == 1 else shift[: len(scale)]
    return scale_and_shift(builder, node, value, scale, normal(shift))


def _dequantised(value: Const, integers: np.ndarray, scale: np.ndarray) -> Const:
    """A constant that remembers the integers it is made of."""
    full = np.broadcast_to(scale.astype(np.float32), integers.shape)
    return Const(integers.astype(np.float32) * full, (integers, full), value.name)


def _number(node: Node, inputs: list[Operand | None], position: int, what: str) -> float:
    array = constant(node, inputs, position, what).array
    if array.size != 1 or not np.isfinite(array.astype(np.float64)).all():
        raise node.error(f"its {what} is not a single number")
    return float(array.reshape(-1)[0])


def _whole(node: Node, inputs: list[Operand | None], position: int, what: str) -> int:
    number = _number(node, inputs, position, what)
    if not number.is_integer():
        raise node.error(f"its {what} {number} is not an integer")
    if abs(number) > _LARGEST_WHOLE:
        raise node.error(f"its {what} {number:g} is not a sensible number")
    return int(number)


def _bits(node: Node, inputs: list[Operand | None], position: int) -> int:
    bits = _whole(node, inputs, position, "bit width")
    if not 1 <= bits <= _LARGEST_BITS:
        raise node.error(f"its bit width {bits} is not supported, only 1 to {_LARGEST_BITS}")
    return bits


def _rounding(node: Node, default: str) -> Rounding:
    mode = node.text("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        raise node.error(f"rounding mode {mode} is not supported, only {', '.join(sorted(ROUNDINGS))}")
    return ROUNDINGS[mode]


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - int(narrow)


def _quant(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    bits, signed = _bits(node, inputs, 3), bool(node.integer("signed", 1))
    lo, hi = _range(bits, signed, bool(node.integer("narrow", 1)))
    zero_point = _whole(node, inputs, 2, "zero point")
    if bits == 1 and signed:
        if zero_point:
            raise node.error("a bipolar quantiser with a zero point is not supported; use BipolarQuant")
        return _apply(builder, node, inputs, lambda scale: Quantiser(scale, 0, -1, 1, bipolar=True))
    rounding = _rounding(node, "ROUND")
    inside = zero_point != 0 or rounding is not Rounding.HALF_EVEN
    return _apply(builder, node, inputs, lambda scale: Quantiser(scale, zero_point, lo, hi, rounding, inside))


def _bipolar_quant(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return _apply(builder, node, inputs, lambda scale: Quantiser(scale, 0, -1, 1, bipolar=True))


def _apply(
    builder: Builder, node: Node, inputs: list[Operand | None], make: Callable[[Coefficients], Quantiser]
) -> Operand:
    """Quantise and dequantise, a constant or an activation."""
    value = operand(node, inputs, 0)
    scale = constant(node, inputs, 1, "scale").array
    _check_scale(node, scale)
    if isinstance(value, Const):
        _check_constant(node, value)
        quantiser = make((Fraction(1),))
        try:
            full = np.broadcast_to(scale.astype(np.float32), value.array.shape)
        except ValueError as error:
            raise node.error(f"its scale of shape {scale.shape} does not fit the shape {value.array.shape}") from error
        return _dequantised(value, quantise_array(value.array, full, quantiser) - quantiser.zero_point, full)
    return builder.quantise(node, value, make(per_channel(node, scale, value, "scale")))


def _trunc(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    """Integers, shifted right and rounded again (down, unless told otherwise)."""
    second = len(inputs) == 6
    if len(inputs) not in (5, 6):
        raise node.error(f"has {len(inputs)} inputs; Trunc takes 5 (version 1) or 6 (version 2)")
    value = operand(node, inputs, 0)
    if isinstance(value, Const):
        raise node.error("of a constant is not supported; store the truncated weights")
    scale = per_channel(node, constant(node, inputs, 1, "scale").array, value, "scale")
    if min(scale) <= 0:
        raise node.error("its scale is not a positive number")
    zero_point = _whole(node, inputs, 2, "zero point")
    integers = _integer_grid(builder, node, value, scale, zero_point)
    if second:
        out_scale = per_channel(node, constant(node, inputs, 4, "output scale").array, value, "output scale")
        if len(scale) > 1 or len(out_scale) > 1 or min(out_scale) <= 0:
            raise node.error("its scales are not single positive numbers; per-channel truncation is not supported")
        shift = round(math.log2(out_scale[0] / scale[0]))
        bits = _bits(node, inputs, 5)
        lo, hi = _range(bits, bool(node.integer("signed", 1)), bool(node.integer("narrow", 0)))
    else:
        shift = _whole(node, inputs, 3, "input bit width") - _whole(node, inputs, 4, "output bit width")
        out_scale = scale
        lo, hi = -UNLIMITED, UNLIMITED
    if abs(shift) > _LARGEST_SHIFT:
        raise node.error(f"truncates by {shift} bits; at most {_LARGEST_SHIFT} are supported")
    step = Fraction(2) ** shift
    out_zero = Fraction(zero_point) / step if second else Fraction(zero_point)
    # in units of the integers before the shift: round((q + 0) / step), with q counting its zero point
    levels = Quantiser((step,), 0, lo, hi, _rounding(node, "FLOOR"))
    shifted = builder.quantise(node, integers, levels, _trunc_params(node, out_scale, out_zero))
    level = scale_and_shift(builder, node, shifted, (1 / step,), (Fraction(0),))
    return scale_and_shift(builder, node, level, out_scale, tuple(-s * out_zero for s in out_scale))


def _trunc_params(node: Node, scale: Coefficients, zero_point: Fraction) -> QuantParams:
    if zero_point.denominator != 1:
        raise node.error(f"its zero point becomes {zero_point}, which is not an integer; use a zero point of 0")
    return QuantParams(np.array([float(s) for s in scale]), np.full(len(scale), zero_point.numerator, dtype=np.int64))


def _integer_grid(builder: Builder, node: Node, value: Value, scale: Coefficients, zero_point: int) -> Value:
    """round(value / scale + zero_point), as a real value of scale 1."""
    inverse = tuple(1 / s for s in scale)
    shifted = scale_and_shift(builder, node, value, inverse, (Fraction(zero_point),))
    if isinstance(shifted, Affine) and not shifted.clamped:
        numbers = (*(part for term in shifted.terms for part in term.scale), *shifted.offset)
        if all(number.denominator == 1 for number in numbers):
            return shifted
    wide = Quantiser((Fraction(1),), 0, -UNLIMITED, UNLIMITED)
    return builder.quantise(node, shifted, wide)


HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": _quantize_linear,
    "DequantizeLinear": _dequantize_linear,
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar_quant,
    "Trunc": _trunc,
}
