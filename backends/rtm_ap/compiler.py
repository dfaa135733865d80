"""The RTM associative processor's back end: an integer graph becomes a Program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backends.rtm_ap.builder import Source
from backends.rtm_ap.choice import compile_best
from backends.target import Target
from ir.graph import Graph, GraphInput, GraphOutput
from ir.lower import lower
from ir.ops import Input
from ir.program import FIELD, Boundary, LayerProgram, Program, StoredTensor
from ir.types import TensorType


@dataclass(frozen=True)
class Origin:
    """What a program was made from: for its manifest."""

    model_sha256: str
    level: str
    passes: tuple[str, ...]


Progress = Callable[[str, int, int], None]
"""Called with (layer name, layers done, layers in all)."""


def compile_graph(graph: Graph, target: Target, origin: Origin, progress: Progress | None = None) -> Program:
    """Compile a verified graph. Raises UserError (CapacityError) where a layer fits no tiling of the target."""
    lowered = lower(graph)
    tensors: list[StoredTensor] = []
    stored: dict[str, int] = {}
    for node in graph.order():
        if isinstance(graph.op(node), Input):
            stored[node] = len(tensors)
            tensors.append(_input_tensor(node, lowered.inputs[node]))
    programs: list[LayerProgram] = []
    for index, layer in enumerate(lowered.layers):
        if progress is not None:
            progress(layer.name, index, len(lowered.layers))
        sources = [Source(stored[name], tensors[stored[name]].fields) for name in layer.sources]
        stored[layer.node] = len(tensors)
        compiled = compile_best(layer, target, sources, len(tensors), origin.level)
        tensors.append(StoredTensor(layer.node, layer.type.shape, index, compiled.fields))
        programs.append(compiled.program)
    stored |= {node: stored[name] for node, name in lowered.aliases.items()}
    return Program(
        name=graph.name,
        model_sha256=origin.model_sha256,
        level=origin.level,
        passes=list(origin.passes),
        target=target.as_table(),
        tensors=tensors,
        layers=programs,
        inputs=[_input_boundary(graph, entry, stored) for entry in graph.graph_inputs],
        outputs=[_output_boundary(graph, entry, stored) for entry in graph.outputs],
        graph_text=str(graph),
    )


def _input_tensor(node: str, kind: TensorType) -> StoredTensor:
    fields = np.zeros(kind.channels, FIELD)
    fields["width"], fields["signed"] = kind.dtype.bits, kind.dtype.signed
    return StoredTensor(node, kind.shape, -1, fields)


def _input_boundary(graph: Graph, entry: GraphInput, stored: dict[str, int]) -> Boundary:
    return Boundary(
        name=entry.name,
        tensor=stored[entry.node],
        shape=entry.shape,
        dtype=entry.dtype,
        dtype_int=graph.type(entry.node).dtype,
        lo=entry.lo,
        hi=entry.hi,
        scale=entry.scale,
        zero_point=entry.zero_point,
    )


def _output_boundary(graph: Graph, entry: GraphOutput, stored: dict[str, int]) -> Boundary:
    kind = graph.type(entry.node)
    return Boundary(
        name=entry.name,
        tensor=stored[entry.node],
        shape=entry.shape,
        dtype=entry.dtype,
        dtype_int=kind.dtype,
        lo=int(kind.lo.min()),
        hi=int(kind.hi.max()),
        scale=entry.scale,
        zero_point=entry.zero_point,
        offset=entry.offset,
    )
