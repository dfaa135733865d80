"""Sliding windows over (N, C, H, W) arrays: shapes, exact convolution, pooling."""

from __future__ import annotations

import numpy as np

#: elements of an im2col block; 2**24 float64 are 128 MiB
BLOCK_ELEMENTS = 1 << 24


def window_outputs(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    """Number of output positions along one axis (may be < 1, which the caller refuses)."""
    return (size + before + after - (dilation * (kernel - 1) + 1)) // stride + 1


def tap_ranges(size: int, outputs: int, tap: int, stride: int, before: int, dilation: int) -> tuple[int, int, int]:
    """Which outputs of one axis find tap ``tap`` inside the input: (first, end, input index at first).

    Outputs outside [first, end) read padding there; first == end where all of them do.
    """
    shift = tap * dilation - before
    first = min(outputs, max(0, -(shift // stride)))
    end = max(first, min(outputs, (size - 1 - shift) // stride + 1))
    return first, end, first * stride + shift


def pad_spatial(x: np.ndarray, pads: tuple[int, int, int, int], value: int) -> np.ndarray:
    """x (N, C, H, W) with ``value`` around it; pads are (top, left, bottom, right)."""
    top, left, bottom, right = pads
    if not any(pads):
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def windows(x: np.ndarray, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]) -> np.ndarray:
    """A view (N, C, H', W', kh, kw) of all the windows of an already padded array."""
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]


def exact_dtype(bound: int) -> type[np.generic]:
    """The fastest dtype in which sums of integers of total magnitude ``bound`` are exact."""
    if bound < 1 << 24:
        return np.float32
    return np.float64 if bound < 1 << 53 else np.int64


def convolve(
    x: np.ndarray,
    weights: np.ndarray,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    groups: int,
) -> np.ndarray:
    """Exact integer convolution: x int64 (N, Cin, H, W), weights (Cout, Cin/groups, kh, kw), zero padding -> int64.

    Runs on BLAS in floating point where every partial sum provably fits its mantissa, else in int64; in blocks of
    images and output rows, so that memory stays bounded.
    """
    cout, per_group, kh, kw = weights.shape
    images = x.shape[0]
    taps = per_group * kh * kw
    largest = max((abs(int(x.max())), abs(int(x.min()))), default=0) if x.size else 0
    bound = largest * int(np.abs(weights.astype(np.int64)).reshape(cout, taps).sum(axis=1).max(initial=0))
    dtype = exact_dtype(bound)
    padded = pad_spatial(x.astype(dtype), pads, 0)
    matrix = weights.reshape(groups, cout // groups, taps).astype(dtype)
    view = windows(padded, (kh, kw), strides, dilations)
    height, width = view.shape[2:4]
    result = np.empty((images, cout, height, width), dtype=np.int64)
    rows = max(1, min(height, BLOCK_ELEMENTS // max(1, groups * taps * width)))
    for image in range(images):
        for top in range(0, height, rows):
            block = view[image, :, top : top + rows]
            count = block.shape[1]
            columns = block.transpose(0, 3, 4, 1, 2).reshape(groups, taps, count * width)
            product = np.matmul(matrix, columns)
            result[image, :, top : top + count] = product.reshape(cout, count, width)
    return result


def reduce_windows(
    x: np.ndarray,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    maximum: bool,
) -> np.ndarray:
    """Window sums, or maxima, of x int64 (N, C, H, W); padding counts as 0 in a sum and never wins a maximum."""
    fill = int(np.iinfo(np.int64).min) if maximum else 0
    padded = pad_spatial(x, pads, fill)
    height = window_outputs(padded.shape[2], kernel[0], strides[0], 0, 0, dilations[0])
    width = window_outputs(padded.shape[3], kernel[1], strides[1], 0, 0, dilations[1])
    combine = np.maximum if maximum else np.add
    result = np.full((*x.shape[:2], height, width), fill, dtype=np.int64)
    for dy in range(kernel[0]):
        for dx in range(kernel[1]):
            y, z = dy * dilations[0], dx * dilations[1]
            rows = slice(y, y + (height - 1) * strides[0] + 1, strides[0])
            columns = slice(z, z + (width - 1) * strides[1] + 1, strides[1])
            combine(result, padded[:, :, rows, columns], out=result)
    return result


def valid_taps(
    shape: tuple[int, int],
    outputs: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """For both axes, a bool array (outputs, taps): the tap of that output lies inside the input."""
    result = []
    for axis in range(2):
        inside = np.zeros((outputs[axis], kernel[axis]), dtype=bool)
        for tap in range(kernel[axis]):
            first, end, _ = tap_ranges(shape[axis], outputs[axis], tap, strides[axis], pads[axis], dilations[axis])
            inside[first:end, tap] = True
        result.append(inside)
    return result[0], result[1]
