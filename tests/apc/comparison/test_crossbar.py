"""Crossbars in a comparison, against pricing the same graph on a target that was loaded with the same override."""

from __future__ import annotations

import numpy as np
import pytest

from apc.comparison.backend import Backend
from apc.comparison.crossbar import crossbar_backends, executed_macs, with_figure
from apc.comparison.workload import workload
from backends.crossbar.activity import Activity
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import CrossbarTargetError, load_crossbar
from backends.crossbar.workload import layer_works
from ir.graph import Graph
from ir.ops import Conv
from tests.graphs import add_input, add_output

NAME = "crossbar-neurosim"


def graph_of() -> Graph:
    graph = Graph("net")
    x = add_input(graph, "x", (16, 8, 8), 4, signed=False)
    weights = np.random.default_rng(0).integers(-1, 2, (32, 16, 3, 3))
    graph.add("conv", Conv(weights, pads=(1, 1, 1, 1)), (x,))
    add_output(graph, "conv")
    return graph


def backend(*overrides: str) -> Backend:
    graph = graph_of()
    target = load_crossbar(NAME, overrides)
    work = workload(graph, "net", "", 1)
    (found,) = crossbar_backends(graph, work, [(NAME, target)], {NAME: overrides}, None)
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


def test_a_value_that_a_target_does_not_take() -> None:
    with pytest.raises(CrossbarTargetError, match="adc_bits must be from 1 to 16"):
        with_figure(load_crossbar(NAME), "adc.adc_bits", 17)


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
    target = load_crossbar(NAME, ["count_padding=true"])
    assert executed_macs(layer_works(graph), target) == workload(graph, "net", "", 1).macs


def test_settings_that_differ_from_the_model_are_noted() -> None:
    notes = backend("count_padding=true", "weight_bits=8", "activation_bits=2", "pipeline=true").notes
    assert [note.split(",")[0] for note in notes] == [
        "stores weights of 8 bits",
        "takes activations of 2 bits",
        "its time is that of the slowest layer: layers work on different images at once",
    ]
