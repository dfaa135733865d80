"""What a run can be told: one record for all kinds of runs, and functions that take it as keywords."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

import numpy as np

from ir.errors import UserError
from ir.program import Program

if TYPE_CHECKING:
    from apc.fault_file import FaultFile
    from simulator.rtm.faults.model import Faults
    from simulator.rtm.run import EngineName

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is being worked on); steps in all are 0 for work that is not counted."""
ENGINES = ("fast", "reference")
CHECKS = ("reference", "onnxruntime")
BATCH = 32
"""Images that are simulated at once where nothing else is said."""


def silent(done: int, total: int, label: str) -> None:
    """The Progress that shows nothing."""


def part_of(progress: Progress, number: int, parts: int, name: str = "") -> Progress:
    """Progress of one of several runs of the same length."""
    return lambda done, total, label: progress(number * total + done, parts * total, f"{name} {label}".strip())


@dataclass(frozen=True, eq=False, kw_only=True)
class RunOptions:
    """Of every run. Results depend on neither ``threads`` nor ``engine``.

    ``batch``: at most so many images are simulated at a time; ``labels``: int[images], the right classes, for the
    accuracy; ``seed``: decides what fails; ``wear``: count the writes of every cell (slow). Raises UserError for
    numbers out of range.
    """

    engine: EngineName = "fast"
    threads: int = 2
    batch: int = BATCH
    labels: np.ndarray | None = None
    seed: int = 0
    wear: bool = False
    progress: Progress = silent

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UserError(f"--threads {self.threads}: at least one thread is needed")
        if self.batch < 1:
            raise UserError(f"--batch {self.batch}: at least one image is needed")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise UserError(f"--seed {self.seed}: it must be an integer that is not negative")
        if self.engine not in ENGINES:
            raise UserError(f"engine {self.engine!r}: it must be one of {', '.join(ENGINES)}")
        if self.labels is not None and not isinstance(self.labels, np.ndarray):
            raise UserError("labels: an array of class indices is needed, one an image")


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelOptions(RunOptions):
    """Of ``apc.driver.run_model``. ``check`` compares every stored tensor with the reference interpreter, or the
    outputs with onnxruntime. ``faults``: what goes wrong, decided by ``seed``, ``trial`` and an image's place among the
    inputs alone; ``apc.trials`` says how often and how much that matters. Raises UserError for both together."""

    check: Literal["reference", "onnxruntime"] | None = None
    faults: FaultFile | Faults | None = None
    trial: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.check not in (None, *CHECKS):
            raise UserError(f"check {self.check!r}: it must be one of {', '.join(CHECKS)}, or None")
        if self.check is not None and self.faults is not None:
            raise UserError(f"--check {self.check} is of a run without faults: leave it or --faults away")


@dataclass(frozen=True, eq=False)
class TrialsOptions(RunOptions):
    """Of ``apc.trials.run_trials``: the runs with ``faults`` and trials 0, 1 ... of ``seed``. ``wear`` is of the
    fault-free run."""

    faults: FaultFile | Faults
    trials: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trials < 1:
            raise UserError(f"--trials {self.trials}: at least one is needed")


P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")
Inputs = Mapping[str, np.ndarray]


def taking(
    options: Callable[P, Options],
) -> Callable[[Callable[[Program, Inputs, Options], Result]], Callable[Concatenate[Program, Inputs, P], Result]]:
    """Let callers give a function the fields of its ``options`` as arguments: the record stays the only place that
    names them, and their types are checked."""

    def decorate(
        function: Callable[[Program, Inputs, Options], Result],
    ) -> Callable[Concatenate[Program, Inputs, P], Result]:
        @wraps(function)
        def called(program: Program, inputs: Inputs, /, *args: P.args, **kwargs: P.kwargs) -> Result:
            return function(program, inputs, options(*args, **kwargs))

        return called

    return decorate
