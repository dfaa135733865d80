"""Symbolic values of the importer: what a tensor of the ONNX graph is in terms of integer graph nodes.

Real tensors stay symbolic until a quantiser (or the network's output) turns them into integers: everything linear
since the last integers is one exact affine form per channel, and what a quantiser commutes with (max pooling,
padding, concatenation, flattening) is deferred, so that it works on the narrow integers behind the quantiser.

``shape`` is always the ONNX shape without its batch axis; ``layout`` is the (C, H, W) of the integer tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from apc.frontend.quantiser import Quantiser

Coefficients = tuple[Fraction, ...]
"""One exact number for all channels, or one a channel."""
Bounds = tuple[Fraction | None, ...]
"""As Coefficients; None: no bound."""
Shape = tuple[int, ...]
Layout = tuple[int, int, int]
Pads = tuple[int, int, int, int]

ZERO: Coefficients = (Fraction(0),)
ONE: Coefficients = (Fraction(1),)
UNBOUNDED: Bounds = (None,)


@dataclass(frozen=True, eq=False)
class Const:
    """A constant array. ``integers``: for dequantised weights (q - zero_point, scale), both of the array's shape, so
    that ``array`` is their float32 product. ``name``: the initializer it came from, "" where it was computed.
    ``element_type``: the ONNX type code where numpy has none for it (2 and 4 bits, which arrive as int8), else 0.
    """

    array: np.ndarray
    integers: tuple[np.ndarray, np.ndarray] | None = None
    name: str = ""
    element_type: int = 0


@dataclass(frozen=True)
class FloatInput:
    """A real graph input before its quantiser, clamped to [lo, hi]."""

    name: str
    shape: Shape
    layout: Layout
    lo: Fraction | None = None
    hi: Fraction | None = None

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True)
class Term:
    """scale * (value of a node of the integer graph)."""

    node: str
    scale: Coefficients


@dataclass(frozen=True)
class Affine:
    """clamp(sum of terms + offset, lo, hi), all in real units and exact. No term twice."""

    shape: Shape
    layout: Layout
    terms: tuple[Term, ...]
    offset: Coefficients = ZERO
    lo: Bounds = UNBOUNDED
    hi: Bounds = UNBOUNDED
    label: str = field(default="", compare=False)

    @property
    def clamped(self) -> bool:
        return self.lo != UNBOUNDED or self.hi != UNBOUNDED


@dataclass(frozen=True)
class Levels:
    """What QuantizeLinear gives: the integers of ``value``, still open to a Clip that narrows them."""

    value: Value
    quantiser: Quantiser

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def layout(self) -> Layout:
        return self.value.layout

    @property
    def label(self) -> str:
        return self.value.label


@dataclass(frozen=True)
class MaxPooled:
    """Window maxima of a value."""

    shape: Shape
    layout: Layout
    value: Value
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads
    dilations: tuple[int, int]
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class Padded:
    """A value with ``fill`` around it (None: minus infinity)."""

    shape: Shape
    layout: Layout
    value: Value
    pads: Pads
    fill: Fraction | None
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class Concatenated:
    """Values one after another along the channels."""

    shape: Shape
    layout: Layout
    values: tuple[Value, ...]
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class Flattened:
    """(C, H, W) -> (C*H*W,), with H*W > 1."""

    shape: Shape
    layout: Layout
    value: Value
    label: str = field(default="", compare=False)


Value = FloatInput | Affine | Levels | MaxPooled | Padded | Concatenated | Flattened
Operand = Value | Const


def normal(values: Coefficients) -> Coefficients:
    """One number where all are equal."""
    return values[:1] if len(values) > 1 and all(value == values[0] for value in values) else values


def normal_bounds(values: Bounds) -> Bounds:
    """One bound where all are equal."""
    return values[:1] if len(values) > 1 and all(value == values[0] for value in values) else values


def combine(function: Callable[[Fraction, Fraction], Fraction], a: Coefficients, b: Coefficients) -> Coefficients:
    """Channel by channel, a single number counting for every channel."""
    length = max(len(a), len(b))
    return normal(tuple(function(x, y) for x, y in zip(spread(a, length), spread(b, length), strict=True)))


def spread(values: Coefficients, channels: int) -> Coefficients:
    """One number a channel."""
    return values * channels if len(values) == 1 else values


def multiply(a: Coefficients, b: Coefficients) -> Coefficients:
    return combine(lambda x, y: x * y, a, b)


def add(a: Coefficients, b: Coefficients) -> Coefficients:
    return combine(lambda x, y: x + y, a, b)


def section(values: Coefficients, start: int, stop: int) -> Coefficients:
    """The part that belongs to channels [start, stop)."""
    return values if len(values) == 1 else normal(values[start:stop])


def affine_of(value: Affine, scale: Coefficients, offset: Coefficients, label: str | None = None) -> Affine:
    """scale * value + offset; the clamp's bounds move along, and change sides where the scale is negative."""
    channels = max(len(scale), len(offset), len(value.lo), len(value.hi))
    rows = zip(
        spread(scale, channels),
        spread(offset, channels),
        value.lo * channels if len(value.lo) == 1 else value.lo,
        value.hi * channels if len(value.hi) == 1 else value.hi,
        strict=True,
    )
    lows: list[Fraction | None] = []
    highs: list[Fraction | None] = []
    for a, b, lo, hi in rows:
        low = None if lo is None else a * lo + b
        high = None if hi is None else a * hi + b
        lows.append(high if a < 0 else low)
        highs.append(low if a < 0 else high)
    return replace(
        value,
        terms=tuple(Term(term.node, multiply(term.scale, scale)) for term in value.terms),
        offset=add(multiply(value.offset, scale), offset),
        lo=normal_bounds(tuple(lows)),
        hi=normal_bounds(tuple(highs)),
        label=value.label if label is None else label,
    )


def tightest(old: Bounds, new: Bounds, choose: Callable[[Fraction, Fraction], Fraction]) -> Bounds:
    """The tighter of two bounds, channel by channel; ``choose`` is max for lower bounds and min for upper ones."""
    channels = max(len(old), len(new))
    pairs = zip(old * channels if len(old) == 1 else old, new * channels if len(new) == 1 else new, strict=True)
    return normal_bounds(tuple(b if a is None else a if b is None else choose(a, b) for a, b in pairs))


def clamp_of(value: Affine, lo: Fraction | None, hi: Fraction | None) -> Affine:
    """clamp(value, lo, hi). A clamp after a clamp moves the old bounds into the new ones."""
    old_lo: Bounds = tuple(_clamped(bound, lo, hi) for bound in value.lo)
    old_hi: Bounds = tuple(_clamped(bound, lo, hi) for bound in value.hi)
    return replace(value, lo=tightest(old_lo, (lo,), max), hi=tightest(old_hi, (hi,), min))


def _clamped(bound: Fraction | None, lo: Fraction | None, hi: Fraction | None) -> Fraction | None:
    if bound is None:
        return None
    bound = bound if lo is None else max(bound, lo)
    return bound if hi is None else min(bound, hi)


def zero_points(value: Affine) -> tuple[int, ...] | None:
    """The integer that stands for real 0 in the one term of an unclamped value, one or one a channel; None where some
    channel has none."""
    scale, offset = value.terms[0].scale, value.offset
    channels = max(len(scale), len(offset))
    pairs = list(zip(spread(scale, channels), spread(offset, channels), strict=True))
    if any(a == 0 or (b / a).denominator != 1 for a, b in pairs):
        return None
    points = tuple((-b / a).numerator for a, b in pairs)
    return points[:1] if len(set(points)) == 1 else points
