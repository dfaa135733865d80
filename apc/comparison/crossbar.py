"""The same network priced on crossbars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apc.comparison.backend import Backend
from apc.comparison.data import Data
from apc.comparison.settings import with_figure
from apc.comparison.workload import Workload
from apc.report.units import with_unit
from backends.cost import CostReport
from backends.crossbar.activity import Activity
from backends.crossbar.cost import crossbar_cost, interval_s
from backends.crossbar.digital import programming
from backends.crossbar.target import CrossbarTarget
from backends.crossbar.workload import layer_works
from ir.graph import Graph


def crossbar_backends(
    graph: Graph,
    work: Workload,
    targets: Sequence[tuple[str, CrossbarTarget]],
    overrides: Mapping[str, Sequence[str]],
    data: Data | None,
) -> list[Backend]:
    """``targets``: by the name they were asked for. Bit densities are those of ``data``, where there is any."""
    works = layer_works(graph)
    activity = Activity.from_graph(graph, None if data is None else data.tensors)

    def energy_J(target: CrossbarTarget) -> float:
        return crossbar_cost(works, target, activity).energy_by_component_J()["total"]

    def backend(preset: str, target: CrossbarTarget) -> Backend:
        cost = crossbar_cost(works, target, activity)
        macs = round(_total(cost, "macs"))
        return Backend(
            preset=preset,
            name=target.name,
            kind="crossbar",
            description=target.description,
            overrides=overrides[preset],
            report=cost,
            batch=work.batch,
            batch_s=cost.latency_s() + (work.batch - 1) * interval_s(cost, target),
            macs=macs,
            figures=target.figures(),
            reprice=lambda key, value: energy_J(with_figure(target, key, value)),
            energy_source=_source(data),
            notes=_notes(target, cost, macs, work),
        )

    return [backend(preset, target) for preset, target in targets]


def _total(cost: CostReport, counter: str) -> float:
    return sum(layer.counters.get(counter, 0.0) for layer in cost.layers)


def _source(data: Data | None) -> str:
    if data is None:
        return "bit densities expected of the model's types"
    return f"bit densities counted on {len(next(iter(data.first.values())))} image(s), unless the target sets them"


def _notes(target: CrossbarTarget, cost: CostReport, macs: int, work: Workload) -> list[str]:
    notes = []
    if macs != work.macs:
        notes.append(f"prices {macs:,} of the network's {work.macs:,} multiply-accumulates: it leaves padding out")
    bits = target.workload.weight_bits
    if bits:
        notes.append(f"stores weights of {bits} bits, whatever the model's are")
    bits = target.workload.activation_bits
    if bits:
        notes.append(f"takes activations of {bits} bits, whatever the model's are")
    if target.hierarchy.pipeline:
        notes.append(
            f"layers work on different images at once: an image takes {with_unit(cost.latency_s(), 's')}, the next one "
            f"follows after {with_unit(interval_s(cost, target), 's')}, the time for which leakage is charged"
        )
    return [*notes, _writing(target, cost)]


def _writing(target: CrossbarTarget, cost: CostReport) -> str:
    """What it takes to write the weights, and how often that may be."""
    written = programming(_total(cost, "programmed_cells"), target)
    note = (
        f"writing its {written.cells:,.0f} cells once takes {with_unit(written.energy_J, 'J')} and "
        f"{with_unit(written.time_s, 's')}"
    )
    if written.lifetime_images is None:
        return f"{note}, not charged to any image"
    images = target.programming.images_per_programming
    return f"{note}, charged to {images:,g} images; they endure {written.lifetime_images:.3g} images"
