"""From cost targets to what their arrays compute. Crossbars: tests/apc/comparison/test_accuracy.py."""

from __future__ import annotations

import numpy as np
import pytest

from apc.array_configs import acim_config, narrowest_bits
from backends.sram_acim.cost import acim_cost
from backends.sram_acim.target import load_acim
from backends.workload import layer_works
from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.network import AcimNetwork
from tests.graphs import add_input


def test_settings_of_the_target_reach_the_simulation() -> None:
    settings = [
        *("weight_bits=6", "activation_bits=5", "dac_bits=2", "rows=100", "adc_bits=7", "noise_lsb=0.25"),
        *("offset_lsb=0.5", "gain_sigma=0.01", "inl_lsb=0.75", "hybrid_level=2", "voting=3", "voting_level=4"),
        "voting_rule=median",
    ]
    assert acim_config(load_acim("acim-22nm", settings), 8, 8) == AcimConfig(
        weight_bits=6,
        activation_bits=5,
        dac_bits=2,
        rows=100,
        adc_bits=7,
        noise_lsb=0.25,
        offset_lsb=0.5,
        gain_sigma=0.01,
        inl_lsb=0.75,
        hybrid_level=2,
        voting=3,
        voting_level=4,
        voting_rule="median",
    )


def test_bits_are_the_models_where_the_target_has_none() -> None:
    config = acim_config(load_acim("acim-22nm"), 1, 3)
    assert (config.weight_bits, config.activation_bits) == (2, 3)


def test_levels_beyond_a_narrow_layer_select_all_of_it() -> None:
    config = acim_config(load_acim("acim-22nm", ["hybrid_level=9", "voting_level=30"]), 2, 3)
    assert (config.cycles.digital_count, config.lossless) == (6, True)
    assert config.cycles.conversions == 0


@pytest.mark.parametrize("name", ["acim-22nm", "acim-28nm"])
def test_presets_are_lossless(name: str) -> None:
    assert acim_config(load_acim(name), 8, 8).lossless


@pytest.mark.parametrize("settings", [[], ["hybrid_level=3", "voting=3", "voting_level=5"], ["dac_bits=2", "rows=40"]])
def test_prices_and_simulation_count_the_same_conversions(settings: list[str]) -> None:
    graph = Graph("net")
    x = add_input(graph, "x", (12, 9, 9), 4, signed=True)
    weights = np.random.default_rng(0).integers(-16, 16, (6, 4, 3, 3))
    graph.add("conv", Conv(weights, strides=(2, 2), pads=(1, 1, 1, 1), groups=3), (x,))
    target = load_acim("acim-22nm", settings)
    layer = AcimNetwork(graph, lambda _, op: acim_config(target, narrowest_bits(op.weights), 16)).layers["conv"]
    assert isinstance(layer, AcimLayer)
    priced = acim_cost(layer_works(graph), target).layers[0].counters
    assert priced["conversions"] == layer.conversions_per_position * graph.type("conv").positions
    assert priced["row_parts"] == layer.tiles


def test_narrowest_bits() -> None:
    weights = np.array([[-4, 3]])
    assert (narrowest_bits(weights), narrowest_bits(weights, with_opposites=True)) == (3, 4)
    assert narrowest_bits(np.array([[1, -1]])) == 2
