"""Layers on associative processors of racetrack memory: exact integers, and what faults make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from apc.fault_file import FaultFile, load_faults
from apc.nn.engines import Engine, Software, build_engine
from apc.nn.layer_runs import LayerRuns, Size, seed_sequence
from apc.options import BATCH
from backends.rtm_ap.passes import LEVELS
from backends.target import Target, load_target
from ir.errors import UserError
from simulator.analog.unfold import Geometry
from simulator.rtm.faults.model import Faults

Method = Literal["statistics", "simulator"]


@dataclass(frozen=True, kw_only=True)
class RtmAp:
    """An associative processor of racetrack memory: a target, and what goes wrong in it.

    ``target``, ``overrides``: a preset or file, and "KEY=VALUE" for its figures; ``level``: of the compiler, "O0" to
    "O3"; ``faults``: a preset or file of docs/faults.md, None: nothing fails. ``method``:

    - ``"simulator"`` compiles each layer to a program of its own and runs that on every image, with faults or without.
    - ``"statistics"`` does so on calibration images only, ``samples`` times in all (images times trials), and keeps
      how far each run is from the exact sums. Every image then draws one of these runs and adds it whole, so that
      elements of one image that fail together still do; that errors depend on an image's own data is lost, and what
      happens in fewer than one image of ``samples`` may be missed.

    Results without faults are the exact integers, which a compiled program equals bit for bit. Raises UserError for an
    unknown preset, file, level or method, and for fewer than one sample.
    """

    target: str | Path = "rtm-ap-published"
    overrides: tuple[str, ...] = ()
    level: str = "O2"
    faults: str | Path | FaultFile | Faults | None = None
    method: Method = "statistics"
    samples: int = 256

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise UserError(f"level = {self.level!r}: must be one of {', '.join(LEVELS)}")
        if self.method not in get_args(Method):
            raise UserError(f"method = {self.method!r}: must be one of {', '.join(get_args(Method))}")
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise UserError(f"samples = {self.samples!r}: must be a whole number from 1")
        self.kinds.on(self.cost_target.as_table())

    @cached_property
    def cost_target(self) -> Target:
        """The target that ``target`` and ``overrides`` name."""
        return load_target(self.target, self.overrides)

    @cached_property
    def kinds(self) -> Faults:
        """What can go wrong; nothing without ``faults``."""
        if self.faults is None:
            return Faults()
        loaded = load_faults(self.faults) if isinstance(self.faults, str | Path) else self.faults
        return loaded if isinstance(loaded, Faults) else loaded.faults

    @property
    def is_faultless(self) -> bool:
        """Whether every probability is 0."""
        kinds = self.kinds
        return not any(
            (kinds.shift.candidate_rate, kinds.search.candidate_rate, kinds.write.not_switched, kinds.stuck.rate)
        )


class SimulatedAp:
    """Every image through the compiled program of the layer."""

    calibrates = False

    def __init__(self, runs: LayerRuns, exact: Engine, is_ideal: bool) -> None:
        self._runs, self._exact = runs, exact
        self.is_ideal = is_ideal

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        return self._runs(x, first_image) if len(x) else self._exact(x, first_image=first_image)

    def calibrate(self, x: torch.Tensor) -> None:
        """Nothing depends on data."""


@dataclass(frozen=True, eq=False)
class Fields:
    """Differences of some runs from the exact sums, int64 (Cout, Ho, Wo) each, where they are not 0: ``places`` in the
    flattened field and ``values``, those of run k from ``starts[k]`` to ``starts[k + 1]``."""

    starts: np.ndarray
    places: torch.Tensor
    values: torch.Tensor

    @staticmethod
    def of(runs: torch.Tensor) -> Fields:
        """``runs``: (runs, elements of a field)."""
        found = runs.nonzero()
        counts = torch.bincount(found[:, 0], minlength=len(runs)).numpy()
        return Fields(np.concatenate([[0], np.cumsum(counts)]), found[:, 1], runs[found[:, 0], found[:, 1]])

    def add_to(self, sums: torch.Tensor, run: int) -> None:
        """Add run number ``run`` to ``sums``, a contiguous (Cout, Ho, Wo)."""
        own = slice(int(self.starts[run]), int(self.starts[run + 1]))
        sums.view(-1)[self.places[own]] += self.values[own].to(sums.dtype)


class SampledAp:
    """The exact sums, and on each image the differences of a run that was observed on calibration images."""

    is_ideal = False
    calibrates = True

    def __init__(
        self, runs: LayerRuns, exact: Engine, hardware: RtmAp, seed: Sequence[int], fields: Mapping[Size, Fields]
    ) -> None:
        self._runs, self._exact, self._hardware, self._seed = runs, exact, hardware, tuple(seed)
        self._samples, self._fields = hardware.samples, dict(fields)

    @property
    def settled(self) -> ObservedAp:
        """The hardware with what has been observed, for weights that change a little."""
        return ObservedAp(self._hardware, dict(self._fields))

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor:
        fields = self._fields.get((x.shape[2], x.shape[3]))
        if fields is None:
            known = ", ".join(f"{height} x {width}" for height, width in self._fields) or "none"
            raise UserError(
                f"fault statistics of inputs of {x.shape[2]} x {x.shape[3]} positions are not known (known: {known}): "
                'call apc.nn.calibrate with such inputs, or take method="simulator"'
            )
        sums = self._exact(x, first_image=first_image).double().contiguous()
        for place, image in enumerate(sums, first_image):
            generator = np.random.Generator(np.random.PCG64(seed_sequence((*self._seed, place))))
            fields.add_to(image, int(generator.integers(self._samples)))
        return sums

    def calibrate(self, x: torch.Tensor) -> None:
        """Observe ``samples`` runs on the first images of ``x`` (N, Cin, H, W), as many trials of each as that takes.
        What was observed of inputs of another size is kept. Raises UserError for no image."""
        if not len(x):
            raise UserError("calibration: holds no image to observe faults on, give at least one")
        some = x[: min(self._samples, BATCH)]
        exact = self._exact(some, first_image=0).double()
        trials = range(-(-self._samples // len(some)))
        runs = torch.cat([self._runs(some, 0, trial) - exact for trial in trials])[: self._samples]
        self._fields[x.shape[2], x.shape[3]] = Fields.of(runs.flatten(1))


@dataclass(frozen=True, eq=False)
class ObservedAp:
    """An associative processor whose fault statistics are known: ``fields``, by the size of what a layer reads."""

    hardware: RtmAp
    fields: Mapping[Size, Fields]


@build_engine.register
def _(hardware: RtmAp, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]) -> Engine:
    exact = build_engine(Software(), levels, geometry, low, high, seed)
    runs = LayerRuns(hardware, levels, geometry, low, high, seed)
    if hardware.method == "simulator":
        return SimulatedAp(runs, exact, hardware.is_faultless)
    return exact if hardware.is_faultless else SampledAp(runs, exact, hardware, seed, {})


@build_engine.register
def _(
    hardware: ObservedAp, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]
) -> Engine:
    exact = build_engine(Software(), levels, geometry, low, high, seed)
    runs = LayerRuns(hardware.hardware, levels, geometry, low, high, seed)
    return SampledAp(runs, exact, hardware.hardware, seed, hardware.fields)
