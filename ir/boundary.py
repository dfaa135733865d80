"""From a network's real inputs to integers and back, in onnxruntime's float32 semantics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ir.errors import UserError


class BoundaryLike(Protocol):
    """What ``ir.program.Boundary`` and the graph's own inputs and outputs have in common."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int | None, ...]: ...

    @property
    def dtype(self) -> str: ...

    @property
    def scale(self) -> np.ndarray | None: ...

    @property
    def zero_point(self) -> np.ndarray | None: ...


class InputLike(BoundaryLike, Protocol):
    """A network input: additionally its integer interval."""

    @property
    def lo(self) -> int: ...

    @property
    def hi(self) -> int: ...


class OutputLike(BoundaryLike, Protocol):
    """A network output: additionally an offset in real units."""

    @property
    def offset(self) -> np.ndarray | None: ...


class BoundaryError(UserError):
    """Input data that does not fit the network."""


def check_input_names(boundaries: Iterable[BoundaryLike], inputs: Mapping[str, np.ndarray]) -> None:
    """Raise UserError where the arrays are not named as the network's inputs are."""
    needed = sorted(boundary.name for boundary in boundaries)
    if set(inputs) != set(needed):
        advice = "rename the arrays" if len(inputs) == len(needed) else f"give {', '.join(needed)} and nothing else"
        raise UserError(
            f"the inputs are named {', '.join(sorted(inputs)) or '(none)'}, but the network's are "
            f"{', '.join(needed)}: {advice}"
        )


def integer_shape(shape: tuple[int | None, ...]) -> tuple[int, int, int]:
    """The (C, H, W) of a tensor with this ONNX shape (its first axis is the batch, the others are known)."""
    channels, *spatial = (1 if axis is None else axis for axis in shape[1:]) if len(shape) > 1 else (1,)
    if len(spatial) > 2:
        raise BoundaryError(f"a tensor of {len(shape)} axes, {shape}, is not supported: at most N, C, H, W")
    height, width = ([1, *spatial] if len(spatial) == 1 else spatial) if spatial else (1, 1)
    return channels, height, width


def quantise_input(boundary: InputLike, array: np.ndarray) -> np.ndarray:
    """int64 (N, C, H, W) of an array with the ONNX input's own shape and dtype (the batch is free).

    Raises BoundaryError for a wrong shape or dtype, NaN, infinities and integers out of range.
    """
    array = np.asarray(array)
    _check(boundary, array)
    target = (array.shape[0], *integer_shape(boundary.shape)) if array.ndim else (1, 1, 1, 1)
    if boundary.scale is None:
        if array.size and (array.min() < boundary.lo or array.max() > boundary.hi):
            raise BoundaryError(
                f"input {boundary.name}: values [{array.min()}, {array.max()}] are out of the range"
                f" [{boundary.lo}, {boundary.hi}]"
            )
        return array.astype(np.int64).reshape(target)
    if not np.isfinite(array).all():
        raise BoundaryError(f"input {boundary.name}: has NaN or infinite values; replace them")
    column = (-1, *([1] * (array.ndim - 2))) if array.ndim > 1 else (-1,)
    scale = boundary.scale.astype(np.float32).reshape(column)
    zero = 0.0 if boundary.zero_point is None else boundary.zero_point.astype(np.float64).reshape(column)
    with np.errstate(over="ignore"):
        level = np.rint(array.astype(np.float32) / scale).astype(np.float64) + zero
    return np.clip(level, boundary.lo, boundary.hi).astype(np.int64).reshape(target)


def dequantise_output(boundary: OutputLike, values: np.ndarray) -> np.ndarray:
    """The ONNX output array of integers (N, C, H, W): (q - zero_point) * scale + offset, rounded once to its dtype.

    Channels that are stored one a position, (N, 1, C, 1), are taken as (N, C, 1, 1).
    """
    values = values.reshape(values.shape[0], *integer_shape(boundary.shape))
    dtype = np.dtype(boundary.dtype)
    shape = (values.shape[0], *(1 if axis is None else axis for axis in boundary.shape[1:]))
    if boundary.scale is None:
        return values.astype(dtype).reshape(shape)
    column = (1, -1, 1, 1)
    zero = 0 if boundary.zero_point is None else boundary.zero_point.reshape(column)
    real = (values - zero) * boundary.scale.astype(np.float64).reshape(column)
    if boundary.offset is not None:
        real = real + boundary.offset.astype(np.float64).reshape(column)
    return real.astype(dtype).reshape(shape)


def quantise_inputs(boundaries: Sequence[InputLike], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """int64 (N, C, H, W) by input name. Raises UserError for names and arrays that do not fit the network."""
    check_input_names(boundaries, inputs)
    return {boundary.name: quantise_input(boundary, inputs[boundary.name]) for boundary in boundaries}


def _check(boundary: BoundaryLike, array: np.ndarray) -> None:
    expected = np.dtype(boundary.dtype)
    if array.dtype != expected:
        raise BoundaryError(
            f"input {boundary.name}: has dtype {array.dtype}, expected {expected}; convert it with .astype({expected})"
        )
    shape = boundary.shape
    fits = array.ndim == len(shape) and all(
        axis in (None, size) for axis, size in zip(shape[1:], array.shape[1:], strict=False)
    )
    if not fits:
        shown = ", ".join(["N", *("?" if axis is None else str(axis) for axis in shape[1:])])
        raise BoundaryError(f"input {boundary.name}: has shape {array.shape}, expected ({shown})")
    if array.ndim and array.shape[0] == 0:
        raise BoundaryError(f"input {boundary.name}: holds no image")
