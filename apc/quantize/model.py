"""quantize_model: the whole way from a float ONNX model to a quantised one that onnxruntime runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import onnx

from apc.options import Progress, silent
from apc.quantize.calibration import (
    Observed,
    activation_range,
    activation_scale,
    check_feeds,
    observe,
    random_feeds,
)
from apc.quantize.exact import powers_of_two
from apc.quantize.layers import Quantiser, Record, insert_quantiser, quantise_layers
from apc.quantize.normalise import normalise
from apc.quantize.onnx_graph import OnnxGraph
from apc.quantize.placement import Placement, Point
from apc.quantize.weights import relative_error, weight_bits
from ir.errors import UserError


@dataclass
class QuantizedModel:
    """``model``: QDQ/QCDQ ONNX, IR version 10. ``layers``: one record a layer, addition, pool and input, in order.

    Keys of a record: ``layer, op, weights, weight_bits, sparsity, weight_error`` (None without weights) and
    ``activation, activation_bits, activation_signed, activation_scale, activation_error`` (None where no quantiser
    was inserted). Errors are relative, in the 2-norm: over all weights, over the calibration data.
    """

    model: onnx.ModelProto
    layers: list[Record]
    warnings: list[str] = field(default_factory=list)


def quantize_model(
    model: onnx.ModelProto,
    *,
    weights: str = "ternary",
    activations: int = 4,
    first_last: str = "int8",
    calibration: dict[str, np.ndarray] | None = None,
    method: str = "percentile",
    percentile: float = 99.9,
    exact: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> QuantizedModel:
    """Quantise the float weights and activations of ``model``; quantisers that it already has are left alone.

    ``weights``: "ternary", "binary", "intN" (2 to 8), or "keep": values stay as they are, bit for bit, and those that
    are ternary x per-channel scale are stored so. ``first_last``: "same", or "intN" for the first and last layer
    (with "keep" only where they are not ternary). ``activations``: 2 to 8 bits; the graph's inputs and outputs have 8.
    ``calibration``: float arrays by input name, images along axis 0; without it seeded standard-normal images are
    used and a warning is recorded. Outputs always use their full range. ``exact``: choose scales under which float32
    inference rounds nothing but at the quantisers (``apc.quantize.exact``), so that onnxruntime equals integer
    arithmetic; weight scales are then rounded even with "keep". ``progress`` counts images of the calibration.
    UserError for what cannot be done.
    """
    _check_options(weights, activations, first_last, method, percentile)
    graph = OnnxGraph(model)
    _check_types(graph)
    normalise(graph)
    warnings = []
    if calibration is None:
        warnings.append("no calibration data: activation scales come from standard-normal inputs and may not fit yours")
        feeds = random_feeds(graph, seed)
    else:
        feeds = check_feeds(graph, calibration)
    _name_layers(graph)
    placement = Placement(graph)
    points = placement.points(wide_last=first_last == "int8")
    observed = observe(graph, [point.tensor for point in points], feeds, progress) if points else {}
    progress(0, 0, "quantising the weights")
    records = {node.name: _record(node.name, node.op_type) for node in graph.nodes}
    quantisers = _quantisers(points, observed, activations, method, percentile, exact)
    warnings += quantise_layers(graph, placement, weights, first_last, quantisers, exact, records)
    for point in points:
        record = records.setdefault(point.node, _record(point.node, "Input"))
        record.update(insert_quantiser(graph, point.tensor, quantisers[point.tensor]))
        sample = observed[point.tensor].sample
        record["activation_error"] = relative_error(sample, quantisers[point.tensor].apply(sample))
    quantised = graph.to_model()
    try:
        onnx.checker.check_model(quantised)
    except onnx.checker.ValidationError as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"the model is not valid ONNX and cannot be quantised: {reason}; export it again") from error
    inputs = [record for record in records.values() if record["op"] == "Input"]
    others = [record for record in records.values() if record["op"] != "Input"]
    told = [record for record in inputs + others if record["weights"] or record["activation"]]
    return QuantizedModel(quantised, told, warnings)


def _check_options(weights: str, activations: int, first_last: str, method: str, percentile: float) -> None:
    if weights not in ("ternary", "binary", "keep"):
        weight_bits(weights)
    if first_last != "same":
        weight_bits(first_last)
    if not 2 <= activations <= 8:
        raise UserError(f"activations of {activations} bits: choose 2 to 8")
    if method not in ("percentile", "minmax"):
        raise UserError(f"calibration method {method!r}: choose percentile or minmax")
    if not 50 < percentile <= 100:
        raise UserError(f"percentile {percentile}: choose more than 50, at most 100")


def _check_types(graph: OnnxGraph) -> None:
    for value in graph.inputs:
        kind = value.type.tensor_type.elem_type
        if kind in (onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
            name = onnx.TensorProto.DataType.Name(kind)
            raise UserError(f"input {value.name} has type {name}; export the model in float32")


def _name_layers(graph: OnnxGraph) -> None:
    """Call a layer after its weight ("layer1.0.conv1" for "layer1.0.conv1.weight"), as PyTorch users know it."""
    taken = {node.name for node in graph.nodes}
    for node in Placement(graph).layers():
        stem, dot, _ = node.input[1].partition(".weight")
        if dot and stem not in taken and node.input[1] in graph.constants:
            node.name = stem
            taken.add(stem)


def _record(name: str, op: str) -> Record:
    keys = ("weights", "weight_bits", "sparsity", "weight_error", "activation", "activation_bits")
    more = ("activation_signed", "activation_scale", "activation_error")
    return {"layer": name, "op": op, **dict.fromkeys(keys + more)}


def _quantisers(
    points: list[Point], observed: dict[str, Observed], activations: int, method: str, percentile: float, exact: bool
) -> dict[str, Quantiser]:
    """The quantiser of every point; the points of a group share one."""
    result: dict[str, Quantiser] = {}
    for group in dict.fromkeys(point.group for point in points):
        members = [point for point in points if point.group == group]
        seen = [observed[point.tensor] for point in members]
        ends = any(point.role == "output" for point in members)
        low, high = activation_range(seen, "minmax" if ends else method, percentile)
        bits = max(point.bits or activations for point in members)
        signed = any(
            one.low < 0 if point.non_negative is None else not point.non_negative
            for point, one in zip(members, seen, strict=True)
        )
        quantiser = Quantiser(bits, signed, activation_scale(low, high, bits, signed))
        if exact:
            quantiser = _power_of_two(quantiser, seen, ends)
        result.update((point.tensor, quantiser) for point in members)
    return result


def _power_of_two(quantiser: Quantiser, observed: list[Observed], whole: bool) -> Quantiser:
    """``quantiser`` with a power of two for its scale: of the two around it the more accurate one on the sample.

    ``whole``: nothing may be cut off, so the upper one.
    """
    lower, upper = (replace(quantiser, scale=scale) for scale in powers_of_two(quantiser.scale))
    sample = np.concatenate([one.sample for one in observed])
    better = relative_error(sample, lower.apply(sample)) < relative_error(sample, upper.apply(sample))
    return lower if better and not whole else upper
