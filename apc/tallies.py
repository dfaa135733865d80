"""What trials add up to: classes, outputs and layers of faulty runs, each against the fault-free one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apc.batches import add_events
from apc.intervals import Interval, interval
from apc.labels import Classifier
from ir.program import Program


@dataclass(frozen=True)
class Deviation:
    """Of many numbers from what they should be."""

    max_abs: float
    mean_abs: float
    rms: float


@dataclass(frozen=True)
class LayerFaults:
    """``events``: mean number an image, by kind; ``different``: share of the output elements that differ from the
    fault-free run's; ``first``: share of images (of all trials) in which this is the first layer that differs."""

    name: str
    events: dict[str, float]
    different: float
    first: float


class ClassTally:
    """How often images are taken for what they are, and for what the fault-free run takes them for, trial by trial."""

    def __init__(self, classifier: Classifier, trials: int) -> None:
        self.classifier = classifier
        self._correct, self._agreeing = [0] * trials, [0] * trials

    def add(self, trial: int, first: int, wanted: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
        """``wanted``, ``outputs``: by ONNX name, of the images from number ``first`` on, without and with faults."""
        expected, found = self.classifier.classes(wanted), self.classifier.classes(outputs)
        self._agreeing[trial] += int((expected == found).sum())
        if self.classifier.labels is not None:
            labels = self.classifier.labels[first : first + len(found)]
            self._correct[trial] += int((labels == found).sum())

    def accuracy(self, images: int) -> Interval | None:
        """Of ``images`` a trial; None without labels."""
        return None if self.classifier.labels is None else interval(self._correct, images)

    def agreement(self, images: int) -> Interval:
        """Of ``images`` a trial."""
        return interval(self._agreeing, images)


@dataclass
class DeviationTally:
    """What ``Deviation`` is made of."""

    most: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    elements: int = 0

    def add(self, difference: np.ndarray) -> None:
        """An array of any shape and dtype."""
        size = np.abs(difference.astype(np.float64))
        self.most = max(self.most, float(size.max(initial=0)))
        self.total += float(size.sum())
        self.squares += float((size**2).sum())
        self.elements += size.size

    @property
    def deviation(self) -> Deviation:
        return Deviation(self.most, self.total / self.elements, (self.squares / self.elements) ** 0.5)


class Comparison:
    """One faulty run of a batch against ``stored``, the fault-free outputs of all layers (as an Observer gets them).

    ``different``: int64[layers], elements; ``first``: int64[layers], images of which that layer is the first that
    differs.
    """

    def __init__(self, stored: list[np.ndarray], images: int) -> None:
        self.stored = stored
        self.different = np.zeros(len(stored), np.int64)
        self.first = np.zeros(len(stored), np.int64)
        self._seen = np.zeros(images, bool)

    def observe(self, index: int, output: np.ndarray) -> None:
        """As ``simulator.rtm.run.Observer``."""
        wrong = output != self.stored[index]
        self.different[index] = np.count_nonzero(wrong)
        if self.different[index]:
            hit = wrong.reshape(len(wrong), len(self._seen), -1).any(axis=(0, 2))
            self.first[index] = np.count_nonzero(hit & ~self._seen)
            self._seen |= hit


class LayerTally:
    """Events and differences, layer by layer."""

    def __init__(self, program: Program) -> None:
        self.program = program
        layers = len(program.layers)
        self._events: list[Counter[str]] = [Counter() for _ in range(layers)]
        self._different, self._first = np.zeros(layers, np.int64), np.zeros(layers, np.int64)

    def add(self, events: Sequence[Counter[str]], comparison: Comparison) -> None:
        """One trial of a batch. ``events``: by kind, of every layer."""
        self._events = [add_events(pair) for pair in zip(self._events, events, strict=True)]
        self._different += comparison.different
        self._first += comparison.first

    def events(self, runs: int) -> dict[str, float]:
        """Of all layers, mean number by kind. ``runs``: images x trials."""
        return _mean(add_events(self._events), runs)

    def layers(self, runs: int) -> list[LayerFaults]:
        """In program order. ``runs``: images x trials."""
        tensors = [self.program.tensors[layer.output] for layer in self.program.layers]
        sizes = [tensor.channels * tensor.positions for tensor in tensors]
        each = zip(self.program.layers, sizes, self._events, self._different, self._first, strict=True)
        return [
            LayerFaults(layer.name, _mean(events, runs), float(different / (runs * size)), float(first / runs))
            for layer, size, events, different, first in each
        ]


def _mean(events: Counter[str], runs: int) -> dict[str, float]:
    return {kind: count / runs for kind, count in sorted(events.items())}
