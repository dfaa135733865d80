"""Weight slices and ADC bits: accuracy of the MNIST ResNet-18 with int8 weights, and energy of the full one.

    python examples/studies/slices.py

An int8 weight lies in one pair of 7-bit cells, or in 2, 4 or 7 pairs of cells with 4, 2 or 1 bits, each slice with
conversions of its own; bit-serial 4-bit inputs, at most 128 rows, ADC ranges calibrated by layer and slice. Cells are
ideal, or have an error of 5 % of the highest conductance.
"""

from __future__ import annotations

from typing import Any

from apc.intervals import Interval
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import load_crossbar
from backends.workload import layer_works
from examples.studies.costs import full_resnet18, like_trained
from examples.studies.networks import Chip, Network, accuracies, mnist_network, software_accuracy
from examples.studies.study import Study, Table, panels, run_study, save_figure

CELL_BITS = {1: 7, 2: 4, 4: 2, 7: 1}
"""Bits of a cell, by slices."""
ADC_BITS = (2, 3, 4, 6, 8)
ERRORS = (0.0, 0.05)
PRESET = "crossbar-rram-22nm"
ROWS = 128
COLUMNS = ("error", "slices", "cell_bits", "adc_bits", "accuracy", "low", "high", "energy_uJ")


def study(asked: Study) -> None:
    network = mnist_network("int8", 4, asked.images, asked.quick, asked.cache)
    designs = [(slices, bits) for slices in asked.pick(tuple(CELL_BITS), (1, 2)) for bits in asked.pick(ADC_BITS, (8,))]
    joules = energies_J(network, designs, asked)
    table = Table(COLUMNS, [])
    for error in ERRORS:
        points = [(network, chip(network, *design, error)) for design in designs]
        found = accuracies(points, asked.workers, range(asked.seeds if error else 1))
        for (slices, bits), it, energy in zip(designs, found, joules, strict=True):
            table.rows.append((error, slices, CELL_BITS[slices], bits, it.mean, it.low, it.high, 1e6 * energy))
    table.save(asked.output / "slices.csv")
    print(table.text())
    limit = software_accuracy(network)
    draw(table, limit, asked)
    tell(table, limit)


def chip(network: Network, slices: int, adc_bits: int, error: float) -> Chip:
    fields: dict[str, Any] = {
        "weight_bits": 8,
        "slices": slices,
        "cell_bits": CELL_BITS[slices],
        "rows_max": ROWS,
        "input_slice_bits": 1,
        "adc_bits": adc_bits,
        "adc_range": "calibrated",
        "adc_sign_magnitude": True,
    }
    if error:
        fields["programming_error"] = {"independent": error}
    return Chip(fields, input_bits=network.input_bits())


def energies_J(network: Network, designs: list[tuple[int, int]], asked: Study) -> list[float]:
    """Per image, of the full ResNet-18 with these weights and activities, for all slices and ADC bits."""
    graph, _ = full_resnet18(asked.quick)
    works, activity = like_trained(layer_works(graph), network)
    joules = []
    for slices, adc_bits in designs:
        settings = [f"adc_bits={adc_bits}", f"cell_bits={CELL_BITS[slices]}", "mapping=differential", f"rows={ROWS}"]
        joules.append(crossbar_cost(works, load_crossbar(PRESET, settings), activity).energy_J()["total"])
    return joules


def draw(table: Table, limit: Interval, asked: Study) -> None:
    figure, axes = panels(3)
    for ax, error in zip(axes, ERRORS, strict=False):
        for slices in sorted(set(table.column("slices"))):
            line = table.select(error=error, slices=slices)
            label = f"{slices} x {CELL_BITS[slices]} bits"
            ax.plot(line.column("adc_bits"), line.column("accuracy"), marker="o", markersize=3, label=label)
        ax.axhline(limit.mean, color="0.5", linewidth=0.8, linestyle=":")
        ax.set(ylim=(0, 1), xlabel="ADC bits", ylabel="accuracy", title=f"cell error {error:g} Gmax")
    axes[0].legend(fontsize=7)
    for slices in sorted(set(table.column("slices"))):
        line = table.select(error=ERRORS[0], slices=slices)
        axes[2].plot(line.column("adc_bits"), line.column("energy_uJ"), marker="o", markersize=3)
    axes[2].set(yscale="log", xlabel="ADC bits", ylabel="energy per image / uJ", title=f"ResNet-18, {PRESET}")
    save_figure(figure, asked.output / "slices.svg")


def tell(table: Table, limit: Interval) -> None:
    """For each error, the fewest ADC bits that cost at most a point, and the energy then."""
    for error in ERRORS:
        found = []
        for slices in sorted(set(table.column("slices"))):
            line = table.select(error=error, slices=slices)
            points = zip(line.column("adc_bits"), line.column("accuracy"), line.column("energy_uJ"), strict=True)
            good = [(bits, mean, joules) for bits, mean, joules in points if mean >= limit.mean - 0.01]
            best = max(line.column("accuracy"))
            found.append(
                f"{slices} slices: {good[0][0]} bits, {good[0][1]:.1%}, {good[0][2]:.0f} uJ"
                if good
                else f"{slices} slices: none (best {best:.1%})"
            )
        print(f"cell error {error:g}: fewest ADC bits within a point of {limit.mean:.1%}: {'; '.join(found)}")


def main() -> None:
    run_study("slices", "weight slices and ADC bits", study, images=200, seeds=3)


if __name__ == "__main__":
    main()
