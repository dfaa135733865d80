"""Operators that act on every element alone: additions, scalings, batch normalisation, clamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from apc.frontend.builder import Builder
from apc.frontend.node import Node
from apc.frontend.values import (
    ONE,
    ZERO,
    Affine,
    Coefficients,
    Concatenated,
    Const,
    Flattened,
    FloatInput,
    Levels,
    MaxPooled,
    Operand,
    Padded,
    Term,
    Value,
    add,
    affine_of,
    clamp_of,
    normal,
    section,
)

Handler = Callable[[Builder, Node, list[Operand | None]], Operand]


def operand(node: Node, inputs: list[Operand | None], position: int) -> Operand:
    """An input that must be there."""
    value = inputs[position] if position < len(inputs) else None
    if value is None:
        raise node.error(f"its input {position} is missing")
    return value


def variable(node: Node, inputs: list[Operand | None], position: int = 0) -> Value:
    """An input that depends on the network's inputs."""
    value = operand(node, inputs, position)
    if isinstance(value, Const):
        raise node.error(f"its input {position} is a constant, which is not supported here; fold it into its neighbour")
    return value


def constant(node: Node, inputs: list[Operand | None], position: int, what: str) -> Const:
    """An input that must be constant."""
    value = operand(node, inputs, position)
    if not isinstance(value, Const):
        raise node.error(f"its {what} must be constant; it depends on the network's inputs")
    if value.array.dtype.kind not in "fiub":
        raise node.error(f"its {what} holds no numbers but {value.array.dtype}")
    return value


def optional_array(node: Node, inputs: list[Operand | None], position: int, what: str) -> np.ndarray | None:
    """A constant input that may be absent."""
    if position >= len(inputs) or inputs[position] is None:
        return None
    return constant(node, inputs, position, what).array


def optional_integers(node: Node, inputs: list[Operand | None], position: int, what: str) -> list[int] | None:
    """The numbers of a constant integer input that may be absent."""
    array = optional_array(node, inputs, position, what)
    if array is None:
        return None
    if array.dtype.kind not in "iu":
        raise node.error(f"its {what} holds no integers but {array.dtype}")
    return [int(number) for number in array.reshape(-1)]


def fractions(array: np.ndarray) -> Coefficients:
    """Exact numbers of a 1-d array, one where all are equal."""
    return normal(tuple(Fraction(float(value)) for value in array))


def per_channel(node: Node, array: np.ndarray, value: Value, what: str) -> Coefficients:
    """A constant that broadcasts against the value, as one number or one a channel."""
    if array.dtype.kind not in "fiub" or not np.isfinite(array.astype(np.float64)).all():
        raise node.error(f"its {what} holds NaN, infinite values or no numbers")
    rank = 1 + len(value.shape)
    if not array.size:
        raise node.error(f"its {what} is empty")
    if array.size == 1:
        return fractions(array.reshape(1))
    if array.ndim > rank:
        raise node.error(f"its {what} of shape {array.shape} has more axes than the tensor")
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    spatial = full.reshape(full.shape[0], full.shape[1], -1)
    if full.shape[0] != 1 or (spatial != spatial[:, :, :1]).any():
        raise node.error(
            f"its {what} differs from image to image or position to position; only per-channel is supported"
        )
    if full.shape[1] not in (1, value.layout[0]):
        raise node.error(f"its {what} of shape {array.shape} does not fit the tensor's {value.layout[0]} channels")
    return fractions(spatial[0, :, 0])


def scale_and_shift(builder: Builder, node: Node, value: Value, scale: Coefficients, offset: Coefficients) -> Value:
    """scale * value + offset per channel."""
    if scale == ZERO:
        raise node.error("its factor is zero: the result is constant; remove the node")
    single = len(scale) == 1 and len(offset) == 1
    match value:
        case MaxPooled() if min(scale) > 0:
            return replace(value, value=scale_and_shift(builder, node, value.value, scale, offset))
        case Padded() if single and (value.fill is not None or scale[0] > 0):
            fill = None if value.fill is None else value.fill * scale[0] + offset[0]
            return replace(value, value=scale_and_shift(builder, node, value.value, scale, offset), fill=fill)
        case Flattened() if single:
            return replace(value, value=scale_and_shift(builder, node, value.value, scale, offset))
        case Concatenated():
            parts, start = [], 0
            for part in value.values:
                stop = start + part.layout[0]
                own_scale, own_offset = section(scale, start, stop), section(offset, start, stop)
                parts.append(scale_and_shift(builder, node, part, own_scale, own_offset))
                start = stop
            return replace(value, values=tuple(parts))
        case Affine():
            return affine_of(value, scale, offset)
        case FloatInput() if scale == ONE and offset == ZERO:
            return value
        case FloatInput():
            raise node.not_quantised(
                f"the graph input {value.name} is scaled or shifted before its first quantiser; do that outside"
                " and feed the result"
            )
        case _:
            return affine_of(builder.integers(node, value), scale, offset)


def clamp(builder: Builder, node: Node, value: Value, lo: Fraction | None, hi: Fraction | None) -> Value:
    """clamp(value, lo, hi), for all channels alike."""
    if lo is not None and hi is not None and lo > hi:
        lo = hi
    match value:
        case MaxPooled() | Flattened():
            return replace(value, value=clamp(builder, node, value.value, lo, hi))
        case Padded():
            fill = value.fill
            fill = lo if fill is None else fill if lo is None else max(fill, lo)
            fill = fill if hi is None or fill is None else min(fill, hi)
            return replace(value, value=clamp(builder, node, value.value, lo, hi), fill=fill)
        case Concatenated():
            return replace(value, values=tuple(clamp(builder, node, part, lo, hi) for part in value.values))
        case FloatInput():
            low = value.lo if lo is None else lo if value.lo is None else max(value.lo, lo)
            high = value.hi if hi is None else hi if value.hi is None else min(value.hi, hi)
            if low is not None and high is not None and low > high:
                raise node.error("its bounds and those of the clamp before it do not overlap")
            return replace(value, lo=low, hi=high)
        case Levels():
            return clamp(builder, node, builder.levels(node, value, None), lo, hi)
        case Affine():
            return clamp_of(value, lo, hi)


def _add(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return _sum(builder, node, inputs, ONE)


def _subtract(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return _sum(builder, node, inputs, (Fraction(-1),))


def _sum(builder: Builder, node: Node, inputs: list[Operand | None], sign: Coefficients) -> Operand:
    left, right = operand(node, inputs, 0), operand(node, inputs, 1)
    if isinstance(left, Const):
        value = variable(node, inputs, 1)
        return scale_and_shift(builder, node, value, sign, per_channel(node, left.array, value, "constant"))
    if isinstance(right, Const):
        shift = per_channel(node, right.array, left, "constant")
        return scale_and_shift(builder, node, left, ONE, tuple(sign[0] * part for part in shift))
    if left.shape != right.shape or left.layout != right.layout:
        raise node.error(f"its operands have the shapes {left.shape} and {right.shape}; broadcasting is not supported")
    return _sum_of(_addend(builder, node, left), affine_of(_addend(builder, node, right), sign, ZERO), node)


def _addend(builder: Builder, node: Node, value: Value) -> Affine:
    """A value as a sum without a clamp."""
    if isinstance(value, Affine) and not value.clamped:
        return value
    return builder.integers(node, value)


def _sum_of(left: Affine, right: Affine, node: Node) -> Affine:
    scales = {term.node: term.scale for term in left.terms}
    for term in right.terms:
        known = scales.get(term.node)
        scales[term.node] = term.scale if known is None else add(known, term.scale)
    terms = tuple(Term(name, scale) for name, scale in scales.items() if scale != ZERO)
    if not terms:
        raise node.error("its operands cancel: the result is constant; remove the node")
    return Affine(left.shape, left.layout, terms, add(left.offset, right.offset), label=node.name)


def _multiply(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    left, right = operand(node, inputs, 0), operand(node, inputs, 1)
    if isinstance(left, Const):
        left, right = right, left
    if isinstance(left, Const) or not isinstance(right, Const):
        raise node.error(
            "the product of two tensors that depend on the inputs is not supported; multiply by a constant"
        )
    return scale_and_shift(builder, node, left, per_channel(node, right.array, left, "factor"), ZERO)


def _divide(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs, 0)
    divisor = constant(node, inputs, 1, "divisor")
    factors = per_channel(node, divisor.array, value, "divisor")
    if 0 in factors:
        raise node.error("its divisor is zero; remove the node")
    if np.issubdtype(divisor.array.dtype, np.integer):
        raise node.error("integer division is not supported; divide in floating point")
    return scale_and_shift(builder, node, value, tuple(1 / factor for factor in factors), ZERO)


def _negate(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return scale_and_shift(builder, node, variable(node, inputs), (Fraction(-1),), ZERO)


def _relu(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return clamp(builder, node, variable(node, inputs), Fraction(0), None)


def _clip(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    bounds = [_bound(node, inputs, position) for position in (1, 2)]
    if not isinstance(value, Levels):
        return clamp(builder, node, value, *bounds)
    lo = value.quantiser.lo if bounds[0] is None else int(bounds[0])
    hi = value.quantiser.hi if bounds[1] is None else int(bounds[1])
    return replace(value, quantiser=value.quantiser.clipped(lo, hi))


def _bound(node: Node, inputs: list[Operand | None], position: int) -> Fraction | None:
    array = optional_array(node, inputs, position, "bound")
    if array is None:
        return None
    if array.size != 1 or np.isnan(array.astype(np.float64)).any():
        raise node.error("its bounds must be single numbers")
    number = array.reshape(())[()]
    if np.issubdtype(array.dtype, np.integer):
        return Fraction(int(number))
    return Fraction(float(number)) if abs(float(number)) < float(np.finfo(np.float32).max) else None


def _batch_normalisation(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    if node.integer("training_mode", 0):
        raise node.error("is in training mode; export the model after model.eval()")
    node.only_first_output()
    names = ("scale", "bias", "mean", "variance")
    gamma, beta, mean, variance = (
        constant(node, inputs, position, what).array.astype(np.float64) for position, what in enumerate(names, start=1)
    )
    channels = value.layout[0]
    if any(array.shape != (channels,) for array in (gamma, beta, mean, variance)):
        raise node.error(f"its parameters do not have one number for each of the {channels} channels")
    if (variance < 0).any() or not all(np.isfinite(array).all() for array in (gamma, beta, mean, variance)):
        raise node.error("its parameters hold a negative variance, NaN or infinite values")
    factor = fractions(gamma / np.sqrt(variance + np.float64(np.float32(node.real("epsilon", 1e-5)))))
    wide = factor * channels if len(factor) == 1 else factor
    shift = tuple(Fraction(float(b)) - a * Fraction(float(m)) for a, b, m in zip(wide, beta, mean, strict=True))
    return scale_and_shift(builder, node, value, factor, normal(shift))


def _cast(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    import onnx

    target = node.integer("to", 0)
    real = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    if isinstance(value, Levels):
        value = builder.levels(node, value, None)
    if target in real:
        return value
    whole = isinstance(value, Affine) and not value.clamped and value.offset == ZERO
    if isinstance(value, Affine) and whole and len(value.terms) == 1 and value.terms[0].scale == ONE:
        return value
    raise node.error("a cast of real values to integers is not supported; use QuantizeLinear")


def _cast_like(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value, like = operand(node, inputs, 0), variable(node, inputs, 1)
    if isinstance(like, Levels):
        raise node.error("a cast to the type of quantised levels is not supported; use QuantizeLinear")
    return Const(value.array.astype(np.float32), name=value.name) if isinstance(value, Const) else value


def _identity(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return operand(node, inputs, 0)


def _dropout(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    training = optional_array(node, inputs, 2, "training mode")
    if training is not None and bool(training.any()):
        raise node.error("is in training mode; export the model after model.eval()")
    node.only_first_output()
    return operand(node, inputs, 0)


HANDLERS: dict[str, Handler] = {
    "Add": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": _negate,
    "Relu": _relu,
    "Clip": _clip,
    "BatchNormalization": _batch_normalisation,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Identity": _identity,
    "Dropout": _dropout,
}
