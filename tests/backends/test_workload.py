from fractions import Fraction

import numpy as np
import pytest

from backends.crossbar.networks import resnet18, vgg8
from backends.workload import LayerWork, conv_work, layer_works
from ir.graph import Graph
from ir.ops import Concat, Conv, Flatten, Input, MaxPool, SumPool
from ir.types import IntType
from tests.close import close
from tests.graphs import add_input, requantise


def one(graph: Graph) -> LayerWork:
    (work,) = layer_works(graph)
    return work


def macs(work: LayerWork) -> int:
    return work.positions * work.rows * work.outputs * work.groups


def conv(cout: int, cin: int, kernel: tuple[int, int] = (1, 1), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, (cout, cin, *kernel))


def to_bits(graph: Graph, name: str, source: str | tuple[str, ...], kind: IntType, bipolar: bool = False) -> str:
    sources = (source,) if isinstance(source, str) else source
    channels = graph.type(sources[0]).channels
    rows = [[Fraction(1, 3)] * channels for _ in sources]
    return graph.add(name, requantise(rows, [Fraction(0)] * channels, kind, bipolar=bipolar), sources)


def test_a_padded_strided_convolution() -> None:
    graph = Graph()
    add_input(graph, "x", (3, 9, 7), 4, signed=False)
    graph.add("c", Conv(conv(5, 3, (3, 3)), strides=(2, 1), pads=(1, 0, 1, 2)), ("x",))
    to_bits(graph, "q", "c", IntType(6, True))
    work = one(graph)
    assert (work.name, work.kind, work.rows, work.outputs, work.groups) == ("c", "conv", 27, 5, 1)
    assert (work.positions, work.bare_positions) == (5 * 7, int(7 / 2 * 5 / 1))
    # vertical windows start at -1, 1, 3, 5, 7: 2, 3, 3, 3, 2 of 3 rows; horizontal 7 windows at 0 .. 6 of 7 columns + 2
    assert work.tap_share == close(13 / 15 * (15 + 2 + 1) / 21)
    assert (work.weight_bits, work.activation_bits, work.signed, work.output_bits) == (2, 4, False, 6)
    assert macs(work) == 35 * 27 * 5
    assert dict(work.weight_values) == {
        value: int((graph.op("c").weights == value).sum())  # type: ignore[attr-defined]
        for value in (-1, 0, 1)
    }


@pytest.mark.parametrize(
    ("groups", "rows", "outputs"),
    [(1, 8 * 3, 16), (2, 4 * 3, 8), (8, 3, 2)],
)
def test_one_dimensional_and_grouped(groups: int, rows: int, outputs: int) -> None:
    graph = Graph()
    add_input(graph, "x", (8, 1, 20), 8, signed=True)
    graph.add("c", Conv(conv(16, 8 // groups, (1, 3)), pads=(0, 1, 0, 1), groups=groups), ("x",))
    work = one(graph)
    assert (work.rows, work.outputs, work.groups, work.positions) == (rows, outputs, groups, 20)
    assert macs(work) == 20 * rows * 16
    assert work.output_bits == graph.type("c").dtype.bits


@pytest.mark.parametrize(
    ("values", "bits"),
    [([-1, 1], 1), ([-1, 0, 1], 2), ([0, 1], 2), ([-2, 1], 2), ([-127, 127], 8), ([-128, 3], 8), ([0, 255], 9)],
)
def test_bits_of_weights(values: list[int], bits: int) -> None:
    graph = Graph()
    add_input(graph, "x", (len(values), 1, 1), 8, signed=False)
    graph.add("c", Conv(np.array(values).reshape(1, -1, 1, 1)), ("x",))
    assert one(graph).weight_bits == bits
    assert one(graph).weight_values == tuple((value, 1) for value in sorted(values))


def test_a_zero_point_is_subtracted_where_that_saves_bits() -> None:
    graph = Graph()
    graph.add("x", Input((2, 1, 1), IntType(8, False), None, 0, 255))
    graph.add("y", Input((2, 1, 1), IntType(8, True), None, -128, 127))
    graph.add("z", Input((2, 1, 1), IntType(8, True), None, 100, 107))
    for name, zero_point in (("x", 128), ("y", -128), ("z", 100)):
        graph.add(f"c{name}", Conv(conv(1, 2), zero_point=zero_point), (name,))
    seen = {work.name: (work.activation_bits, work.signed) for work in layer_works(graph)}
    assert seen == {"cx": (8, False), "cy": (8, True), "cz": (3, False)}


def test_signs_are_one_bit_through_pool_and_flatten() -> None:
    graph = Graph()
    add_input(graph, "x", (2, 4, 4), 8, signed=True)
    to_bits(graph, "s", "x", IntType(2, True), bipolar=True)
    graph.add("m", MaxPool((2, 2), (2, 2)), ("s",))
    graph.add("f", Flatten(), ("m",))
    graph.add("c", Conv(conv(3, 8)), ("f",))
    works = layer_works(graph)
    assert [(work.name, work.kind) for work in works] == [("s", "scale"), ("m", "pool"), ("c", "conv")]
    assert (works[2].activation_bits, works[2].signed) == (1, False)


def test_pools_residuals_and_concatenations() -> None:
    graph = Graph()
    add_input(graph, "x", (4, 6, 6), 4, signed=False)
    graph.add("a", Conv(conv(4, 4)), ("x",))
    to_bits(graph, "r", ("a", "x"), IntType(4, False))
    graph.add("k", Concat(), ("r", "x"))
    graph.add("p", SumPool((3, 3), (3, 3)), ("k",))
    to_bits(graph, "q", "p", IntType(5, False))
    graph.add("m", MaxPool((2, 2)), ("q",))
    works = {work.name: work for work in layer_works(graph)}
    assert {name: work.kind for name, work in works.items()} == {"a": "conv", "r": "add", "p": "pool", "m": "pool"}
    # the convolution multiplies its own result; x is multiplied where it is added
    assert (works["r"].taps, works["r"].factors, works["r"].input_elements, works["r"].elements) == (2, 1, 144, 144)
    assert (works["p"].taps, works["p"].factors, works["p"].elements, works["p"].output_bits) == (9, 1, 8 * 4, 5)
    assert (works["m"].taps, works["m"].factors, works["m"].elements, works["m"].activation_bits) == (4, 0, 8, 5)


def test_a_window_that_needs_its_padding_has_a_position_without_it() -> None:
    assert conv_work("c", (1, 5), 1, 1, (3, 3), pads=(1, 1, 1, 1)).bare_positions == 1


def test_resnet18_has_the_macs_of_the_facts() -> None:
    # crossbar_cost.md 2: "NeuroSim runs 1438 of ResNet-18's 1814 MMAC (no padding)"
    works = resnet18()
    assert sum(map(macs, works)) == close(1814e6, abs=0.5e6)
    assert sum(work.bare_positions * work.rows * work.outputs for work in works) == close(1438e6, abs=0.5e6)
    assert len(works) == 21


def test_vgg8_loses_28_percent_without_padding() -> None:
    works = vgg8()  # crossbar_cost.md, defect 1
    bare = sum(work.bare_positions * work.rows * work.outputs for work in works)
    assert bare / sum(map(macs, works)) == close(1 - 0.28, abs=0.005)
