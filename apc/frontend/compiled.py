"""The model that was really compiled, so that it can be imported again, or run by onnxruntime, as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from apc.frontend.values import Const

NEWEST_IR = 13
"""The newest version that onnxruntime reads; later ones only add what the importer does not support."""


def compiled_model(
    model: onnx.ModelProto,
    alive: Sequence[int],
    input_shapes: Mapping[str, Sequence[int]],
    snapped: Mapping[int, Const],
) -> onnx.ModelProto:
    """The model with the shapes its symbolic inputs were given, without what no output depends on, and with the
    weights that were snapped to ternary.

    ``alive``: positions of the nodes to keep; ``snapped``: float32 weights by the position of the node that reads them
    as its input 1. The model itself where there is nothing to change, else a copy.
    """
    graph = model.graph
    read = {name for position in alive for name in graph.node[position].input} | {out.name for out in graph.output}
    constant = {tensor.name for tensor in graph.initializer}
    spare = [entry.name for entry in graph.input if entry.name not in read | constant]
    if not (spare or input_shapes or snapped or model.ir_version > NEWEST_IR):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = min(model.ir_version, NEWEST_IR)
    for position, weights in snapped.items():
        copy.graph.initializer.append(onnx.numpy_helper.from_array(weights.array.astype(np.float32), weights.name))
        copy.graph.node[position].input[1] = weights.name
    for position in sorted(set(range(len(graph.node))) - set(alive), reverse=True):
        del copy.graph.node[position]
    for position in reversed(range(len(copy.graph.input))):
        entry = copy.graph.input[position]
        if entry.name in spare:
            del copy.graph.input[position]
        elif entry.name in input_shapes:
            _set_shape(entry.type.tensor_type, input_shapes[entry.name])
    return copy


def _set_shape(tensor: onnx.TypeProto.Tensor, shape: Sequence[int]) -> None:
    """Fix the axes beyond the batch."""
    while len(tensor.shape.dim) < len(shape):
        tensor.shape.dim.add()
    for axis, size in list(zip(tensor.shape.dim, shape, strict=True))[1:]:
        axis.dim_value = size
