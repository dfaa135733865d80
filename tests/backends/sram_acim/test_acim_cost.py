"""The cost of SRAM arrays, counted anew: cycle by cycle, from bits, or by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.activity import Activity
from backends.cost import LayerCost
from backends.crossbar.networks import resnet18
from backends.sram_acim.cost import COMPONENTS, acim_cost
from backends.sram_acim.load import load_of
from backends.sram_acim.placement import place
from backends.sram_acim.target import converter, load_acim
from backends.workload import LayerWork, conv_work, layer_works
from ir.graph import Graph
from ir.ops import Conv
from tests.close import close
from tests.graphs import add_input, add_output

PRESET = "acim-28nm"


def graph_of(weights: np.ndarray, size: int, bits: int, signed: bool = False, pad: int = 0, groups: int = 1) -> Graph:
    graph = Graph("net")
    x = add_input(graph, "x", (weights.shape[1] * groups, size, size), bits, signed)
    graph.add("conv", Conv(weights, pads=(pad,) * 4, groups=groups), (x,))
    add_output(graph, "conv")
    return graph


def layer(*settings: str, graph: Graph, tensor: np.ndarray | None = None) -> LayerCost:
    activity = Activity.from_graph(graph, None if tensor is None else {"x": tensor})
    (found,) = acim_cost(layer_works(graph), load_acim(PRESET, settings), activity).layers
    return found


def bits_of(values: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement, lowest first: (bits, ...)."""
    return np.stack([values >> bit & 1 for bit in range(bits)])


RANDOM = np.random.default_rng(0)
POINT = RANDOM.integers(-8, 8, (7, 1, 1, 1))
"""One input, so that every product is known from how often bits occur."""
POINT_INPUTS = RANDOM.integers(0, 16, (1, 1, 5, 5))


@pytest.mark.parametrize("level", [0, 3])
def test_charges_are_those_of_every_product(level: int) -> None:
    target = load_acim(PRESET)
    weights, inputs = bits_of(POINT.ravel(), 4), bits_of(POINT_INPUTS.ravel(), 4)
    products = rows_on = 0
    for digit in range(4):
        analog = [bit for bit in range(4) if bit + digit <= 4 + 4 - 2 - level]
        rows_on += int(inputs[digit].sum()) if analog else 0
        products += sum(int(np.outer(weights[bit], inputs[digit]).sum()) for bit in analog)
    farad = rows_on * target.array.columns * target.array.wordline_F + products * target.array.cell_F
    found = layer("weight_bits=4", f"hybrid_level={level}", graph=graph_of(POINT, 5, 4), tensor=POINT_INPUTS)
    assert found.energy_J["array"] == close(farad * target.array.supply_V**2)
    assert found.energy_J["dac"] == close(rows_on * target.dac.row_driver_J)


WIDE = RANDOM.integers(-8, 8, (20, 40, 3, 3))
"""360 rows of 20 outputs: two tiles of 255 rows."""
BITS = 4
"""Of its inputs."""


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("hybrid_level=3",),
        ("voting=3", "voting_level=4"),
        ("dac_bits=2", "hybrid_level=2"),
        ("dac_bits=3", "hybrid_level=2"),
    ],
)
def test_events_one_by_one(settings: tuple[str, ...]) -> None:
    target = load_acim(PRESET, settings)
    found = layer(*settings, graph=graph_of(WIDE, 6, 4))
    digits = -(-BITS // target.dac.dac_bits)
    conversions = digital = 0
    for _position in range(16):
        for _output in range(20):
            for first in range(0, 360, 255):
                for bit in range(4):
                    for digit in range(digits):
                        highest = 4 + digits - 2
                        if bit + digit > highest - target.hybrid.hybrid_level:
                            bits_here = [place for place in range(BITS) if place // target.dac.dac_bits == digit]
                            digital += min(255, 360 - first) * len(bits_here)
                        else:
                            conversions += 3 if bit + digit > highest - target.voting.voting_level else 1
    assert (found.counters["conversions"], found.counters["digital_macs"]) == (conversions, digital)
    assert found.energy_J["adc"] == close(conversions * converter(target).energy_J)
    assert found.energy_J["digital"] == close(digital * target.hybrid.digital_mac_J)
    assert found.counters["macs"] == 16 * 20 * 360
    assert found.counters["arrays"] == 2 and found.counters["array_reads"] == 16 * 2 * digits


def test_sums_are_added_up_once_a_cycle_and_once_a_tile() -> None:
    target = load_acim(PRESET)
    found = layer("voting=3", "voting_level=4", graph=graph_of(WIDE, 6, 4))
    sums, width = 16 * 20, 8 + 4 + 3
    votes = 10 * 2 * 8  # ten cycles vote three times: two codes more than one, of 8 bits
    assert found.energy_J["shift_add"] == close(sums * 2 * (16 * width + votes) * target.adders.adder_J)
    assert found.energy_J["adder_tree"] == close(sums * width * target.adders.adder_J)
    hybrid, digital = (layer(f"hybrid_level={level}", graph=graph_of(WIDE, 6, 4)) for level in (2, 7))
    # of 16 cycles 3 are digital, whose sum is one more to add
    assert hybrid.energy_J["shift_add"] == close(sums * 2 * (13 + 1) * width * target.adders.adder_J)
    assert digital.energy_J["shift_add"] == 0


def test_a_dac_takes_its_energy_whatever_the_digit() -> None:
    target = load_acim(PRESET)
    found = layer("dac_bits=2", graph=graph_of(WIDE, 6, 4), tensor=np.zeros((1, 40, 6, 6), np.int64))
    assert found.energy_J["array"] == 0
    assert found.energy_J["dac"] == close(16 * 360 * 2 * 2 * target.dac.dac_bit_J)


def test_digits_drive_rows_as_far_as_they_go() -> None:
    inputs = RANDOM.integers(0, 16, (1, 3, 4, 4))
    graph = graph_of(np.ones((2, 3, 1, 1), np.int64), 4, 4)
    (work,) = layer_works(graph)
    measured = Activity.from_graph(graph, {"x": inputs}).layers["conv"]
    load = load_of(work, load_acim(PRESET, ["dac_bits=3"]), measured)
    assert load.drive == (close((inputs % 8).mean() / 7), close((inputs // 8).mean() / 7))


def test_weights_are_held_in_twos_complement() -> None:
    graph = graph_of(np.array([-4, -1, 0, 3]).reshape(1, 4, 1, 1), 1, 4)
    (work,) = layer_works(graph)
    assert load_of(work, load_acim(PRESET), None).ones == (0.5, 0.5, 0.5)  # 100, 111, 000, 011
    assert load_of(work, load_acim(PRESET, ["weight_bits=4"]), None).ones == (0.5, 0.5, 0.5, 0.5)


def test_signed_inputs_are_driven_with_an_offset_and_so_is_padding() -> None:
    graph = graph_of(np.ones((1, 1, 3, 3), np.int64), 2, 3, signed=True, pad=1)
    (work,) = layer_works(graph)
    measured = Activity.from_graph(graph, {"x": np.array([[[[-4, 3], [0, 1]]]])}).layers["conv"]
    # x + 4 = 0, 7, 4, 5; 4 positions of 9 taps, 4 each on data, 5 on padding, which is 4
    drive = load_of(work, load_acim(PRESET), measured).drive
    assert drive == (close(4 / 9 * 2 / 4), close(4 / 9 * 1 / 4), close(4 / 9 * 3 / 4 + 5 / 9))


def test_groups_lie_on_the_diagonal_of_arrays() -> None:
    work = conv_work("depthwise", (8, 8), 96, 96, (3, 3), groups=96)
    placed = place(work, load_acim(PRESET), 8)  # 28 of 9 rows in 255, 32 of 8 columns in 256
    assert (placed.packed, placed.arrays, placed.row_parts) == (28, 4, 1)
    assert placed.used_rows == close(96 * 9 / 4)
    assert placed.utilisation == close(96 * 9 * 8 / (4 * 256 * 256))
    narrow = place(conv_work("narrow", (8, 8), 100, 200, (3, 3), groups=100), load_acim(PRESET), 8)
    assert (narrow.packed, narrow.arrays) == (16, 7)  # 16 of 2 outputs in 32 weights
    deep = place(conv_work("deep", (8, 8), 600, 80, groups=2), load_acim(PRESET), 8)
    assert (deep.packed, deep.arrays, deep.row_parts, deep.column_parts) == (1, 2 * 2 * 2, 2, 2)
    assert deep.used_rows == 150


@pytest.mark.parametrize("name", ["acim-22nm", "acim-22nm-hybrid", "acim-28nm"])
def test_parts_sum_to_totals_exactly(name: str) -> None:
    report = acim_cost(resnet18(), load_acim(name))
    parts = [value for item in report.layers for value in item.energy_J.values()]
    for order in (parts, parts[::-1], sorted(parts)):
        assert sum(order) == report.energy_J()["total"] == report.energy_by_component_J()["total"]
    assert set(report.components) == set(COMPONENTS)
    assert sum(report.layer_energy_J(item)["total"] for item in report.layers) == report.energy_J()["total"]
    area = report.area_m2()
    assert area["total"] == sum(value for part, value in area.items() if part != "total")


def test_time_and_leakage_by_hand() -> None:
    settings = ["columns_per_adc=4", "hybrid_level=2", "voting=3", "voting_level=3", "settle_s=2e-9", "overlap=false"]
    target = load_acim(PRESET, settings)
    found = layer(*settings, graph=graph_of(WIDE, 6, 4))
    each = converter(target).time_s
    # i + j: 6 and 5 digital, 4 votes three times. Conversions of digits 0 to 3: 4, 3 + 3, 1 + 1 + 3, 1 + 3
    seconds = sum(2e-9 + votes / 4 * 4 * each for votes in (4, 6, 5, 4))
    assert found.latency_s["array"] == close(16 * seconds)
    moved = found.counters["moved_bits"]
    assert moved == 16 * 360 * 4 / 3 + 16 * 20 * layer_works(graph_of(WIDE, 6, 4))[0].output_bits
    assert found.latency_s["interconnect"] == close(moved / 128 * 1e-9)
    assert found.energy_J["buffer"] == close(moved * target.buffer.buffer_bit_J)
    total = sum(found.latency_s.values())
    assert found.energy_J["leakage"] == close(2 * target.leakage.leakage_array_W * total)


def test_digital_cycles_run_beside_conversions_and_may_be_slower() -> None:
    slow = layer("hybrid_level=7", "digital_cycle_s=1e-6", graph=graph_of(WIDE, 6, 4))
    assert slow.latency_s["array"] == close(16 * 4 * 1e-6)  # all digital, every weight bit at once: a bit a cycle
    wide = layer("hybrid_level=7", "digital_cycle_s=1e-6", "dac_bits=3", graph=graph_of(WIDE, 6, 4))
    assert wide.latency_s["array"] == close(16 * 4 * 1e-6)
    half = layer("hybrid_level=1", "digital_cycle_s=1e-6", "settle_s=0", graph=graph_of(WIDE, 6, 4))
    each = converter(load_acim(PRESET)).time_s
    assert half.latency_s["array"] == close(16 * (3 * each + 1e-6))


def test_converters_of_their_own_wait_for_the_one_with_most_votes() -> None:
    settings = ["columns_per_adc=1", "hybrid_level=2", "voting=3", "voting_level=3", "settle_s=0", "overlap=false"]
    found = layer(*settings, graph=graph_of(WIDE, 6, 4))
    # i + j: 6 and 5 digital, 4 votes three times, in every digit but the lowest
    assert found.latency_s["array"] == close(16 * (1 + 3 + 3 + 3) * converter(load_acim(PRESET)).time_s)


def test_areas_by_hand() -> None:
    graph = graph_of(WIDE, 6, 4)
    target = load_acim(PRESET, ["columns_per_adc=8", "hybrid_level=2", "dac_bits=2"])
    area = acim_cost(layer_works(graph), target).area_m2()
    assert area["array"] == close(2 * 256 * 256 * target.array.cell_area_m2)
    assert area["adc"] == close(2 * 32 * converter(target).area_m2)
    assert area["dac"] == close(2 * 256 * (target.dac.row_driver_area_m2 + 2 * target.dac.dac_area_m2))
    assert area["digital"] == close(2 * 256 * 256 * target.hybrid.digital_area_m2 * 2 / 4)
    assert area["accumulate"] == close(2 * 32 * (8 + 4 + 2) * target.adders.accumulator_area_m2)
    serial = acim_cost(layer_works(graph), load_acim(PRESET)).area_m2()
    assert serial["dac"] == close(2 * 256 * target.dac.row_driver_area_m2) and serial["digital"] == 0


def test_wires_by_hand() -> None:
    target = load_acim(PRESET, ["input_toggle=0.25", "output_toggle=0.5"])
    graph = graph_of(WIDE, 6, 4)
    report = acim_cost(layer_works(graph), target)
    chip = math.sqrt(report.area_m2()["total"])
    read, written = 16 * 360 * 4 / 3, 16 * 20 * layer_works(graph)[0].output_bits
    across = target.interconnect.chip_length * chip / 2 * (read * 0.25 + written * 0.5)
    along = chip / math.sqrt(2) * (read * 0.25 + 16 * 20 * (8 + 4 + 3) * 0.5)  # two arrays
    assert report.layers[0].energy_J["interconnect"] == close(target.interconnect.wire_J_per_m * (across + along))


def test_inputs_pass_every_array_that_stands_beside_another() -> None:
    work = conv_work("wide", (4, 4), 10, 100)  # 32 weights of 8 bits an array: four arrays
    target = load_acim(PRESET, ["input_toggle=0.25", "output_toggle=0", "chip_length=0"])
    report = acim_cost([work], target)
    assert report.layers[0].counters["arrays"] == 4
    passed = 16 * 10 * 8 * 0.25 * 4 * math.sqrt(report.area_m2()["total"] / 4)
    assert report.layers[0].energy_J["interconnect"] == close(passed * target.interconnect.wire_J_per_m)


def test_bits_that_a_target_sets_are_moved_and_converted() -> None:
    work = conv_work("fc", (1, 1), 100, 10, weight_bits=1, activation_bits=4, output_bits=4)
    plain, wide = (acim_cost([work], load_acim(PRESET, settings)).layers[0] for settings in ([], ["activation_bits=6"]))
    assert (plain.counters["moved_bits"], wide.counters["moved_bits"]) == (4 * 110, 6 * 110)
    assert (plain.counters["conversions"], wide.counters["conversions"]) == (
        10 * 2 * 4,
        10 * 2 * 6,
    )  # +1 and -1: 2 bits


def test_digital_layers_and_requantisation() -> None:
    target = load_acim(PRESET, ["overlap=false", "output_toggle=0.5"])
    pool = LayerWork("pool", "pool", 4, 4, 12, 5, 7, input_elements=48, taps=4, factors=1)
    layers = acim_cost([conv_work("conv", (4, 4), 10, 3), pool], target).layers
    # sums of 8 + 8 + 7 bits times factors of 16; twelve sums of four 5-bit inputs, then of 7 bits times a factor
    counts = (16 * 3 * 23 * 16, 12 * (4 * 5 + 7 * 16))
    for found, bits in zip(layers, counts, strict=True):
        assert found.energy_J["elementwise"] == close(bits * target.digital.elementwise_J)
        assert found.latency_s["elementwise"] == close(bits / target.digital.elementwise_bits_per_s)
    moved = 48 * 5 + 12 * 7
    assert layers[1].counters == {"macs": 0, "moved_bits": moved}
    side = math.sqrt(sum(acim_cost([conv_work("conv", (4, 4), 10, 3)], target).shared_area_m2.values()))
    wire_J = target.interconnect.wire_J_per_m * target.interconnect.chip_length * side / 2
    assert layers[1].energy_J["interconnect"] == close(moved * 0.5 * wire_J)


def test_writing_is_charged_on_request() -> None:
    free, charged = layer(graph=graph_of(WIDE, 6, 4)), layer("images_per_programming=10", graph=graph_of(WIDE, 6, 4))
    assert free.energy_J["programming"] == 0 and free.counters["programmed_cells"] == 360 * 20 * 4
    assert charged.energy_J["programming"] == close(360 * 20 * 4 * 5e-15 / 10)


def test_more_noise_is_not_more_energy_but_more_votes_are() -> None:
    works = resnet18()
    plain, noisy, voting = (
        acim_cost(works, load_acim(PRESET, settings)).energy_J()
        for settings in ([], ["noise_lsb=1"], ["voting=3", "voting_level=15"])
    )
    assert plain == noisy
    assert voting["adc"] == close(3 * plain["adc"]) and voting["array"] == close(plain["array"])


def test_the_model_loads_nothing_heavy() -> None:
    script = "import sys, backends.sram_acim.cost\nprint(sorted({'torch','scipy','numba','onnx'} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("[]\n", "")
