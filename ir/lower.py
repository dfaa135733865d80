"""From the integer graph to layers: what is stored between layers, what every layer reads and computes.

A layer stores one tensor. Convolutions and window sums take the requantisation that follows them into their own
layer; Concat, Pad and Flatten are only other ways to address what is stored (``View``) and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ir.graph import Graph
from ir.ops import Concat, Conv, Flatten, Input, MaxPool, Pad, Requantise, SumPool
from ir.types import IntType, TensorType

VARIABLE = np.dtype(
    [("source", "<i4"), ("channel", "<i4"), ("row_map", "<i4"), ("pad_value", "<i4"), ("lo", "<i8"), ("hi", "<i8")]
)
"""One row-mapped channel a layer reads: index into ``Layer.sources`` and ``Layer.row_maps``, and the interval of what
the rows receive, ``pad_value`` included where some row has no source (elsewhere it is 0)."""

RowMap = tuple[int, int, int, int]
"""stride_y, stride_x, offset_y, offset_x: see ``ir.program.ROW_MAP``."""


@dataclass(frozen=True, eq=False)
class Linear:
    """out[o] = requantise(initial[o] + sum weights * variables, operands...).

    ``outputs``, ``variables``, ``weights``: one entry a nonzero weight, ordered by (variable, output). A channel has
    ``taps`` consecutive variables, one a window position.
    ``operands``: for each further operand of the requantisation VARIABLE records, one a channel. ``accumulates`` is
    False where nothing is summed and operand 0 of the requantisation is the first of ``operands``.
    """

    outputs: np.ndarray
    variables: np.ndarray
    weights: np.ndarray
    taps: int
    initial: np.ndarray
    operands: list[np.ndarray]
    requantise: Requantise | None
    accumulates: bool


@dataclass(frozen=True)
class Maximum:
    """out[c] = max over ``taps`` consecutive variables."""

    taps: int


@dataclass(frozen=True)
class Copy:
    """out[c] = variable c: a view that has to exist in memory."""


@dataclass(frozen=True, eq=False)
class Layer:
    """``name``: for people; ``node``: the graph node whose value is stored; ``type``: what its fields must hold, which
    is padding besides values where readers pad with more; ``variables``: VARIABLE records that the body reads, channel
    outermost; ``sources``: the nodes they come from; ``read``: whether another layer reads what is stored."""

    name: str
    op: str
    node: str
    type: TensorType
    body: Linear | Maximum | Copy
    variables: np.ndarray
    sources: list[str]
    row_maps: list[RowMap]
    read: bool = True


@dataclass(frozen=True, eq=False)
class View:
    """How the channels of a node are addressed in what is stored: arrays of one entry a channel. Positions
    outside the stored map, or outside the view's own, read ``pad_value``."""

    nodes: tuple[str, ...]
    source: np.ndarray
    channel: np.ndarray
    offset_y: np.ndarray
    offset_x: np.ndarray
    type: TensorType
    pad_value: int | None = None
    flattened: bool = False  # beside a position lie other channels of the view, not padding

    @property
    def is_stored(self) -> bool:
        """Is this a stored node as it lies, channel by channel?"""
        moved = self.offset_y.any() or self.offset_x.any() or (self.channel != np.arange(len(self.channel))).any()
        return len(self.nodes) == 1 and self.pad_value is None and not moved


class _Reads:
    """Collects the sources and row maps of the layer being built, the one that stores ``node``."""

    def __init__(self, graph: Graph, node: str) -> None:
        self.graph = graph
        self.size = graph.type(node).shape[1:]
        self.sources: dict[str, int] = {}
        self.row_maps: dict[RowMap, int] = {}

    def variables(self, view: View, windows: list[RowMap], pad_value: int | np.ndarray) -> np.ndarray:
        """VARIABLE records for every (channel of the view, window position), channel outermost."""
        source_of = np.array([self.sources.setdefault(name, len(self.sources)) for name in view.nodes])
        channels = view.type.channels
        records = np.zeros((channels, len(windows)), VARIABLE)
        records["source"] = source_of[view.source][:, None]
        records["channel"] = view.channel[:, None]
        offsets, kind = np.unique(np.stack([view.offset_y, view.offset_x], axis=1), axis=0, return_inverse=True)
        index = np.empty((len(offsets), len(windows)), np.int64)
        for row, (dy, dx) in enumerate(offsets.tolist()):
            for column, (sy, sx, oy, ox) in enumerate(windows):
                index[row, column] = self.row_maps.setdefault((sy, sx, oy + dy, ox + dx), len(self.row_maps))
        records["row_map"] = index[kind.ravel()]
        pad_values = np.broadcast_to(np.asarray(pad_value, np.int64), channels)
        for number, name in enumerate(view.nodes):
            here = np.flatnonzero(view.source == number)
            records[here] = self._with_intervals(records[here], self.graph.type(name), pad_values[here, None])
        return records.ravel()

    def _with_intervals(self, records: np.ndarray, source: TensorType, pad_values: np.ndarray) -> np.ndarray:
        """Sets what the rows receive from a source of this type, and the pad value where some row needs it."""
        row_maps = np.array(list(self.row_maps), np.int64)[records["row_map"]]
        from_source, from_padding = np.ones(records.shape, bool), np.zeros(records.shape, bool)
        for axis in range(2):
            stride, first = row_maps[..., axis], row_maps[..., 2 + axis]
            last, end = first + stride * (self.size[axis] - 1), source.shape[1 + axis]
            from_padding |= (first < 0) | (last >= end)
            nearest = np.where(first < 0, first % stride, first)  # the first position that is not before the map
            from_source &= (nearest <= last) & (nearest < end)
        lo, hi = source.lo[records["channel"]], source.hi[records["channel"]]
        records["lo"] = np.where(from_source, np.where(from_padding, np.minimum(lo, pad_values), lo), pad_values)
        records["hi"] = np.where(from_source, np.where(from_padding, np.maximum(hi, pad_values), hi), pad_values)
        records["pad_value"] = np.where(from_padding, pad_values, 0)
        return records


@dataclass(frozen=True, eq=False)
class Lowered:
    """``layers``: every layer's sources come before it; ``aliases``: graph outputs that are stored as another node;
    ``inputs``: what the fields of the graph's inputs must hold."""

    layers: list[Layer]
    aliases: dict[str, str]
    inputs: dict[str, TensorType]


def lower(graph: Graph) -> Lowered:
    """The layers of a verified graph."""
    lowering = _Lowering(graph)
    stored = _stored_types(graph, lowering.layers)
    read = {node for layer in lowering.layers for node in layer.sources}
    layers = [replace(layer, type=stored[layer.node], read=layer.node in read) for layer in lowering.layers]
    inputs = {node: stored[node] for node in graph.nx if isinstance(graph.op(node), Input)}
    return Lowered(layers, lowering.aliases, inputs)


def _stored_types(graph: Graph, layers: list[Layer]) -> dict[str, TensorType]:
    """What the fields of every stored node must hold: its own values, and those that its readers see in their place,
    because a gather's padding is as wide as the field. A copy or a maximum lies in fields as wide as its source's."""
    nodes = [node for node in graph.nx if isinstance(graph.op(node), Input)] + [layer.node for layer in layers]
    lo = {node: graph.type(node).lo.copy() for node in nodes}
    hi = {node: graph.type(node).hi.copy() for node in nodes}
    for layer in reversed(layers):
        body, records = layer.body, [layer.variables]
        if isinstance(body, Linear):
            records += body.operands
        else:
            moved = layer.variables.copy()
            taps = body.taps if isinstance(body, Maximum) else 1
            moved["lo"], moved["hi"] = lo[layer.node].repeat(taps), hi[layer.node].repeat(taps)
            records.append(moved)
        for read in records:
            for number, source in enumerate(layer.sources):
                here = read[read["source"] == number]
                np.minimum.at(lo[source], here["channel"], here["lo"])
                np.maximum.at(hi[source], here["channel"], here["hi"])
    types = {}
    for node in nodes:
        kind = graph.type(node)
        least, most = int(lo[node].min()), int(hi[node].max())
        fits = kind.dtype.min <= least and most <= kind.dtype.max
        dtype = kind.dtype if fits else IntType.containing(least, most)
        types[node] = replace(kind, dtype=dtype, lo=lo[node], hi=hi[node])
    return types


class _Lowering:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.views: dict[str, View] = {}
        self.aliases: dict[str, str] = {}
        outputs = {output.node for output in graph.outputs}
        self.fused = {node: fused for node in graph.order() if (fused := self._fusable(node, outputs)) is not None}
        absorbed = set(self.fused.values())
        for node in graph.order():
            if node not in absorbed:
                self._lower_node(node, node in outputs)

    def _fusable(self, node: str, outputs: set[str]) -> str | None:
        """The sum that a requantisation can be computed with: one that nothing else reads."""
        if not isinstance(self.graph.op(node), Requantise):
            return None
        for operand in self.graph.inputs(node):
            if isinstance(self.graph.op(operand), Conv | SumPool) and operand not in outputs:
                if list(self.graph.consumers(operand)) == [node] and self.graph.inputs(node).count(operand) == 1:
                    return operand
        return None

    def _lower_node(self, node: str, is_output: bool) -> None:
        op = self.graph.op(node)
        if isinstance(op, Concat | Pad | Flatten):
            view = self.views[node] = self._view(node)
            if is_output and view.is_stored:
                self.aliases[node] = view.nodes[0]
            elif is_output:
                self._materialise(node)
            return
        self.views[node] = self._stored(node)
        if isinstance(op, Input):
            return
        if isinstance(op, MaxPool):
            self._max_pool(node, op)
        else:
            self._linear(node)

    def _stored(self, node: str) -> View:
        kind = self.graph.type(node)
        zeros = np.zeros(kind.channels, np.int64)
        return View((node,), zeros, np.arange(kind.channels), zeros, zeros, kind)

    def _view(self, node: str) -> View:
        op = self.graph.op(node)
        parts = [self.views[name] for name in self.graph.inputs(node)]
        kind = self.graph.type(node)
        if isinstance(op, Concat):
            if len({part.pad_value for part in parts}) > 1:
                parts = [self._materialise(name) for name in self.graph.inputs(node)]
            nodes = tuple(dict.fromkeys(name for part in parts for name in part.nodes))
            source = np.concatenate([np.array([nodes.index(n) for n in p.nodes])[p.source] for p in parts])
            channel = np.concatenate([p.channel for p in parts])
            offset_y, offset_x = np.concatenate([(p.offset_y, p.offset_x) for p in parts], axis=1)
            flattened = any(part.flattened for part in parts)
            return View(nodes, source, channel, offset_y, offset_x, kind, parts[0].pad_value, flattened)
        part = parts[0]
        if isinstance(op, Pad):
            if part.flattened or part.pad_value not in (None, op.value):
                part = self._materialise(self.graph.inputs(node)[0])
            offset_y, offset_x = part.offset_y - op.pads[0], part.offset_x - op.pads[1]
            return View(part.nodes, part.source, part.channel, offset_y, offset_x, kind, op.value)
        _, height, width = part.type.shape
        repeat = height * width
        y, x = np.divmod(np.arange(repeat), width)
        return View(
            part.nodes,
            part.source.repeat(repeat),
            part.channel.repeat(repeat),
            (part.offset_y[:, None] + y).ravel(),
            (part.offset_x[:, None] + x).ravel(),
            kind,
            part.pad_value,
            flattened=True,
        )

    def _materialise(self, node: str) -> View:
        """Store a view's value in a layer of its own, and address that from here on."""
        view = self.views[node]
        if view.is_stored:
            return view
        reads = _Reads(self.graph, node)
        variables = reads.variables(view, [(1, 1, 0, 0)], view.pad_value or 0)
        self._add_layer(f"{node}.copy", "copy", node, Copy(), variables, reads)
        self.views[node] = self._stored(node)
        return self.views[node]

    def _read(self, node: str, pads: tuple[int, int, int, int], pad_value: int | None) -> View:
        """The view of an operand of a windowed operation; stored first where its own padding is another value.

        ``pad_value`` None: the operation's padding is never read (maximum), but a view's own padding is.
        """
        view = self.views[node]
        if any(pads) and (view.flattened or view.pad_value not in (None, pad_value)):
            return self._materialise(node)
        return view

    def _add_layer(
        self, name: str, op: str, node: str, body: Linear | Maximum | Copy, variables: np.ndarray, reads: _Reads
    ) -> None:
        sources, row_maps = list(reads.sources), list(reads.row_maps)
        self.layers.append(Layer(name, op, node, self.graph.type(node), body, variables, sources, row_maps))

    def _max_pool(self, node: str, op: MaxPool) -> None:
        view = self._read(self.graph.inputs(node)[0], op.pads, None)
        reads = _Reads(self.graph, node)
        pad_value: int | np.ndarray = view.type.lo if view.pad_value is None else view.pad_value
        variables = reads.variables(view, _windows(op.kernel, op.strides, op.pads, op.dilations), pad_value)
        self._add_layer(node, "max_pool", node, Maximum(op.kernel[0] * op.kernel[1]), variables, reads)

    def _linear(self, node: str) -> None:
        op = self.graph.op(node)
        sum_node = self.fused.get(node, node)
        sum_op = self.graph.op(sum_node)
        reads = _Reads(self.graph, node)
        if isinstance(sum_op, Conv):
            kind, sums = "conv", self._convolution(reads, sum_node, sum_op)
        elif isinstance(sum_op, SumPool):
            kind, sums = "sum_pool", self._sum_pool(reads, sum_node, sum_op)
        else:
            kind, sums = "requantise", _Sums.none(self.graph.type(node).channels)
        operands = []
        requantise = op if isinstance(op, Requantise) else None
        if requantise is not None:
            requantise, names = _main_first(requantise, self.graph.inputs(node), sum_node)
            views = [self.views[name] for name in names if name != sum_node]
            operands = [reads.variables(view, [(1, 1, 0, 0)], view.pad_value or 0) for view in views]
        accumulates = kind != "requantise"
        body = Linear(
            sums.outputs, sums.inputs, sums.weights, sums.taps, sums.initial, operands, requantise, accumulates
        )
        self._add_layer(sum_node, kind, node, body, sums.variables, reads)

    def _convolution(self, reads: _Reads, node: str, op: Conv) -> _Sums:
        view = self._read(self.graph.inputs(node)[0], op.pads, op.zero_point)
        pad_value = op.zero_point if view.pad_value is None else view.pad_value
        windows = _windows(op.weights.shape[2:], op.strides, op.pads, op.dilations)
        flat = op.weights.reshape(len(op.weights), -1)
        outputs, inner = np.nonzero(flat)
        inputs = inner + outputs // (len(flat) // op.groups) * flat.shape[1]
        order = np.lexsort((outputs, inputs))
        return _Sums(
            reads.variables(view, windows, pad_value),
            outputs[order],
            inputs[order],
            flat[outputs, inner][order].astype(np.int64),
            len(windows),
            -op.zero_point * flat.sum(axis=1, dtype=np.int64),
        )

    def _sum_pool(self, reads: _Reads, node: str, op: SumPool) -> _Sums:
        view = self._read(self.graph.inputs(node)[0], op.pads, op.zero_point)
        pad_value = op.zero_point if view.pad_value is None else view.pad_value
        windows = _windows(op.kernel, op.strides, op.pads, (1, 1))
        channels = view.type.channels
        outputs = np.arange(channels).repeat(len(windows))
        return _Sums(
            reads.variables(view, windows, pad_value),
            outputs,
            np.arange(len(outputs)),
            np.ones(len(outputs), np.int64),
            len(windows),
            np.full(channels, -op.zero_point * len(windows), np.int64),
        )


@dataclass(frozen=True, eq=False)
class _Sums:
    """initial[o] + sum of weights * variables[inputs], one entry a nonzero weight."""

    variables: np.ndarray
    outputs: np.ndarray
    inputs: np.ndarray
    weights: np.ndarray
    taps: int
    initial: np.ndarray

    @staticmethod
    def none(channels: int) -> _Sums:
        empty = np.zeros(0, np.int64)
        return _Sums(np.zeros(0, VARIABLE), empty, empty, empty, 1, np.zeros(channels, np.int64))


def _main_first(op: Requantise, names: tuple[str, ...], main: str) -> tuple[Requantise, list[str]]:
    """The requantisation with the sum computed in its own layer as operand 0."""
    order = sorted(range(len(names)), key=lambda i: names[i] != main)
    multipliers = tuple(op.multipliers[i] for i in order)
    return replace(op, multipliers=multipliers), [names[i] for i in order]


def _windows(
    kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]
) -> list[RowMap]:
    return [
        (strides[0], strides[1], y * dilations[0] - pads[0], x * dilations[1] - pads[1])
        for y in range(kernel[0])
        for x in range(kernel[1])
    ]
