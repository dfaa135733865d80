"""Which constant decides the winner: every figure of both sides up and down by a factor, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apc.comparison.backend import Backend
from apc.options import Progress, silent
from backends.target import Figure
from ir.errors import UserError

FACTOR = 3.0
LARGEST_FACTOR = 1e6
RESOLUTIONS = (
    *("workload.weight_bits", "workload.activation_bits", "array.cell_bits", "adc.adc_bits", "dac.dac_bits"),
    *("datasheet.datasheet_bits", "hybrid.hybrid_level", "voting.voting_level"),
)
"""Figures in which a factor means nothing."""
_SAME = 1e-9
"""Relative change of a ratio below which a figure does not matter."""


@dataclass(frozen=True)
class Probe:
    """The energy per image of ``backend`` with the figure ``key`` at ``low`` and at ``high``; None where the target
    takes no such value."""

    backend: str
    key: str
    unit: str
    value: float
    low: float
    high: float
    energy_low_J: float | None
    energy_high_J: float | None


@dataclass(frozen=True)
class Row:
    """``probe`` as ratios of a pair: crossbar over AP. ``swing``: largest of the three ratios over the smallest.
    ``flips``: whether one of them has another winner."""

    probe: Probe
    ratio_low: float | None
    ratio_high: float | None
    swing: float
    flips: bool


@dataclass(frozen=True)
class Sensitivity:
    """Of a pair: ``rows``, the largest swing first; keys of figures that change nothing, and of those for which the
    target takes neither value."""

    ap: str
    crossbar: str
    ratio: float
    rows: Sequence[Row]
    unchanged: Sequence[str]
    refused: Sequence[str]


def probes(backend: Backend, factor: float, progress: Progress = silent) -> list[Probe]:
    """Of every figure that is a number above 0 (0 and -1 stand for "of the model", "measured" and the like)."""
    chosen = [figure for figure in backend.figures if _scales(figure)]
    found = []
    for number, figure in enumerate(chosen):
        progress(number, len(chosen), f"{backend.name} {figure.key}")
        low, high = span(figure, factor)
        energies = (_energy(backend, figure.key, value) for value in (low, high))
        found.append(Probe(backend.name, figure.key, figure.unit, float(figure.value), low, high, *energies))
    return found


def span(figure: Figure, factor: float) -> tuple[float, float]:
    """The values below and above. Whole numbers stay whole and do move; a resolution moves by one bit."""
    value = figure.value
    if isinstance(value, int):
        if figure.key in RESOLUTIONS:
            return max(1, value - 1), value + 1
        return max(1, min(round(value / factor), value - 1)), max(round(value * factor), value + 1)
    return value / factor, value * factor


def sensitivity(ap: Backend, crossbar: Backend, of_ap: Sequence[Probe], of_crossbar: Sequence[Probe]) -> Sensitivity:
    """What the probes of both sides do to the ratio of their energies."""
    ratio = crossbar.energy_J / ap.energy_J
    rows = [_row(probe, ratio, lambda energy: crossbar.energy_J / energy) for probe in of_ap]
    rows += [_row(probe, ratio, lambda energy: energy / ap.energy_J) for probe in of_crossbar]
    tried = [row for row in rows if not (row.ratio_low is None and row.ratio_high is None)]
    moved = sorted((row for row in tried if row.swing > 1 + _SAME), key=lambda row: -row.swing)
    return Sensitivity(
        ap.name,
        crossbar.name,
        ratio,
        moved,
        [_place(row) for row in tried if row.swing <= 1 + _SAME],
        [_place(row) for row in rows if row not in tried],
    )


def _place(row: Row) -> str:
    return f"{row.probe.backend}: {row.probe.key}"


def _scales(figure: Figure) -> bool:
    """Whether a figure is a number that can be more or less. A technology node is not: it stands for all the others."""
    if figure.unit.startswith("nm"):
        return False
    return isinstance(figure.value, int | float) and not isinstance(figure.value, bool) and figure.value > 0


def _energy(backend: Backend, key: str, value: float) -> float | None:
    try:
        return backend.reprice(key, value)
    except UserError:
        return None


def _row(probe: Probe, ratio: float, ratio_of: Callable[[float], float]) -> Row:
    low, high = (None if energy is None else ratio_of(energy) for energy in (probe.energy_low_J, probe.energy_high_J))
    reached = [ratio, *(found for found in (low, high) if found is not None)]
    flips = min(reached) < 1 < max(reached)
    return Row(probe, low, high, max(reached) / min(reached), flips)
