"""The RTM associative processor's back end: an integer graph becomes a Program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from backends.rtm_ap.choice import compile_best
from backends.rtm_ap.decisions import Decision
from backends.rtm_ap.layers import CompiledLayer
from backends.rtm_ap.parallel import Progress, compile_layers
from backends.rtm_ap.passes import LEVELS, Cse, Encoding, Pipeline
from backends.target import Target
from ir.graph import Graph, GraphInput, GraphOutput
from ir.lower import Layer, Linear, lower
from ir.ops import Input
from ir.program import COMPACT, FIELD, PLAIN, Boundary, Program, StoredTensor
from ir.types import TensorType


@dataclass(frozen=True)
class Origin:
    """What a program was made from: for its manifest."""

    model_sha256: str
    level: str
    passes: tuple[str, ...]


def compile_graph(
    graph: Graph,
    target: Target,
    origin: Origin,
    progress: Progress | None = None,
    pipeline: Pipeline | None = None,
    decided: Callable[[Decision], None] | None = None,
    workers: int | None = None,
) -> Program:
    """Compile a verified graph with the passes of ``pipeline`` (by default, those of the level in ``origin``).
    ``decided`` is called once a layer, in order; ``workers``: processes that compile layers (1: this one, None: as many
    as pay).

    Raises UserError (CapacityError) where a layer fits no tiling of the target.
    """
    if pipeline is None:
        pipeline = LEVELS[origin.level]
    lowered = lower(graph)
    inputs = {node: lowered.inputs[node] for node in graph.order() if isinstance(graph.op(node), Input)}
    compile_one = partial(
        compile_best, target=target, pipeline=pipeline, term_budget_s=_term_budget_s(pipeline, lowered.layers)
    )
    compiled = compile_layers(lowered.layers, inputs, compile_one, workers, progress)
    for result in compiled:
        if decided is not None and result.decision is not None:
            decided(result.decision)
    tensors = [_input_tensor(node, kind) for node, kind in inputs.items()]
    tensors += [
        StoredTensor(layer.node, _stored_shape(layer, result), index, result.fields)
        for index, (layer, result) in enumerate(zip(lowered.layers, compiled, strict=True))
    ]
    stored = {tensor.name: index for index, tensor in enumerate(tensors)}
    stored |= {node: stored[name] for node, name in lowered.aliases.items()}
    return Program(
        name=graph.name,
        model_sha256=origin.model_sha256,
        level=origin.level,
        passes=list(origin.passes),
        target=target.as_table(),
        tensors=tensors,
        layers=[result.program for result in compiled],
        inputs=[_input_boundary(graph, entry, stored) for entry in graph.graph_inputs],
        outputs=[_output_boundary(graph, entry, stored) for entry in graph.outputs],
        graph_text=str(graph),
        encoding=PLAIN if pipeline.get(Encoding) is None else COMPACT,
    )


def _term_budget_s(pipeline: Pipeline, layers: Sequence[Layer]) -> float:
    """What `cse.budget_s` of the whole network gives each term: each canonical signed digit of the weights."""
    cse = pipeline.get(Cse)
    magnitudes = [np.abs(layer.body.weights) for layer in layers if isinstance(layer.body, Linear)]
    terms = sum(int(np.bitwise_count(m ^ 3 * m).sum()) for m in magnitudes)
    return cse.budget_s / max(1, terms) if cse is not None else 0.0


def _stored_shape(layer: Layer, compiled: CompiledLayer) -> tuple[int, int, int]:
    return (1, layer.type.channels, 1) if compiled.turned else layer.type.shape


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
