"""The quantised forms written into the graph: integer weights with DequantizeLinear, activation quantisers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from apc.quantize.exact import round_bias, round_scale, scale_bits
from apc.quantize.onnx_graph import OnnxGraph
from apc.quantize.placement import Placement
from apc.quantize.weights import QuantizedWeights, quantise_weights, recover_ternary, relative_error, requantise
from ir.errors import UserError

Record = dict[str, Any]


@dataclass(frozen=True)
class Quantiser:
    """A symmetric activation quantiser: real = scale * q, q in [low, high]."""

    bits: int
    signed: bool
    scale: np.float32

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def apply(self, values: np.ndarray) -> np.ndarray:
        """``values`` quantised and dequantised, float32 arithmetic as in onnxruntime."""
        return np.clip(np.round(values / self.scale), self.low, self.high) * self.scale


def quantise_layers(
    graph: OnnxGraph,
    placement: Placement,
    kind: str,
    first_last: str,
    quantisers: dict[str, Quantiser],
    exact: bool,
    records: dict[str, Record],
) -> list[str]:
    """Replace every float weight by levels and scale as ``kind`` and ``first_last`` say; returns warnings.

    ``quantisers``: of the inserted points by tensor; ``records`` gets each layer's figures.
    """
    layers, warnings = placement.layers(), []
    done: dict[tuple[str, str, str | None], tuple[str, QuantizedWeights]] = {}
    for position, node in enumerate(layers):
        name = node.input[1]
        weight = graph.array(name)
        if weight is None or weight.dtype != np.float32 or weight.ndim < 2:
            continue
        if not np.isfinite(weight).all():
            raise UserError(f"layer {node.name}: the weights hold NaN or infinity")
        ends = position in (0, len(layers) - 1) and first_last != "same"
        chosen = first_last if ends else kind
        origin = placement.origins(node.input[0])[0] if exact else None
        if (name, chosen, origin) not in done:
            axis = weight.ndim - 1 if node.op_type == "MatMul" else 0
            quantised = recover_ternary(weight, axis) if kind == "keep" else None
            if quantised is None and chosen != "keep":
                quantised = quantise_weights(weight, chosen, axis)
            if quantised is None:
                continue
            if origin in quantisers:
                quantised, warning = _exact_layer(graph, node, weight, quantised, quantisers[origin])
                warnings += warning
            done[name, chosen, origin] = (insert_weights(graph, name, quantised), quantised)
        node.input[1], quantised = done[name, chosen, origin]
        records[node.name].update(
            weights=quantised.kind,
            weight_bits=quantised.bits,
            sparsity=float(np.mean(quantised.levels == 0)),
            weight_error=relative_error(weight, quantised.dequantised()),
        )
    return warnings


def _exact_layer(
    graph: OnnxGraph, node: onnx.NodeProto, weight: np.ndarray, quantised: QuantizedWeights, source: Quantiser
) -> tuple[QuantizedWeights, list[str]]:
    """Scales and bias rounded so that the layer's float32 sums are exact; a warning where that is impossible."""
    bits = scale_bits(quantised.levels, quantised.axis, max(-source.low, source.high))
    warnings = []
    if bits == 0:
        bits = 1
        warnings.append(f"layer {node.name}: sums exceed float32's 24 bits, onnxruntime may round them")
    if quantised.kind.startswith("int"):
        quantised = requantise(weight, quantised, round_scale(quantised.scale, bits, up=True))
    else:
        quantised = replace(quantised, scale=round_scale(quantised.scale, bits))
    bias = graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if bias is not None and bias.ndim == 1:
        rounded = round_bias(bias, quantised.scale, bits, source.scale)
        node.input[2] = graph.add_constant(f"{node.input[2]}_rounded", rounded)
    return quantised, warnings


def insert_weights(graph: OnnxGraph, name: str, quantised: QuantizedWeights) -> str:
    """Store levels, scale and zero point of weight ``name``, and dequantise them; the new tensor's name."""
    levels = graph.add_constant(f"{name}_quantized", quantised.levels)
    scale = graph.add_constant(f"{name}_scale", quantised.scale)
    zero = graph.add_constant(f"{name}_zero_point", np.zeros(len(quantised.scale), np.int8))
    result = graph.fresh(f"{name}_dequantized")
    node_name = f"{name}_DequantizeLinear"
    node = helper.make_node("DequantizeLinear", [levels, scale, zero], [result], name=node_name, axis=quantised.axis)
    graph.nodes.append(node)
    return result


def insert_quantiser(graph: OnnxGraph, tensor: str, quantiser: Quantiser) -> Record:
    """QuantizeLinear -> (Clip below 8 bits) -> DequantizeLinear after ``tensor``; every reader reads its result."""
    kind = np.int8 if quantiser.signed else np.uint8
    source, result = tensor, graph.fresh(f"{tensor}_dequantized")
    graph.replace_uses(tensor, result)
    if tensor in graph.output_names:
        source = graph.fresh(f"{tensor}_unquantized")
        producer = graph.producers()[tensor]
        producer.output[list(producer.output).index(tensor)] = source
        graph.replace_uses(result, tensor)
        result = tensor
    step = graph.add_constant(f"{tensor}_scale", np.asarray(quantiser.scale, np.float32))
    zero = graph.add_constant(f"{tensor}_zero_point", np.zeros((), kind))
    levels = graph.fresh(f"{tensor}_quantized")
    name = f"{tensor}_QuantizeLinear"
    graph.nodes.append(helper.make_node("QuantizeLinear", [source, step, zero], [levels], name=name))
    if quantiser.bits < 8:
        low = graph.add_constant(f"{tensor}_min", np.asarray(quantiser.low, kind))
        high = graph.add_constant(f"{tensor}_max", np.asarray(quantiser.high, kind))
        clipped = graph.fresh(f"{tensor}_clipped")
        graph.nodes.append(helper.make_node("Clip", [levels, low, high], [clipped], name=f"{tensor}_Clip"))
        levels = clipped
    name = f"{tensor}_DequantizeLinear"
    graph.nodes.append(helper.make_node("DequantizeLinear", [levels, step, zero], [result], name=name))
    return {
        "activation": tensor,
        "activation_bits": quantiser.bits,
        "activation_signed": quantiser.signed,
        "activation_scale": float(quantiser.scale),
    }
