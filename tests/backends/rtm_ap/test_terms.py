"""Running widths: the emitted additions, executed bit by bit on the reference machine, equal integer sums."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.rtm_ap.builder import TileBuilder
from backends.rtm_ap.terms import PLACE, emit_terms, final_states, start
from ir.adders import TERM, terms_of
from ir.isa import RECORD, Field, Op
from ir.types import IntType
from tests.backends.rtm_ap.execute import execute, machine_of

ROWS = 64


def place(field: Field) -> tuple[int, int, int, bool, bool]:
    return field.column, field.domain, field.width, field.signed, field.across


@st.composite
def groups(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[bool]]:
    """Intervals of 1 to 5 operands, initial values of 1 to 3 accumulators, terms, and which accumulators lie across."""
    count, outputs = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    lo = np.array([draw(st.integers(-20, 20)) for _ in range(count)], np.int64)
    hi = lo + np.array([draw(st.integers(0, 31)) for _ in range(count)], np.int64)
    initial = np.array([draw(st.sampled_from([0, 0, 1, -1, 70, -70])) for _ in range(outputs)], np.int64)
    products = draw(
        st.lists(st.tuples(st.integers(0, outputs - 1), st.integers(0, count - 1), st.integers(-9, 9)), max_size=8)
    )
    columns = [np.array([p[i] for p in products], np.int64) for i in range(3)]
    return lo, hi, initial, terms_of(*columns), [draw(st.booleans()) for _ in range(outputs)]


@settings(max_examples=60)
@given(groups(), st.integers(0, 1 << 30))
def test_emitted_terms_are_integer_sums(
    group: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[bool]], seed: int
) -> None:
    lo, hi, initial, terms, across = group
    final = final_states(initial, terms, lo, hi)
    operands = [
        Field(3 + i, i, IntType.containing(int(a), int(b)).bits, signed=bool(a < 0))
        for i, (a, b) in enumerate(zip(lo, hi, strict=True))
    ]
    sums = [
        Field(20 + 30 * o if lies else 10 + o, 5, int(state["width"]), bool(state["signed"]), lies)
        for o, (state, lies) in enumerate(zip(final, across, strict=True))
    ]
    builder = TileBuilder([])
    for field, value in zip(sums, initial.tolist(), strict=True):
        builder.emit(Op.CONST, field, constants=(value,))
    states = start(initial)
    half = len(terms) // 2
    places, accumulators = (np.array([place(f) for f in fields], PLACE) for fields in (operands, sums))
    for part in (terms[:half], terms[half:]):
        records, _ = emit_terms(states, part, lo, hi, places, accumulators)
        builder.append(records)
    np.testing.assert_array_equal(states, final)

    machine = machine_of(ROWS, 110, 30, seed)
    values = np.random.default_rng(seed).integers(lo[:, None], hi[:, None] + 1, (len(lo), ROWS))
    values[:, 0], values[:, 1] = lo, hi
    for field, column in zip(operands, values, strict=True):
        machine.load(field, column)
    execute(machine, builder.tile())
    for o, field in enumerate(sums):
        mine = terms[terms["output"] == o]
        expected = initial[o] + sum(
            (int(t["sign"]) * (values[t["operand"]] << int(t["shift"])) for t in mine), np.zeros(ROWS, np.int64)
        )
        np.testing.assert_array_equal(machine.read(field), expected)
        assert final["lo"][o] <= expected.min() and expected.max() <= final["hi"][o]


def test_widths_grow_with_the_sum_and_signs_are_extended_when_they_must() -> None:
    """0..3 added twice, subtracted once, added at a shift of 3: widths 2, 3, then signed; the sign is filled once."""
    terms = np.array([(0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, -1), (0, 0, 3, 1)], TERM)
    operand, accumulator = np.array([(3, 0, 2, False, False)], PLACE), np.array([(4, 0, 9, True, False)], PLACE)
    records, bit_adds = emit_terms(start(np.zeros(1, np.int64)), terms, *np.array([[0], [3]]), operand, accumulator)
    shown = [(Op(r["op"]).name, int(r["a_width"]), int(r["r_width"]), int(r["r_domain"])) for r in records]
    assert shown == [("ADD", 2, 2, 0), ("ADD", 2, 3, 0), ("SUB", 2, 4, 0), ("EXTEND", 4, 6, 0), ("ADD", 2, 3, 3)]
    assert bit_adds == 2 + 3 + 4 + 3


def test_states_start_at_constants() -> None:
    states = start(np.array([0, 1, 5, -1, -8]))
    assert states["width"].tolist() == [1, 1, 3, 1, 4]
    assert states["signed"].tolist() == [False, False, False, True, True]
    assert states.tolist()[2][:2] == (5, 5)


def test_no_terms_emit_nothing() -> None:
    zero, place = np.zeros(1, np.int64), np.zeros(1, PLACE)
    records, bit_adds = emit_terms(start(zero), np.zeros(0, TERM), zero, zero, place, place)
    assert records.dtype == RECORD and len(records) == bit_adds == 0
