"""The networks that the studies run on crossbars, and how often they are right there."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apc.crossbar import CrossbarConfig, load_network
from apc.frontend import load_graph
from apc.intervals import Interval, interval
from examples import mnist_resnet18
from examples.mnist_resnet18 import Settings
from examples.qat import ResidualNet, export_frozen, fit
from examples.studies.study import in_processes
from examples.trained import Dataset
from ir.graph import Graph
from ir.ops import Conv

ENDS = ("stem", "classifier")
"""The layers whose weights are int8 in every network."""
CALIBRATION_IMAGES = 64
QUICK_CALIBRATION_IMAGES = 8
QUICK_IMAGES = 640


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and MNIST: float32 images (N, 1, 28, 28) to measure on and to calibrate with, int64 labels."""

    graph: Graph
    images: np.ndarray
    labels: np.ndarray
    calibration: np.ndarray

    def input_bits(self) -> dict[str, int]:
        """Bits of the unsigned integers that each convolution reads."""
        bits = {}
        for name in self.graph.order():
            if isinstance(self.graph.op(name), Conv):
                operand = self.graph.type(self.graph.inputs(name)[0])
                bits[name] = int(operand.hi.max()).bit_length()
        return bits


def mnist_network(weights: str, bits: int, images: int, quick: bool, cache: Path) -> Network:
    """The MNIST ResNet-18 with ``weights`` (ternary, binary, int8) and activations of ``bits`` bits; with the first
    ``images`` test images. Trained here for a minute or so, or taken from ``cache``. ``quick``: one narrow network of
    binary weights and 4-bit activations, hardly trained, stands for all."""
    graph, data = _quick_graph() if quick else _graph(Settings(weights=weights, bits=bits), cache), _mnist()
    calibration = data.train_images[: QUICK_CALIBRATION_IMAGES if quick else CALIBRATION_IMAGES]
    return Network(graph, data.test_images[:images], data.test_labels[:images], calibration)


def train_networks(kinds: Sequence[tuple[str, int]], cache: Path, workers: int) -> None:
    """Train the networks of these weights and activation bits, several at a time, where ``cache`` lacks them."""
    settings = [Settings(weights=weights, bits=bits) for weights, bits in kinds]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(functools.partial(_train, cache=cache), settings))


def _train(settings: Settings, cache: Path) -> None:
    mnist_resnet18.train(settings, cache=cache)


@functools.cache
def _mnist() -> Dataset:
    return mnist_resnet18.load_data()


@functools.cache
def _graph(settings: Settings, cache: Path) -> Graph:
    return _imported(mnist_resnet18.train(settings, cache=cache))


@functools.cache
def _quick_graph() -> Graph:
    settings, data = Settings(weights="binary", width=4), _mnist()
    net = mnist_resnet18.build(settings)
    images, labels = (torch.from_numpy(array[:QUICK_IMAGES]) for array in (data.train_images, data.train_labels))
    fit(net, images, labels, epochs=3, batch=32, rate=settings.rate, reach=0, seed=0)
    net.freeze(images)
    return _imported(net)


def _imported(net: ResidualNet) -> Graph:
    return load_graph(export_frozen(net, torch.from_numpy(_mnist().test_images[:2]))).graph


@dataclass(frozen=True)
class Chip:
    """Crossbars for a network: fields of ``apc.crossbar.CrossbarConfig``.

    ``ends``: what differs in the int8 layers; ``input_bits``: the DAC's, by layer (none: inputs are applied as they
    are).
    """

    fields: Mapping[str, Any]
    ends: Mapping[str, Any] = field(default_factory=dict)
    input_bits: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, name: str, op: Conv) -> CrossbarConfig:
        fields = {**self.fields, **(self.ends if name in ENDS else {})}
        if name in self.input_bits:
            fields |= {"dac_bits": self.input_bits[name], "dac_signed": False}
        return CrossbarConfig(**fields)


def right_answers(network: Network, chip: Chip, seed: int = 0) -> int:
    """How many of the network's images it is right about on ``chip``, whose errors ``seed`` decides."""
    model = load_network(network.graph, chip, seed, calibration={"input": network.calibration})
    scores = model.run({"input": network.images}, threads=1)["logits"]
    return int((scores.argmax(axis=1) == network.labels).sum())


def accuracies(points: Sequence[tuple[Network, Chip]], workers: int, seeds: Sequence[int] = (0,)) -> list[Interval]:
    """Share of right answers of each network on its chip, with the 95 % interval over ``seeds`` (or, of a single one,
    over images).

    ``workers``: processes, which results do not depend on: the networks are small, so that threads would not pay.
    """
    counts = in_processes(right_answers, [(*point, seed) for point in points for seed in seeds], workers)
    runs = len(seeds)
    parts = [counts[place : place + runs] for place in range(0, len(counts), runs)]
    return [interval(part, len(network.labels)) for part, (network, _) in zip(parts, points, strict=True)]


def software_accuracy(network: Network) -> Interval:
    """The same without crossbars: exact integers, the limit of any chip."""
    from ir.boundary import quantise_input
    from ir.interpreter import run_graph

    graph = network.graph
    integers = {entry.name: quantise_input(entry, network.images) for entry in graph.graph_inputs}
    scores = run_graph(graph, integers)[graph.outputs[0].node]
    right = int((scores.reshape(len(scores), -1).argmax(axis=1) == network.labels).sum())
    return interval([right], len(network.labels))
