"""What limits a crossbar chip, layer by layer: energy, latency and area of ResNet-18 by component, on every preset.

    python examples/studies/bottleneck.py

ResNet-18 at 224x224 with drawn ternary weights and 4-bit activations, whose activity is measured on a photo. The chip's
area is divided by the arrays that a layer holds.
"""

from __future__ import annotations

from typing import Any

from backends.activity import Activity
from backends.cost import COMPONENTS, CostReport, LayerCost
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import crossbar_names, load_crossbar
from backends.workload import layer_works
from examples.studies.costs import full_resnet18, tensors
from examples.studies.study import Study, Table, panels, run_study, save_figure

MEASURES = {"energy": ("energy_uJ", 1e6), "latency": ("latency_us", 1e6), "area": ("area_mm2", 1e6)}
"""Column and factor from joules, seconds and square metres."""
COLUMNS = ("preset", "layer", "measure", "component", "value", "unit")


def study(asked: Study) -> None:
    graph, images = full_resnet18(asked.quick)
    works, activity = layer_works(graph), Activity.from_graph(graph, tensors(graph, images))
    rows: list[tuple[Any, ...]] = []
    for preset in crossbar_names():
        rows += parts(preset, crossbar_cost(works, load_crossbar(preset), activity))
    table = Table(COLUMNS, rows)
    table.save(asked.output / "bottleneck.csv")
    draw(table, asked)
    tell(table)


def parts(preset: str, report: CostReport) -> list[tuple[Any, ...]]:
    """A row for every layer, measure and component."""
    rows: list[tuple[Any, ...]] = []
    for layer in report.layers:
        found = {"energy": layer.energy_J, "latency": layer.latency_s, "area": area_of(layer, report)}
        for measure, (unit, factor) in MEASURES.items():
            sums: dict[str, float] = {}
            for part, value in found[measure].items():
                component = report.components.get(part, part)
                sums[component] = sums.get(component, 0.0) + value * factor
            rows += [(preset, layer.name, measure, component, value, unit) for component, value in sums.items()]
    return rows


def area_of(layer: LayerCost, report: CostReport) -> dict[str, float]:
    """The layer's share of the chip, by the arrays that it holds."""
    arrays = sum(other.counters.get("arrays", 0.0) for other in report.layers)
    share = layer.counters.get("arrays", 0.0) / arrays
    return {part: value * share for part, value in report.shared_area_m2.items() if share}


def draw(table: Table, asked: Study) -> None:
    """A row a preset, a column a measure: stacked bars by layer."""
    presets = crossbar_names()
    figure, axes = panels(len(presets) * len(MEASURES), len(presets), width=5.0, height=3.2)
    places = [(preset, measure) for preset in presets for measure in MEASURES]
    colours = {component: f"C{place}" for place, component in enumerate(COMPONENTS)} | {"empty": "0.85"}
    for ax, (preset, measure) in zip(axes, places, strict=True):
        chosen = table.select(preset=preset, measure=measure)
        layers = list(dict.fromkeys(chosen.column("layer")))
        bottom = [0.0] * len(layers)
        for component in dict.fromkeys(chosen.column("component")):
            line = chosen.select(component=component)
            by_layer = dict(zip(line.column("layer"), line.column("value"), strict=True))
            heights = [by_layer.get(layer, 0.0) for layer in layers]
            ax.bar(range(len(layers)), heights, bottom=bottom, label=component, color=colours.get(component, "C9"))
            bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
        ax.set_xticks(range(len(layers)), layers, rotation=90, fontsize=5)
        ax.set(title=preset, ylabel=MEASURES[measure][0].replace("_", " / "))
        ax.legend(fontsize=5)
    save_figure(figure, asked.output / "bottleneck.svg")


def tell(table: Table) -> None:
    """The largest component and layer of every total."""
    for preset in crossbar_names():
        for measure in MEASURES:
            chosen = table.select(preset=preset, measure=measure)
            total = sum(chosen.column("value"))
            (unit,) = set(chosen.column("unit"))
            found = []
            for column in ("component", "layer"):
                sums: dict[str, float] = {}
                for name, value in zip(chosen.column(column), chosen.column("value"), strict=True):
                    sums[name] = sums.get(name, 0.0) + value
                ranked = sorted(sums.items(), key=lambda item: -item[1])[:3]
                found.append(", ".join(f"{name} {value / total:.0%}" for name, value in ranked))
            print(f"{preset}: {measure} {total:.4g} {unit.partition('_')[2]}: {found[0]}; by layer {found[1]}")


def main() -> None:
    run_study("bottleneck", "what limits a crossbar chip, layer by layer", study)


if __name__ == "__main__":
    main()
