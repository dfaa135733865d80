"""Pooling operators and spatial means."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from apc.frontend.builder import Builder
from apc.frontend.elementwise import Handler, optional_integers, variable
from apc.frontend.node import Node
from apc.frontend.values import (
    ZERO,
    Affine,
    Layout,
    MaxPooled,
    Operand,
    Padded,
    Pads,
    Shape,
    Term,
    Value,
    multiply,
    zero_points,
)
from apc.frontend.windows import Window, read_window, sum_of_pads
from ir.boundary import integer_shape
from ir.ops import SumPool
from ir.windows import valid_taps, window_outputs


def _spatial(node: Node, value: Value) -> None:
    if len(value.shape) < 2 or integer_shape((None, *value.shape)) != value.layout:
        raise node.error(f"its input of shape {value.shape} has no height or width; remove the reshape before it")


def _outputs(node: Node, value: Value, window: Window) -> Layout:
    height, width = (
        window_outputs(
            value.layout[1 + axis],
            window.kernel[axis],
            window.strides[axis],
            window.pads[axis],
            window.pads[axis + 2],
            window.dilations[axis],
        )
        for axis in range(2)
    )
    if height < 1 or width < 1:
        raise node.error(f"its {window.kernel} window does not fit the {value.layout[1]}x{value.layout[2]} input")
    return value.layout[0], height, width


def _like(value: Value, layout: Layout) -> Shape:
    """The ONNX shape of a layout, with as many axes as the value has."""
    return layout if len(value.shape) == 3 else (layout[0], layout[2])


def _max_pool(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    node.only_first_output()
    _spatial(node, value)
    window = read_window(node, value)
    layout = _outputs(node, value, window)
    shape = _like(value, layout)
    if isinstance(value, Padded) and value.fill is None:
        window = replace(window, pads=sum_of_pads(window.pads, value.pads))
        value = value.value
    return _pooled(builder, node, value, shape, layout, window)


def _pooled(builder: Builder, node: Node, value: Value, shape: Shape, layout: Layout, window: Window) -> Value:
    pooled = MaxPooled(
        shape, layout, value, window.kernel, window.strides, window.pads, window.dilations, label=node.name
    )
    narrow = isinstance(value, Affine) and not builder.is_accumulator(value) and min(value.terms[0].scale) > 0
    return builder.integers(node, pooled) if narrow else pooled


def _global_max_pool(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    window = Window((value.layout[1], value.layout[2]), (1, 1), (0, 0, 0, 0), (1, 1))
    return _pooled(builder, node, value, _reduced(value, True), (value.layout[0], 1, 1), window)


def _average_pool(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    _spatial(node, value)
    window = read_window(node, value, floor=True)
    if read_window(node, value) != window:
        raise node.error("ceil_mode makes its last windows smaller; set ceil_mode to 0 or pad the input")
    if window.dilations != (1, 1):
        raise node.error("dilations are not supported for averages")
    layout = _outputs(node, value, window)
    if any(window.pads) and not node.integer("count_include_pad", 0) and not _full_windows(value, layout, window):
        raise node.error(
            "count_include_pad = 0 with padding divides border windows by other numbers; set count_include_pad = 1"
        )
    pads = window.pads
    if isinstance(value, Padded) and value.fill == 0 and not any(pads):
        pads = value.pads
        value = value.value
    return _average(builder, node, value, _like(value, layout), layout, window.kernel, window.strides, pads)


def _full_windows(value: Value, layout: Layout, window: Window) -> bool:
    rows, columns = valid_taps(
        (value.layout[1], value.layout[2]), layout[1:], window.kernel, window.strides, window.pads, window.dilations
    )
    return bool(rows.all() and columns.all())


def _average(
    builder: Builder,
    node: Node,
    value: Value,
    shape: Shape,
    layout: Layout,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: Pads,
) -> Affine:
    """Window sums with the divisor in the scale; real zeros in the padding."""
    x = builder.integers(node, value)
    scale, offset, zero_point = x.terms[0].scale, x.offset, 0
    if any(pads):
        zero = zero_points(x)
        if zero is None or len(zero) > 1:
            raise node.not_quantised("padding with zeros needs an integer zero point for the whole tensor")
        zero_point, offset = zero[0], ZERO
    name = builder.emit(node, node.name, SumPool(kernel, strides, pads, zero_point), (x.terms[0].node,))
    divisor = (Fraction(1, kernel[0] * kernel[1]),)
    return Affine(shape, layout, (Term(name, multiply(scale, divisor)),), offset, label=name)


def _reduced(value: Value, keep: bool) -> Shape:
    return (value.shape[0], *([1] * (len(value.shape) - 1 if keep else 0)))


def _global_average(builder: Builder, node: Node, value: Value, keep: bool) -> Operand:
    layout, kernel = (value.layout[0], 1, 1), (value.layout[1], value.layout[2])
    if value.shape[0] != value.layout[0]:
        raise node.error(
            f"its input of shape {value.shape} has no channels to average over; remove the reshape before it"
        )
    return _average(builder, node, value, _reduced(value, keep), layout, kernel, (1, 1), (0, 0, 0, 0))


def _global_average_pool(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return _global_average(builder, node, variable(node, inputs), keep=True)


def _reduce_mean(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    given = optional_integers(node, inputs, 1, "axes")
    axes = node.integers("axes", ()) if given is None else tuple(given)
    if not axes and node.integer("noop_with_empty_axes", 0):
        return value
    rank = 1 + len(value.shape)
    if not axes or {axis % rank for axis in axes} != set(range(2, rank)):
        raise node.error(f"averages over the axes {axes} are not supported, only over all the spatial ones")
    return _global_average(builder, node, value, keep=bool(node.integer("keepdims", 1)))


HANDLERS: dict[str, Handler] = {
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
}
