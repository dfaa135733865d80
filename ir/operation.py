"""What every operation of the integer graph has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir.errors import UserError
from ir.types import TensorType


class OpError(UserError):
    """An operation that does not fit its operands."""


def show_list(pair: Sequence[int]) -> str:
    return "[" + ", ".join(map(str, pair)) + "]"


@dataclass(frozen=True, eq=False)
class Op:
    """What all operations have in common."""

    @property
    def kind(self) -> str:
        """The lower-case name of the operation, as the printed graph has it."""
        return type(self).__name__.lower()

    def attributes(self) -> dict[str, str]:
        """Name and printed value of what parametrises the operation."""
        return {}

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        """The type of the result: shape, exact interval per channel, narrowest integer type."""
        raise AssertionError(f"{self.kind} does not infer")

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """The exact result, int64 (N, C, H, W)."""
        raise AssertionError(f"{self.kind} does not evaluate")
