"""Integer types, exact intervals and the affine meaning of integer tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IntType:
    """A two's complement (or unsigned) integer of ``bits`` bits."""

    bits: int
    signed: bool

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 63:
            raise ValueError(f"an integer type has 1 to 63 bits, not {self.bits}")

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @staticmethod
    def containing(lo: int, hi: int) -> IntType:
        """The narrowest type that holds every integer of [lo, hi] (unsigned where lo >= 0)."""
        if lo > hi:
            raise ValueError(f"the interval [{lo}, {hi}] is empty")
        if lo >= 0:
            return IntType(max(1, int(hi).bit_length()), signed=False)
        return IntType(max((-int(lo) - 1).bit_length(), int(max(hi, 0)).bit_length()) + 1, signed=True)

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True, eq=False)
class QuantParams:
    """real = scale * (q - zero_point), per tensor (length 1) or per channel (length C).

    ``scale``: float32 or float64 array of shape (1,) or (C,); ``zero_point``: int64 array of the same shape.
    """

    scale: np.ndarray
    zero_point: np.ndarray

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, QuantParams)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


@dataclass(frozen=True, eq=False)
class TensorType:
    """What is known of an integer tensor: shape (channels, height, width); the batch axis is free.

    ``lo``, ``hi``: int64 arrays of shape (channels,), an exact interval that holds every value of the channel.
    ``dtype`` holds all the channels' intervals. ``quant`` gives the real meaning where there is one.
    """

    shape: tuple[int, int, int]
    dtype: IntType
    lo: np.ndarray
    hi: np.ndarray
    quant: QuantParams | None = None

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def positions(self) -> int:
        return self.shape[1] * self.shape[2]

    def __str__(self) -> str:
        return f"{self.dtype}[{'x'.join(map(str, self.shape))}] in [{int(self.lo.min())}, {int(self.hi.max())}]"
