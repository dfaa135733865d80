"""The full ResNet-18 as a crossbar chip sees it, with the bits, weights and activity of a trained network."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from apc.frontend import load_graph
from backends.activity import Activity
from backends.workload import LayerWork, layer_works
from examples import drawn, resnet18
from ir.boundary import quantise_input
from ir.graph import Graph
from ir.interpreter import run_graph

if TYPE_CHECKING:
    from examples.studies.networks import Network

ACTIVITY_IMAGES = 100


@functools.cache
def full_resnet18(quick: bool) -> tuple[Graph, np.ndarray]:
    """ResNet-18 at 224x224 with drawn ternary weights and 4-bit activations (``quick``: narrow and small), and an
    image for it."""
    proto, images = drawn.export(*resnet18.build(**({"size": 32, "width": 8} if quick else {})))
    return load_graph(proto).graph, images


def tensors(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """The integers of every node."""
    return run_graph(graph, {entry.name: quantise_input(entry, images) for entry in graph.graph_inputs}, keep="all")


def like_trained(works: list[LayerWork], network: Network) -> tuple[list[LayerWork], Activity]:
    """``works`` of ResNet-18 with the weights and activation bits of ``network``, which has its topology; and the
    activity of ``network``'s layers, on its images."""
    graph = network.graph
    small = {work.name: work for work in layer_works(graph)}
    measured = Activity.from_graph(graph, tensors(graph, network.images[:ACTIVITY_IMAGES]))
    names = {work.name: trained_name(work.name) for work in works}
    layers = {full: measured.layers[name] for full, name in names.items() if name in measured.layers}
    return [_with_bits(work, small[names[work.name]]) for work in works], Activity(layers)


def _with_bits(work: LayerWork, trained: LayerWork) -> LayerWork:
    return replace(
        work,
        activation_bits=trained.activation_bits,
        output_bits=trained.output_bits,
        signed=trained.signed,
        weight_bits=trained.weight_bits,
        weight_values=trained.weight_values,
    )


def trained_name(name: str) -> str:
    """What the layer ``name`` of ``examples.resnet18`` is called in ``examples.qat.ResidualNet``."""
    match = re.fullmatch(r"layer(\d)\.(\d)\.(conv\d|downsample|add)(.*)", name)
    if match is None:
        first, _, rest = name.partition(".")
        return ".".join(
            [{"conv1": "stem", "maxpool": "pool", "fc": "classifier"}.get(first, first), *filter(None, [rest])]
        )
    block = 2 * (int(match[1]) - 1) + int(match[2])
    return f"blocks.{block}.{match[3]}{match[4].removeprefix('.0')}"
