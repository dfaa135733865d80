"""What the studies share, and every study with ``--quick``."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from apc.crossbar import load_network
from backends.workload import layer_works
from examples.studies import adc_bits, bottleneck, mapping, parasitics, resnet50_costs, slices
from examples.studies.costs import full_resnet18, like_trained
from examples.studies.networks import Chip, Network, mnist_network, right_answers, software_accuracy
from examples.studies.study import Table, panels, save_figure
from ir.interpreter import run_graph
from ir.ops import Conv

IMAGES = 20
Rows = list[dict[str, str]]
Run = Callable[..., dict[str, Rows]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a study's ``main`` with ``--quick`` and gives the rows of its CSV files, by name."""

    def run(main: Callable[[], None], *options: str) -> dict[str, Rows]:
        command = ["study.py", "--quick", "--output", str(tmp_path), "--cache", str(cache), *options]
        monkeypatch.setattr("sys.argv", command)
        main()
        assert list(tmp_path.glob("*.svg"))
        found = {}
        for path in tmp_path.glob("*.csv"):
            with path.open(encoding="utf-8") as file:
                found[path.stem] = list(csv.DictReader(file))
        return found

    return run


@pytest.fixture
def network(cache: Path) -> Network:
    return mnist_network("binary", 4, IMAGES, True, cache)


def test_a_table_is_selected_shown_and_saved(tmp_path: Path) -> None:
    table = Table(("name", "value_J"), [("a", 0.5), ("b", 1e-12), ("a", 1 / 3)])
    assert table.select(name="a").column("value_J") == [0.5, 1 / 3]
    assert table.text().splitlines() == ["name  value_J", "   a      0.5", "   b    1e-12", "   a   0.3333"]
    table.save(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "name,value_J\na,0.5\nb,1e-12\na,0.333333333\n"


def test_a_figure_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        figure, axes = panels(3, 2)
        for ax in axes[:3]:
            ax.plot([1, 2, 3], [3, 1, 2], marker="o", label="line")
            ax.legend()
        save_figure(figure, tmp_path / "figure.svg")
        contents.append((tmp_path / "figure.svg").read_bytes())
    assert contents[0] == contents[1] and contents[0].startswith(b"<?xml")


def test_every_layer_of_the_full_network_takes_after_the_trained_one(network: Network) -> None:
    graph, _ = full_resnet18(quick=True)
    works, activity = like_trained(layer_works(graph), network)
    assert [work.kind for work in works] == [work.kind for work in layer_works(graph)]
    assert {work.name: work.weight_bits for work in works if work.kind == "conv"}.items() >= {
        "conv1": 8,
        "fc": 8,
    }.items()
    inner = [work for work in works if work.kind == "conv" and work.name not in ("conv1", "fc")]
    assert len(inner) == 19 and {work.weight_bits for work in inner} == {1}
    assert {work.activation_bits for work in inner} == {4}
    assert set(activity.layers) == {work.name for work in works if work.kind == "conv"}


def test_crossbars_without_errors_or_converters_are_exact(network: Network) -> None:
    integers = {"input": np.rint(network.images * 256).astype(np.int64)}
    (logits,) = run_graph(network.graph, integers).values()
    right = int((logits[..., 0, 0].argmax(axis=1) == network.labels).sum())
    assert right == round(software_accuracy(network).mean * IMAGES) > IMAGES / 4
    for fields in mapping.MAPPINGS.values():
        assert np.array_equal(
            load_network(network.graph, Chip(fields)).network.run(integers)["classifier.quant"], logits
        )
        assert right_answers(network, Chip(fields)) == right


def test_bits_of_the_inputs(network: Network) -> None:
    bits = network.input_bits()
    assert set(bits) == {name for name in network.graph.order() if isinstance(network.graph.op(name), Conv)}
    assert bits["stem"] == bits["classifier"] == 8 and max(bits[name] for name in bits if "." in name) == 4


def test_the_knee_is_the_cheapest_that_is_good_enough() -> None:
    place = ("binary", 4, "max")
    accuracies = Table(
        adc_bits.ACCURACY,
        [(*place, bits, mean, 0.0, 1.0) for bits, mean in ((3, 0.5), (4, 0.962), (5, 0.955), (6, 0.98))],
    )
    energies = Table(adc_bits.ENERGY, [("p", "binary", 4, bits, 10.0 * bits, 1.0) for bits in (3, 4, 5, 6)])
    knee = adc_bits.knee_of(accuracies, energies, "p", "binary", "max")
    assert (knee["adc_bits"], knee["accuracy"], knee["energy_uJ"]) == (4, 0.962, 40.0)


def shares(rows: Rows) -> np.ndarray:
    return np.array([float(row["accuracy"]) for row in rows])


def test_adc_bits(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(adc_bits.main, "--images", str(IMAGES), "--workers", "1")
    accuracies, energies = found["adc_bits_accuracy"], found["adc_bits_energy"]
    assert len(accuracies) == 5 and len(energies) == 2 * 2
    assert (shares(accuracies) >= 0).all() and (shares(accuracies) <= 1).all()
    assert all(0 < float(row["adc_uJ"]) < float(row["energy_uJ"]) for row in energies)
    assert capsys.readouterr().out.count("knee at 4-bit inputs") == 2 * 2


def test_mapping(run: Run) -> None:
    rows = run(mapping.main, "--images", str(IMAGES), "--workers", "1", "--seeds", "2")["mapping"]
    assert len(rows) == len(mapping.MAPPINGS) * len(mapping.KINDS)
    assert all(float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) for row in rows)


def test_slices(run: Run) -> None:
    rows = run(slices.main, "--images", "10", "--workers", "1", "--seeds", "1")["slices"]
    assert [(row["slices"], row["cell_bits"]) for row in rows] == [("1", "7"), ("2", "4")] * len(slices.ERRORS)
    energy = {row["slices"]: float(row["energy_uJ"]) for row in rows}
    assert energy["2"] > energy["1"], "twice the columns to convert"


def test_parasitics(run: Run) -> None:
    rows = run(parasitics.main, "--images", str(IMAGES), "--workers", "1")["parasitics"]
    assert [row["design"] for row in rows] == list(parasitics.DESIGNS)


def test_bottleneck(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(bottleneck.main)["bottleneck"]
    for line in capsys.readouterr().out.splitlines()[:-1]:
        preset, rest = line.split(": ", 1)
        measure, total = rest.split()[:2]
        summed = sum(float(row["value"]) for row in rows if (row["preset"], row["measure"]) == (preset, measure))
        assert math.isclose(summed, float(total), rel_tol=1e-3)
    assert {row["measure"] for row in rows} == set(bottleneck.MEASURES)


def test_resnet50_costs(run: Run) -> None:
    rows = run(resnet50_costs.main)["resnet50_costs"]
    assert rows[0]["backend"] == "rtm-ap-published"
    assert {row["backend"].partition("-")[0] for row in rows} == {"rtm", "crossbar", "acim"}
    for row in rows:
        parts = [float(row[name]) for name in row if name.endswith("_uJ") and name != "energy_uJ"]
        assert math.isclose(sum(parts), float(row["energy_uJ"]), rel_tol=1e-6)
