"""The images of a comparison: run once, exactly, for what they decide on every backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apc.accounting import Accounts
from apc.labels import Classifier
from apc.options import Progress, RunOptions, part_of, silent
from apc.session import Session, images_of
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.ops import Conv
from ir.program import Program

ACTIVITY_IMAGES = 16
"""At most so many images decide the bit densities and calibrate converters."""


@dataclass(frozen=True, eq=False)
class Data:
    """``integers``: (N, C, H, W) of every network input, by its name. ``batch``: images run together;
    ``written_bits``: of every layer, mean over the full batches. ``classes``: what the exact network takes each image
    for, int64[images]; ``classifier``: the output that says so, and the labels where there are any."""

    accounts: Accounts
    graph: Graph
    integers: Mapping[str, np.ndarray]
    batch: int
    written_bits: list[float]
    classes: np.ndarray
    classifier: Classifier

    @property
    def images(self) -> int:
        return len(self.classes)

    @cached_property
    def first(self) -> dict[str, np.ndarray]:
        """``integers`` of the images that stand for all."""
        return {name: array[:ACTIVITY_IMAGES] for name, array in self.integers.items()}

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """What every convolution reads for these images: int32 (N, C, H, W) by node name."""
        nodes = [self.graph.inputs(name)[0] for name in self.graph.order() if isinstance(self.graph.op(name), Conv)]
        read: dict[str, list[np.ndarray]] = {node: [] for node in nodes}
        for image in range(min(self.images, ACTIVITY_IMAGES)):
            one = {name: array[image : image + 1] for name, array in self.integers.items()}
            values = run_graph(self.graph, one, keep="all")
            for node, parts in read.items():
                parts.append(values[node].astype(np.int32))
        return {node: np.concatenate(parts) for node, parts in read.items()}


def run_data(
    program: Program,
    graph: Graph,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    batch: int,
    threads: int,
    progress: Progress = silent,
) -> Data:
    """Simulate all images bit by bit: the associative processor is exact, so its classes are the network's. Raises
    UserError for inputs or labels that do not fit."""
    session = Session(program, RunOptions(batch=batch, threads=threads))
    batches = session.batches(inputs)
    images = images_of(batches)
    classifier = Classifier.of(program, labels, images)
    classes, written = [], []
    for number, item in enumerate(batches):
        done = session.run(item, progress=part_of(progress, number, len(batches))).simulation
        classes.append(classifier.classes(session.outputs(done)))
        if item.images == batches[0].images:
            written.append([float(layer.written_bits.sum()) for layer in done.layers])
    joined = {name: np.concatenate([item.integers[name] for item in batches]) for name in batches[0].integers}
    return Data(
        session.accounts,
        graph,
        joined,
        batches[0].images,
        np.mean(written, axis=0).tolist(),
        np.concatenate(classes),
        classifier,
    )
