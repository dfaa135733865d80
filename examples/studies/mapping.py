"""How weights become conductances, against errors of programming: accuracy of the MNIST ResNet-18.

    python examples/studies/mapping.py

The ternary and the int8 network (4-bit activations) on four mappings, with Gaussian errors of every cell, either
independent of its conductance or proportional to it; several seeds a point. Converters are ideal. Cells hold the bits
that a mapping needs; their on/off ratio is infinite.
"""

from __future__ import annotations

from typing import Any

from apc.intervals import Interval
from examples.studies.networks import Chip, Network, accuracies, mnist_network, software_accuracy
from examples.studies.study import Study, Table, panels, run_study, save_figure

MAPPINGS: dict[str, dict[str, Any]] = {
    "differential, one-sided": {"mapping": "differential", "differential_style": "one_sided"},
    "differential, two-sided": {"mapping": "differential", "differential_style": "two_sided"},
    "offset, digital": {"mapping": "offset", "offset_subtraction": "digital"},
    "offset, unit column": {"mapping": "offset", "offset_subtraction": "unit_column"},
}
KINDS = ("independent", "proportional")
MAGNITUDES = (0.01, 0.02, 0.05, 0.1, 0.2)
CELL_BITS = {"ternary": {"differential": 1, "offset": 2}, "int8": {"differential": 7, "offset": 8}}
COLUMNS = ("weights", "mapping", "error", "magnitude", "accuracy", "low", "high", "interval")


def study(asked: Study) -> None:
    rows, limits = [], {}
    for weights in asked.pick(("ternary", "int8"), ("ternary",)):
        network = mnist_network(weights, 4, asked.images, asked.quick, asked.cache)
        limits[weights] = software_accuracy(network)
        rows += measured(network, weights, asked)
    table = Table(COLUMNS, rows)
    table.save(asked.output / "mapping.csv")
    print(table.text())
    draw(table, limits, asked)
    tell(table, limits)


def measured(network: Network, weights: str, asked: Study) -> list[tuple[Any, ...]]:
    places, points = [], []
    for label, fields in MAPPINGS.items():
        cells, end_cells = (CELL_BITS[kind][fields["mapping"]] for kind in (weights, "int8"))
        for kind in KINDS:
            for magnitude in asked.pick(MAGNITUDES, (0.05,)):
                places.append((weights, label, kind, magnitude))
                error = {"programming_error": {kind: magnitude}}
                points.append((network, Chip({**fields, "cell_bits": cells, **error}, ends={"cell_bits": end_cells})))
    found = accuracies(points, asked.workers, range(asked.seeds))
    return [(*place, it.mean, it.low, it.high, it.method) for place, it in zip(places, found, strict=True)]


def draw(table: Table, limits: dict[str, Interval], asked: Study) -> None:
    figure, axes = panels(len(limits) * len(KINDS), len(limits))
    places = [(weights, kind) for weights in limits for kind in KINDS]
    for ax, (weights, kind) in zip(axes, places, strict=True):
        for label in MAPPINGS:
            line = table.select(weights=weights, error=kind, mapping=label)
            means, lows, highs = line.column("accuracy"), line.column("low"), line.column("high")
            (drawn,) = ax.plot(line.column("magnitude"), means, marker="o", markersize=3, label=label)
            ax.fill_between(line.column("magnitude"), lows, highs, color=drawn.get_color(), alpha=0.15, linewidth=0)
        ax.axhline(limits[weights].mean, color="0.5", linewidth=0.8, linestyle=":")
        ax.set(xscale="log", title=f"{weights} weights, {kind} error", ylim=(0, 1))
        ax.set(xlabel="sigma / Gmax" if kind == "independent" else "sigma / G", ylabel="accuracy")
    axes[0].legend(fontsize=7)
    save_figure(figure, asked.output / "mapping.svg")


def tell(table: Table, limits: dict[str, Interval]) -> None:
    """For each mapping, the largest error that costs at most a point."""
    for weights, limit in limits.items():
        for kind in KINDS:
            borne = dict.fromkeys(MAPPINGS, 0.0)
            for label in MAPPINGS:
                line = table.select(weights=weights, error=kind, mapping=label)
                for magnitude, mean in zip(line.column("magnitude"), line.column("accuracy"), strict=True):
                    if mean < limit.mean - 0.01:
                        break
                    borne[label] = magnitude
            shown = "; ".join(f"{label} {magnitude:g}" for label, magnitude in borne.items())
            print(f"{weights}, {kind} error that costs at most a point of {limit.mean:.1%}: {shown}")


def main() -> None:
    run_study("mapping", "mapping of weights against programming errors", study, images=200, seeds=5)


if __name__ == "__main__":
    main()
