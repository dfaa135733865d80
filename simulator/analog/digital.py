"""The operations that stay digital, on float32 tensors of integers, exact below 2**24 and in float64 beyond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from ir.graph import Graph
from ir.ops import Concat, Flatten, MaxPool, Op, Pad, Pads, Requantise, SumPool
from simulator.analog.requantise import Requantiser

Tensors = Sequence[torch.Tensor]
Step = Callable[[Tensors], torch.Tensor]
"""From the operands (N, C, H, W) of an operation to its result."""


def digital_step(graph: Graph, name: str) -> Step:
    """How to execute the node ``name``, which is not a convolution."""
    op, tensor = graph.op(name), graph.type(name)
    wide = max(abs(int(tensor.lo.min())), abs(int(tensor.hi.max()))) >= 1 << 24
    step = _step(op)
    if not wide or isinstance(op, Requantise):
        return step
    return lambda operands: step([x.double() for x in operands])


def _step(op: Op) -> Step:
    match op:
        case Requantise():
            return Requantiser(op)
        case MaxPool():
            return lambda operands: _max_pool(op, operands[0])
        case SumPool():
            return lambda operands: _sum_pool(op, operands[0])
        case Concat():
            return lambda operands: torch.cat(list(operands), dim=1)
        case Pad():
            return lambda operands: _padded(operands[0], op.pads, float(op.value))
        case Flatten():
            return lambda operands: operands[0].flatten(1)[:, :, None, None]
    raise AssertionError(f"no digital form of {op.kind}")


def _padded(x: torch.Tensor, pads: Pads, value: float) -> torch.Tensor:
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _max_pool(op: MaxPool, x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(
        _padded(x, op.pads, float("-inf")), op.kernel, stride=op.strides, dilation=op.dilations
    )


def _sum_pool(op: SumPool, x: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(
        _padded(x - op.zero_point, op.pads, 0.0), op.kernel, stride=op.strides, divisor_override=1
    )
