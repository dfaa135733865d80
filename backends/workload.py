"""What a network asks of compute-in-memory arrays: one record a layer, read from the integer graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.graph import Graph
from ir.ops import Conv, MaxPool, Op, Requantise, SumPool
from ir.types import IntType, TensorType
from ir.windows import valid_taps


@dataclass(frozen=True)
class LayerWork:
    """One layer. ``kind``: "conv" (matrix products too) on arrays; "pool", "add", "scale" in digital circuits.

    groups, rows, outputs   of a conv: independent matrices, inputs of one (Cin / groups * kh * kw), outputs of one
    channels                input channels of a group
    kernel                  of a window
    positions               output positions, padding counted
    bare_positions          output positions were there no padding (as NeuroSim counts; at least 1)
    tap_share               share of (position, tap) pairs that fall on data, not on padding
    weight_bits, weight_values   bits of the weights, and how many of each value there are, ascending
    activation_bits, signed      of the tensor that is fed to the arrays
    output_bits             bits of one stored output
    elements, input_elements     of all channels at all positions: of the output, and of what is read to compute it
    taps                    without weights: inputs of one output, those of a window or the operands of an addition
    factors                 without weights: multiplications that an output takes. What is added was multiplied already
                            where a convolution or window sum made it
    """

    name: str
    kind: str
    positions: int
    bare_positions: int
    elements: int
    activation_bits: int
    output_bits: int
    signed: bool = False
    groups: int = 1
    rows: int = 0
    outputs: int = 0
    channels: int = 0
    kernel: tuple[int, int] = (1, 1)
    tap_share: float = 1.0
    weight_bits: int = 0
    weight_values: tuple[tuple[int, int], ...] = ()
    input_elements: int = 0
    taps: int = 1
    factors: int = 0


def layer_works(graph: Graph) -> list[LayerWork]:
    """The layers of ``graph`` in execution order: every Conv, window sum or maximum, and every Requantise of several
    operands (residual additions) or that follows neither of them. Concat, Pad and Flatten only address data."""
    works: list[LayerWork] = []
    for name in graph.order():
        op = graph.op(name)
        if isinstance(op, Conv):
            works.append(_conv(graph, name, op))
        elif isinstance(op, SumPool | MaxPool):
            works.append(_pool(graph, name, op))
        elif isinstance(op, Requantise):
            works.extend(_elementwise(graph, name, op))
    return works


def conv_work(
    name: str,
    size: tuple[int, int],
    channels: int,
    outputs: int,
    kernel: tuple[int, int] = (1, 1),
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    groups: int = 1,
    weight_bits: int = 8,
    activation_bits: int = 8,
    signed: bool = False,
    output_bits: int = 8,
    weight_values: tuple[tuple[int, int], ...] = (),
) -> LayerWork:
    """A convolution by its numbers: input ``size`` (height, width); ``channels`` and ``outputs`` of all groups."""
    reach = [(kernel[axis] - 1) * dilations[axis] + 1 for axis in (0, 1)]
    padded = [size[axis] + pads[axis] + pads[axis + 2] for axis in (0, 1)]
    out = tuple((padded[axis] - reach[axis]) // strides[axis] + 1 for axis in (0, 1))
    bare = (size[0] - reach[0] + 1) / strides[0] * (size[1] - reach[1] + 1) / strides[1]
    fits = all(size[axis] >= reach[axis] for axis in (0, 1))
    down, along = valid_taps(size, (out[0], out[1]), kernel, strides, pads, dilations)
    return LayerWork(
        name=name,
        kind="conv",
        positions=out[0] * out[1],
        bare_positions=max(1, int(bare)) if fits else 1,
        elements=outputs * out[0] * out[1],
        activation_bits=activation_bits,
        output_bits=output_bits,
        signed=signed,
        groups=groups,
        rows=channels // groups * kernel[0] * kernel[1],
        outputs=outputs // groups,
        channels=channels // groups,
        kernel=kernel,
        tap_share=float(down.mean() * along.mean()),
        weight_bits=weight_bits,
        weight_values=weight_values,
        input_elements=channels * size[0] * size[1],
    )


def elementwise_bits(work: LayerWork, multiplier_bits: int) -> float:
    """Bit operations of a layer without weights: an addition or comparison a tap, and multiplications by factors (of a
    pool: of its sum, which is wider than its inputs)."""
    bits = work.activation_bits
    factor_bits = bits + (work.taps - 1).bit_length() if work.kind == "pool" else bits
    multiplications = work.factors * factor_bits * multiplier_bits
    return float(work.elements) * (work.taps * bits + multiplications)


def _conv(graph: Graph, name: str, op: Conv) -> LayerWork:
    source = graph.inputs(name)[0]
    x = graph.type(source)
    values, counts = _histogram(op.weights)
    fed, _ = fed_type(x, op.zero_point)
    bipolar = op.zero_point == 0 and is_bipolar(graph, source)
    return conv_work(
        name,
        (x.shape[1], x.shape[2]),
        x.channels,
        len(op.weights),
        op.kernel,
        op.strides,
        op.pads,
        op.dilations,
        op.groups,
        weight_bits=_weight_bits(values),
        activation_bits=1 if bipolar else fed.bits,
        signed=fed.signed and not bipolar,
        output_bits=_stored_bits(graph, name),
        weight_values=tuple(zip(values.tolist(), counts.tolist(), strict=True)),
    )


def _histogram(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and how often: ``np.unique``, in few passes over ternary weights and without
    sorting others."""
    trits = np.array([-1, 0, 1])
    counts = np.array([np.count_nonzero(weights == value) for value in trits])
    if counts.sum() == weights.size:
        return trits[counts > 0], counts[counts > 0]
    lo, hi = int(weights.min()), int(weights.max())
    if hi - lo >= 1 << 16:
        return np.unique(weights, return_counts=True)
    counts = np.bincount(weights.ravel().astype(np.int32) - lo)
    held = np.flatnonzero(counts)
    return held + lo, counts[held]


def fed_type(x: TensorType, zero_point: int) -> tuple[IntType, int]:
    """The type of what enters the arrays and what is subtracted before: nothing, or the zero point where that makes
    it narrower (the rest of sum w * (x - z) is a constant)."""
    lo, hi = int(x.lo.min()), int(x.hi.max())
    raw, centred = IntType.containing(lo, hi), IntType.containing(lo - zero_point, hi - zero_point)
    return (centred, zero_point) if centred.bits < raw.bits else (raw, 0)


def _weight_bits(values: np.ndarray) -> int:
    """1 for +1/-1, else the two's complement (for unsigned weights one bit more), at least 2."""
    if set(values.tolist()) <= {-1, 1}:
        return 1
    return max(2, IntType.containing(min(int(values[0]), -1), max(int(values[-1]), 0)).bits)


def is_bipolar(graph: Graph, name: str) -> bool:
    """All values are +1 or -1: the result of a sign, perhaps pooled or flattened."""
    op: Op = graph.op(name)
    while op.kind in ("maxpool", "flatten"):
        name = graph.inputs(name)[0]
        op = graph.op(name)
    return isinstance(op, Requantise) and op.bipolar


def _stored_bits(graph: Graph, name: str) -> int:
    """Bits of what is kept of a layer: its requantised values where a Requantise reads it, else its own."""
    for reader in graph.consumers(name):
        if isinstance(graph.op(reader), Requantise):
            return graph.type(reader).dtype.bits
    return graph.type(name).dtype.bits


def _pool(graph: Graph, name: str, op: SumPool | MaxPool) -> LayerWork:
    x, y = graph.type(graph.inputs(name)[0]), graph.type(name)
    return LayerWork(
        name=name,
        kind="pool",
        positions=y.positions,
        bare_positions=y.positions,
        elements=y.channels * y.positions,
        activation_bits=x.dtype.bits,
        output_bits=_stored_bits(graph, name),
        signed=x.dtype.signed,
        channels=x.channels,
        kernel=op.kernel,
        input_elements=x.channels * x.positions,
        taps=op.kernel[0] * op.kernel[1],
        factors=int(isinstance(op, SumPool)),
    )


def _elementwise(graph: Graph, name: str, op: Requantise) -> list[LayerWork]:
    sources = graph.inputs(name)
    own = [isinstance(graph.op(source), Conv | SumPool) for source in sources]
    kind = "add" if len(sources) > 1 else "scale"
    if kind == "scale" and own[0]:
        return []  # the layer before it stores its result in this form
    y = graph.type(name)
    operand = next((source for source, computed in zip(sources, own, strict=True) if not computed), sources[0])
    x = graph.type(operand)
    return [
        LayerWork(
            name=name,
            kind=kind,
            positions=y.positions,
            bare_positions=y.positions,
            elements=y.channels * y.positions,
            activation_bits=x.dtype.bits,
            output_bits=y.dtype.bits,
            signed=x.dtype.signed,
            channels=y.channels,
            input_elements=(len(sources) - 1 if any(own) else len(sources)) * y.channels * y.positions,
            taps=len(sources),
            factors=own.count(False),
        )
    ]
