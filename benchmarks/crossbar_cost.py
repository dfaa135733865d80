"""The cost model of crossbars beside runs of the tool that it reproduces, DNN+NeuroSim V1.4."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from backends.cost import CostReport
from backends.crossbar.cost import crossbar_cost as cost_of
from backends.crossbar.networks import resnet18, vgg8
from backends.crossbar.target import load_crossbar
from backends.workload import LayerWork
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

ENERGY_PERCENT, LATENCY_PERCENT, AREA_PERCENT, PART_PERCENT = 10.0, 15.0, 15.0, 20.0
"""How far from a run we may be."""
TIME_MS = 50.0

MEAN_S = {(8, 2): 4.50e-6, (1, 1): 7.66e-6}
"""Mean conductance of the cells that were run, by bits of weights and cells: NeuroSim was fed other weights than the
uniform ones that the model assumes without a network."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "ADC": ("array", "adc"),
    "interconnect": ("interconnect",),
    "accumulation": ("shift_add", "adder_tree"),
    "buffers": ("buffer",),
    "rest": ("row_switch", "multiplexer"),
}
"""What NeuroSim prints, as parts of ours."""


@dataclass(frozen=True)
class Reference:
    """A run: bits of weights, cells, activations and converters; what NeuroSim printed: energy without leakage,
    leakage, latency and area (None: not known), and what is known of the percentages of the energy by PARTS."""

    weight: int
    cell: int
    activation: int
    adc: int
    dynamic_uJ: float
    leakage_uJ: float | None = None
    latency_ms: float | None = None
    area_mm2: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        bits = f"{self.weight}/{self.cell}/{self.activation}"
        return f"weights/cells/activations of {bits} bits, ADC {self.adc}"

    def report(self, *overrides: str, network: Callable[[int, int], list[LayerWork]] = resnet18) -> CostReport:
        """Ours of the same run, with ``overrides`` of the target."""
        settings = [f"cell_bits={self.cell}", f"adc_bits={self.adc}"]
        settings.append(f"mean_cell_conductance_S={MEAN_S[self.weight, self.cell]}")
        return cost_of(
            network(self.weight, self.activation), load_crossbar("crossbar-neurosim", [*settings, *overrides])
        )


RUNS = (
    Reference(8, 2, 8, 4, 84.3, 13.9, 12.9, 225),
    Reference(8, 2, 8, 5, 94.4, 17.7, 15.6, 243),
    Reference(
        *(8, 2, 8, 6, 105.0, 20.8, 17.7, 261),
        shares={"ADC": 43, "interconnect": 39, "accumulation": 8, "buffers": 0.7, "rest": 9},
    ),
    Reference(8, 2, 8, 7, 116.2, 25.2, 20.3, 279),
    Reference(8, 2, 8, 8, 127.8, 29.8, 22.9, 297),
    Reference(1, 1, 4, 4, 24.1, 4.4, 10.3, 103),
    Reference(1, 1, 4, 5, 26.5, 5.6, 12.4, 111),
    Reference(1, 1, 4, 6, 29.0, 7.0, 14.6, 119),
    Reference(1, 1, 4, 7, 31.5, 8.5, 16.8, 128),
    Reference(
        *(1, 1, 4, 8, 34.2, 10.1, 19.1, 136),
        shares={"interconnect": 66, "ADC": 20, "accumulation": 9},
    ),
    Reference(1, 1, 8, 8, 65.3, 12.2),
    Reference(1, 1, 1, 8, 19.6, 6.1),
)
"""ResNet-18 at 224x224 on V1.4 (@ ac828e6) with 128x128 arrays, 22 nm, SAR converters, multiplexer 8, layer by layer.
The constants of ``crossbar-neurosim`` are fitted to these runs. Fitted without the totals of the ten that have no
shares, they come within 5.2 % of those energies, 2.5 % of the latencies and 2.8 % of the areas."""
VGG8 = Reference(8, 2, 8, 6, 22.47)
"""VGG-8 with its full traces, in which 0.18 of the input bits change; nothing was fitted to it."""
VGG8_TOGGLE = "input_toggle=0.18"


def crossbar_cost(workload: Workload) -> Iterator[Result]:
    """The crossbar cost model: how far from runs of DNN+NeuroSim V1.4 (ResNet-18 was fitted, VGG-8 was not); time."""
    latency, area, parts = [0.0], [0.0], [0.0]
    for run in RUNS:
        report = run.report()
        energy = dynamic_uJ(report)
        note = f"{energy:.1f} uJ dynamic, NeuroSim {run.dynamic_uJ:g}"
        for ours, theirs, unit, errors in (
            (report.latency_s() * 1e3, run.latency_ms, "ms", latency),
            (report.area_m2()["total"] * 1e6, run.area_mm2, "mm2", area),
        ):
            if theirs is not None:
                errors.append(percent(ours, theirs))
                note += f"; {ours:.3g} {unit}, {theirs:g}"
        parts += [percent(ours, theirs) for ours, theirs in parts_uJ(run, report).values()]
        error = percent(energy, run.dynamic_uJ)
        yield Result(f"energy, ResNet-18, {run.name}: error", error, "%", Limit("<=", ENERGY_PERCENT), note)
    yield Result("latency of these runs: largest error", max(latency), "%", Limit("<=", LATENCY_PERCENT))
    yield Result("area of these runs: largest error", max(area), "%", Limit("<=", AREA_PERCENT))
    yield Result("parts of the energy, 2 runs: largest error", max(parts), "%", Limit("<=", PART_PERCENT))
    energy = dynamic_uJ(VGG8.report(VGG8_TOGGLE, network=vgg8))
    note = f"{energy:.1f} uJ dynamic, NeuroSim {VGG8.dynamic_uJ:g}"
    error = percent(energy, VGG8.dynamic_uJ)
    yield Result(f"energy, VGG-8, {VGG8.name}: error", error, "%", Limit("<=", ENERGY_PERCENT), note)
    note = "NeuroSim takes about 300 s with traces (CiMLoop, arXiv 2405.07259)"
    milliseconds = 1e3 * statistics.median(_pricing_s() for _ in range(3 * workload.size.repetitions))
    yield Result("pricing ResNet-18", milliseconds, "ms", Limit("<=", TIME_MS), note)


def _pricing_s() -> float:
    works, target = resnet18(), load_crossbar("crossbar-neurosim")
    started = time.perf_counter()
    cost_of(works, target)
    return time.perf_counter() - started


def dynamic_uJ(report: CostReport) -> float:
    """Energy of an image without leakage."""
    energy = report.energy_J()
    return (energy["total"] - energy["leakage"]) * 1e6


def parts_uJ(run: Reference, report: CostReport) -> dict[str, tuple[float, float]]:
    """Ours and theirs of every part that is known of a run."""
    energy = report.energy_J()
    return {
        name: (sum(energy[part] for part in PARTS[name]) * 1e6, share / 100 * run.dynamic_uJ)
        for name, share in run.shares.items()
    }


def percent(ours: float, theirs: float) -> float:
    """How far apart, over theirs."""
    return 100 * abs(ours / theirs - 1)
