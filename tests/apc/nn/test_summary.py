"""Summaries: shapes, conversions and prices against numbers worked out by hand, and a model that stays as it was."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import apc.nn
from apc.accounting import Accounts
from apc.nn.engines import AcimEngine
from apc.nn.pricing import cost_target
from apc.nn.simulated import SimulatedLayer
from apc.nn.summary import LayerSummary, Summary, summary
from backends.cost import CostReport
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.target import load_crossbar
from backends.sram_acim.cost import acim_cost
from backends.sram_acim.target import load_acim
from backends.workload import LayerWork, conv_work
from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, Transformer, Windows, random, seeded
from tests.graphs import add_input, add_output, program_of

NOISY = AcimConfig(adc_bits=7, rows=40, noise_lsb=0.3, hybrid_level=2, voting=3, voting_level=4)


class Net(nn.Module):
    """3 x 8 x 6 images: a convolution of 45 rows, a depthwise one that is used twice, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(5, 12, 3, padding=1)
        self.twice = nn.Conv2d(12, 12, 3, padding=(1, 0), stride=(2, 1), groups=12)
        self.head = nn.Linear(12, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x))
        x = torch.relu(self.twice(torch.relu(self.twice(x))))
        return self.head(x.mean((2, 3)))


NET, IMAGES = seeded(Net), random(6, 5, 8, 6)


def converted(hardware: Any, **options: Any) -> nn.Module:
    return apc.nn.convert(NET, hardware, example=IMAGES, **options)


def weight_values(layer: SimulatedLayer) -> tuple[tuple[int, int], ...]:
    values, counts = np.unique(layer.levels()[0].numpy(), return_counts=True)
    return tuple(zip(values.tolist(), counts.tolist(), strict=True))


def works_by_hand(model: nn.Module) -> list[LayerWork]:
    """The network's layers by their numbers; the depthwise one takes two images of its own: 8x6 and 4x4."""
    values = {name: weight_values(model.get_submodule(name)) for name in ("conv", "twice", "head")}
    conv = conv_work("conv", (8, 6), 5, 12, (3, 3), pads=(1,) * 4, signed=True, weight_values=values["conv"])
    calls = [
        conv_work("twice", size, 12, 12, (3, 3), (2, 1), (1, 0, 1, 0), groups=12, weight_values=values["twice"])
        for size in ((8, 6), (4, 4))
    ]
    positions = [call.positions for call in calls]
    assert positions == [16, 4]
    share = sum(call.tap_share * call.positions for call in calls) / 20
    twice = LayerWork(
        **{
            **vars(calls[0]),
            **{name: sum(vars(call)[name] for call in calls) for name in ("elements", "input_elements", "positions")},
            "bare_positions": sum(call.bare_positions for call in calls),
            "tap_share": share,
        }
    )
    return [conv, twice, conv_work("head", (1, 1), 12, 7, weight_values=values["head"])]


def same_prices(layers: Sequence[LayerSummary], report: CostReport) -> None:
    assert [layer.name for layer in layers] == [layer.name for layer in report.layers]
    for layer, priced in zip(layers, report.layers, strict=True):
        assert layer.energy_J == pytest.approx(math.fsum(priced.energy_J.values()), rel=1e-9)
        assert layer.latency_s == pytest.approx(math.fsum(priced.latency_s.values()), rel=1e-9)
        assert layer.arrays == priced.counters["arrays"] and layer.conversions == priced.counters["conversions"]


def test_an_sram_array_is_priced_with_its_own_sizes_bits_and_votes() -> None:
    model = converted(NOISY)
    found = summary(model, IMAGES[:2]).layers
    assert [(layer.name, layer.kind, layer.hardware) for layer in found] == [
        ("conv", "Conv2d", "AcimConfig"),
        ("twice", "Conv2d", "AcimConfig"),
        ("head", "Linear", "AcimConfig"),
    ]
    assert [layer.input_shape for layer in found] == [(5, 8, 6), (12, 8, 6), (12,)]
    assert [layer.output_shape for layer in found] == [(12, 8, 6), (12, 4, 4), (7,)]
    # 64 cycles, 3 of them digital; of the 61 others the 10 - 3 that vote convert three times
    assert NOISY.cycles.conversions == 61 + 2 * 7
    per_cycle = [48 * 12 * 2, (16 + 4) * 12, 7]  # outputs at all positions, times row tiles
    assert [layer.conversions for layer in found] == [75 * count for count in per_cycle]
    figures = ["rows=40", "adc_bits=7", "hybrid_level=2", "voting=3", "voting_level=4"]
    same_prices(found, acim_cost(works_by_hand(model), load_acim("acim-22nm", figures)))
    # 41 rows (one is spare) and 256 columns, 8 for a weight
    cells = [45 * 12 * 8, 9 * 12 * 8, 12 * 7 * 8]
    arrays = [2, 3, 1]  # two row parts; four groups of 9 rows on a diagonal
    assert [layer.arrays for layer in found] == arrays
    wanted = [cell / (41 * 256 * number) for cell, number in zip(cells, arrays, strict=True)]
    assert [layer.utilisation for layer in found] == pytest.approx(wanted)
    total = summary(model, IMAGES[:1])
    assert total.arrays == 6 and total.conversions == 75 * sum(per_cycle)
    assert total.utilisation == pytest.approx(sum(cells) / (41 * 256 * 6))
    assert total.energy_J == pytest.approx(math.fsum(layer.energy_J or 0 for layer in found))


def test_presets_are_priced_as_apc_compare_does() -> None:
    for name, cost, load in (
        ("acim-28nm", acim_cost, load_acim),
        ("crossbar-rram-22nm", crossbar_cost, load_crossbar),
    ):
        model = converted(name)
        found = summary(model, IMAGES[:1])
        same_prices(found.layers, cost(works_by_hand(model), load(name)))  # type: ignore[operator]
        assert {layer.hardware for layer in found.layers} == {layer.target for layer in found.layers} == {name}


def test_layers_on_different_arrays_are_chips_of_their_own() -> None:
    model = converted({"conv": "acim-22nm", "twice": None, "*": "acim-28nm"})
    found = summary(model, IMAGES[:1]).layers
    conv = conv_work("conv", (8, 6), 5, 12, (3, 3), pads=(1,) * 4, signed=True, weight_values=weight_values(model.conv))
    head = conv_work("head", (1, 1), 12, 7, weight_values=weight_values(model.head))
    same_prices(found[:1], acim_cost([conv], load_acim("acim-22nm")))
    same_prices(found[2:], acim_cost([head], load_acim("acim-28nm")))
    assert found[1] == LayerSummary(
        "twice", "Conv2d", "float", (12, 8, 6), (12, 4, 4), None, None, None, None, None, None, None
    )
    nothing = summary(converted(apc.nn.Software()), IMAGES[:1])
    assert nothing.arrays == nothing.energy_J == 0 and nothing.utilisation is None
    assert nothing.layers[0].hardware == "Software" and nothing.layers[0].energy_J is None


def test_crossbar_configurations_are_read_as_often_as_they_slice_inputs() -> None:
    serial = {"dac_bits": 8, "input_slice_bits": 1}
    for changes, reads in ((serial, (7, 8, 8)), ({"dac_bits": 8}, (1, 1, 1)), ({}, (1, 1, 1))):
        model = converted(CrossbarConfig(rows_max=64, columns_max=32, adc_bits=6, cell_bits=7, **changes))
        found = summary(model, IMAGES[:1]).layers
        assert [layer.code_error for layer in found] == [None] * 3
        # differential pairs subtracted before a conversion; all 45 rows fit an array
        assert [layer.conversions for layer in found] == [48 * 12 * reads[0], 20 * 12 * reads[1], 7 * reads[2]]
    target = cost_target(CrossbarConfig(mapping="offset", slices=4, weight_bits=8, on_off_ratio=50, adc_bits=5))
    assert (target.array.mapping, target.array.cell_bits, target.array.on_off_ratio) == ("offset", 2, 50)
    assert target.adc.adc_bits == 5 and target.array.rows == load_crossbar("crossbar-rram-22nm").array.rows


def test_associative_processors_compile_each_layer_for_each_size() -> None:
    quantisation = apc.nn.Quantisation(weights="ternary", activation_bits=4)
    model = converted(apc.nn.RtmAp(level="O1"), quantisation=quantisation)
    found = summary(model, IMAGES[:1]).layers
    twice = model.get_submodule("twice")
    energy = latency = 0.0
    for size in ((8, 6), (4, 4)):
        graph = Graph("hand")
        add_input(graph, "x", (12, *size), 4, False)
        graph.add("y", Conv(twice.levels()[0].numpy(), (2, 1), (1, 0, 1, 0), groups=12), ("x",))
        add_output(graph, "y")
        report = Accounts(program_of(graph, level="O1")).cost(1)
        energy, latency = energy + report.energy_J()["total"], latency + report.latency_s()
    assert found[1].energy_J == pytest.approx(energy) and found[1].latency_s == pytest.approx(latency)
    assert found[1].conversions == 0 and found[1].arrays == 1 and 0 < (found[1].utilisation or 0) < 1
    assert found[1].target == found[1].hardware == "rtm-ap-published"


def test_attention_has_a_row_a_projection_with_all_tokens() -> None:
    model = apc.nn.convert(seeded(Transformer), AcimConfig(), example=random(4, 1, 8, 8))
    found = {layer.name: layer for layer in summary(model, random(3, 1, 8, 8)).layers}
    assert list(found)[:5] == [
        "embed",
        *(
            f"encoder.layers.0.self_attn.{name}"
            for name in ("q_projection", "k_projection", "v_projection", "out_proj")
        ),
    ]
    tokens, cycles = 5, 64
    assert found["encoder.layers.1.self_attn.v_projection"].conversions == tokens * 16 * cycles
    assert found["encoder.layers.1.linear1"].conversions == tokens * 32 * cycles
    assert found["encoder.layers.1.linear1"].input_shape == (5, 16)
    assert found["head"].conversions == 5 * cycles


def test_windows_count_as_often_as_an_image_has_them() -> None:
    net, x = seeded(Windows), random(5, 1, 8, 8)
    (found,) = summary(apc.nn.convert(net, AcimConfig(), example=x), x).layers
    assert found.conversions == 4 * 3 * 64 and found.input_shape == (16,)
    quantisation = apc.nn.Quantisation(weights="ternary", activation_bits=4)
    model = apc.nn.convert(net, apc.nn.RtmAp(level="O1"), quantisation=quantisation, example=x)
    (found,) = summary(model, x).layers
    graph = Graph("hand")
    add_input(graph, "x", (16, 1, 1), 4, True)
    graph.replace_op("x", replace(graph.op("x"), lo=-7))
    graph.graph_inputs[0] = replace(graph.graph_inputs[0], lo=-7)
    graph.add("y", Conv(model.get_submodule("linear").levels()[0].numpy()[:, :, None, None]), ("x",))
    add_output(graph, "y")
    report = Accounts(program_of(graph, level="O1")).cost(1)
    assert found.energy_J == pytest.approx(4 * report.energy_J()["total"])
    assert found.latency_s == pytest.approx(4 * report.latency_s())


def test_code_errors_are_those_of_the_examples_conversions() -> None:
    model = converted(AcimConfig(adc_bits=7, rows=40, noise_lsb=0.3))
    found = summary(model, IMAGES).layers[0].code_error
    layer = model.get_submodule("conv")
    assert isinstance(layer, SimulatedLayer) and isinstance(layer.engine, AcimEngine) and found is not None
    arrays, x = layer.engine.layer, layer.integers(IMAGES)
    macs = arrays.macs(x).astype(np.float64)
    nominal = np.rint(macs * 127 / 40)  # ties of sums in 40ths of 127 do not occur
    wrong = arrays.codes(x) != nominal
    deviation = math.sqrt(found * (1 - found) / wrong.size)
    assert abs(wrong.mean() - found) < 4 * deviation
    assert summary(converted(AcimConfig()), IMAGES[:1]).layers[0].code_error == 0


def test_a_summary_changes_neither_modes_nor_noise() -> None:
    one, other = converted(NOISY), converted(NOISY)
    for model in (one, other):
        model(IMAGES[:2])
    other.train()
    other.get_submodule("head").eval()
    summary(other, IMAGES[:3])
    assert other.training and not other.get_submodule("head").training
    assert not any(module._forward_hooks for module in other.modules())
    assert torch.equal(one(IMAGES[:2]), other(IMAGES[:2]))


def test_layers_without_ranges_are_priced_but_not_predicted() -> None:
    fresh, ranged = apc.nn.convert(NET, NOISY), converted(NOISY)
    loose, known = summary(fresh, IMAGES[:1]).layers, summary(ranged, IMAGES[:1]).layers
    assert [layer.code_error for layer in loose] == [None] * 3
    assert [layer.energy_J for layer in loose] == [layer.energy_J for layer in known]
    with pytest.raises(apc.nn.ConversionError, match="call apc.nn.calibrate"):
        fresh(IMAGES)


def test_text_json_and_csv_have_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = summary(converted({"head": None, "*": "acim-22nm"}), IMAGES[:1])
    for columns in (20, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = str(found).splitlines()
        assert max(map(len, lines)) <= max(80, columns) and "…" not in str(found)
    text = str(found)
    for piece in ("Conv2d, acim-22nm", "12x8x6", "Linear, float", "all layers", "uJ" if "uJ" in text else "nJ"):
        assert piece in text
    table = json.loads(json.dumps(found.as_table()))
    assert table["total"]["energy_J"] == found.energy_J and table["layers"][2]["arrays"] is None
    assert table["layers"][0]["input_shape"] == [5, 8, 6]
    found.to_csv(tmp_path / "layers.csv")
    with (tmp_path / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["conv", "twice", "head"]
    assert float(rows[0]["energy_J"]) == found.layers[0].energy_J and rows[2]["energy_J"] == ""
    assert rows[1]["input_shape"] == "12x8x6"
    assert isinstance(found, Summary) and apc.nn.summary is summary


def test_convnets_shared_arrays_add_up() -> None:
    model = apc.nn.convert(seeded(ConvNet), "crossbar-rram-22nm", example=random(4, 1, 8, 8))
    found = summary(model, random(1, 1, 8, 8))
    assert [layer.name for layer in found.layers] == ["stem", "body.0", "head"]
    assert found.latency_s == pytest.approx(math.fsum(layer.latency_s or 0 for layer in found.layers))
