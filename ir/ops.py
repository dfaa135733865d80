"""The operations of the integer graph: shape and interval inference, and exact meaning, together.

Every tensor is integer, of shape (N, C, H, W): N, the batch, is free, 1-d data has H = 1, vectors have H = W = 1.
``infer`` takes the operands' types (``ir.types.TensorType``) and raises ``OpError`` where the operation does not
apply; ``evaluate`` takes int64 arrays (N, C, H, W) and returns one. ``attributes`` is what the printed form shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir.operation import Op, OpError, show_list
from ir.requantise_op import Requantise
from ir.rounding import Rounding
from ir.types import IntType, QuantParams, TensorType
from ir.windows import convolve, pad_spatial, reduce_windows, valid_taps, window_outputs

__all__ = [
    "Concat",
    "Conv",
    "Flatten",
    "Input",
    "MaxPool",
    "Op",
    "OpError",
    "Pad",
    "Pads",
    "Requantise",
    "Rounding",
    "SumPool",
]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
"""(top, left, bottom, right)"""

_LIMIT = 1 << 62


def _interval_type(
    shape: tuple[int, int, int],
    lo: Sequence[int] | np.ndarray,
    hi: Sequence[int] | np.ndarray,
    quant: QuantParams | None = None,
) -> TensorType:
    least, most = min(int(v) for v in lo), max(int(v) for v in hi)
    if least < -_LIMIT or most > _LIMIT:
        raise OpError(f"its values may reach [{least}, {most}], more than 62 bits")
    low, high = np.array(lo, dtype=np.int64), np.array(hi, dtype=np.int64)
    return TensorType(shape, IntType.containing(least, most), low, high, quant)


def _single(inputs: Sequence[TensorType]) -> TensorType:
    if len(inputs) != 1:
        raise OpError(f"takes one operand, not {len(inputs)}")
    return inputs[0]


def _window_shape(
    x: TensorType, kernel: Pair, strides: Pair, pads: Pads, dilations: Pair, channels: int
) -> tuple[int, int, int]:
    if min(kernel) < 1 or min(strides) < 1 or min(dilations) < 1 or min(pads) < 0:
        raise OpError("kernel, strides and dilations must be positive, and pads not negative")
    height, width = (
        window_outputs(x.shape[1 + axis], kernel[axis], strides[axis], pads[axis], pads[axis + 2], dilations[axis])
        for axis in range(2)
    )
    if height < 1 or width < 1:
        raise OpError(f"the {kernel[0]}x{kernel[1]} window does not fit the {x.shape[1]}x{x.shape[2]} input")
    return channels, height, width


@dataclass(frozen=True, eq=False)
class Input(Op):
    """A tensor that comes from outside: ``shape`` (C, H, W), every value in [lo, hi]."""

    shape: tuple[int, int, int]
    dtype: IntType
    quant: QuantParams | None
    lo: int
    hi: int

    def attributes(self) -> dict[str, str]:
        return {"type": str(self.dtype)}

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        if inputs:
            raise OpError("an input takes no operand")
        if not self.dtype.min <= self.lo <= self.hi <= self.dtype.max:
            raise OpError(f"the interval [{self.lo}, {self.hi}] does not fit {self.dtype}")
        ones = np.ones(self.shape[0], dtype=np.int64)
        return TensorType(self.shape, self.dtype, ones * self.lo, ones * self.hi, self.quant)

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        raise OpError("an input has no value of its own: run_graph feeds it")


@dataclass(frozen=True, eq=False)
class Conv(Op):
    """acc = sum of weights * (x - zero_point) over the window; padding contributes 0.

    ``weights``: integer array (Cout, Cin / groups, kh, kw). Matrix products are 1x1 convolutions on H = W = 1.
    """

    weights: np.ndarray
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilations: Pair = (1, 1)
    groups: int = 1
    zero_point: int = 0

    @property
    def kernel(self) -> Pair:
        """(kh, kw)"""
        return int(self.weights.shape[2]), int(self.weights.shape[3])

    def attributes(self) -> dict[str, str]:
        shown = {
            "weights": "x".join(map(str, self.weights.shape)),
            "nonzero": str(int(np.count_nonzero(self.weights))),
            "strides": show_list(self.strides),
            "pads": show_list(self.pads),
        }
        if self.dilations != (1, 1):
            shown["dilations"] = show_list(self.dilations)
        if self.groups != 1:
            shown["groups"] = str(self.groups)
        if self.zero_point:
            shown["zero_point"] = str(self.zero_point)
        return shown

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        x = _single(inputs)
        cout, per_group = self.weights.shape[:2]
        if self.groups < 1 or x.channels != per_group * self.groups or cout % self.groups:
            raise OpError(
                f"weights of shape {tuple(self.weights.shape)} with {self.groups} groups"
                f" do not fit {x.channels} channels"
            )
        shape = _window_shape(x, self.kernel, self.strides, self.pads, self.dilations, cout)
        lo, hi = self._tap_intervals(x, shape)
        per_output = cout // self.groups
        low, high = np.empty(cout, dtype=object), np.empty(cout, dtype=object)
        for group in range(self.groups):
            outputs = slice(group * per_output, (group + 1) * per_output)
            channels = slice(group * per_group, (group + 1) * per_group)
            weights = self.weights[outputs].astype(np.int64).reshape(per_output, -1)
            positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
            below, above = lo[channels].ravel(), hi[channels].ravel()
            low[outputs] = _product(positive, below) + _product(negative, above)
            high[outputs] = _product(positive, above) + _product(negative, below)
        return _interval_type(shape, low, high)

    def _tap_intervals(self, x: TensorType, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Intervals of x - zero_point at every tap, int64 (Cin, kh, kw); taps that meet padding include 0."""
        rows, columns = valid_taps(
            (x.shape[1], x.shape[2]), (shape[1], shape[2]), self.kernel, self.strides, self.pads, self.dilations
        )
        padded = ~np.logical_and.outer(np.all(rows, axis=0), np.all(columns, axis=0))
        never = ~np.logical_and.outer(np.any(rows, axis=0), np.any(columns, axis=0))
        lo = np.broadcast_to((x.lo - self.zero_point)[:, None, None], (x.channels, *self.kernel)).copy()
        hi = np.broadcast_to((x.hi - self.zero_point)[:, None, None], (x.channels, *self.kernel)).copy()
        lo[:, padded] = np.minimum(lo[:, padded], 0)
        hi[:, padded] = np.maximum(hi[:, padded], 0)
        lo[:, never] = 0
        hi[:, never] = 0
        return lo, hi

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        x = inputs[0] - self.zero_point
        return convolve(x, self.weights, self.strides, self.pads, self.dilations, self.groups)


def _product(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """matrix @ vector, exactly, as an object array of Python ints where int64 might overflow."""
    largest = int(np.abs(matrix).sum(axis=1).max(initial=0)) * int(np.abs(vector).max(initial=0))
    exact = (matrix @ vector) if largest < _LIMIT else (matrix.astype(object) @ vector.astype(object))
    return exact.astype(object)


@dataclass(frozen=True, eq=False)
class SumPool(Op):
    """Window sums of x - zero_point; padding contributes 0. An average is this with its divisor in the scale."""

    kernel: Pair
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    zero_point: int = 0

    def attributes(self) -> dict[str, str]:
        shown = {"kernel": self.kernel, "strides": self.strides, "pads": self.pads}
        return {name: show_list(value) for name, value in shown.items()} | (
            {"zero_point": str(self.zero_point)} if self.zero_point else {}
        )

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        x = _single(inputs)
        shape = _window_shape(x, self.kernel, self.strides, self.pads, (1, 1), x.channels)
        rows, columns = valid_taps(
            (x.shape[1], x.shape[2]), (shape[1], shape[2]), self.kernel, self.strides, self.pads, (1, 1)
        )
        fewest = int(rows.sum(axis=1).min()) * int(columns.sum(axis=1).min())
        most = int(rows.sum(axis=1).max()) * int(columns.sum(axis=1).max())
        lo, hi = x.lo - self.zero_point, x.hi - self.zero_point
        return _interval_type(
            shape, np.minimum(lo * fewest, lo * most), np.maximum(hi * fewest, hi * most), _scale_only(x.quant)
        )

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        x = inputs[0] - self.zero_point
        return reduce_windows(x, self.kernel, self.strides, self.pads, (1, 1), maximum=False)


def _scale_only(quant: QuantParams | None) -> QuantParams | None:
    return None if quant is None else QuantParams(quant.scale, np.zeros_like(quant.zero_point))


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Window maxima; padding never wins."""

    kernel: Pair
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilations: Pair = (1, 1)

    def attributes(self) -> dict[str, str]:
        shown = {"kernel": self.kernel, "strides": self.strides, "pads": self.pads}
        if self.dilations != (1, 1):
            shown["dilations"] = self.dilations
        return {name: show_list(value) for name, value in shown.items()}

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        x = _single(inputs)
        shape = _window_shape(x, self.kernel, self.strides, self.pads, self.dilations, x.channels)
        rows, columns = valid_taps(
            (x.shape[1], x.shape[2]), (shape[1], shape[2]), self.kernel, self.strides, self.pads, self.dilations
        )
        if not (rows.any(axis=1).all() and columns.any(axis=1).all()):
            raise OpError("a window holds nothing but padding; make the pads smaller than the kernel")
        return TensorType(shape, x.dtype, x.lo, x.hi, x.quant)

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return reduce_windows(inputs[0], self.kernel, self.strides, self.pads, self.dilations, maximum=True)


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """The operands' channels one after another."""

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        if not inputs:
            raise OpError("takes at least one operand")
        if any(x.shape[1:] != inputs[0].shape[1:] for x in inputs):
            raise OpError("its operands differ in height or width: " + ", ".join(str(x.shape) for x in inputs))
        lo = np.concatenate([x.lo for x in inputs])
        hi = np.concatenate([x.hi for x in inputs])
        same = all(x.dtype == inputs[0].dtype for x in inputs)
        dtype = inputs[0].dtype if same else IntType.containing(int(lo.min()), int(hi.max()))
        shape = (sum(x.channels for x in inputs), *inputs[0].shape[1:])
        return TensorType(shape, dtype, lo, hi, _join_quant(inputs))

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(inputs, axis=1)


def _join_quant(inputs: Sequence[TensorType]) -> QuantParams | None:
    quants = [x.quant for x in inputs if x.quant is not None]
    if len(quants) != len(inputs):
        return None
    if all(quant == quants[0] and len(quant.scale) == 1 for quant in quants):
        return quants[0]
    spread = [
        (np.broadcast_to(quant.scale, x.channels), np.broadcast_to(quant.zero_point, x.channels))
        for quant, x in zip(quants, inputs, strict=True)
    ]
    return QuantParams(np.concatenate([s for s, _ in spread]), np.concatenate([z for _, z in spread]))


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """``value`` around every channel."""

    pads: Pads
    value: int

    def attributes(self) -> dict[str, str]:
        return {"pads": show_list(self.pads), "value": str(self.value)}

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        x = _single(inputs)
        if min(self.pads) < 0:
            raise OpError("pads must not be negative")
        top, left, bottom, right = self.pads
        shape = (x.channels, x.shape[1] + top + bottom, x.shape[2] + left + right)
        lo, hi = np.minimum(x.lo, self.value), np.maximum(x.hi, self.value)
        fits = x.dtype.min <= self.value <= x.dtype.max
        dtype = x.dtype if fits else IntType.containing(int(lo.min()), int(hi.max()))
        return TensorType(shape, dtype, lo, hi, x.quant)

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return pad_spatial(inputs[0], self.pads, self.value)


@dataclass(frozen=True, eq=False)
class Flatten(Op):
    """(C, H, W) -> (C*H*W, 1, 1), in the order C, H, W."""

    def infer(self, inputs: Sequence[TensorType]) -> TensorType:
        x = _single(inputs)
        quant = x.quant
        if quant is not None and len(quant.scale) > 1:
            quant = QuantParams(np.repeat(quant.scale, x.positions), np.repeat(quant.zero_point, x.positions))
        shape = (x.channels * x.positions, 1, 1)
        return TensorType(shape, x.dtype, np.repeat(x.lo, x.positions), np.repeat(x.hi, x.positions), quant)

    def evaluate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        x = inputs[0]
        return x.reshape(x.shape[0], -1, 1, 1)
