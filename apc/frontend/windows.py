"""Kernel, strides, padding and dilation of ONNX's window operators, brought to two axes."""

from __future__ import annotations

from dataclasses import dataclass

from apc.frontend.node import Node
from apc.frontend.values import Pads, Value


@dataclass(frozen=True)
class Window:
    """``pads``: (top, left, bottom, right). One-dimensional windows have height 1."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads
    dilations: tuple[int, int]


def read_window(node: Node, value: Value, kernel: tuple[int, ...] | None = None, floor: bool = False) -> Window:
    """The window of a node over a value; ``kernel`` where the weights give it, else from the attribute. ``floor``:
    as if ceil_mode were 0."""
    rank = len(value.shape) - 1
    kernel = node.integers("kernel_shape", ()) if kernel is None else kernel
    declared = node.integers("kernel_shape", kernel)
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    if rank not in (1, 2) or {len(kernel), len(strides), len(dilations)} != {rank} or declared != kernel:
        raise node.error(
            f"its kernel {kernel}, strides {strides} and dilations {dilations} do not fit a tensor of {rank}"
            " spatial axes"
        )
    if min(*kernel, *strides, *dilations) < 1:
        raise node.error("kernel, strides and dilations must be at least 1")
    sizes = value.layout[3 - rank :]
    before, after = _padding(node, sizes, kernel, strides, dilations)
    if node.integer("ceil_mode", 0) and not floor:
        after = tuple(
            _ceil_padding(*axis) for axis in zip(sizes, kernel, strides, dilations, before, after, strict=True)
        )
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (0, before[0], 0, after[0]), (1, dilations[0]))
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (before[0], before[1], after[0], after[1]),
        (dilations[0], dilations[1]),
    )


def _padding(
    node: Node, sizes: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = len(sizes)
    mode = node.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0,) * rank, (0,) * rank
    if mode == "NOTSET":
        pads = node.integers("pads", (0,) * (2 * rank))
        if len(pads) != 2 * rank or min(pads) < 0:
            raise node.error(f"its pads {pads} are not {2 * rank} numbers of at least 0")
        return pads[:rank], pads[rank:]
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.error(f"auto_pad {mode} is not supported; give explicit pads")
    before, after = [], []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        small, large = total // 2, total - total // 2
        before.append(small if mode == "SAME_UPPER" else large)
        after.append(large if mode == "SAME_UPPER" else small)
    return tuple(before), tuple(after)


def _ceil_padding(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    """Padding behind that gives ceil_mode's outputs: the last window must start inside the input or before it."""
    extent = dilation * (kernel - 1) + 1
    outputs = -(-(size + before + after - extent) // stride) + 1
    if (outputs - 1) * stride >= size + before:
        outputs -= 1
    return max(after, (outputs - 1) * stride + extent - size - before)


def sum_of_pads(pads: Pads, more: Pads) -> Pads:
    """The pads of a window over a tensor that was padded before."""
    return pads[0] + more[0], pads[1] + more[1], pads[2] + more[2], pads[3] + more[3]
