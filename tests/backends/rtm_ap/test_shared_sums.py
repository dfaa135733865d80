"""Adder DAGs as instructions: executed bit by bit on the reference machine, they equal integer sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.rtm_ap.arithmetic import HELD, Style
from backends.rtm_ap.builder import TileBuilder, field_of
from backends.rtm_ap.shared_sums import AccumulatorOverflow, Region, emit_sums
from ir.adders import NODE, TERM, AdderDag
from ir.cse.row_sums import intervals
from ir.isa import R_FRESH, Op
from ir.types import IntType
from tests.backends.rtm_ap.execute import execute, machine_of

ROWS, DOMAINS, WIDE = 64, 30, 24


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


def held(places: list[tuple[int, int, int, bool, bool]], lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """HELD records of (column, domain, width, signed, across) that hold values within [lo, hi] as they are."""
    records = np.zeros(len(places), HELD)
    for record, place, low, high in zip(records, places, lo.tolist(), hi.tolist(), strict=True):
        record["column"], record["domain"], record["width"], record["signed"], record["across"] = place
        record["sign"], record["lo"], record["hi"] = 1, low, high
    return records


@settings(max_examples=120, deadline=None)
@given(
    dags(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0, 7, 14]), st.sampled_from([14, 24, 60]),
    st.integers(0, 99),
)  # fmt: skip
def test_emitted_dags_are_integer_sums(
    dag: AdderDag, across: bool, offset: bool, overwrite: bool, total: int, columns: int, seed: int
) -> None:
    """In both representations and both orientations, with much room for temporaries or hardly any."""
    dag.verify()
    random = np.random.default_rng(seed)
    if offset:  # signed inputs are gathered as unsigned ones
        dag = AdderDag(np.maximum(dag.lo, 0), np.maximum(dag.hi, 1), dag.temporaries, dag.terms, dag.outputs)
    places, column = [], 3
    for lo, hi in zip(dag.lo.tolist(), dag.hi.tolist(), strict=True):
        kind = IntType.containing(lo, hi)
        places.append((column, 2 if across else 5, kind.bits, kind.signed, across))
        column += kind.bits if across else 1
    sources = held(places, dag.lo, dag.hi)
    region = Region(column, columns, across, min(total, columns) if across else min(total, 1), DOMAINS)
    column += columns
    sums = []
    for o in range(dag.outputs):
        sums.append((column, o if across else 0, 0, False, across))
        column += WIDE if across else 1
    nothing = np.zeros(dag.outputs, np.int64)
    accumulators = held(sums, nothing, nothing)
    builder = TileBuilder([])
    style = Style(offset, overwrite, builder.constant(0))
    rooms = np.full(dag.outputs, WIDE)
    sweep = random.permutation(dag.outputs)
    builder.add_group(emit_sums(dag, intervals(dag), sweep, sources, accumulators, rooms, region, style))

    machine = machine_of(ROWS, column, DOMAINS, seed)
    inputs = random.integers(dag.lo[:, None], dag.hi[:, None] + 1, (dag.inputs, ROWS))
    inputs[:, 0], inputs[:, 1] = dag.lo, dag.hi
    for place, values in zip(sources, inputs, strict=True):
        machine.load(field_of(place), values)
    execute(machine, builder.tile())
    for accumulator, expected in zip(accumulators, dag.evaluate(inputs), strict=True):
        if not accumulator["width"]:
            assert not expected.any()
            continue
        found = machine.read(field_of(accumulator))
        np.testing.assert_array_equal(found - accumulator["offset"], expected)
        assert accumulator["lo"] <= found.min() and found.max() <= accumulator["hi"]


def emit(
    nodes: list[tuple[int, ...]], terms: list[tuple[int, ...]], style: Style, columns: int = 8, total: int = 0
) -> list[str]:
    """Instructions of a DAG over three inputs of 0..3 along wires in columns 3 to 5; temporaries from column 10."""
    count = 1 + max(term[0] for term in terms)
    dag = AdderDag(np.zeros(3, np.int64), np.full(3, 3), np.array(nodes, NODE), np.array(terms, TERM), count)
    places = held([(3 + i, 0, 2, False, False) for i in range(3)], dag.lo, dag.hi)
    nothing = np.zeros(count, np.int64)
    accumulators = held([(30 + o, 0, 0, False, False) for o in range(count)], nothing, nothing)
    region = Region(10, columns, False, total, DOMAINS)
    emission = emit_sums(dag, intervals(dag), np.arange(count), places, accumulators, np.full(count, 9), region, style)
    names = (
        {3: "x0", 4: "x1", 5: "x2", 0: ""} | {10 + t: f"t{t}" for t in range(8)} | {30 + o: f"y{o}" for o in range(8)}
    )
    lines = []
    for r in emission.records:
        other = [names[int(r[f"{x}_column"])] for x in "ab" if r[f"{x}_width"] and r["op"] != Op.EXTEND]
        fresh = " fresh" if r["flags"] & R_FRESH else ""
        lines.append(f"{Op(r['op']).name} {names[int(r['r_column'])]}:{r['r_width']} {' '.join(other)}".strip() + fresh)
    return lines


PLAIN, OFFSET = Style(False, False, 0), Style(True, True, 0)
THREE = [(0, 0, 0, 1), (0, 1, 0, 1), (0, 2, 0, -1)]
"""y0 = x0 + x1 - x2"""


def test_twos_complement_copies_the_first_term_and_extends_what_grows() -> None:
    expected = ["COPY y0:2 x0", "CONST y0:1", "ADD y0:3 x1", "CONST y0:1", "SUB y0:4 x2"]
    assert emit([], THREE, PLAIN) == expected


def test_with_offsets_a_difference_gets_a_top_bit_and_nothing_is_extended() -> None:
    assert emit([], THREE, OFFSET) == ["COPY y0:2 x0", "ADD y0:3 x1 fresh", "SUB y0:4 x2 fresh"]


def test_a_narrow_sum_meets_the_accumulator_once() -> None:
    expected = ["ADDO t0:3 x0 x1 fresh", "SUB t0:4 x2 fresh", "COPY y0:4 t0"]
    assert emit([], THREE, OFFSET, total=1) == expected


SHARED = [(0, 0, 1, 0, 1)]
"""t = x0 + x1"""
TWICE = [(0, 3, 0, 1), (1, 2, 0, 1), (2, 3, 0, 1)]
"""y0 = t, y1 = x2, y2 = t"""


def test_a_temporary_is_held_from_its_first_use_to_its_last() -> None:
    assert emit(SHARED, TWICE, OFFSET) == [
        "ADDO t0:3 x0 x1 fresh", "COPY y0:3 t0", "COPY y1:2 x2", "COPY y2:3 t0",
    ]  # fmt: skip


def test_without_room_it_is_computed_anew_where_it_is_needed() -> None:
    expected = ["COPY y0:2 x0", "ADD y0:3 x1 fresh", "COPY y1:2 x2", "COPY y2:2 x0", "ADD y2:3 x1 fresh"]
    assert emit(SHARED, TWICE, OFFSET, columns=0) == expected


def test_a_temporary_that_is_used_once_is_not_held() -> None:
    assert emit(SHARED, [(0, 3, 0, 1), (0, 2, 0, 1)], OFFSET) == [
        "COPY y0:2 x0", "ADD y0:3 x1 fresh", "ADD y0:4 x2 fresh",
    ]  # fmt: skip


def test_an_accumulator_without_room_is_reported() -> None:
    with pytest.raises(AccumulatorOverflow):
        emit([], [(0, 0, 8, 1), (0, 1, 8, 1)], OFFSET)
