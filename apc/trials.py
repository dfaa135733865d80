"""What faults do to a network: trials against the fault-free run, compared layer by layer as they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from apc.driver import RunResult
from apc.intervals import Interval
from apc.labels import Classifier
from apc.mitigation import Mitigations, Overhead
from apc.options import TrialsOptions, part_of, taking
from apc.session import BatchedRun, BatchRun, Session, images_of
from apc.tallies import ClassTally, Comparison, Deviation, DeviationTally, LayerFaults, LayerTally
from ir.program import Program
from simulator.rtm.run import Observer


@dataclass(frozen=True)
class LogitError:
    """How far the elements of a network output are from the fault-free ones, over all images and trials: in its own
    ``units``, and in ``steps`` of its quantisation."""

    output: str
    units: Deviation
    steps: Deviation


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


@taking(TrialsOptions)
def run_trials(program: Program, inputs: Mapping[str, np.ndarray], options: TrialsOptions) -> TrialsResult:
    """Run all images without faults and then some times with them.

    ``inputs``: as for ``apc.driver.run_model``, of whose runs with ``seed`` and trials 0, 1 ... these are; results
    do not depend on ``batch`` either. Call it with the fields of ``TrialsOptions``: the faults, and keywords. Raises
    UserError for what does not fit.
    """
    options.progress(0, 0, "preparing the program")
    session = Session(program, options)
    mitigations = Mitigations(session.accounts, session.slots, session.wires(options.faults))
    batches = session.batches(inputs)
    images = images_of(batches)
    classifier = Classifier.of(program, options.labels, images)
    fault_free, tally = BatchedRun(session), _Tally(session, classifier, options.trials)
    each = 1 + options.trials
    runs = len(batches) * each
    for number, batch in enumerate(batches):
        stored: list[np.ndarray] = []
        expected = session.run(
            batch,
            wear=options.wear,
            observe=_keeping(stored),
            progress=part_of(options.progress, number * each, runs, "fault-free"),
        )
        fault_free.add(expected)
        for trial in range(options.trials):
            comparison = Comparison(stored, batch.images)
            found = session.run(
                batch,
                faults=session.plan(options.faults, batch, trial),
                observe=comparison.observe,
                progress=part_of(options.progress, number * each + 1 + trial, runs, f"trial {trial}"),
            )
            tally.add(trial, expected, found, comparison)
    plain = fault_free.result()
    events = tally.layers.events(images * options.trials)
    return TrialsResult(
        replace(plain, accuracy=classifier.accuracy(plain.outputs)),
        options.seed,
        options.trials,
        tally.classes.accuracy(images),
        tally.classes.agreement(images),
        tally.logit_errors(),
        events,
        tally.layers.layers(images * options.trials),
        mitigations.overhead(plain.cost, [batch.images for batch in batches], events),
        tally.outputs(),
    )


def _keeping(stored: list[np.ndarray]) -> Observer:
    """Appends every layer's output to ``stored``."""
    return lambda _, output: stored.append(output)


class _Tally:
    """Adds up the trials, batch after batch."""

    def __init__(self, session: Session, classifier: Classifier, trials: int) -> None:
        self.session = session
        self.classes = ClassTally(classifier, trials)
        self.layers = LayerTally(session.program)
        names = [boundary.name for boundary in session.program.outputs]
        self._units = {name: DeviationTally() for name in names}
        self._steps = {name: DeviationTally() for name in names}
        self._outputs: list[dict[str, np.ndarray]] = []

    def add(self, trial: int, expected: BatchRun, found: BatchRun, comparison: Comparison) -> None:
        """One trial of a batch."""
        wanted, outputs = (self.session.outputs(run.simulation) for run in (expected, found))
        self.classes.add(trial, expected.batch.first, wanted, outputs)
        self.layers.add(found.simulation.faults, comparison)
        if trial == 0:
            self._outputs.append(outputs)
        for boundary in self.session.program.outputs:
            name, tensor = boundary.name, boundary.tensor
            self._units[name].add(outputs[name].astype(np.float64) - wanted[name])
            self._steps[name].add(found.simulation.tensors[tensor] - expected.simulation.tensors[tensor])

    def logit_errors(self) -> list[LogitError]:
        """Of every network output."""
        return [LogitError(name, self._units[name].deviation, self._steps[name].deviation) for name in self._units]

    def outputs(self) -> dict[str, np.ndarray]:
        """By ONNX name, of trial 0, all images."""
        return {name: np.concatenate([part[name] for part in self._outputs]) for name in self._units}
