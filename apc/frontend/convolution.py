"""Conv, Gemm and MatMul with constant weights."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from apc.frontend.builder import Builder
from apc.frontend.elementwise import Handler, constant, fractions, operand, optional_array, variable
from apc.frontend.node import Node
from apc.frontend.ternary import IntegerWeights, NotTernary, recover
from apc.frontend.values import ZERO, Affine, Const, Operand, Padded, Term, Value, multiply, zero_points
from apc.frontend.windows import read_window, sum_of_pads
from ir.boundary import integer_shape
from ir.ops import Conv


def _label(node: Node, weights: Const) -> str:
    """The module's name where the weights tell it, else the node's."""
    name = re.sub(r"(_quantized|_DequantizeLinear_Output|_ternary\d+)+$", "", weights.name)
    return name.removesuffix(".weight") if name.endswith(".weight") else node.name


def _weights(builder: Builder, node: Node, weights: Const, label: str, transposed: bool = False) -> IntegerWeights:
    """Integers of weights whose axis 0 counts the output channels; ``transposed``: the node has them the other way."""
    try:
        found = recover(weights, builder.ternary_tolerance)
    except NotTernary as error:
        raise node.error(
            f"layer {label}: {error}; quantise the network with `apc quantize`, or accept them with --ternary-tolerance"
        ) from error
    if found.residual > 0:
        real = found.real()
        name = f"{weights.name or node.inputs[1]}_ternary{node.position}"
        builder.snapped[node.position] = Const(real.T if transposed else real, name=name)
        builder.warnings.append(
            f"layer {label}: weights snapped to ternary, giving up a residual of {found.residual:.3g} of the scale"
        )
    return found


def _operand(node: Node, builder: Builder, value: Value) -> tuple[Affine, int]:
    """The integers a matrix product reads, and their zero point."""
    x = builder.integers(node, value)
    zero = zero_points(x)
    if len(x.terms[0].scale) > 1:
        raise node.not_quantised("its input has per-channel scales; quantise activations with one scale for the tensor")
    if zero is None or len(zero) > 1:
        raise node.not_quantised("its input is shifted by a fraction of its scale and has no quantiser")
    return x, zero[0]


def _product(
    builder: Builder, node: Node, value: Value, op: Conv, weights: IntegerWeights, label: str, shape: tuple[int, ...]
) -> Affine:
    """The weighted sums as a real value. ``op`` lacks nothing but its zero point; ``shape`` is the ONNX shape."""
    x, zero_point = _operand(node, builder, value)
    op = Conv(op.weights, op.strides, op.pads, op.dilations, op.groups, zero_point)
    name = builder.emit(node, label, op, (x.terms[0].node,))
    layout = builder.graph.type(name).shape
    return Affine(shape, layout, (Term(name, multiply(weights.scale, x.terms[0].scale)),), label=name)


def _with_bias(node: Node, value: Affine, bias: np.ndarray | None, factor: Fraction = Fraction(1)) -> Affine:
    if bias is None:
        return value
    channels = value.layout[0]
    flat = bias.reshape(-1)
    if not np.isfinite(flat.astype(np.float64)).all() or flat.size not in (1, channels):
        raise node.error(f"its bias does not have one finite number for each of the {channels} output channels")
    offset = multiply(fractions(flat), (factor,))
    return Affine(value.shape, value.layout, value.terms, offset, label=value.label)


def _conv(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    weights = constant(node, inputs, 1, "weights")
    bias = optional_array(node, inputs, 2, "bias")
    label = _label(node, weights)
    rank = weights.array.ndim - 2
    if rank not in (1, 2):
        raise node.error(f"convolutions over {rank} axes are not supported, only over one or two")
    integers = _weights(builder, node, weights, label)
    value = variable(node, inputs)
    if len(value.shape) != rank + 1 or integer_shape((None, *value.shape)) != value.layout:
        raise node.error(
            f"its input of shape {value.shape} does not fit its {rank}-d weights; remove the reshape before it"
        )
    window = read_window(node, value, tuple(weights.array.shape[2:]))
    pads = window.pads
    if isinstance(value, Padded) and value.fill == 0:
        pads = sum_of_pads(pads, value.pads)
        value = value.value
    matrix = integers.values.reshape(*weights.array.shape[:2], *window.kernel)
    op = Conv(matrix, window.strides, pads, window.dilations, node.integer("group", 1))
    result = _product(builder, node, value, op, integers, label, ())
    shape = result.layout if rank == 2 else (result.layout[0], result.layout[2])
    return _with_bias(node, Affine(shape, result.layout, result.terms, label=result.label), bias)


def _dense(
    builder: Builder, node: Node, value: Value, weights: Const, rows: np.ndarray, integers: IntegerWeights
) -> Affine:
    if len(value.shape) != 1 or value.layout != (value.shape[0], 1, 1):
        raise node.error(f"its input of shape {value.shape} is no vector per image; flatten it first")
    op = Conv(integers.values.reshape(*rows.shape, 1, 1))
    return _product(builder, node, value, op, integers, _label(node, weights), (rows.shape[0],))


def _transposed(weights: Const, transpose: bool) -> Const:
    """Output channels first."""
    if not transpose:
        return weights
    integers = None if weights.integers is None else (weights.integers[0].T, weights.integers[1].T)
    return Const(weights.array.T, integers, weights.name)


def _gemm(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    if node.integer("transA", 0):
        raise node.error("transA is not supported; transpose outside")
    alpha, beta = Fraction(node.real("alpha", 1.0)), Fraction(node.real("beta", 1.0))
    if alpha == 0:
        raise node.error("alpha is zero: the result is constant; remove the node")
    weights = constant(node, inputs, 1, "second operand")
    result = _matrix(builder, node, inputs, weights, transpose=not node.integer("transB", 0))
    scaled = Affine(
        result.shape,
        result.layout,
        tuple(Term(term.node, multiply(term.scale, (alpha,))) for term in result.terms),
        ZERO,
        label=result.label,
    )
    return _with_bias(node, scaled, optional_array(node, inputs, 2, "bias"), beta)


def _matmul(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    if isinstance(operand(node, inputs, 0), Const) or not isinstance(operand(node, inputs, 1), Const):
        raise node.error("is supported only with constant weights as its second operand")
    return _matrix(builder, node, inputs, constant(node, inputs, 1, "second operand"), transpose=True)


def _matrix(builder: Builder, node: Node, inputs: list[Operand | None], weights: Const, transpose: bool) -> Affine:
    if weights.array.ndim != 2:
        raise node.error(f"its weights have {weights.array.ndim} axes; only matrices are supported")
    rows = _transposed(weights, transpose)
    integers = _weights(builder, node, rows, _label(node, weights), transpose)
    return _dense(builder, node, variable(node, inputs), weights, rows.array, integers)


HANDLERS: dict[str, Handler] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
