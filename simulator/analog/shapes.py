"""What layers of any kind of array check of weights, seeds and images: compiled kernels trust the shapes."""

from __future__ import annotations

from collections.abc import Sequence

from ir.errors import UserError
from simulator.analog.unfold import Geometry

Error = type[UserError]


def check_weights(shape: tuple[int, ...], groups: int, error: Error) -> None:
    """Raises ``error`` where ``shape`` is not that of the weights of a convolution of ``groups``."""
    if len(shape) != 4 or 0 in shape or shape[0] % groups:
        wanted = f"(Cout, Cin / groups, kh, kw), none of them 0, and Cout a multiple of {groups} groups"
        raise error(f"weights: shape {shape} must be {wanted}")


def checked_seed(seed: int | Sequence[int], error: Error) -> tuple[int, ...]:
    """``seed`` as several numbers; raises ``error`` for one below 0."""
    numbers = tuple(seed) if isinstance(seed, Sequence) else (int(seed),)
    if min(numbers, default=0) < 0:
        raise error(f"seed = {seed}: must be whole numbers from 0")
    return numbers


def output_size(
    shape: tuple[int, ...], inputs: int, kernel: tuple[int, int], geometry: Geometry, error: Error
) -> tuple[int, int]:
    """(Ho, Wo) for images of ``shape``; raises ``error`` where that is not (N, ``inputs``, H, W) or too small."""
    if len(shape) != 4 or shape[1] != inputs:
        raise error(f"x: shape {shape} must be (N, {inputs}, H, W)")
    size = geometry.output_size(shape[2:], kernel)
    if min(size) < 1:
        raise error(f"x: shape {shape}: images with pads are smaller than the kernel")
    return size
