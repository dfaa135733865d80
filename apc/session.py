"""A program that is run more than once: batch after batch, with and without faults."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from apc.accounting import Accounts
from apc.batches import add_costs, add_up, image_count, split
from apc.driver import RunResult
from apc.fault_file import FaultFile
from apc.options import Progress, RunOptions, silent
from apc.wear import RunWear
from backends.cost import CostReport
from ir.boundary import check_input_names, dequantise_output, quantise_inputs
from ir.errors import UserError
from ir.program import Program
from simulator.rtm.faults.model import FaultError, Faults, WireFaults
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.faults.slots import ProgramSlots
from simulator.rtm.prepared import Prepared
from simulator.rtm.run import Observer, SimulationResult, run_program


@dataclass(frozen=True, eq=False)
class Batch:
    """Images from the ``first`` of the user's input on. ``integers``: int32 (N, C, H, W) by input name."""

    first: int
    images: int
    integers: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class BatchRun:
    """A batch, its simulation, and the wall time of that."""

    batch: Batch
    simulation: SimulationResult
    wall_s: float


class Session:
    """``program`` on an engine; what is static is worked out once."""

    def __init__(self, program: Program, options: RunOptions) -> None:
        self.program = program
        self.options = options
        self.accounts = Accounts(program)
        self._prepared = Prepared(program, self.accounts.counts)

    @cached_property
    def slots(self) -> ProgramSlots:
        """Where faults can happen in the program."""
        return ProgramSlots(self.program, self.accounts.counts)

    def batches(self, inputs: Mapping[str, np.ndarray]) -> list[Batch]:
        """All images of ``inputs`` (as for ``apc.driver.run_model``). Raises UserError for what does not fit, before
        anything runs."""
        check_input_names(self.program.inputs, inputs)
        found = []
        for part in split(image_count(inputs), self.options.batch):
            integers = quantise_inputs(
                self.program.inputs, {name: array[part] if array.ndim else array for name, array in inputs.items()}
            )
            narrow = {name: array.astype(np.int32) for name, array in integers.items()}
            found.append(Batch(part.start, part.stop - part.start, narrow))
        return found

    def plan(self, faults: FaultFile | Faults, batch: Batch, trial: int) -> FaultPlan:
        """What goes wrong in a batch. Raises UserError for faults that the program's target cannot have."""
        kinds = self.wires(faults).faults
        return FaultPlan(self.program, kinds, self.options.seed, batch.images, trial, batch.first, self.slots)

    def wires(self, faults: FaultFile | Faults) -> WireFaults:
        """``faults`` on the wires of the program's target. Raises UserError, which names the file, where that has too
        few guard domains."""
        if isinstance(faults, Faults):
            return faults.on(self.program.target)
        try:
            return faults.faults.on(self.program.target)
        except FaultError as error:
            raise UserError(f"faults {faults.name}: {error}") from error

    def run(
        self,
        batch: Batch,
        *,
        keep: Literal["outputs", "all"] = "outputs",
        faults: FaultPlan | None = None,
        wear: bool = False,
        observe: Observer | None = None,
        progress: Progress = silent,
    ) -> BatchRun:
        """Simulate a batch; the options are those of ``simulator.rtm.run.run_program``."""
        started = time.perf_counter()
        simulation = run_program(
            self.program,
            batch.integers,
            engine=self.options.engine,
            threads=self.options.threads,
            keep=keep,
            prepared=self._prepared,
            faults=faults,
            wear=wear,
            observe=observe,
            progress=progress,
        )
        return BatchRun(batch, simulation, time.perf_counter() - started)

    def outputs(self, simulation: SimulationResult) -> dict[str, np.ndarray]:
        """By ONNX name, with the ONNX graph's shapes and dtypes."""
        return {b.name: dequantise_output(b, simulation.tensors[b.tensor]) for b in self.program.outputs}


def images_of(batches: Sequence[Batch]) -> int:
    """How many there are in all."""
    return sum(batch.images for batch in batches)


class BatchedRun:
    """A run of several batches, added up as they come so that only outputs are kept of them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._parts: list[SimulationResult] = []
        self._costs: list[CostReport] = []
        self._wear: RunWear | None = None
        self._wall_s = 0.0

    def add(self, run: BatchRun) -> None:
        """The next batch."""
        accounts, simulation, images = self.session.accounts, run.simulation, run.batch.images
        self._wall_s += run.wall_s
        written = [float(layer.written_bits.sum()) for layer in simulation.layers]
        self._costs.append(accounts.cost(images, written))
        if simulation.wear:
            wear = RunWear.of_batch(accounts, simulation.wear, images)
            self._wear = wear if self._wear is None else self._wear.worse(wear)
        kept = {boundary.tensor: simulation.tensors[boundary.tensor] for boundary in self.session.program.outputs}
        self._parts.append(replace(simulation, tensors=kept, wear=[]))

    def result(self) -> RunResult:
        """Of all batches."""
        simulation = add_up(self._parts)
        return RunResult(
            simulation.images,
            self.session.outputs(simulation),
            simulation,
            self.session.accounts,
            self._costs,
            add_costs(self._costs),
            self._wall_s,
            wear=self._wear,
        )
