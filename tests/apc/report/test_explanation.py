"""`apc explain` against the weights of the graph, against the tile's own counts, and literally."""

from __future__ import annotations

import io
from collections import Counter
from functools import cache
from itertools import product
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from rich.console import Console

import apc
from apc.frontend import load_graph
from apc.report.explanation import explain
from apc.report.explanation_text import items, lines_of
from apc.report.tile_facts import tile_facts
from ir.errors import UserError
from ir.isa import Field, Op
from ir.ops import Conv
from ir.program import Program
from tests.apc.schemas import schema
from tests.programs import macro, programs, tile, tiny_program
from tests.workspace import DIGITS

CONVOLUTIONS = ["stem", "blocks.0.conv1", "blocks.0.conv2", "blocks.1.conv1", "blocks.1.conv2", "blocks.1.downsample"]


@cache
def digits(level: str) -> Program:
    return apc.compile(DIGITS, level=level)


@cache
def weights(layer: str) -> tuple[np.ndarray, Conv]:
    """Of a convolution as the ONNX file has it: int (outputs, inputs, height, width)."""
    op = load_graph(DIGITS).graph.op(layer)
    assert isinstance(op, Conv)
    return op.weights, op


def find(program: Program, name: str) -> int:
    return [layer.name for layer in program.layers].index(name)


def expected(program: Program, layer: str, channel: int) -> dict[tuple[int, int, int], int]:
    """(input channel, offset_y, offset_x) -> weight, without zeros."""
    kernel, op = weights(layer)
    return {
        (int(c), int(y) - op.pads[0], int(x) - op.pads[1]): int(kernel[channel, c, y, x])
        for c, y, x in zip(*np.nonzero(kernel[channel]), strict=True)
    }


def factors(program: Program, index: int, products: list[dict[str, Any]]) -> dict[tuple[int, int, int], int]:
    maps = program.layers[index].row_maps
    return {
        (item["channel"], int(maps[item["row_map"]]["offset_y"]), int(maps[item["row_map"]]["offset_x"])): item[
            "factor"
        ]
        for item in products
    }


@pytest.mark.parametrize(
    ("layer", "level"), [*((layer, "O2") for layer in CONVOLUTIONS), ("stem", "O0"), ("blocks.0.conv2", "O1")]
)
def test_sums_are_the_weights_of_the_model(layer: str, level: str) -> None:
    program = digits(level)
    index = find(program, layer)
    for channel in range(len(weights(layer)[0])):
        total = explain(program, index, channel)["sum"]
        assert factors(program, index, total["products"]) == expected(program, layer, channel)


def add_up(report: dict[str, Any]) -> Counter[str]:
    """Factors of what a sum's printed lines add and subtract, by the names in them, up to the sum's address."""
    steps = [(step["address"], block["name"], step) for block in report["blocks"] for step in block["steps"]]
    known: dict[str, Counter[str]] = {}
    for address, name, step in sorted(steps, key=lambda item: item[0]):
        updates = step["opcode"] not in ("const", "copy", "addo", "subo", "gather")
        total = Counter(known.get(name, Counter())) if updates else Counter()
        for term in step["terms"]:
            read = Counter() if term["name"].startswith("#") else known.get(term["name"], Counter({term["name"]: 1}))
            assert term["low_bit"] == 0
            for leaf, factor in read.items():
                total[leaf] += term["sign"] * factor << term["shift"]
        known[name] = total
        if address == report["sum"]["address"]:
            return total
    raise AssertionError("no step completes the sum")


@pytest.mark.parametrize("layer", CONVOLUTIONS)
def test_the_lines_add_up_to_the_weights(layer: str) -> None:
    program = digits("O2")
    index = find(program, layer)
    maps = program.layers[index].row_maps
    moved = bool(maps["offset_y"].any() or maps["offset_x"].any())
    source = program.tensors[int(program.layers[index].tiles[0].gathers["tensor"][0])].name
    for channel in range(0, len(weights(layer)[0]), 3):
        wanted = {
            f"{source}[{c}]" + (f"@{y:+d},{x:+d}" if moved else ""): factor
            for (c, y, x), factor in expected(program, layer, channel).items()
        }
        found = add_up(explain(program, index, channel))
        assert {name: factor for name, factor in found.items() if factor} == wanted


def test_a_mean_is_the_sum_of_its_positions() -> None:
    """Its sum is requantised from two bits further up: what lies below is a constant zero, and not the sum."""
    program = digits("O2")
    index = find(program, "mean")
    for channel in range(0, 32, 5):
        report = explain(program, index, channel)
        found = factors(program, index, report["sum"]["products"])
        assert found == {(channel, y, x): 1 for y, x in product(range(4), repeat=2)}
        (output,) = report["blocks"][0]["steps"]
        assert [(term["shift"], term["interval"]) for term in output["terms"]] == [(2, [0, 16 * 15])]


def test_what_is_compared() -> None:
    """An operand of two values, one above the other, has a line for each; STEP writes further up than it compares."""
    x, y, both, out = Field(3, 0, 4), Field(4, 0, 4), Field(5, 0, 8), Field(7, 16, 4)
    program = tiny_program()
    code = [macro(Op.GATHER, x, imm=0), macro(Op.GATHER, y, imm=1)]
    code += [macro(Op.COPY, both.bits(0, 4), x), macro(Op.COPY, both.bits(4), y)]
    code += [macro(Op.CLAMP, out, both, imm=0), macro(Op.STEP, out.bits(1), both.bits(4), imm=2)]
    program.layers[0].tiles[0] = tile(code, [0, 15, 9, 3], [(0, 0, 0, 0), (0, 1, 1, 0)], [])
    output = explain(program, 0, 0)["blocks"][0]
    assert [line for step in output["steps"] for line, _ in lines_of(step)] == [
        "= clamp(tmp@0002 + tmp@0003 << 4, 0, 15)",
        "",
        "= 3 << 1 where tmp@0003 >= 9",
    ]


def test_the_interval_of_an_operand_is_that_of_the_bits_it_reads() -> None:
    x, signed, out = Field(3, 0, 4), Field(5, 0, 8, signed=True), Field(7, 16, 4)
    program = tiny_program()
    code = [macro(Op.GATHER, x, imm=0), macro(Op.CONST, signed, imm=0)]
    code += [macro(Op.CLAMP, out, x.bits(1, 3), imm=1), macro(Op.STEP, out, signed.bits(0, 6), imm=1)]
    code += [macro(Op.STEP, out, signed.bits(2, 8, signed=False), imm=1)]
    program.layers[0].tiles[0] = tile(code, [-20, 0, 15], [(0, 0, 0, 0)], [])
    steps = explain(program, 0, 0)["blocks"][0]["steps"]
    intervals = [term["interval"] for step in steps for term in step["terms"]]
    assert intervals == [[0, 3], [-20, -20], [59, 59]]  # bits 1, 2 of 0..15; 6 signed bits of -20; (256 - 20) >> 2


def test_weights_in_the_rows() -> None:
    program = digits("O2")
    index = find(program, "classifier")
    layer, kernel = program.layers[index], weights("classifier")[0]
    products = [item for item in explain(program, index, 0)["sum"]["products"] if item["tensor"] is not None]
    assert [item["channel"] for item in products] == list(range(kernel.shape[1]))
    assert {item["factor"] for item in products} == {1}
    resident = layer.resident_values[[item["resident"] for item in products]].T  # position, input
    multiplier = resident[:, 0] // kernel[:, 0, 0, 0]  # the requantisation's, where it differs from row to row
    assert (resident == kernel[:, :, 0, 0] * multiplier[:, None]).all() and multiplier.all()


@pytest.mark.parametrize("layer", ["stem", "blocks.1.conv2", "mean", "blocks.1.add.quant"])
def test_own_shares_sum_to_the_tile(layer: str) -> None:
    program = digits("O2")
    index = find(program, layer)
    facts = tile_facts(program, index, 0)
    own = [explain(program, index, int(channel))["totals"]["own"] for channel in facts.channels]
    for key, whole in (
        ("instructions", len(facts.tile.instructions)),
        ("cycles", int(facts.cycles.sum())),
        ("write_passes", int(facts.counts.writes.sum())),
        ("search_passes", int(facts.counts.searches.sum() + facts.counts.source_searches.sum())),
    ):
        assert sum(share[key] for share in own) == pytest.approx(whole)


@pytest.mark.parametrize("layer", [*CONVOLUTIONS, "mean"])
def test_additions_are_those_that_the_compiler_counted(layer: str) -> None:
    program = digits("O2")
    index = find(program, layer)
    reports = [explain(program, index, channel) for channel in range(program.tensors[index + 1].channels)]
    own = sum(report["totals"]["own"]["additions"] for report in reports)
    assert own == pytest.approx(program.layers[index].statistics["adds"])
    for report in reports:
        steps = [step for block in report["blocks"] for step in block["steps"]]
        adding = [
            step
            for step in steps
            if step["opcode"] in ("add", "sub", "addo", "subo") and step["address"] <= report["sum"]["address"]
        ]
        assert report["totals"]["additions"] == len(adding)
        assert report["totals"]["shared_additions"] == sum(len(step["outputs"]) > 1 for step in adding)


def test_depth_leaves_out_what_is_further_away() -> None:
    program = digits("O2")
    whole = explain(program, 0, 5)
    for depth in range(4):
        part = explain(program, 0, 5, depth)
        assert part["blocks"] == [block for block in whole["blocks"] if block["depth"] <= depth]
        assert part["deeper_blocks"] == len(whole["blocks"]) - len(part["blocks"])
        assert {**part, "blocks": 0, "deeper_blocks": 0} == {**whole, "blocks": 0, "deeper_blocks": 0}


def test_every_value_has_one_block_and_every_instruction_one_step() -> None:
    report = explain(digits("O2"), 4, 7)
    names = [block["name"] for block in report["blocks"]]
    addresses = [step["address"] for block in report["blocks"] for step in block["steps"]]
    assert len(set(names)) == len(names) and len(set(addresses)) == len(addresses)


def test_a_value_lies_where_its_lowest_bit_lies() -> None:
    """However far up its last instruction writes; its width is what it has in all."""
    program = digits("O2")
    (scaling,) = [block for block in explain(program, 0, 5)["blocks"] if block["role"] == "scaling"]
    first, last = scaling["steps"]
    assert (first["place"], last["shift"], last["width"]) == ("c94.d0:20sx", 2, 18)
    assert last["place"] == "c96.d0:18sx" and scaling["place"] == "c94.d0:20sx"


def test_outputs_in_rows() -> None:
    program = digits("O2")
    expected = "classifier computes its 10 outputs in as many rows, all by the instructions of channel 0: --output 0"
    with pytest.raises(UserError, match=expected):
        explain(program, find(program, "classifier"), 3)


def test_long_names_are_shortened_rather_than_folded() -> None:
    program = tiny_program()
    program.tensors[0].name = "a.very.long.name.of.an.image." * 3
    report = explain(program, 0, 1)
    for width, whole in ((240, True), (100, False)):
        console = Console(width=width, file=io.StringIO(), record=True)
        for item in items(report, width):
            console.print(item)
        text = console.export_text()
        assert (program.tensors[0].name in text) == whole
        (line,) = [line for line in text.splitlines() if line.startswith("0x0004")]
        assert line.split()[2].endswith("[0]@+0,-1") and "c3.d0:4" in line


def test_a_channel_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"--output 2: layer conv computes the channels 0 to 1$"):
        explain(tiny_program(), 0, 2)


@settings(max_examples=25, deadline=None)
@given(programs())
def test_any_program_can_be_explained(program: Program) -> None:
    for index, layer in enumerate(program.layers):
        facts = [tile_facts(program, index, number) for number in range(len(layer.tiles))]
        own = Counter[int]()
        for channel in range(program.tensors[layer.output].channels):
            report = explain(program, index, channel)
            jsonschema.Draft202012Validator(schema("explain")).validate(
                {"schema": "apc.explain/1", "program": "x.apc", **report}
            )
            assert list(items(report, 80))
            own[report["tile"]] += report["totals"]["own"]["instructions"]  # type: ignore[assignment]
        for number, of_tile in enumerate(facts):
            assert own[number] == pytest.approx(int(of_tile.serves.any(axis=1).sum()))
