"""What the rows of an array see of images: a row at a time, or windows as columns of a matrix, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog.partition import RowPart
from simulator.analog.threads import in_parts

forget_stale(__file__)

POSITIONS = 1024
"""Images are taken together until there are as many columns."""
LEAST_ELEMENTS = 1 << 14


@dataclass(frozen=True)
class Geometry:
    """How a convolution moves. ``pads``: top, left, bottom, right; the others are (vertical, horizontal)."""

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    def output_size(self, size: Sequence[int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Height and width of what comes out of an image of ``size`` (height, width)."""
        height, width = (
            (size[axis] + self.pads[axis] + self.pads[axis + 2] - self.dilations[axis] * (kernel[axis] - 1) - 1)
            // self.strides[axis]
            + 1
            for axis in range(2)
        )
        return height, width

    def moves(self, kernel: tuple[int, int]) -> np.ndarray:
        """What `row_seen` wants to know."""
        return np.array([*kernel, *self.strides, *self.pads[:2], *self.dilations])


@njit(nogil=True, error_model="numpy")
def row_seen(x: np.ndarray, group: int, row: int, moves: np.ndarray, width: int, out: np.ndarray) -> None:
    """``out``, (images * positions): what one row of a group's matrix sees of ``x`` (images, groups, channels, height,
    width). ``moves``: kernel, strides, pads (top, left), dilations, vertical and horizontal in turn; ``width``: of the
    output."""
    images, _, _, high, wide = x.shape
    positions = len(out) // images
    channel, tap = divmod(row, moves[0] * moves[1])
    down, right = divmod(tap, moves[1])
    down, right = down * moves[6] - moves[4], right * moves[7] - moves[5]
    # where a window's column lies in the image
    inside = min(max(-(right // moves[3]), 0), width)
    outside = min(max((wide - 1 - right) // moves[3] + 1, inside), width)
    for image in range(images):
        target = out[image * positions : (image + 1) * positions]
        for i in range(positions // width):
            y = i * moves[2] + down
            if y < 0 or y >= high:
                target[i * width : (i + 1) * width] = 0
                continue
            target[i * width : i * width + inside] = 0
            target[i * width + outside : (i + 1) * width] = 0
            seen = target[i * width + inside : i * width + outside]
            source = x[image, group, channel, y]
            offset = inside * moves[3] + right
            if moves[3] == 1:
                for j in range(len(seen)):
                    seen[j] = source[offset + j]
            else:
                for j in range(len(seen)):
                    seen[j] = source[offset + j * moves[3]]


@njit(nogil=True, cache=True)
def _rows_seen(
    x: np.ndarray, start: int, moves: np.ndarray, width: int, out: np.ndarray, first: int, last: int
) -> None:
    """Rows [first, last) of ``out``, float64(groups * rows, images * positions), as ``row_seen``. ``start``: the matrix
    row that a group's first row is."""
    rows = out.shape[0] // x.shape[1]
    for line in range(first, last):
        group, row = divmod(line, rows)
        row_seen(x, group, start + row, moves, width, out[line])


def windows(
    x: torch.Tensor, part: RowPart, kernel: tuple[int, int], geometry: Geometry
) -> Iterator[tuple[int, torch.Tensor]]:
    """Some images at a time: how many, and float64 (groups, rows of ``part``, images * positions), good until the
    next."""
    count, channels, *size = x.shape
    groups = geometry.groups
    height, width = geometry.output_size(size, kernel)
    together = min(count, -(-POSITIONS // (height * width)))
    moves = geometry.moves(kernel)
    images = x.contiguous().view(count, groups, channels // groups, *size).numpy()
    rows = part.stop - part.start
    buffer = np.empty((groups * rows, together * height * width))
    for start in range(0, count, together):
        some = images[start : start + together]
        seen = buffer if len(some) == together else np.empty((groups * rows, len(some) * height * width))

        def work(first: int, last: int, some: np.ndarray = some, seen: np.ndarray = seen) -> None:
            _rows_seen(some, part.start, moves, width, seen, first, last)

        in_parts(work, len(seen), max(1, LEAST_ELEMENTS // seen.shape[1]))
        yield len(some), torch.from_numpy(seen).view(groups, rows, -1)
