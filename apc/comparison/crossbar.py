"""The same network priced on crossbars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apc.comparison.backend import Backend
from apc.comparison.data import Data
from apc.comparison.workload import Workload
from backends.crossbar.activity import Activity
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import CrossbarTarget
from backends.crossbar.workload import LayerWork, layer_works
from ir.graph import Graph


def crossbar_backends(
    graph: Graph,
    work: Workload,
    targets: Sequence[tuple[str, CrossbarTarget]],
    overrides: Mapping[str, Sequence[str]],
    data: Data | None,
) -> list[Backend]:
    """``targets``: by the name they were asked for. Bit densities are those of ``data``, where there is any. Raises
    UserError for a network that crossbars cannot hold."""
    works = layer_works(graph)
    activity = Activity.from_graph(graph, None if data is None else data.tensors)

    def energy_J(target: CrossbarTarget) -> float:
        return crossbar_cost(works, target, activity).energy_by_component_J()["total"]

    def backend(preset: str, target: CrossbarTarget) -> Backend:
        cost = crossbar_cost(works, target, activity)
        macs = executed_macs(works, target)
        return Backend(
            preset=preset,
            name=target.name,
            kind="crossbar",
            description=target.description,
            overrides=overrides[preset],
            report=cost,
            macs=macs,
            figures=target.figures(),
            reprice=lambda key, value: energy_J(with_figure(target, key, value)),
            energy_source=_source(data),
            notes=_notes(target, macs, work),
        )

    return [backend(preset, target) for preset, target in targets]


def executed_macs(works: Sequence[LayerWork], target: CrossbarTarget) -> int:
    """Per image, as ``apc.comparison.workload`` counts them, of the output positions that the target counts."""
    return sum(
        (work.positions if target.workload.count_padding else work.bare_positions)
        * work.rows
        * work.outputs
        * work.groups
        for work in works
    )


def with_figure(target: CrossbarTarget, key: str, value: float) -> CrossbarTarget:
    """``target`` with "section.name" at ``value``. Raises CrossbarTargetError where it takes no such value."""
    table = target.as_table()
    section, name = key.split(".")
    table[section][name] = value
    return CrossbarTarget.from_table(table, f"{target.name}, {key} = {value:g}")


def _source(data: Data | None) -> str:
    if data is None:
        return "bit densities expected of the model's types"
    return f"bit densities counted on {len(next(iter(data.first.values())))} image(s), unless the target sets them"


def _notes(target: CrossbarTarget, macs: int, work: Workload) -> list[str]:
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
        notes.append("its time is that of the slowest layer: layers work on different images at once")
    return notes
