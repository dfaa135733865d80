"""What resistance of the wires does to accuracy: the MNIST ResNet-18 with int8 weights and 4-bit activations.

    python examples/studies/parasitics.py

Row and column wires have the same resistance between two cells, in units of a cell's lowest resistance. Arrays are as
tall as a layer needs (9 to 576 rows) and up to 64 columns a slice wide. Cells and converters are ideal.
"""

from __future__ import annotations

from typing import Any

from apc.intervals import Interval
from examples.studies.networks import Chip, accuracies, mnist_network, software_accuracy
from examples.studies.study import Study, Table, panels, run_study, save_figure

DIFFERENTIAL = {"mapping": "differential", "weight_bits": 8}
OFFSET = {"mapping": "offset", "weight_bits": 8}
DESIGNS: dict[str, dict[str, Any]] = {
    "differential": {**DIFFERENTIAL, "cell_bits": 7},
    "differential, 4 slices": {**DIFFERENTIAL, "slices": 4},
    "differential, interleaved": {**DIFFERENTIAL, "cell_bits": 7, "topology": "interleaved"},
    "differential, two-sided": {**DIFFERENTIAL, "cell_bits": 7, "differential_style": "two_sided"},
    "offset": {**OFFSET, "cell_bits": 8},
    "offset, 4 slices": {**OFFSET, "slices": 4},
}
RESISTANCES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
ROWS = (0, 72)
"""Most rows of an array; 0: no limit."""
COLUMNS = ("design", "rows_max", "resistance", "accuracy", "low", "high")


def study(asked: Study) -> None:
    network = mnist_network("int8", 4, asked.images, asked.quick, asked.cache)
    limit = software_accuracy(network)
    places, points = [], []
    for design, fields in DESIGNS.items():
        for rows_max in asked.pick(ROWS, ROWS[:1]):
            for resistance in asked.pick(RESISTANCES, (1e-4,)):
                wires = {"row_resistance": resistance, "column_resistance": resistance, "rows_max": rows_max}
                places.append((design, rows_max, resistance))
                points.append((network, Chip({**fields, **wires})))
    found = accuracies(points, asked.workers)
    table = Table(COLUMNS, [(*place, it.mean, it.low, it.high) for place, it in zip(places, found, strict=True)])
    table.save(asked.output / "parasitics.csv")
    print(table.text())
    draw(table, limit, asked)
    tell(table, limit)


def draw(table: Table, limit: Interval, asked: Study) -> None:
    limits = sorted(set(table.column("rows_max")))
    figure, axes = panels(len(limits))
    for ax, rows_max in zip(axes, limits, strict=True):
        for design in DESIGNS:
            line = table.select(design=design, rows_max=rows_max)
            ax.plot(line.column("resistance"), line.column("accuracy"), marker="o", markersize=3, label=design)
        ax.axhline(limit.mean, color="0.5", linewidth=0.8, linestyle=":")
        ax.set(xscale="log", ylim=(0, 1), xlabel="wire / cell resistance", ylabel="accuracy")
        ax.set_title(f"arrays of at most {rows_max} rows" if rows_max else "arrays of up to 576 rows")
    axes[0].legend(fontsize=7)
    save_figure(figure, asked.output / "parasitics.svg")


def tell(table: Table, limit: Interval) -> None:
    """For each design, the largest resistance that costs at most a point."""
    for rows_max in sorted(set(table.column("rows_max"))):
        borne = []
        for design in DESIGNS:
            line = table.select(design=design, rows_max=rows_max)
            good = [mean >= limit.mean - 0.01 for mean in line.column("accuracy")]
            count = good.index(False) if False in good else len(good)
            borne.append(f"{design} {line.column('resistance')[count - 1]:g}" if count else f"{design} none")
        rows = f"at most {rows_max} rows" if rows_max else "up to 576 rows"
        print(f"{rows}: resistance that costs at most a point of {limit.mean:.1%}: {'; '.join(borne)}")


def main() -> None:
    run_study("parasitics", "wire resistance against accuracy", study, images=200)


if __name__ == "__main__":
    main()
