"""Adder DAGs as instructions: executed bit by bit on the reference machine, they equal integer sums."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.rtm_ap.builder import TileBuilder, field_of
from backends.rtm_ap.shared_sums import Region, emit_dag
from backends.rtm_ap.terms import PLACE, running_extremes, start
from ir.adders import NODE, TERM, AdderDag
from ir.cse.row_sums import intervals
from ir.isa import Field, Op
from ir.types import IntType
from tests.backends.rtm_ap.execute import execute, machine_of

ROWS, DOMAINS, REGION, WIDE = 64, 30, 60, 24


@st.composite
def dags(draw: st.DrawFn) -> AdderDag:
    """2 to 5 inputs, up to 7 temporaries, up to 11 terms of 1 to 5 outputs; shifts and signs of every kind."""
    inputs, outputs = draw(st.integers(2, 5)), draw(st.integers(1, 5))
    lo = np.array([draw(st.sampled_from([0, 0, -3, -8, 2])) for _ in range(inputs)], np.int64)
    hi = lo + np.array([draw(st.integers(1, 15)) for _ in range(inputs)], np.int64)
    nodes = []
    for known in range(inputs, inputs + draw(st.integers(0, 7))):
        left, right = draw(st.integers(0, known - 1)), draw(st.integers(0, known - 1))
        shifts = draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (2, 0)]))
        if left == right and shifts == (0, 0):
            shifts = (0, 1)  # sharing never adds a value to itself unshifted
        nodes.append((left, shifts[0], right, shifts[1], draw(st.sampled_from([-1, 1]))))
    operands = inputs + len(nodes)
    terms = [
        (draw(st.integers(0, outputs - 1)), draw(st.integers(0, operands - 1)), draw(st.integers(0, 2)), sign)
        for sign in draw(st.lists(st.sampled_from([-1, 1]), max_size=11))
    ]
    return AdderDag(lo, hi, np.array(nodes, NODE), np.array(terms, TERM), outputs)


@settings(max_examples=80)
@given(
    dags(), st.booleans(), st.lists(st.sampled_from([0, 1, -1, 70, -70]), min_size=5, max_size=5), st.integers(0, 99)
)
def test_emitted_dags_are_integer_sums(dag: AdderDag, across: bool, constants: list[int], seed: int) -> None:
    dag.verify()
    random = np.random.default_rng(seed)
    initial = np.array(constants[: dag.outputs], np.int64)
    places, column = np.zeros(dag.inputs, PLACE), 3
    for i, (lo, hi) in enumerate(zip(dag.lo.tolist(), dag.hi.tolist(), strict=True)):
        kind = IntType.containing(lo, hi)
        places[i] = (column, 2 if across else 5, kind.bits, kind.signed, across)
        column += kind.bits if across else 1
    region = Region(column, REGION, across)
    column += REGION
    accumulators = np.zeros(dag.outputs, PLACE)
    for o in range(dag.outputs):
        accumulators[o] = (column, o if across else 0, WIDE, True, across)
        column += WIDE if across else 1
    builder = TileBuilder([])
    for place, value in zip(accumulators, initial.tolist(), strict=True):
        builder.emit(Op.CONST, field_of(place), constants=(value,))
    running = start(initial)
    sweep = random.permutation(dag.outputs)
    emission = emit_dag(dag, intervals(dag), sweep, places, accumulators.copy(), running, region, builder.constant(0))
    assert emission is not None and emission.columns <= REGION
    builder.add_group(emission)

    machine = machine_of(ROWS, column, DOMAINS, seed)
    inputs = random.integers(dag.lo[:, None], dag.hi[:, None] + 1, (dag.inputs, ROWS))
    inputs[:, 0], inputs[:, 1] = dag.lo, dag.hi
    for place, values in zip(places, inputs, strict=True):
        machine.load(field_of(place), values)
    execute(machine, builder.tile())
    expected = dag.evaluate(inputs) + initial[:, None]
    for o, state in enumerate(running):
        column, domain = int(accumulators["column"][o]), int(accumulators["domain"][o])
        field = Field(column, domain, int(state["width"]), bool(state["signed"]), across)
        np.testing.assert_array_equal(machine.read(field), expected[o])
        assert state["lo"] <= expected[o].min() and expected[o].max() <= state["hi"]


def emit(nodes: list[tuple[int, ...]], terms: list[tuple[int, ...]], columns: int = 8) -> list[str]:
    """Instructions of a DAG over three inputs of 0..3 along wires in columns 3 to 5; temporaries from column 10."""
    count = 1 + max(term[0] for term in terms)
    dag = AdderDag(np.zeros(3, np.int64), np.full(3, 3), np.array(nodes, NODE), np.array(terms, TERM), count)
    places = np.array([(3 + i, 0, 2, False, False) for i in range(3)], PLACE)
    accumulators = np.array([(30 + o, 0, 9, True, False) for o in range(count)], PLACE)
    running = start(np.zeros(count, np.int64))
    emission = emit_dag(
        dag, intervals(dag), np.arange(count), places, accumulators, running, Region(10, columns, False), 0
    )
    if emission is None:
        return ["no room"]
    names = (
        {3: "x0", 4: "x1", 5: "x2", 0: ""} | {10 + t: f"t{t}" for t in range(8)} | {30 + o: f"y{o}" for o in range(8)}
    )
    lines = []
    for r in emission.records:
        other = [names[int(r[f"{x}_column"])] for x in "ab" if r[f"{x}_width"] and r["op"] != Op.EXTEND]
        lines.append(f"{Op(r['op']).name} {names[int(r['r_column'])]}:{r['r_width']} {' '.join(other)}".strip())
    return lines


def test_widths_grow_with_the_sum_and_signs_are_extended_when_they_must() -> None:
    """0..3 added, another added, a third subtracted, the first added four times: the sign is filled once."""
    terms = [(0, 0, 0, 1), (0, 1, 0, 1), (0, 2, 0, -1), (0, 0, 2, 1)]
    assert emit([], terms) == ["ADD y0:2 x0", "ADD y0:3 x1", "SUB y0:4 x2", "EXTEND y0:6", "ADD y0:4 x0"]


def test_the_digits_of_one_weight_keep_the_exact_width() -> None:
    """3 x = 4 x - x: never below -3 nor, at the end, above 9, where digits taken apart would seem to reach 12."""
    assert emit([], [(0, 0, 0, -1), (0, 0, 2, 1)]) == ["SUB y0:3 x0", "EXTEND y0:5", "ADD y0:3 x0"]


def test_a_dying_operand_is_added_to_in_place() -> None:
    nodes = [(0, 0, 1, 0, 1), (3, 0, 2, 0, 1)]
    assert emit(nodes, [(0, 4, 0, 1)]) == ["ADDO t0:3 x0 x1", "CONST t0:1", "ADD t0:4 x2", "ADD y0:4 t0"]


def test_a_difference_of_which_the_subtrahend_dies_is_held_negated() -> None:
    nodes = [(0, 0, 1, 0, 1), (2, 0, 3, 0, -1)]
    assert emit(nodes, [(0, 4, 0, 1)]) == ["ADDO t0:3 x0 x1", "CONST t0:1", "SUB t0:4 x2", "SUB y0:4 t0"]


def test_a_temporary_lives_from_its_first_output_to_its_last_use() -> None:
    nodes = [(0, 0, 1, 0, 1), (1, 0, 2, 0, 1)]
    terms = [(0, 3, 0, 1), (1, 4, 0, 1), (2, 3, 0, -1)]
    assert emit(nodes, terms) == ["ADDO t0:3 x0 x1", "ADD y0:3 t0", "ADDO t1:3 x1 x2", "ADD y1:3 t1", "SUB y2:4 t0"]
    assert emit(nodes, terms, columns=1) == ["no room"]


def test_partial_sums_of_any_order_stay_within_the_extremes() -> None:
    terms = np.array([(0, 0, 0, 1), (0, 1, 1, -1), (1, 1, 0, 1)], TERM)
    lo, hi = running_extremes(np.array([5, -2]), terms, np.array([2, 0]), np.array([4, 3]))
    assert lo.tolist() == [5 - 6, -2] and hi.tolist() == [5 + 4, -2 + 3]


def test_states_start_at_constants() -> None:
    states = start(np.array([0, 1, 5, -1, -8]))
    assert states["width"].tolist() == [1, 1, 3, 1, 4]
    assert states["signed"].tolist() == [False, False, False, True, True]
    assert (states["lo"] == states["hi"]).all() and states["lo"].tolist() == [0, 1, 5, -1, -8]
