"""Crossbars and SRAM arrays in a comparison, against pricing the same graph on a target that was loaded with the same
override."""

from __future__ import annotations

import numpy as np
import pytest

from apc.comparison.arrays import array_backends
from apc.comparison.backend import Backend
from apc.comparison.workload import workload
from backends.activity import Activity
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import load_crossbar
from backends.sram_acim.cost import acim_cost
from backends.sram_acim.target import load_acim
from backends.workload import layer_works
from ir.graph import Graph
from ir.ops import Conv
from tests.close import close
from tests.graphs import add_input, add_output

NAME = "crossbar-neurosim"


def graph_of() -> Graph:
    graph = Graph("net")
    x = add_input(graph, "x", (16, 8, 8), 4, signed=False)
    weights = np.random.default_rng(0).integers(-1, 2, (32, 16, 3, 3))
    graph.add("conv", Conv(weights, pads=(1, 1, 1, 1)), (x,))
    add_output(graph, "conv")
    return graph


def backend(*overrides: str, batch: int = 1, graph: Graph | None = None) -> Backend:
    graph = graph or graph_of()
    target = load_crossbar(NAME, overrides)
    work = workload(graph, "net", "", batch)
    (found,) = array_backends(graph, work, [(NAME, target)], {NAME: overrides}, None)
    return found


def energy(*overrides: str) -> float:
    graph = graph_of()
    cost = crossbar_cost(layer_works(graph), load_crossbar(NAME, overrides), Activity.from_graph(graph, None))
    return cost.energy_by_component_J()["total"]


def test_it_is_priced_as_its_target_says() -> None:
    found = backend("adc_bits=7")
    assert found.energy_J == energy("adc_bits=7")
    assert (found.preset, found.name, found.kind) == (NAME, f"{NAME} with adc_bits=7", "crossbar")
    assert list(found.overrides) == ["adc_bits=7"]


@pytest.mark.parametrize(
    ("key", "value"), [("adc.adc_bits", 4), ("array.on_resistance_ohm", 6e3), ("interconnect.wire_J_per_m", 0.0)]
)
def test_pricing_again(key: str, value: float) -> None:
    assert backend().reprice(key, value) == energy(f"{key}={value}") != energy()


def test_executed_multiply_accumulates() -> None:
    padded = backend("count_padding=true")
    assert padded.macs == 16 * 32 * 9 * 64
    assert not [note for note in padded.notes if "padding" in note]
    bare = backend("count_padding=false")
    assert bare.macs == 16 * 32 * 9 * 36
    assert bare.notes[0] == "prices 165,888 of the network's 294,912 multiply-accumulates: it leaves padding out"


def test_groups_and_strides_are_counted_as_in_the_workload() -> None:
    graph = Graph("net")
    x = add_input(graph, "x", (8, 9, 9), 4, signed=False)
    graph.add("a", Conv(np.ones((8, 2, 3, 3), np.int64), strides=(2, 2), pads=(1, 1, 1, 1), groups=4), (x,))
    graph.add("b", Conv(np.ones((5, 8, 1, 1), np.int64)), ("a",))
    add_output(graph, "b")
    assert backend("count_padding=true", graph=graph).macs == workload(graph, "net", "", 1).macs


def test_settings_that_differ_from_the_model_are_noted() -> None:
    notes = backend("count_padding=true", "weight_bits=8", "activation_bits=2").notes
    assert list(notes[:2]) == [
        "stores weights of 8 bits, whatever the model's are",
        "takes activations of 2 bits, whatever the model's are",
    ]


def deep_graph() -> Graph:
    """Two convolutions, the first with four times the positions of the second."""
    graph = graph_of()
    graph.add("next", Conv(np.ones((8, 32, 1, 1), np.int64), strides=(2, 2)), ("conv",))
    return graph


@pytest.mark.parametrize("batch", [1, 5])
def test_a_batch_takes_as_long_as_its_images_one_after_another(batch: int) -> None:
    item = backend(batch=batch, graph=deep_graph())
    assert item.batch_s == close(batch * item.report.latency_s())
    assert item.image_s == close(item.report.latency_s())


@pytest.mark.parametrize("batch", [1, 5])
def test_a_pipeline_is_filled_once(batch: int) -> None:
    item = backend("pipeline=true", batch=batch, graph=deep_graph())
    stages = [sum(layer.latency_s.values()) for layer in item.report.layers]
    assert len(stages) == 2 and max(stages) < sum(stages)
    assert item.batch_s == close(sum(stages) + (batch - 1) * max(stages))
    assert item.image_s == close(item.batch_s / batch)
    assert "an image takes" in item.notes[1] and "leakage is charged" in item.notes[1]


def test_writing_the_weights_is_told_and_charged_on_request() -> None:
    figures = ["duplication=false", "program_cell_J=1e-12", "program_row_s=1e-6", "endurance_writes=1000"]
    # 144 x 32 ternary weights, a cell each; 128 rows one after another
    told = "writing its 4,608 cells once takes 4.61 nJ and 128 us"
    assert backend(*figures).notes[-1] == f"{told}, not charged to any image"
    charged = backend(*figures, "images_per_programming=10")
    assert charged.notes[-1] == f"{told}, charged to 10 images; they endure 1e+04 images"
    assert charged.energy_J - backend(*figures).energy_J == close(4.608e-10)


def sram(*overrides: str, batch: int = 1) -> Backend:
    graph = graph_of()
    target = load_acim("acim-22nm", overrides)
    work = workload(graph, "net", "", batch)
    (found,) = array_backends(graph, work, [("acim-22nm", target)], {"acim-22nm": overrides}, None)
    return found


def test_sram_is_priced_as_its_target_says() -> None:
    graph = graph_of()
    for setting in ("adc_bits=6", "hybrid_level=2"):
        report = acim_cost(layer_works(graph), load_acim("acim-22nm", [setting]), Activity.from_graph(graph, None))
        assert sram(setting).energy_J == report.energy_by_component_J()["total"] != sram().energy_J
        key, _, value = setting.partition("=")
        section = "adc" if key == "adc_bits" else "hybrid"
        assert sram().reprice(f"{section}.{key}", int(value)) == sram(setting).energy_J
    found = sram("adc_bits=6")
    assert (found.preset, found.name, found.kind) == ("acim-22nm", "acim-22nm with adc_bits=6", "sram-acim")
    assert found.macs == 16 * 32 * 9 * 64


def test_sram_takes_images_one_after_another() -> None:
    item = sram("images_per_programming=2", batch=5)
    assert item.batch_s == close(5 * item.report.latency_s())
    # 144 x 32 ternary weights of 2 bits; 256 rows, one of them spare
    assert item.notes == [
        "writing its 9,216 cells once takes 46.1 pJ and 256 ns, charged to 2 images; they endure 2e+16 images"
    ]
