import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.activity import Activity, LayerActivity, default_densities
from backends.cost import COMPONENTS as VOCABULARY
from backends.cost import CostReport
from backends.crossbar.cost import COMPONENTS, crossbar_cost, interval_s
from backends.crossbar.networks import resnet18, vgg8
from backends.crossbar.target import crossbar_names, load_crossbar
from backends.workload import LayerWork, conv_work, layer_works
from ir.graph import Graph
from tests.close import close
from tests.graphs import random_graph

# one array a PE and tile, and figures that are easy to recognise in a sum
SMALL = [
    *("rows=16", "columns=8", "columns_per_adc=4", "pe_side_arrays=1", "tile_side_arrays=1", "cell_bits=1"),
    *("adc_bits=3", "mean_cell_conductance_S=1e-6", "input_bit_density=0.5", "bounding_box=false", "sign_plane=false"),
]
VOLTS = {"column_supply_V": 0.1446, "read_voltage_V": 0.55}
ONE = conv_work("one", (4, 5), 10, 3, weight_bits=2, activation_bits=2, output_bits=3)


def cost(*overrides: str, works: list[LayerWork] | None = None, preset: str = "crossbar-neurosim") -> CostReport:
    return crossbar_cost(works or [ONE], load_crossbar(preset, overrides))


def test_one_small_layer_by_hand() -> None:
    # 10 inputs x 3 outputs of 2 cells fit one array of 16 x 8; 20 positions, 2 bit planes, 5 of 10 rows on
    reads, conversions, rows_on, width, time = 40, 40 * 6, 5.0, 3 + 2 + 1 * (2 - 1) + 2, 4e-9
    target = load_crossbar("crossbar-neurosim", SMALL)
    layer = crossbar_cost([ONE], target).layers[0]
    wires, figures = target.interconnect, target.periphery
    lines = reads * 4 * rows_on * 8 * 72.4e-18 * 0.85**2
    assert layer.energy_J["array"] == close(lines + conversions * 0.07953 * rows_on * 1e-6 * time, rel=1e-4)
    assert layer.energy_J["adc"] == close(conversions * (4.3753e-6 + 3 * 0.538e-6) * time)
    assert layer.energy_J["row_switch"] == close(
        reads * (4 * rows_on * figures.row_switch_J + 16 * figures.row_switch_fixed_J)
    )
    assert layer.energy_J["multiplexer"] == close(reads * 8 * figures.multiplexer_J)
    assert layer.energy_J["shift_add"] == close(conversions / 2 * width * figures.shift_add_J)
    assert layer.energy_J["adder_tree"] == layer.energy_J["offset"] == layer.energy_J["elementwise"] == 0
    bits_in, bits_out = 20 * 10 * 2, 20 * 3 * 3
    assert layer.energy_J["buffer"] == close((bits_in + bits_out) * target.buffer.buffer_bit_J)

    cells, adc = 16 * 4 * 8 * 12 * 22e-9**2, 2 * (30.5e-12 + 3 * 18.75e-12)
    sum_bits = 2 * (3 + 2) + 2 / 2 * (3 + 2 + 2)
    around = 16 * figures.row_switch_area_m2 + (16 + 2 * 8) * figures.level_shifter_area_m2
    around += 8 * (figures.multiplexer_area_m2 + figures.column_switch_area_m2)
    side = math.sqrt(cells + adc + sum_bits * figures.shift_add_area_m2 + around)
    chip = math.sqrt(crossbar_cost([ONE], target).area_m2()["total"])
    lengths = (
        wires.chip_length * chip / 2 * (bits_in * 0.33 + bits_out * 0.5),
        (wires.tile_length + wires.pe_length) * side * (bits_in * 0.33 + 20 * 3 * width * 0.5),
    )
    assert layer.energy_J["interconnect"] == close(7.225e-11 * sum(lengths), rel=1e-4)

    period = 1.4 * time + 0.124e-9
    values = 20 * 10 + 0.5 * 20 * 3
    assert layer.latency_s == close(
        {
            "adc": period * 4 * 40,
            "accumulate": period * target.timing.accumulate_cycles * 20 * 4 * width,
            "buffer": period * values / 3.7,
            "interconnect": period * wires.bus_cycles * (bits_in + 0.5 * bits_out) / 128,
            "elementwise": 0,
        }
    )
    leakage = 112.5e-9 + 0.3156e-9 * 2 * 3 + 0.2642e-9 * sum_bits
    assert layer.energy_J["leakage"] == close(leakage * sum(layer.latency_s.values()))
    assert layer.counters["conversions"] == 240 and layer.counters["macs"] == 600
    assert layer.counters["cell_reads"] == 240 * 5 and layer.counters["cells"] == 60


@pytest.mark.parametrize("preset", crossbar_names())
@pytest.mark.parametrize("works", [resnet18(2, 4), vgg8(8, 8)])
def test_parts_sum_to_totals_exactly(preset: str, works: list[LayerWork]) -> None:
    report = cost(works=works, preset=preset)
    energy, area = report.energy_J(), report.area_m2()
    assert energy["total"] == sum(sum(layer.energy_J.values()) for layer in reversed(report.layers))
    assert energy["total"] == sum(value for part, value in energy.items() if part != "total")
    assert energy["total"] == report.energy_by_component_J()["total"]
    assert area["total"] == sum(value for part, value in area.items() if part != "total")
    assert report.latency_s() == sum(sum(layer.latency_s.values()) for layer in reversed(report.layers))
    assert set(report.energy_by_component_J()) <= {*VOCABULARY, "total"}


def test_every_part_has_a_word_of_the_shared_vocabulary() -> None:
    assert set(COMPONENTS.values()) <= set(VOCABULARY)
    on = ["count_dram=true", "images_per_programming=10"]
    layers = cost(*on, works=resnet18(), preset="crossbar-rram-22nm").layers
    assert {part for layer in layers for part in layer.energy_J} == set(COMPONENTS)


@settings(max_examples=25, deadline=None)
@given(bits=st.integers(1, 11), density=st.floats(0, 0.9), preset=st.sampled_from(crossbar_names()))
def test_energy_grows_with_resolution_and_density(bits: int, density: float, preset: str) -> None:
    def energy(adc_bits: int, share: float) -> float:
        return cost(f"adc_bits={adc_bits}", f"input_bit_density={share}", works=vgg8(), preset=preset).energy_J()[
            "total"
        ]

    assert energy(bits, density) < energy(bits + 1, density)
    assert energy(bits, density) < energy(bits, density + 0.1)


@pytest.mark.parametrize(
    ("override", "smaller", "larger"),
    [
        ("mean_cell_conductance_S", 1e-6, 2e-6),
        ("input_toggle", 0.1, 0.2),
        ("activation_bits", 2, 3),
        ("weight_bits", 2, 8),
        ("technology_nm", 22, 32),
        ("wire_J_per_m", 1e-11, 2e-11),
    ],
)
def test_energy_grows_with(override: str, smaller: float, larger: float) -> None:
    low, high = (cost(f"{override}={value}", works=resnet18()).energy_J()["total"] for value in (smaller, larger))
    assert low < high


def test_partial_rows_convert_more_often_and_conduct_as_much() -> None:
    whole, parts = cost(*SMALL), cost(*SMALL, "rows_parallel=4")
    assert parts.layers[0].counters["conversions"] == 3 * whole.layers[0].counters["conversions"]
    assert parts.energy_J()["adc"] == close(3 * whole.energy_J()["adc"])
    assert parts.energy_J()["array"] == close(whole.energy_J()["array"])
    assert parts.energy_J()["adder_tree"] > whole.energy_J()["adder_tree"] == 0
    assert parts.layers[0].latency_s["adc"] == close(3 * whole.layers[0].latency_s["adc"])


def test_columns_of_a_pair_share_a_conversion_of_half_the_steps() -> None:
    apart, together = (
        cost(*SMALL, "mapping=differential", f"subtract_in_analog={flag}").layers[0] for flag in ("false", "true")
    )
    assert together.counters["conversions"] * 2 == apart.counters["conversions"]
    assert together.latency_s["adc"] * 2 == close(apart.latency_s["adc"])
    assert together.energy_J["adc"] * 2 == close(apart.energy_J["adc"])
    assert together.counters["cell_reads"] == apart.counters["cell_reads"]


def test_cells_beside_the_diagonal_of_packed_groups_conduct_as_empty_ones() -> None:
    # 4 groups of 3 rows on 12 rows of an array; a column crosses 3 rows of weights and 9 of cells at 1/17 of 10 uS
    works = [conv_work("g", (4, 5), 12, 4, groups=4, weight_bits=2, activation_bits=2)]
    ideal = [*SMALL, "access_resistance_ohm=0", "wordline_F=0"]
    packed, alone = (cost(*ideal, works=one).layers[0] for one in (works, [replace(works[0], groups=1)]))
    each = 1e-6, 1e-5 / 17
    assert packed.counters["array_reads"] == alone.counters["array_reads"]
    assert packed.energy_J["array"] == close(alone.energy_J["array"] * 4 * (3 * each[0] + 9 * each[1]) / 3e-6)


@pytest.mark.parametrize("figure", ["column_supply_V", "read_voltage_V"])
def test_the_current_of_a_column_follows_both_voltages(figure: str) -> None:
    base, doubled = cost(*SMALL, "wordline_F=0"), cost(*SMALL, "wordline_F=0", f"{figure}={2 * VOLTS[figure]}")
    assert doubled.energy_J()["array"] == close(2 * base.energy_J()["array"])


def test_empty_planes_cost_the_idle_converter() -> None:
    report = cost(*SMALL, "input_bit_density=0")
    assert report.energy_J()["adc"] == close(240 * 1e-6 * 4e-9)
    assert report.energy_J()["array"] == 0


def test_measured_activity_is_used_unless_the_target_sets_it() -> None:
    measured = Activity({"one": LayerActivity((0.5, 0.25), 0.125)})
    free = [override for override in SMALL if not override.startswith("input_bit_density")] + ["input_toggle=-1"]
    layer = crossbar_cost([ONE], load_crossbar("crossbar-neurosim", free), measured).layers[0]
    assert layer.counters["cell_reads"] == 240 * 10 * 0.375
    fixed = load_crossbar("crossbar-neurosim", [*free, "input_bit_density=0.5", "input_toggle=0.5"])
    other = crossbar_cost([ONE], fixed, measured).layers[0]
    assert other.counters["cell_reads"] == 240 * 5
    assert other.energy_J["interconnect"] > layer.energy_J["interconnect"]


def test_padding_counts_in_the_right_preset_only() -> None:
    works = [conv_work("c", (6, 6), 64, 64, (3, 3), pads=(1, 1, 1, 1))]
    bare, padded = cost(works=works), cost(works=works, preset="crossbar-rram-22nm")
    assert bare.layers[0].counters["macs"] * 36 == padded.layers[0].counters["macs"] * 16
    shares = [2 / 3, 1, 1, 1, 1, 2 / 3]  # taps on data by position
    share = (sum(shares) / 6) ** 2
    planes = padded.layers[0].counters["cell_reads"] / (36 * 8 * 64 * 4 * 576)
    assert planes == close(share * cell_density(8))


def cell_density(bits: int) -> float:
    return sum(default_densities(bits, False)) / bits


def residual_net() -> list[LayerWork]:
    conv = conv_work("c", (4, 4), 8, 8, weight_bits=2, activation_bits=4, output_bits=4)
    add = replace(
        conv, name="a", kind="add", taps=2, factors=1, input_elements=128, elements=128, output_bits=4, rows=0
    )
    pool = replace(add, name="p", kind="pool", taps=4, elements=32, input_elements=128)
    return [conv, add, pool, replace(pool, name="m", factors=0)]


def test_digital_layers_by_hand() -> None:
    on = cost(works=residual_net(), preset="crossbar-rram-22nm")
    assert [layer.name for layer in on.layers] == ["c", "a", "p", "m"]
    assert [layer.name for layer in cost(works=residual_net()).layers] == ["c"]
    figures = load_crossbar("crossbar-rram-22nm").digital
    width = 8 + 4 + 2 * 0
    operations = [16 * 8 * width * 16, 128 * (2 * 4 + 1 * 4 * 16), 32 * (4 * 4 + 1 * (4 + 2) * 16), 32 * 4 * 4]
    got = [layer.energy_J["elementwise"] for layer in on.layers]
    assert got == close([count * figures.elementwise_J for count in operations])
    adder = load_crossbar("crossbar-rram-22nm").periphery.adder_J
    assert on.layers[0].energy_J["offset"] == close((16 * 8 * 4 + 16 * 8 * width) * adder)
    pairs = cost("mapping=differential", works=residual_net(), preset="crossbar-rram-22nm")
    assert pairs.layers[0].energy_J["offset"] == 0
    assert on.layers[2].counters["moved_bits"] == 128 * 4 + 32 * 4


def test_the_offset_of_every_group_is_subtracted() -> None:
    works = [conv_work("g", (4, 4), 8, 8, groups=4, weight_bits=2, activation_bits=4)]
    report = cost(works=works, preset="crossbar-rram-22nm")
    operations = 16 * 4 * (2 * 4 + 2 * (8 + 4))  # each position and group: 2 inputs of 4 bits, 2 results of 12 bits
    assert report.energy_J()["offset"] == close(operations * load_crossbar("crossbar-rram-22nm").periphery.adder_J)


def test_activations_that_are_set_are_stored_with_as_many_bits() -> None:
    own, four = (cost(*SMALL, *setting).layers[0] for setting in ([], ["activation_bits=4"]))
    assert own.counters["moved_bits"] == 20 * 10 * 2 + 20 * 3 * 3
    assert four.counters["moved_bits"] == 20 * 10 * 4 + 20 * 3 * 4


def test_cells_leak_with_their_array() -> None:
    tight, leaky = (cost(*SMALL, f"cell_leakage_W={watts}") for watts in (0, 1e-9))
    more_W = 16 * 8 * 1e-9
    assert leaky.energy_J()["leakage"] == close(tight.energy_J()["leakage"] + more_W * tight.latency_s())


def test_copies_of_tiles_share_sensing_adding_up_and_buffers() -> None:
    works = [replace(ONE, positions=80, bare_positions=80), replace(ONE, name="last", positions=20)]
    alone, copied = (cost(*SMALL, f"pipeline={flag}", works=works).layers[0] for flag in ("false", "true"))
    assert copied.counters["tiles"] == 4 * alone.counters["tiles"]
    for part in ("adc", "accumulate", "buffer"):
        assert copied.latency_s[part] * 4 == close(alone.latency_s[part])
    assert copied.latency_s["interconnect"] == close(alone.latency_s["interconnect"] * math.sqrt(5 / 2))  # tiles


def test_dram_holds_the_image_and_the_result() -> None:
    report = cost("count_dram=true", "dram_J=1e-12", "dram_bits_per_s=1e9", works=residual_net())
    assert report.energy_J()["dram"] == close((128 * 4 + 32 * 4) * 1e-12)
    assert report.layers[0].latency_s["dram"] == close((128 * 4 + 32 * 4) * 1e-9)


def test_programming_is_charged_by_the_images_between_writes() -> None:
    figures = ["program_cell_J=1e-12", "duplication=false"]
    once, never = cost(*SMALL, *figures, "images_per_programming=4"), cost(*SMALL, *figures)
    assert once.energy_J()["programming"] == close(60e-12 / 4)
    assert never.energy_J()["programming"] == 0
    assert never.layers[0].counters["programmed_cells"] == 60
    assert never.layers[0].counters["programming_J"] == close(60e-12)


def test_a_pipeline_takes_images_as_fast_as_its_slowest_stage() -> None:
    one_at_a_time, pipeline = (load_crossbar("crossbar-neurosim", [f"pipeline={flag}"]) for flag in ("false", "true"))
    serial = cost(works=resnet18())
    piped = cost("pipeline=true", "pipeline_copies=1", works=resnet18())
    assert interval_s(serial, one_at_a_time) == serial.latency_s()
    stages = [sum(layer.latency_s.values()) for layer in piped.layers]
    assert interval_s(piped, pipeline) == max(stages)
    assert piped.latency_s() == close(serial.latency_s())
    share = max(stages) / sum(stages)
    assert piped.energy_J()["leakage"] == close(serial.energy_J()["leakage"] * share)
    copied = cost("pipeline=true", works=resnet18())
    assert interval_s(copied, pipeline) < max(stages) and copied.area_m2()["total"] > piped.area_m2()["total"]
    for part, joules in piped.energy_J().items():
        if part not in ("interconnect", "leakage", "total"):
            assert copied.energy_J()[part] == close(joules)


def test_overlapping_parts_take_as_long_as_the_longest() -> None:
    apart, together = (cost("synchronous=false", f"overlap={flag}", works=resnet18()) for flag in ("false", "true"))
    for a, b in zip(apart.layers, together.layers, strict=True):
        assert sum(b.latency_s.values()) == close(max(a.latency_s.values()))


def test_energies_and_areas_follow_the_node() -> None:
    base, other = cost(works=vgg8()), cost("technology_nm=44", works=vgg8())
    assert other.energy_J()["adc"] == close(base.energy_J()["adc"] * 2**1.9)
    assert other.area_m2()["adc"] == close(base.area_m2()["adc"] * 4)
    assert other.area_m2()["empty"] == close(base.area_m2()["empty"] * 4)


def test_any_graph_has_a_cost() -> None:
    targets = [load_crossbar(name) for name in crossbar_names()]
    seen: set[str] = set()
    for seed in range(40):
        graph: Graph = random_graph(Random(seed), 8)
        works = layer_works(graph)
        seen |= {work.kind for work in works}
        tensors = {name: np.zeros((1, *graph.type(name).shape), dtype=np.int64) for name in graph.order()}
        for target in targets:
            report = crossbar_cost(works, target, Activity.from_graph(graph, tensors))
            assert math.isfinite(report.energy_J()["total"])
            assert report.area_m2()["total"] >= 0
    assert seen == {"conv", "pool", "add", "scale"}
