"""From symbolic values to nodes of the integer graph."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from apc.frontend.node import Node
from apc.frontend.quantiser import UNLIMITED, Quantiser
from apc.frontend.values import (
    ONE,
    ZERO,
    Affine,
    Bounds,
    Coefficients,
    Concatenated,
    Const,
    Flattened,
    FloatInput,
    Levels,
    MaxPooled,
    Padded,
    Shape,
    Term,
    Value,
    multiply,
    normal,
    spread,
)
from ir.errors import UserError
from ir.graph import Graph, GraphInput
from ir.ops import Concat, Conv, Flatten, Input, MaxPool, Op, Pad, Requantise, Rounding, SumPool
from ir.types import IntType, QuantParams


class Builder:
    """The graph under construction, and the rules by which values become its nodes.

    ``raw_inputs``: ONNX shape (None for a symbolic batch) and dtype name of every graph input. ``snapped``: weights
    that were made ternary within the tolerance, by the position of their node.
    """

    def __init__(self, name: str, ternary_tolerance: float, batch: int) -> None:
        self.graph = Graph(name)
        self.ternary_tolerance = ternary_tolerance
        self.batch = batch
        self.warnings: list[str] = []
        self.snapped: dict[int, Const] = {}
        self.raw_inputs: dict[str, tuple[tuple[int | None, ...], str]] = {}
        self._integers: dict[Value, Affine] = {}
        self._quantised: dict[tuple[Value, Quantiser], Affine] = {}
        self._input_quantisers: dict[str, Quantiser] = {}

    def emit(self, node: Node | None, label: str, op: Op, inputs: tuple[str, ...] = ()) -> str:
        """Add a node under a free name made of ``label``; errors name the ONNX node."""
        try:
            return self.graph.add(self.graph.unique_name(label), op, inputs)
        except UserError as error:
            raise (node.error(str(error)) if node is not None else error) from error

    # ---- integers -------------------------------------------------------------------------------------------

    def integers(self, node: Node, value: Value) -> Affine:
        """The value as one unclamped term: scale * node + offset. Raises NotQuantised where it has no integers."""
        if value not in self._integers:
            self._integers[value] = self._materialised(node, value)
        return self._integers[value]

    def _materialised(self, node: Node, value: Value) -> Affine:
        match value:
            case FloatInput():
                raise node.not_quantised(f"its input {value.name} is real and has no quantiser")
            case Levels():
                return self.levels(node, value, None)
            case MaxPooled():
                inner = self.integers(node, value.value)
                if min(inner.terms[0].scale) <= 0:
                    raise node.not_quantised("max pooling of values with a negative scale needs a quantiser before it")
                op: Op = MaxPool(value.kernel, value.strides, value.pads, value.dilations)
                return self._restructured(node, value, op, inner)
            case Padded():
                inner = self.integers(node, value.value)
                return self._restructured(node, value, Pad(value.pads, self._fill(node, value, inner)), inner)
            case Flattened():
                inner = self.integers(node, value.value)
                size = value.value.layout[1] * value.value.layout[2]
                wide = replace(
                    inner,
                    terms=(Term(inner.terms[0].node, _repeat(inner.terms[0].scale, size)),),
                    offset=_repeat(inner.offset, size),
                )
                return self._restructured(node, value, Flatten(), wide)
            case Concatenated():
                parts = [self.integers(node, part) for part in value.values]
                name = self.emit(node, value.label, Concat(), tuple(part.terms[0].node for part in parts))
                sizes = [part.layout[0] for part in parts]
                scale = _join([part.terms[0].scale for part in parts], sizes)
                offset = _join([part.offset for part in parts], sizes)
                return Affine(value.shape, value.layout, (Term(name, scale),), offset, label=value.label)
            case Affine():
                return self._on_grid(node, self._without_idle_clamp(value))

    def _restructured(self, node: Node, value: MaxPooled | Padded | Flattened, op: Op, inner: Affine) -> Affine:
        term = inner.terms[0]
        name = self.emit(node, value.label, op, (term.node,))
        return Affine(value.shape, value.layout, (Term(name, term.scale),), inner.offset, label=value.label)

    def _fill(self, node: Node, value: Padded, inner: Affine) -> int:
        scale, offset = inner.terms[0].scale, inner.offset
        if value.fill is None or len(scale) > 1 or len(offset) > 1:
            raise node.not_quantised("padding with this value needs one scale for all channels and a finite value")
        level = (value.fill - offset[0]) / scale[0]
        if level.denominator != 1:
            raise node.not_quantised(f"the padding value {float(value.fill)} is not one of the tensor's levels")
        return level.numerator

    def _interval(self, value: Affine) -> tuple[list[Fraction], list[Fraction]]:
        """Exact interval of the unclamped sum, per channel."""
        channels = value.layout[0]
        lows = list(spread(value.offset, channels))
        highs = list(lows)
        for term in value.terms:
            kind = self.graph.type(term.node)
            for channel, scale in enumerate(spread(term.scale, channels)):
                ends = scale * int(kind.lo[channel]), scale * int(kind.hi[channel])
                lows[channel] += min(ends)
                highs[channel] += max(ends)
        return lows, highs

    def _without_idle_clamp(self, value: Affine) -> Affine:
        if not value.clamped:
            return value
        lows, highs = self._interval(value)
        lo = value.lo if _active(value.lo, lows, upper=False) else (None,)
        hi = value.hi if _active(value.hi, highs, upper=True) else (None,)
        return replace(value, lo=lo, hi=hi)

    def _on_grid(self, node: Node, value: Affine) -> Affine:
        """A sum, or a clamp, whose results are integers on one scale becomes a Requantise by integers."""
        if len(value.terms) == 1 and not value.clamped:
            return value
        scales = [term.scale for term in value.terms]
        if any(len(scale) > 1 for scale in scales) or len(value.offset) > 1:
            raise node.not_quantised("its input has per-channel scales and no quantiser")
        unit = min(abs(scale[0]) for scale in scales)
        ratios = [scale[0] / unit for scale in scales]
        bounds = [None if bound is None else (bound - value.offset[0]) / unit for bound in (value.lo[0], value.hi[0])]
        whole = all(number.denominator == 1 for number in (*ratios, *(b for b in bounds if b is not None)))
        if len(value.lo) > 1 or len(value.hi) > 1 or not whole:
            raise node.not_quantised("its input is a sum or a clamp of different scales and has no quantiser")
        lows, highs = self._interval(value)
        least, most = ([int((end - value.offset[0]) / unit) for end in ends] for ends in ([min(lows)], [max(highs)]))
        lo = least[0] if bounds[0] is None else int(bounds[0])
        hi = most[0] if bounds[1] is None else int(bounds[1])
        channels = value.layout[0]
        quant = QuantParams(np.array([float(unit)]), np.zeros(1, dtype=np.int64))
        op = Requantise(
            tuple((ratio,) * channels for ratio in ratios),
            (Fraction(0),) * channels,
            0,
            lo,
            max(lo, hi),
            IntType.containing(lo, max(lo, hi)),
            Rounding.HALF_EVEN,
            quant,
        )
        name = self.emit(node, f"{value.label}.sum", op, tuple(term.node for term in value.terms))
        return Affine(value.shape, value.layout, (Term(name, (unit,)),), value.offset, label=value.label)

    # ---- quantisers -----------------------------------------------------------------------------------------

    def levels(self, node: Node, value: Levels, params: QuantParams | None) -> Affine:
        """The integers of a quantiser as a value of scale 1; ``params``: their real meaning where another."""
        quantised = self.quantise(node, value.value, value.quantiser, params)
        return replace(quantised, terms=(Term(quantised.terms[0].node, ONE),), offset=ZERO)

    def quantise(self, node: Node, value: Value, quantiser: Quantiser, params: QuantParams | None = None) -> Affine:
        """The value behind the quantiser, as one term in real units. Same value, same quantiser: same node."""
        key = (value, quantiser)
        if key not in self._quantised:
            self._quantised[key] = self._quantise(node, value, quantiser, params or quantiser.params)
        return self._quantised[key]

    def _quantise(self, node: Node, value: Value, quantiser: Quantiser, params: QuantParams) -> Affine:
        match value:
            case FloatInput():
                name = self._quantise_input(node, value, quantiser, params)
            case Levels():
                return self.quantise(node, self.levels(node, value, None), quantiser, params)
            case MaxPooled():
                inner = self.quantise(node, value.value, quantiser, params).terms[0].node
                op: Op = MaxPool(value.kernel, value.strides, value.pads, value.dilations)
                name = self.emit(node, value.label, op, (inner,))
            case Padded():
                if len(quantiser.scale) > 1:
                    raise node.error("padding before a per-channel quantiser is not supported; pad behind it")
                inner = self.quantise(node, value.value, quantiser, params).terms[0].node
                level = quantiser.lo if value.fill is None else quantiser.level(value.fill)
                name = self.emit(node, value.label, Pad(value.pads, level), (inner,))
            case Flattened():
                if len(quantiser.scale) > 1:
                    return self.quantise(node, self.integers(node, value), quantiser, params)
                inner = self.quantise(node, value.value, quantiser, params).terms[0].node
                name = self.emit(node, value.label, Flatten(), (inner,))
            case Concatenated():
                parts, start = [], 0
                for part in value.values:
                    stop = start + part.layout[0]
                    one = quantiser.section(start, stop)
                    parts.append(self.quantise(node, part, one, one.params).terms[0].node)
                    start = stop
                name = self.emit(node, value.label, Concat(), tuple(parts))
            case Affine():
                name = self._requantise(node, value, quantiser, params)
        scale = normal(quantiser.scale)
        offset = multiply(scale, (Fraction(-quantiser.zero_point),))
        return Affine(value.shape, value.layout, (Term(name, scale),), offset, label=value.label)

    def _quantise_input(self, node: Node, value: FloatInput, quantiser: Quantiser, params: QuantParams) -> str:
        known = self._input_quantisers.get(value.name)
        if known is not None:
            raise node.error(
                f"the graph input {value.name} is quantised in two different ways; quantise it once, reuse the result"
            )
        if quantiser.bipolar or quantiser.rounding is not Rounding.HALF_EVEN:
            raise node.error(
                f"the graph input {value.name} is quantised with a bipolar quantiser or another rounding than half to"
                " even; quantise it outside and feed the integers"
            )
        if quantiser.zero_point_inside and quantiser.zero_point % 2:
            self.warnings.append(
                f"input {value.name}: its odd zero point is added after rounding; exact halves round the other way"
            )
        self._input_quantisers[value.name] = quantiser
        lo = quantiser.lo if value.lo is None else self._one_level(node, quantiser, value.lo)
        hi = quantiser.hi if value.hi is None else self._one_level(node, quantiser, value.hi)
        op = Input(value.layout, IntType.containing(lo, hi), params, lo, hi)
        name = self.emit(node, value.name, op)
        shape, dtype = self.raw_inputs[value.name]
        own = quantiser.params
        self.graph.graph_inputs.append(GraphInput(value.name, name, shape, dtype, own.scale, own.zero_point, lo, hi))
        return name

    def _one_level(self, node: Node, quantiser: Quantiser, bound: Fraction) -> int:
        return self._common_level(node, quantiser, (bound,), 0)

    def _requantise(self, node: Node, value: Affine, quantiser: Quantiser, params: QuantParams) -> str:
        value = self._without_idle_clamp(value)
        channels = value.layout[0]
        inverse = tuple(1 / scale for scale in quantiser.scale)
        offset = multiply(value.offset, inverse)
        zero_point = quantiser.zero_point
        if quantiser.zero_point_inside:
            offset, zero_point = tuple(part + zero_point for part in offset), 0
        lo, hi = quantiser.lo, quantiser.hi
        if value.clamped:
            if quantiser.bipolar:
                raise node.error("a Relu or Clip before a bipolar quantiser is not supported; remove the Relu or Clip")
            lo = self._common_level(node, quantiser, value.lo, lo)
            hi = self._common_level(node, quantiser, value.hi, hi)
            lo = min(lo, hi)
        factors = [multiply(term.scale, inverse) for term in value.terms]
        if len(factors) == 1 and factors[0] == ONE and not quantiser.bipolar:
            kind = self.graph.type(value.terms[0].node)
            inside = lo <= int(kind.lo.min()) and int(kind.hi.max()) <= hi
            if len(offset) == 1 and offset[0] + zero_point == 0 and inside:
                return value.terms[0].node
        op = Requantise(
            tuple(spread(factor, channels) for factor in factors),
            spread(offset, channels),
            zero_point,
            lo,
            hi,
            IntType.containing(lo, hi),
            quantiser.rounding,
            params,
            quantiser.bipolar,
        )
        if quantiser.hi == UNLIMITED:
            reached = op.infer([self.graph.type(term.node) for term in value.terms])
            lo, hi = int(reached.lo.min()), int(reached.hi.max())
            op = replace(op, lo=lo, hi=hi, dtype=IntType.containing(lo, hi))
        return self.emit(node, f"{value.label}.quant", op, tuple(term.node for term in value.terms))

    def _common_level(self, node: Node, quantiser: Quantiser, bounds: Bounds, default: int) -> int:
        channels = max(len(bounds), len(quantiser.scale))
        wide = bounds * channels if len(bounds) == 1 else bounds
        levels = {default if b is None else quantiser.level(b, channel) for channel, b in enumerate(wide)}
        if len(levels) > 1:
            raise node.error(
                "a Relu or Clip before it acts at a different level in every channel (it stands before a batch"
                " normalisation or a per-channel scale); quantise between the two"
            )
        return levels.pop()

    def add_integer_input(self, name: str, shape: Shape, layout: tuple[int, int, int], dtype: IntType) -> Affine:
        """A graph input that is integer already: the integers themselves cross."""
        quant = QuantParams(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64))
        node = self.emit(None, name, Input(layout, dtype, quant, dtype.min, dtype.max))
        onnx_shape, onnx_dtype = self.raw_inputs[name]
        self.graph.graph_inputs.append(GraphInput(name, node, onnx_shape, onnx_dtype, None, None, dtype.min, dtype.max))
        return Affine(shape, layout, (Term(node, ONE),), label=node)

    def is_accumulator(self, value: Value) -> bool:
        """Whether quantising the value first makes what follows narrower."""
        if not isinstance(value, Affine) or len(value.terms) != 1 or value.clamped:
            return True
        return isinstance(self.graph.op(value.terms[0].node), Conv | SumPool)


def _repeat(values: Coefficients, times: int) -> Coefficients:
    return values if len(values) == 1 else tuple(value for value in values for _ in range(times))


def _join(parts: list[Coefficients], sizes: list[int]) -> Coefficients:
    joined = [one for part, size in zip(parts, sizes, strict=True) for one in spread(part, size)]
    return normal(tuple(joined))


def _active(bounds: Bounds, ends: list[Fraction], upper: bool) -> bool:
    """Whether a bound cuts anything off."""
    wide = bounds * len(ends) if len(bounds) == 1 else bounds
    return any(
        bound is not None and (bound < end if upper else bound > end) for bound, end in zip(wide, ends, strict=True)
    )
