"""The same network priced on arrays that compute where weights are stored: crossbars and SRAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apc.comparison.backend import Backend
from apc.comparison.data import Data
from apc.comparison.settings import with_figure
from apc.comparison.workload import Workload
from apc.report.units import with_unit
from apc.target_files import ArrayTarget
from backends.activity import Activity
from backends.cost import CostReport
from backends.crossbar.cost import crossbar_cost, interval_s
from backends.crossbar.target import CrossbarTarget
from backends.sram_acim.cost import acim_cost
from backends.workload import LayerWork, layer_works
from backends.writing import written
from ir.graph import Graph


def array_backends(
    graph: Graph,
    work: Workload,
    targets: Sequence[tuple[str, ArrayTarget]],
    overrides: Mapping[str, Sequence[str]],
    data: Data | None,
) -> list[Backend]:
    """``targets``: by the name they were asked for. Bit densities are those of ``data``, where there is any."""
    works = layer_works(graph)
    activity = Activity.from_graph(graph, None if data is None else data.tensors)

    def energy_J(target: ArrayTarget) -> float:
        return array_cost(works, target, activity).energy_by_component_J()["total"]

    def backend(preset: str, target: ArrayTarget) -> Backend:
        cost = array_cost(works, target, activity)
        macs = round(_total(cost, "macs"))
        return Backend(
            preset=preset,
            name=target.name,
            kind=target.family.kind,
            description=target.description,
            overrides=overrides[preset],
            report=cost,
            batch=work.batch,
            batch_s=cost.latency_s() + (work.batch - 1) * _interval_s(cost, target),
            macs=macs,
            figures=target.figures(),
            reprice=lambda key, value: energy_J(with_figure(target, key, value)),
            energy_source=_source(data),
            notes=_notes(target, cost, macs, work),
        )

    return [backend(preset, target) for preset, target in targets]


def array_cost(works: Sequence[LayerWork], target: ArrayTarget, activity: Activity | None = None) -> CostReport:
    """The cost of one image, by the model of the target's kind."""
    if isinstance(target, CrossbarTarget):
        return crossbar_cost(works, target, activity)
    return acim_cost(works, target, activity)


def _interval_s(cost: CostReport, target: ArrayTarget) -> float:
    """Seconds from one image to the next."""
    return interval_s(cost, target) if isinstance(target, CrossbarTarget) else cost.latency_s()


def _total(cost: CostReport, counter: str) -> float:
    return sum(layer.counters.get(counter, 0.0) for layer in cost.layers)


def _source(data: Data | None) -> str:
    if data is None:
        return "bit densities expected of the model's types"
    return f"bit densities counted on {len(next(iter(data.first.values())))} image(s), unless the target sets them"


def _notes(target: ArrayTarget, cost: CostReport, macs: int, work: Workload) -> list[str]:
    notes = []
    if macs != work.macs:
        notes.append(f"prices {macs:,} of the network's {work.macs:,} multiply-accumulates: it leaves padding out")
    bits = target.workload.weight_bits
    if bits:
        notes.append(f"stores weights of {bits} bits, whatever the model's are")
    bits = target.workload.activation_bits
    if bits:
        notes.append(f"takes activations of {bits} bits, whatever the model's are")
    if isinstance(target, CrossbarTarget) and target.hierarchy.pipeline:
        notes.append(
            f"layers work on different images at once: an image takes {with_unit(cost.latency_s(), 's')}, the next one "
            f"follows after {with_unit(interval_s(cost, target), 's')}, the time for which leakage is charged"
        )
    return [*notes, _writing(target, cost)]


def _writing(target: ArrayTarget, cost: CostReport) -> str:
    """What it takes to write the weights, and how often that may be."""
    rows = target.array.rows + (0 if isinstance(target, CrossbarTarget) else target.array.spare_rows)
    weights = written(_total(cost, "programmed_cells"), rows, target.programming)
    note = (
        f"writing its {weights.cells:,.0f} cells once takes {with_unit(weights.energy_J, 'J')} and "
        f"{with_unit(weights.time_s, 's')}"
    )
    if weights.lifetime_images is None:
        return f"{note}, not charged to any image"
    images = target.programming.images_per_programming
    return f"{note}, charged to {images:,g} images; they endure {weights.lifetime_images:.3g} images"
