"""Requantisation of real or integer accumulators, in one pass, equal to ``ir.ops.Requantise`` on integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ir.ops import Requantise
from ir.rounding import Rounding
from simulator.analog.requantise_kernels import MODES, requantise_planes

_UNIT = 2.0**-53


class Requantiser:
    """One ``Requantise``, ready for many tensors.

    A first pass computes in float64 with a bound of its error. Elements that the bound leaves undecided and whose
    operands are integers are decided exactly; real operands, which come out of a converter, have no exact value to
    honour.
    """

    def __init__(self, op: Requantise) -> None:
        self.op = op
        self._multipliers = np.array([[float(m) for m in row] for row in op.multipliers])
        self._offset = np.array([float(c) for c in op.offset])
        exact = all(_short(float(part), part) for row in (*op.multipliers, op.offset) for part in row)
        self._error = 0.0 if exact else 2 * (len(op.multipliers) + 4) * _UNIT
        self._mode = MODES["bipolar"] if op.bipolar else MODES[op.rounding.value]

    def __call__(self, operands: Sequence[torch.Tensor]) -> torch.Tensor:
        """float32 levels (N, C, H, W) of ``operands``, float32 or float64 tensors of that shape."""
        first, others = operands[0].contiguous(), list(operands[1:])
        count, channels, height, width = first.shape
        planes = (count * channels, height * width)
        levels = torch.empty(first.shape, dtype=torch.float32)
        second, factors = self._rest(others, first)
        undecided = np.zeros(planes[0], np.int64)
        requantise_planes(
            levels.numpy().reshape(planes),
            first.numpy().reshape(planes),
            second.numpy().reshape(planes if others else (0, 0)),
            np.stack([self._multipliers[0], factors, self._offset]),
            (float(self.op.lo), float(self.op.hi), float(self.op.zero_point), self._error),
            self._mode,
            undecided,
        )
        if undecided.any():
            self._decide(levels.numpy(), operands)
        return levels

    def _rest(self, others: list[torch.Tensor], first: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
        """The second operand and its multipliers; more than two are added up before."""
        if len(others) <= 1:
            second = others[0].contiguous() if others else first.new_empty(0)
            return second, self._multipliers[1] if others else np.zeros_like(self._offset)
        column = (1, -1, 1, 1)
        total = torch.zeros(first.shape, dtype=torch.float64)
        for row, x in zip(self._multipliers[1:], others, strict=True):
            total += torch.from_numpy(row).view(column) * x.double()
        return total, np.ones_like(self._offset)

    def _decide(self, levels: np.ndarray, operands: Sequence[torch.Tensor]) -> None:
        """Fill in the elements that the kernel left as NaN."""
        places = np.nonzero(np.isnan(levels))
        values = [x.numpy()[places].astype(np.float64) for x in operands]
        whole = np.logical_and.reduce([value == np.rint(value) for value in values])
        channels = places[1]
        total = self._offset[channels] + sum(
            row[channels] * value for row, value in zip(self._multipliers, values, strict=True)
        )
        decided = self.op.levels(total).astype(np.float64)
        integers = [value[whole].astype(np.int64) for value in values]
        decided[whole] = self.op.exact_levels(integers, channels[whole])
        levels[places] = decided


def _short(value: float, exact: object) -> bool:
    """Whether products of ``value`` with 30-bit integers and their sums have no rounding error in float64."""
    if value != exact:
        return False
    numerator, denominator = value.as_integer_ratio()
    return abs(numerator) < 1 << 20 and denominator <= 1 << 20


assert set(MODES) == {mode.value for mode in Rounding} | {"bipolar"}
