"""What faults do to a network: trials against the fault-free run, compared layer by layer as they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from apc.batches import add_events
from apc.driver import BATCH, Progress, RunResult
from apc.fault_file import FaultFile
from apc.intervals import Interval, interval
from apc.labels import Classifier
from apc.mitigation import Mitigations, Overhead
from apc.session import Batch, BatchedRun, Session, check_seed, images_of
from ir.errors import UserError
from ir.program import Program
from simulator.rtm.faults.model import Faults
from simulator.rtm.run import EngineName, SimulationResult


@dataclass(frozen=True)
class Deviation:
    """Of many numbers from what they should be."""

    max_abs: float
    mean_abs: float
    rms: float


@dataclass(frozen=True)
class LogitError:
    """How far the elements of a network output are from the fault-free ones, over all images and trials: in its own
    ``units``, and in ``steps`` of its quantisation."""

    output: str
    units: Deviation
    steps: Deviation


@dataclass(frozen=True)
class LayerFaults:
    """``events``: mean number an image, by kind; ``different``: share of the output elements that differ from the
    fault-free run's; ``first``: share of images (of all trials) in which this is the first layer that differs."""

    name: str
    events: dict[str, float]
    different: float
    first: float


@dataclass(frozen=True, eq=False)
class TrialsResult:
    """``fault_free``: the run without faults; ``accuracy`` (where labels were given) and ``agreement``, the share of
    images that are taken for what the fault-free run takes them for: over the trials. ``events``: mean number an image,
    by kind; ``layers``: in program order. ``overhead``: of what is done against the faults. ``outputs``: of trial 0."""

    fault_free: RunResult
    seed: int
    trials: int
    accuracy: Interval | None
    agreement: Interval
    logit_errors: list[LogitError]
    events: dict[str, float]
    layers: list[LayerFaults]
    overhead: Overhead
    outputs: dict[str, np.ndarray]


def run_trials(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    faults: FaultFile | Faults,
    *,
    seed: int = 0,
    trials: int = 1,
    labels: np.ndarray | None = None,
    engine: EngineName = "fast",
    threads: int = 2,
    batch: int = BATCH,
    wear: bool = False,
    progress: Progress = lambda done, total, label: None,
) -> TrialsResult:
    """Run all images without faults and then ``trials`` times with them, at most ``batch`` images at a time.

    ``inputs``, ``engine``, ``threads``, ``wear`` (of the fault-free run): as for ``apc.driver.run_model``, of whose
    runs with ``seed`` and trials 0, 1 ... these are; results depend on neither ``threads`` nor ``batch``. ``labels``:
    int[images], the right classes. Raises UserError for what does not fit.
    """
    check_seed(seed)
    if trials < 1:
        raise UserError(f"--trials {trials}: at least one is needed")
    session = Session(program, engine, threads)
    mitigations = Mitigations(session.accounts, session.slots, session.wires(faults))
    batches = session.batches(inputs, batch)
    classifier = Classifier.of(program, labels, images_of(batches))
    fault_free, tally = BatchedRun(session), _Tally(session, classifier, trials)
    runs = len(batches) * (1 + trials)
    for number, images in enumerate(batches):
        stored: list[np.ndarray] = []
        expected = fault_free.add(
            images,
            wear=wear,
            observe=lambda _, output, stored=stored: stored.append(output),
            progress=_part(progress, number * (1 + trials), runs, "fault-free"),
        )
        for trial in range(trials):
            comparison = _Comparison(stored, images.images)
            found = session.run(
                images,
                faults=session.plan(faults, images, seed, trial),
                observe=comparison.observe,
                progress=_part(progress, number * (1 + trials) + 1 + trial, runs, f"trial {trial}"),
            )
            tally.add(trial, images, expected, found, comparison)
    plain = fault_free.result()
    return tally.result(replace(plain, accuracy=classifier.accuracy(plain.outputs)), seed, mitigations)


def _part(progress: Progress, number: int, parts: int, name: str) -> Progress:
    """Progress of one of several runs of the same length."""
    return lambda done, total, label: progress(number * total + done, parts * total, f"{name} {label}".rstrip())


class _Comparison:
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
        wrong = output != self.stored[index]
        self.different[index] = np.count_nonzero(wrong)
        if self.different[index]:
            hit = wrong.reshape(len(wrong), len(self._seen), -1).any(axis=(0, 2))
            self.first[index] = np.count_nonzero(hit & ~self._seen)
            self._seen |= hit


@dataclass
class _Distance:
    """What ``Deviation`` is made of."""

    most: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    elements: int = 0

    def add(self, difference: np.ndarray) -> None:
        size = np.abs(difference.astype(np.float64))
        self.most = max(self.most, float(size.max(initial=0)))
        self.total += float(size.sum())
        self.squares += float((size**2).sum())
        self.elements += size.size

    @property
    def deviation(self) -> Deviation:
        return Deviation(self.most, self.total / self.elements, (self.squares / self.elements) ** 0.5)


@dataclass(eq=False)
class _Tally:
    """Adds up the trials, batch after batch."""

    session: Session
    classifier: Classifier
    trials: int
    images: int = 0
    correct: Counter[int] = field(default_factory=Counter)
    agreeing: Counter[int] = field(default_factory=Counter)
    parts: list[dict[str, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        layers = len(self.session.program.layers)
        names = [boundary.name for boundary in self.session.program.outputs]
        self.events: list[Counter[str]] = [Counter() for _ in range(layers)]
        self.different, self.first = np.zeros(layers, np.int64), np.zeros(layers, np.int64)
        self.units = {name: _Distance() for name in names}
        self.steps = {name: _Distance() for name in names}

    def add(
        self, trial: int, batch: Batch, expected: SimulationResult, found: SimulationResult, comparison: _Comparison
    ) -> None:
        """One trial of a batch."""
        wanted, outputs = self.session.outputs(expected), self.session.outputs(found)
        top, now = self.classifier.classes(wanted), self.classifier.classes(outputs)
        self.agreeing[trial] += int((top == now).sum())
        if self.classifier.labels is not None:
            labels = self.classifier.labels[batch.first : batch.first + batch.images]
            self.correct[trial] += int((labels == now).sum())
        if trial == 0:
            self.images += batch.images
            self.parts.append(outputs)
        for boundary in self.session.program.outputs:
            name, tensor = boundary.name, boundary.tensor
            self.units[name].add(outputs[name].astype(np.float64) - wanted[name])
            self.steps[name].add(found.tensors[tensor] - expected.tensors[tensor])
        self.events = [add_events(pair) for pair in zip(self.events, found.faults, strict=True)]
        self.different += comparison.different
        self.first += comparison.first

    def result(self, fault_free: RunResult, seed: int, mitigations: Mitigations) -> TrialsResult:
        runs = self.images * self.trials
        program = self.session.program
        sizes = [
            program.tensors[layer.output].channels * program.tensors[layer.output].positions for layer in program.layers
        ]
        layers = [
            LayerFaults(
                layer.name,
                {kind: count / runs for kind, count in sorted(events.items())},
                float(different / (runs * size)),
                float(first / runs),
            )
            for layer, events, different, first, size in zip(
                program.layers, self.events, self.different, self.first, sizes, strict=True
            )
        ]
        events = {kind: count / runs for kind, count in sorted(add_events(self.events).items())}
        each = range(self.trials)
        known = self.classifier.labels is not None
        return TrialsResult(
            fault_free,
            seed,
            self.trials,
            interval([self.correct[trial] for trial in each], self.images) if known else None,
            interval([self.agreeing[trial] for trial in each], self.images),
            [LogitError(name, self.units[name].deviation, self.steps[name].deviation) for name in self.units],
            events,
            layers,
            mitigations.overhead(fault_free.cost, [batch.images for batch in fault_free.batches], events),
            {name: np.concatenate([part[name] for part in self.parts]) for name in self.units},
        )
