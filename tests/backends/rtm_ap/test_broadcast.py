"""Layers that hold their weights: what they compute, when they are taken, what they cost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apc.accounting import Accounts
from apc.artifact import from_bytes, to_bytes
from backends.rtm_ap.broadcast import can_turn, compile_broadcast, turned
from backends.rtm_ap.builder import Source
from backends.rtm_ap.compiler import Origin, compile_graph
from backends.rtm_ap.layout import CapacityError, Geometry
from backends.rtm_ap.passes import LEVELS, Pipeline, Tiling
from backends.rtm_ap.placement import LayerSize, Placement, place, row_traffic
from backends.target import Target
from ir.assembly import parse_program, print_program
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.isa import Op
from ir.lower import lower
from ir.ops import Conv, Flatten
from ir.program import FIELD, ROW_MAP, Program
from ir.types import IntType
from ir.verify_program import ProgramError, verify_program
from simulator.rtm.engine import FastEngine
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from simulator.rtm.run import run_program
from tests.graphs import NORMAL, add_input, add_output, random_inputs, requantise

SMALL = replace(NORMAL, array=replace(NORMAL.array, rows=64, columns=64, domains=32))

U4 = IntType(4, False)


def stationary(choice: str) -> Pipeline:
    """-O2 with a fixed answer to which operand stays."""
    return Pipeline(tuple(replace(p, stationary=choice) if isinstance(p, Tiling) else p for p in LEVELS["O2"].passes))


def compiled(graph: Graph, target: Target = NORMAL, choice: str = "weights") -> Program:
    graph.verify()
    return compile_graph(graph, target, Origin("00" * 32, "O2", ()), pipeline=stationary(choice), workers=1)


def classifier(weights: np.ndarray, kind: IntType = U4, size: tuple[int, int] = (1, 1)) -> Graph:
    """A Gemm of weights (outputs, inputs), over a flattened input where that is larger than 1x1."""
    graph = Graph("classifier")
    positions = size[0] * size[1]
    node = add_input(graph, "x", (weights.shape[1] // positions, *size), kind.bits, kind.signed)
    if positions > 1:
        node = graph.add("flat", Flatten(), (node,)) or "flat"
    graph.add("fc", Conv(weights[:, :, None, None], (1, 1), (0, 0, 0, 0), (1, 1), 1, 0), (node,))
    return graph


def random_classifier(random: Random) -> Graph:
    positions = random.choice([(1, 1), (1, 1), (2, 3)])
    inputs, outputs = random.randint(1, 5) * positions[0] * positions[1], random.randint(1, 12)
    limit = random.choice([1, 1, 7, 127])
    rng = np.random.default_rng(random.randint(0, 1 << 30))
    weights = rng.integers(-limit, limit + 1, (outputs, inputs)).astype(np.int64)
    if random.random() < 0.2:
        weights = np.abs(weights)
    if random.random() < 0.3:
        weights[:, random.randrange(inputs)] = 0
    weights[0, 0] = 1
    kind = IntType(random.randint(1, 6), random.random() < 0.5)
    graph = classifier(weights, kind, positions)
    node = graph.op("fc")
    assert isinstance(node, Conv)
    if random.random() < 0.3:
        graph.replace_op("fc", replace(node, zero_point=random.randint(kind.min, kind.max)))
    if random.random() < 0.4:
        factor = Fraction(random.choice([1, -1]) * random.randint(1, 5), random.choice([1, 4, 16]))
        offsets = [Fraction(random.randint(-9, 9)) for _ in range(outputs)]
        out = IntType(random.randint(2, 6), random.random() < 0.5)
        graph.add("q", requantise([[factor] * outputs], offsets, out), ("fc",))
        add_output(graph, "q")
    else:
        add_output(graph, "fc")
    return graph


@settings(max_examples=120, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 4))
def test_random_classifiers_equal_the_interpreter_on_both_engines(random: Random, batch: int) -> None:
    graph = random_classifier(random)
    program = compiled(graph, random.choice([NORMAL, SMALL]))
    verify_program(program)
    inputs = random_inputs(graph, batch, random.randrange(1 << 30))
    expected = run_graph(graph, dict(inputs))[graph.outputs[0].node]
    fast = run_program(program, inputs)
    np.testing.assert_array_equal(fast.tensors[program.outputs[0].tensor].reshape(expected.shape), expected)
    slow = run_program(program, inputs, engine="reference")
    assert fast.layers == slow.layers
    stored = {0: np.ascontiguousarray(_rows(inputs["x"]))}
    one = FastEngine(Prepared(program), batch).run_layer(0, stored, keep_contents=True)
    other = ReferenceEngine(program, batch).run_layer(0, stored, keep_contents=True)
    for mine, theirs in zip(one.contents, other.contents, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def _rows(images: np.ndarray) -> np.ndarray:
    channels = images.swapaxes(0, 1).reshape(images.shape[1], -1).astype(np.int32)
    return np.pad(channels, ((0, 0), (0, -channels.shape[1] % 64)))


def int8_classifier(inputs: int, outputs: int) -> Graph:
    graph = classifier(np.random.default_rng(1).integers(-127, 128, (outputs, inputs)))
    add_output(graph, "fc")
    return graph


def test_the_weights_lie_in_the_arrays_and_the_default_level_says_so() -> None:
    graph = int8_classifier(48, 70)
    taken = []
    program = compile_graph(graph, NORMAL, Origin("00" * 32, "O2", ()), decided=taken.append, workers=1)
    layer, tensor = program.layers[0], program.tensors[1]
    assert tensor.shape == (1, 70, 1)
    code = layer.tiles[0].instructions
    assert np.count_nonzero(code["op"] == Op.MAC) == 48
    weights = graph.op("fc")
    assert isinstance(weights, Conv)
    np.testing.assert_array_equal(layer.resident_values, weights.weights[:, :, 0, 0].T)
    decision = taken[0]
    assert decision.taken.strategy.startswith("weights in the arrays")
    assert decision.taken.total_J <= min(c.total_J for c in decision.others if not c.refused)
    statics = Accounts(program).layers()[0]
    assert statics.resident_bits == 70 * int(layer.resident_fields["width"].sum())
    assert statics.columns <= NORMAL.array.columns


def test_the_choice_can_be_fixed() -> None:
    graph = int8_classifier(6, 9)
    assert compiled(graph, choice="activations").tensors[1].shape == (9, 1, 1)
    assert compiled(graph, choice="weights").tensors[1].shape == (1, 9, 1)


def test_what_other_layers_read_is_not_turned() -> None:
    graph = int8_classifier(6, 9)
    graph.outputs.clear()
    graph.add("next", Conv(np.ones((3, 9, 1, 1), np.int64), (1, 1), (0, 0, 0, 0), (1, 1), 1, 0), ("fc",))
    add_output(graph, "next")
    program = compiled(graph)
    assert [tensor.shape for tensor in program.tensors] == [(6, 1, 1), (9, 1, 1), (1, 3, 1)]
    inputs = random_inputs(graph, 2, 3)
    expected = run_graph(graph, dict(inputs))["next"]
    result = run_program(program, inputs).tensors[2]
    np.testing.assert_array_equal(result.reshape(expected.shape), expected)


def requantised(graph: Graph, multipliers: list[Fraction], offset: Fraction, out: IntType) -> Graph:
    """An int8 classifier whose outputs are multiplied, each by its own, and clamped."""
    graph.outputs.clear()
    graph.add("q", requantise([multipliers], [offset] * len(multipliers), out), ("fc",))
    add_output(graph, "q")
    return graph


@pytest.mark.parametrize(
    ("factors", "offset"),
    [
        ([Fraction(1, 64), Fraction(-3, 32), Fraction(0), Fraction(5, 256)], Fraction(1, 3)),
        ([Fraction(1, 8), Fraction(1, 64), Fraction(-1, 16), Fraction(-1, 32)], Fraction(0)),
    ],
    ids=["multipliers", "ties"],
)
def test_rows_have_multipliers_and_shifts_of_their_own(factors: list[Fraction], offset: Fraction) -> None:
    """They go into the weights; an output that is constant has none."""
    graph = requantised(int8_classifier(12, 4), factors, offset, IntType(6, True))
    program = compiled(graph)
    assert program.tensors[1].shape == (1, 4, 1)
    inputs = random_inputs(graph, 300, 1)
    expected = run_graph(graph, dict(inputs))["q"]
    assert len(np.unique(expected)) > 60
    np.testing.assert_array_equal(run_program(program, inputs).tensors[1].reshape(expected.shape), expected)


def test_rows_that_would_do_different_things_are_refused() -> None:
    """A staircase is compared with constants, which rows cannot have of their own."""
    graph = requantised(int8_classifier(12, 2), [Fraction(1, 128), Fraction(1, 100)], Fraction(1, 3), IntType(2, False))
    (layer,) = lower(graph).layers
    assert can_turn(layer)
    with pytest.raises(CapacityError, match="different ways"):
        turned(layer)
    assert compiled(graph).tensors[1].shape == (2, 1, 1)


def sources(graph: Graph) -> list[Source]:
    kind = graph.type("x")
    records = np.zeros(kind.channels, FIELD)
    records["width"], records["signed"] = kind.dtype.bits, kind.dtype.signed
    return [Source(0, records)]


@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False), columns=st.integers(30, 90), domains=st.integers(1, 12))
def test_what_fits_stays_within_the_array_and_what_does_not_is_refused(
    random: Random, columns: int, domains: int
) -> None:
    graph = int8_classifier(random.randint(1, 40), random.randint(1, 5))
    (layer,) = lower(graph).layers
    try:
        result = compile_broadcast(
            layer, turned(layer), Geometry(columns, domains), sources(graph), 1, random.choice([4, 8, 100])
        )
    except CapacityError:
        return
    fields = result.program.resident_fields
    assert (fields["column"] + fields["width"] <= columns).all() and (fields["domain"] < domains).all()
    records = result.program.tiles[0].instructions
    assert (records["r_column"] + records["r_width"] <= columns).all()


def test_a_program_with_weights_comes_back_from_a_file_and_from_text() -> None:
    program = compiled(int8_classifier(9, 20))
    content = to_bytes(program)
    assert to_bytes(from_bytes(content)) == content
    assert to_bytes(parse_program(print_program(program))) == content


def broken(change: str) -> Program:
    program = compiled(int8_classifier(9, 20))
    layer = program.layers[0]
    match change:
        case "value":
            layer.resident_values[0, 0] = 1 << 20
        case "shape":
            layer.resident_values = layer.resident_values[:, 1:]
        case "overlap":
            layer.resident_fields[1] = layer.resident_fields[0]
        case "outside":
            layer.resident_fields["domain"][0] = 255
        case "tile":
            layer.resident_fields["tile"][0] = 1
        case "written":
            layer.resident_fields["column"][0] = int(layer.tiles[0].instructions["r_column"][0])
            layer.resident_fields["domain"][0] = 0
        case "moving":
            layer.row_maps["stride_y"] = 1
        case "bits":
            layer.tiles[0].instructions["b_width"][layer.tiles[0].instructions["op"] == Op.MAC] = 5
    return program


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("value", "does not fit its field"),
        ("shape", "one value a field and position"),
        ("overlap", "share a cell"),
        ("outside", "beyond the 64 domains"),
        ("tile", "a tile that does not exist"),
        ("written", "writes to it"),
        ("moving", "broadcasts what differs from row to row"),
        ("bits", "broadcasts more bits"),
    ],
)
def test_malformed_programs_are_refused(change: str, reason: str) -> None:
    with pytest.raises(ProgramError, match=reason):
        verify_program(broken(change))


def test_pinned_layers_lie_at_the_end_of_the_chip_and_share_it_with_nobody() -> None:
    layers = [LayerSize(1, 4, 1), LayerSize(1, 2, 1, pinned=True), LayerSize(3, 2, 2)]
    first, pinned, last = place(layers, 8)
    assert pinned == Placement(6, 2, 1, True)
    assert (first.base, first.arrays) == (0, 4) and last == Placement(0, 6, 1, True)


def test_weights_that_do_not_fit_half_of_the_chip_run_in_waves() -> None:
    assert place([LayerSize(1, 9, 0, pinned=True)], 8) == [Placement(4, 4, 3, False)]
    assert place([LayerSize(1, 2, 0, pinned=True)], 1) == [Placement(0, 1, 2, False)]


def test_a_broadcast_row_is_sent_once_to_each_array() -> None:
    """Images of 5 rows, 4 rows an array: both images reach array 1."""
    still = np.array([(0, 0, 0, 0)], ROW_MAP)[0]
    traffic = row_traffic(still, (1, 1), (5, 1), 2, 4, broadcast=True)
    assert dict(zip(traffic.row_tile.tolist(), traffic.rows.tolist(), strict=True)) == {0: 1, 1: 2, 2: 1}
    assert traffic.source_row_tile.tolist() == [0, 0, 0]
