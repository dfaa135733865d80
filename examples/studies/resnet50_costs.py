"""What ResNet-50 costs on racetrack-memory associative processors, crossbars and SRAM arrays, by component.

    python examples/studies/resnet50_costs.py

The network of examples/resnet50.py at 224x224 is compiled with -O2 (minutes) and run on one photo, whose bits decide
the energy of both sides: `apc compare` without its break-even points.
"""

from __future__ import annotations

from typing import Any

from apc.comparison.backend import Backend
from apc.comparison.driver import CompareOptions, compare
from apc.driver import compile_model
from backends.cost import COMPONENTS
from examples import drawn, resnet50
from examples.studies.study import Study, Table, panels, run_study, save_figure

QUICK = {"size": 32, "width": 4, "num_classes": 10, "blocks": (1, 1, 1, 1)}
COLUMNS = ("backend", "energy_uJ", *(f"{name}_uJ" for name in COMPONENTS), "latency_ms", "area_mm2", "fJ_per_MAC")


def study(asked: Study) -> None:
    model, images = drawn.export(*resnet50.build(**(QUICK if asked.quick else {})))
    program = compile_model(model).program
    found = compare(program, CompareOptions(inputs={"input": images}, factor=None))
    table = Table(COLUMNS, [row(backend) for backend in found.backends])
    table.save(asked.output / "resnet50_costs.csv")
    work = found.workload
    print(f"ResNet-50: {work.macs / 1e9:.2f} GMAC an image, {work.weights / 1e6:.1f} million weights")
    print(table.text())
    draw(table, asked)
    tell(found.backends)


def row(backend: Backend) -> tuple[Any, ...]:
    parts = backend.report.energy_by_component_J()
    joules = [parts["total"], *(parts.get(name, 0.0) for name in COMPONENTS)]
    macs = backend.energy_per_mac_J * 1e15
    return (
        backend.name,
        *(1e6 * value for value in joules),
        1e3 * backend.image_s,
        1e6 * backend.area_m2,
        macs,
    )


def draw(table: Table, asked: Study) -> None:
    """Energy, what it goes into, time and area of every backend."""
    figure, axes = panels(4, width=3.6)
    names, places = table.column("backend"), range(len(table.rows))
    totals = table.column("energy_uJ")
    left = [0.0] * len(names)
    for component in COMPONENTS:
        shares = [value / total for value, total in zip(table.column(f"{component}_uJ"), totals, strict=True)]
        axes[1].barh(places, shares, left=left, label=component)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    axes[1].legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4)
    for ax, values in zip(
        (axes[0], *axes[2:]), (totals, table.column("latency_ms"), table.column("area_mm2")), strict=True
    ):
        ax.barh(places, values, color="0.5")
        ax.set(xscale="log", xlim=(min(values) / 2, None))
        ax.tick_params(axis="x", which="minor", labelbottom=False)
    labels = ("energy per image / uJ", "share of the energy", "time per image / ms", "area / mm2")
    for ax, label in zip(axes, labels, strict=True):
        ax.set_title(label, fontsize=9)
        ax.set_yticks(places, names if ax is axes[0] else [], fontsize=7)
        ax.invert_yaxis()
    figure.suptitle("ResNet-50, ternary weights, 4-bit activations")
    save_figure(figure, asked.output / "resnet50_costs.svg")


def tell(backends: Any) -> None:
    reference = backends[0]
    for backend in backends[1:]:
        energy, delay = backend.energy_J / reference.energy_J, backend.image_s / reference.image_s
        print(f"{backend.name}: {energy:.3g} x the energy and {delay:.3g} x the time of {reference.name}")


def main() -> None:
    run_study("resnet50_costs", "ResNet-50 on associative processors and crossbars", study)


if __name__ == "__main__":
    main()
