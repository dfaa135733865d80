"""What layers of any kind of array check of weights, seeds and images: compiled kernels trust the shapes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from ir.errors import UserError
from simulator.analog.unfold import Geometry

Error = type[UserError]


def real_numbers(name: str, values: ArrayLike, error: Error) -> np.ndarray:
    """``values`` as an array; raises ``error``, which begins with ``name``, where they are no real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise error(f"{name}: {array.dtype} are no real numbers: give integers")
    return array


def check_weights(shape: tuple[int, ...], groups: int, error: Error) -> None:
    """Raises ``error`` where ``shape`` is not that of the weights of a convolution of ``groups``."""
    if groups < 1:
        raise error(f"geometry: groups = {groups}: must be 1 or more")
    if len(shape) != 4 or 0 in shape or shape[0] % groups:
        wanted = f"(Cout, Cin / groups, kh, kw), none of them 0, and Cout a multiple of {groups} groups"
        raise error(f"weights: shape {shape} must be {wanted}")


def checked_seed(seed: int | Sequence[int], error: Error) -> tuple[int, ...]:
    """``seed`` as several numbers; raises ``error`` for one that is not whole or below 0."""
    numbers = tuple(seed) if isinstance(seed, Sequence) else (seed,)
    if not all(isinstance(number, Integral) and number >= 0 for number in numbers):
        raise error(f"seed = {seed!r}: must be whole numbers from 0")
    return numbers


def output_size(
    shape: tuple[int, ...], inputs: int, kernel: tuple[int, int], geometry: Geometry, error: Error
) -> tuple[int, int]:
    """(Ho, Wo) for images of ``shape``; raises ``error`` where that is not (N, ``inputs``, H, W) or too small, and for
    a ``geometry`` that no convolution has."""
    if min(*geometry.strides, *geometry.dilations) < 1 or min(geometry.pads) < 0:
        raise error(f"geometry: {geometry}: strides and dilations must be 1 or more, pads 0 or more")
    if len(shape) != 4 or shape[1] != inputs:
        raise error(f"x: shape {shape} must be (N, {inputs}, H, W)")
    size = geometry.output_size(shape[2:], kernel)
    if min(size) < 1:
        raise error(f"x: shape {shape}: images with pads are smaller than the kernel")
    return size
