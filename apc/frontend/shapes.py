"""Operators that move or regroup elements: Flatten, Reshape, Squeeze, Unsqueeze, Concat, Pad, Shape."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from apc.frontend.builder import Builder
from apc.frontend.elementwise import Handler, optional_array, optional_integers, variable
from apc.frontend.node import Node
from apc.frontend.values import Concatenated, Const, Flattened, Levels, Operand, Padded, Shape, Value
from ir.boundary import integer_shape


def reshape(builder: Builder, node: Node, value: Value, shape: Shape) -> Value:
    """The value under another ONNX shape (without the batch axis)."""
    if shape == value.shape:
        return value
    if len(shape) > 3:
        raise node.error(f"a tensor of {len(shape) + 1} axes is not supported, at most N, C, H, W")
    if isinstance(value, Levels):
        value = builder.levels(node, value, None)
    layout = integer_shape((None, *shape))
    if math.prod(layout) != math.prod(value.layout):
        raise node.error(f"the shape {shape} does not hold the elements of {value.shape}")
    channels = value.layout[0]
    if layout == value.layout or (shape and shape[0] == channels and len(shape) > 1):
        return replace(value, shape=shape)
    if isinstance(value, Flattened) and layout == value.value.layout:
        return reshape(builder, node, value.value, shape)
    if layout == (math.prod(layout), 1, 1):
        return Flattened(shape, layout, value, label=node.name)
    raise node.error(
        f"reshaping {value.shape} to {shape} is not supported; only flattening all axes, and adding or dropping axes"
        " of size 1"
    )


def _flatten(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    rank = 1 + len(value.shape)
    axis = node.integer("axis", 1)
    if (axis % rank if axis < 0 else axis) != 1:
        raise node.error(f"axis {axis} is not supported, only 1: it would mix the images of a batch")
    return reshape(builder, node, value, (math.prod(value.shape),))


def _reshape(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    wanted = optional_integers(node, inputs, 1, "shape") or []
    if node.integer("allowzero", 0) == 0:
        known = (builder.batch, *value.shape)
        if any(size == 0 and position >= len(known) for position, size in enumerate(wanted)):
            raise node.error(f"its shape {wanted} copies an axis that does not exist")
        wanted = [known[position] if size == 0 else size for position, size in enumerate(wanted)]
    total = builder.batch * math.prod(value.shape)
    rest = math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1 or min(wanted, default=1) < -1 or rest <= 0 or total % rest:
        raise node.error(f"its shape {wanted} does not fit a tensor of shape {value.shape} per image")
    wanted = [total // rest if size == -1 else size for size in wanted]
    if not wanted or wanted[0] != builder.batch:
        raise node.error(f"its shape {wanted} changes the batch axis, which must stay first")
    return reshape(builder, node, value, tuple(wanted[1:]))


def _axes(node: Node, inputs: list[Operand | None]) -> tuple[int, ...] | None:
    given = optional_integers(node, inputs, 1, "axes")
    if given is not None:
        return tuple(given)
    return node.integers("axes", ()) if "axes" in node.attributes else None


def _squeeze(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    rank = 1 + len(value.shape)
    axes = _axes(node, inputs)
    dropped = {1 + i for i, size in enumerate(value.shape) if size == 1} if axes is None else {a % rank for a in axes}
    if 0 in dropped:
        raise node.error("squeezing the batch axis is not supported; remove the node and keep the batch")
    if any(value.shape[axis - 1] != 1 for axis in dropped):
        raise node.error(f"the axes {sorted(dropped)} of {value.shape} do not all have size 1")
    kept = tuple(size for position, size in enumerate(value.shape, start=1) if position not in dropped)
    return reshape(builder, node, value, kept)


def _unsqueeze(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    axes = _axes(node, inputs) or ()
    rank = 1 + len(value.shape) + len(axes)
    added = {axis % rank for axis in axes}
    if 0 in added:
        raise node.error("an axis before the batch is not supported; insert it behind")
    if len(added) != len(axes) or any(not -rank <= axis < rank for axis in axes):
        raise node.error(f"its axes {axes} do not fit a result of {rank} axes")
    wanted = list(value.shape)
    for axis in sorted(added):
        wanted.insert(axis - 1, 1)
    return reshape(builder, node, value, tuple(wanted))


def _concat(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    values = tuple(variable(node, inputs, position) for position in range(len(inputs)))
    rank = 1 + len(values[0].shape)
    if any(1 + len(value.shape) != rank or value.layout[1:] != values[0].layout[1:] for value in values):
        raise node.error("its operands differ in more than their channels: " + ", ".join(str(v.shape) for v in values))
    if node.integer("axis", 0) % rank != 1 or any(value.shape[0] != value.layout[0] for value in values):
        raise node.error("only concatenation along the channels (axis 1) is supported")
    if len(values) == 1:
        return values[0]
    values = tuple(builder.levels(node, value, None) if isinstance(value, Levels) else value for value in values)
    channels = sum(value.layout[0] for value in values)
    layout = (channels, *values[0].layout[1:])
    return Concatenated((channels, *values[0].shape[1:]), layout, values, label=node.name)


def _pad(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    value = variable(node, inputs)
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise node.error(f"mode {mode} is not supported, only constant")
    rank = 1 + len(value.shape)
    given = optional_integers(node, inputs, 1, "pads") or []
    given_axes = optional_integers(node, inputs, 3, "axes")
    axes = list(range(rank)) if given_axes is None else [axis % rank for axis in given_axes]
    if len(given) != 2 * len(axes) or min(given, default=0) < 0:
        raise node.error(f"its pads {given} are not two numbers of at least 0 for each axis; slice outside the network")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = given[position], given[position + len(axes)]
    if before[0] or after[0] or before[1:2] != after[1:2] or any(before[1:2]):
        raise node.error("only height and width can be padded; pad channels with zero weights in the layer before")
    if not any(before) and not any(after):
        return value
    if isinstance(value, Levels):
        value = builder.levels(node, value, None)
    if rank not in (3, 4) or integer_shape((None, *value.shape)) != value.layout:
        raise node.error(f"its input of shape {value.shape} has no height or width")
    spatial = (0, before[2], 0, after[2]) if rank == 3 else (before[2], before[3], after[2], after[3])
    layout = (value.layout[0], value.layout[1] + spatial[0] + spatial[2], value.layout[2] + spatial[1] + spatial[3])
    shape = layout if rank == 4 else (layout[0], layout[2])
    return Padded(shape, layout, value, spatial, _fill(node, inputs), label=node.name)


def _fill(node: Node, inputs: list[Operand | None]) -> Fraction | None:
    array = optional_array(node, inputs, 2, "padding value")
    if array is None or array.size == 0:
        return Fraction(0)
    number = float(array.reshape(-1)[0])
    if number == -np.inf or number == float(np.finfo(np.float32).min):
        return None
    if array.size != 1 or not np.isfinite(number):
        raise node.error(f"its padding value {number} is not a finite number")
    return Fraction(number)


def _shape(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    """The shape with the batch counted as the graph declares it (1 where it is symbolic)."""
    full = (builder.batch, *variable(node, inputs).shape)
    start, end = node.integer("start", 0), node.integer("end", len(full))
    return Const(np.array(full[start:end], dtype=np.int64))


def _size(builder: Builder, node: Node, inputs: list[Operand | None]) -> Operand:
    return Const(np.array(builder.batch * math.prod(variable(node, inputs).shape), dtype=np.int64))


HANDLERS: dict[str, Handler] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Pad": _pad,
    "Shape": _shape,
    "Size": _size,
}
