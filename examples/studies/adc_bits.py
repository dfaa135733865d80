"""ADC bits and input precision: what they do to accuracy and to energy, for a binary and a ternary network.

    python examples/studies/adc_bits.py

Accuracy is that of the MNIST ResNet-18, trained at each input precision: bit-serial inputs, one ADC conversion a column
and input bit, at most 128 rows, the ADC's range as wide as a column can reach ("max") or calibrated layer by layer.
Energy is that of the full ResNet-18 at 224x224 with these bits, weights and activities. The knee of a network is the
cheapest of its designs that is at most two points of accuracy below the best.
"""

from __future__ import annotations

from typing import Any

from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import load_crossbar
from backends.workload import layer_works
from examples.studies.costs import full_resnet18, like_trained
from examples.studies.networks import Chip, Network, accuracies, mnist_network, train_networks
from examples.studies.study import Study, Table, panels, run_study, save_figure

NETWORKS = ("binary", "ternary")
INPUT_BITS = (1, 2, 4, 8)
ADC_BITS = {"calibrated": (3, 4, 5, 6, 8), "max": (5, 6, 7, 8)}
"""By range."""
IDEAL = "none"
"""What stands for the range where there is no ADC."""
PRESETS = ("crossbar-neurosim", "crossbar-rram-22nm")
ROWS = 128
CELLS: dict[str, dict[str, Any]] = {
    "binary": {"binary_mapping": "offset_cell"},
    "ternary": {"mapping": "differential", "cell_bits": 1, "adc_sign_magnitude": True},
}
"""Currents of pairs have both signs: their ADC has a code for 0, without which a sum of 0 becomes half a step."""
ENDS = {
    "binary_mapping": None,
    "mapping": "differential",
    "weight_bits": 8,
    "slices": 7,
    "cell_bits": 0,
    "adc_sign_magnitude": True,
}
"""int8 weights on pairs of 1-bit cells."""
LOSS = 0.01
"""What an ADC may cost: a point, to which images are too few to say more."""
KNEE_LOSS = 0.02
ACCURACY = ("weights", "input_bits", "range", "adc_bits", "accuracy", "low", "high")
ENERGY = ("preset", "weights", "input_bits", "adc_bits", "energy_uJ", "adc_uJ")


def study(asked: Study) -> None:
    kinds = [(weights, bits) for weights in asked.pick(NETWORKS, NETWORKS[:1]) for bits in asked.pick(INPUT_BITS, (4,))]
    if not asked.quick:
        train_networks(kinds, asked.cache, asked.workers)
    networks = {kind: mnist_network(*kind, asked.images, asked.quick, asked.cache) for kind in kinds}
    found = Table(ACCURACY, measured(networks, asked))
    energies = Table(ENERGY, [row for kind, network in networks.items() for row in priced(network, *kind, asked)])
    found.save(asked.output / "adc_bits_accuracy.csv")
    energies.save(asked.output / "adc_bits_energy.csv")
    print(found.text(), energies.text(), sep="\n\n")
    for preset in PRESETS:
        draw(found, energies, preset, asked)
    tell(found, energies)


def measured(networks: dict[tuple[str, int], Network], asked: Study) -> list[tuple[Any, ...]]:
    """Accuracy of each network without an ADC and at each resolution."""
    adcs = [(adc_range, bits) for adc_range, every in ADC_BITS.items() for bits in asked.pick(every, (6, 8))]
    places, points = [], []
    for (weights, bits), network in networks.items():
        common = {**CELLS[weights], "rows_max": ROWS, "input_slice_bits": 1}
        with_adc = [{**common, "adc_range": adc_range, "adc_bits": adc_bits} for adc_range, adc_bits in adcs]
        for adc, fields in zip([(IDEAL, 0), *adcs], [common, *with_adc], strict=True):
            places.append((weights, bits, *adc))
            points.append((network, Chip(fields, ENDS, network.input_bits())))
    found = accuracies(points, asked.workers)
    return [(*place, it.mean, it.low, it.high) for place, it in zip(places, found, strict=True)]


def priced(network: Network, weights: str, bits: int, asked: Study) -> list[tuple[Any, ...]]:
    """Energy of the full network on each preset, with cells and mapping as those of the accuracy."""
    graph, _ = full_resnet18(asked.quick)
    works, activity = like_trained(layer_works(graph), network)
    mapping = "offset" if weights == "binary" else "differential"
    rows: list[tuple[Any, ...]] = []
    for preset in PRESETS:
        for adc_bits in asked.pick(sorted({bits for every in ADC_BITS.values() for bits in every}), (6, 8)):
            settings = [f"adc_bits={adc_bits}", "cell_bits=1", f"mapping={mapping}", f"rows={ROWS}"]
            cost = crossbar_cost(works, load_crossbar(preset, settings), activity).energy_by_component_J()
            rows.append((preset, weights, bits, adc_bits, 1e6 * cost["total"], 1e6 * cost["adc"]))
    return rows


def draw(accuracies: Table, energies: Table, preset: str, asked: Study) -> None:
    """A row a network: accuracy and energy against ADC bits, and against each other."""
    networks = asked.pick(NETWORKS, NETWORKS[:1])
    figure, axes = panels(3 * len(networks), len(networks))
    for row, weights in enumerate(networks):
        against_bits, energy, plane = axes[3 * row : 3 * row + 3]
        for place, bits in enumerate(asked.pick(INPUT_BITS, (4,))):
            priced = energies.select(preset=preset, weights=weights, input_bits=bits)
            joules = dict(zip(priced.column("adc_bits"), priced.column("energy_uJ"), strict=True))
            look = {"color": f"C{place}", "marker": "o", "markersize": 3}
            for adc_range, style in zip(ADC_BITS, ("-", "--"), strict=True):
                line = accuracies.select(weights=weights, input_bits=bits, range=adc_range)
                adc_bits, means = line.column("adc_bits"), line.column("accuracy")
                label = f"{bits}-bit inputs" if style == "-" else None
                against_bits.plot(adc_bits, means, style, label=label, **look)
                plane.plot([joules[adc] for adc in adc_bits], means, style, **look)
            energy.plot(list(joules), list(joules.values()), **look)
        knee = knee_of(accuracies, energies, preset, weights, "calibrated")
        plane.plot([knee["energy_uJ"]], [knee["accuracy"]], "k*", markersize=10, label="knee (calibrated)")
        against_bits.set(title=f"{weights}: MNIST ResNet-18", xlabel="ADC bits", ylabel="accuracy")
        against_bits.set(ylim=(0, 1))
        energy.set(title=f"ResNet-18, {preset}", xlabel="ADC bits", ylabel="energy per image / uJ", yscale="log")
        plane.set(xlabel="energy per image / uJ", ylabel="accuracy", xscale="log")
        plane.set(title="solid: calibrated, dashed: full range", ylim=(0.8, 1))
        against_bits.legend(fontsize=7)
        plane.legend(fontsize=7)
    save_figure(figure, asked.output / f"adc_bits_{preset}.svg")


def knee_of(accuracies: Table, energies: Table, preset: str, weights: str, adc_range: str) -> dict[str, Any]:
    """The cheapest point that is at most KNEE_LOSS below the best accuracy of this network, over inputs and ADCs."""
    points = []
    for row in accuracies.select(weights=weights, range=adc_range).rows:
        point = dict(zip(ACCURACY, row, strict=True))
        same = {"input_bits": point["input_bits"], "adc_bits": point["adc_bits"]}
        (energy,) = energies.select(preset=preset, weights=weights, **same).column("energy_uJ")
        points.append({**point, "energy_uJ": energy})
    best = max(point["accuracy"] for point in points)
    good = [point for point in points if best - point["accuracy"] < KNEE_LOSS + 1e-9]
    return min(good, key=lambda point: point["energy_uJ"])


def tell(accuracies: Table, energies: Table) -> None:
    for weights in dict.fromkeys(accuracies.column("weights")):
        for adc_range in ADC_BITS:
            needed = []
            for bits in sorted(set(accuracies.column("input_bits"))):
                line = accuracies.select(weights=weights, input_bits=bits, range=adc_range)
                (ideal,) = accuracies.select(weights=weights, input_bits=bits, range=IDEAL).column("accuracy")
                pairs = zip(line.column("adc_bits"), line.column("accuracy"), strict=True)
                enough = [adc for adc, mean in pairs if ideal - mean < LOSS + 1e-9]
                shown = f"{min(enough)}" if enough else f"more than {max(line.column('adc_bits'))}"
                needed.append(f"{shown} at {bits}-bit inputs ({ideal:.1%} without an ADC)")
            print(f"{weights}, range {adc_range}: ADC bits that cost at most a point: {'; '.join(needed)}")
        for preset in PRESETS:
            for adc_range in ADC_BITS:
                p = knee_of(accuracies, energies, preset, weights, adc_range)
                print(
                    f"{weights} on {preset}, range {adc_range}: knee at {p['input_bits']}-bit inputs and a "
                    f"{p['adc_bits']}-bit ADC: {p['accuracy']:.1%}, {p['energy_uJ']:.1f} uJ"
                )


def main() -> None:
    run_study("adc_bits", "ADC bits and input precision, accuracy and energy", study, images=250)


if __name__ == "__main__":
    main()
