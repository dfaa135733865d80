"""The reference machine against plain integer arithmetic, cell flips and the static counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.counts import searched_fields, static_counts
from ir.expand import Search, Shift, TagAll, Write, expand_instruction
from ir.isa import GATHERING, Field, Op
from ir.program import ROW_MAP, StoredTensor, Tile
from simulator.rtm.counters import REWIND, Rows, tile_counters, tile_events
from simulator.rtm.machine import Layout, Machine, TileRun, run_tile
from tests.programs import fields, macro, may_be_fresh, tile

COLUMNS, DOMAINS, ROWS = 40, 16, 96


@st.composite
def placed_fields(draw: st.DrawFn, count: int, widths: list[int] | None = None) -> list[Field]:
    """``count`` fields of either orientation in columns of their own."""
    column = 3
    result = []
    for index in range(count):
        width = widths[index] if widths else draw(st.integers(1, 10))
        across = draw(st.booleans())
        domain = draw(st.integers(0, DOMAINS - (1 if across else width)))
        result.append(Field(column, domain, width, draw(st.booleans()), across))
        column += width if across else 1
    return draw(st.permutations(result))


@st.composite
def maybe_unsigned(draw: st.DrawFn, field: Field) -> Field:
    return replace(field, signed=False) if draw(st.booleans()) else field


@st.composite
def constants_near(draw: st.DrawFn, width: int) -> int:
    return draw(st.integers(-(1 << width) - 2, (1 << width) + 2))


Arithmetic = Callable[[dict[str, np.ndarray]], np.ndarray]


@st.composite
def instructions(draw: st.DrawFn) -> tuple[Tile, dict[str, Field], Arithmetic]:
    """One instruction, its fields, and what it computes into r (before the wrap to r's width)."""
    op = draw(st.sampled_from([op for op in Op if op not in GATHERING]))
    constants = [draw(constants_near(8)), draw(constants_near(8))]
    low, high = constants
    fresh = False
    if op in (Op.CONST, Op.ADDC):
        (r,) = draw(placed_fields(1))
        used = {"r": r}
    elif op == Op.EXTEND:
        r = draw(placed_fields(1, [draw(st.integers(2, 10))]))[0]
        used = {"r": r}
    elif op == Op.MAX:
        width = draw(st.integers(1, 8))
        a, r = draw(placed_fields(2, [width, width]))
        r = Field(r.column, r.domain, width, a.signed, r.across)
        used = {"r": r, "a": a}
    elif op in (Op.ADDO, Op.SUBO):
        a, b, r = (draw(maybe_unsigned(field)) for field in draw(placed_fields(3)))
        used = {"r": r, "a": a, "b": b}
    else:
        a, r = (draw(maybe_unsigned(field)) for field in draw(placed_fields(2)))
        used = {"r": r, "a": a}
    fresh = may_be_fresh(op, *used.values()) and draw(st.booleans())
    top = 1 << (used["r"].width - 1)
    from_width = draw(st.integers(1, used["r"].width - 1)) if op == Op.EXTEND else 0
    sign = 1 << (from_width - 1) if from_width else 0
    meanings: dict[Op, Arithmetic] = {
        Op.CONST: lambda v: np.full_like(v["r"], low),
        Op.COPY: lambda v: v["a"],
        Op.ADD: lambda v: v["r"] + v["a"],
        Op.SUB: lambda v: v["r"] - v["a"],
        Op.ADDO: lambda v: v["a"] + v["b"],
        Op.SUBO: lambda v: v["a"] - v["b"],
        Op.ADDC: lambda v: v["r"] + low,
        Op.EXTEND: lambda v: (v["r"] & (2 * sign - 1) ^ sign) - sign,
        Op.MAX: lambda v: np.maximum(v["r"], v["a"]),
        Op.CLAMP: lambda v: np.where(v["a"] < low, low, np.where(v["a"] > high, high, v["a"])),
        Op.STEP: lambda v: np.where(v["a"] >= low, high, v["r"]),
    }
    if fresh:
        meanings |= {
            Op.ADD: lambda v: (v["r"] & (top - 1)) + v["a"],
            Op.SUB: lambda v: (v["r"] & (top - 1)) + top - v["a"],
            Op.SUBO: lambda v: v["a"] - v["b"] + top,
        }
    record = macro(op, used["r"], used.get("a"), used.get("b"), from_width=from_width, fresh=fresh)
    return tile([record], constants, [], []), used, meanings[op]


def wrap(values: np.ndarray, field: Field) -> np.ndarray:
    bits = values & ((1 << field.width) - 1)
    return bits - (bits >> (field.width - 1) << field.width) if field.signed else bits


def filled_machine(seed: int) -> Machine:
    machine = Machine(ROWS, COLUMNS, DOMAINS)
    machine.cells[:] = np.random.default_rng(seed).integers(0, 2, machine.cells.shape)
    return machine


@settings(max_examples=500, deadline=None)
@given(instructions(), st.booleans(), st.integers(0, 1 << 16))
def test_every_instruction_computes_its_arithmetic(
    case: tuple[Tile, dict[str, Field], Arithmetic], search_or: bool, seed: int
) -> None:
    program, used, meaning = case
    machine = filled_machine(seed)
    before = machine.cells.copy(order="K")
    expected = wrap(meaning({name: machine.read(field) for name, field in used.items()}), used["r"])

    for op in expand_instruction(program.instructions[0], program, search_or, list(machine.offsets)):
        machine.execute(op)

    np.testing.assert_array_equal(machine.read(used["r"]), expected)
    touched = np.zeros(before.shape[1:], bool)
    touched[:3, 0] = True
    for bit in range(used["r"].width):
        touched[used["r"].cell(bit)] = True
    np.testing.assert_array_equal(machine.cells[:, ~touched], before[:, ~touched])


@settings(max_examples=300, deadline=None)
@given(instructions(), st.integers(0, 1 << 16))
def test_written_bits_are_flips_and_equal_with_merged_searches(
    case: tuple[Tile, dict[str, Field], Arithmetic], seed: int
) -> None:
    program, used, _ = case
    flips = []
    for search_or in (False, True):
        machine = filled_machine(seed)
        counted = 0
        for op in expand_instruction(program.instructions[0], program, search_or, list(machine.offsets)):
            before = machine.cells.copy(order="K")
            machine.execute(op)
            counted += int((machine.cells != before).sum())
        assert machine.events.written_bits == counted
        flips.append(counted)
    assert flips[0] == flips[1]


@pytest.mark.parametrize(
    ("record", "constants", "meaning"),
    [
        (macro(Op.ADD, Field(5, 0, 63, True), Field(4, 1, 63, True)), [], lambda r, a: r + a),
        (macro(Op.ADDC, Field(5, 0, 63, True)), [-(1 << 61)], lambda r, a: r - (1 << 61)),
        (macro(Op.MAX, Field(5, 0, 63, True), Field(4, 1, 63, True)), [], np.maximum),
        (
            macro(Op.CLAMP, Field(5, 0, 63, True), Field(4, 1, 63, True)),
            [-(1 << 61), (1 << 61) + 5],
            lambda r, a: np.clip(a, -(1 << 61), (1 << 61) + 5),
        ),
        (
            macro(Op.CLAMP, Field(5, 0, 63, True), Field(4, 1, 63, True)),
            [-(1 << 63), (1 << 63) - 1],
            lambda r, a: a,
        ),
    ],
    ids=["ADD", "ADDC", "MAX", "CLAMP", "CLAMP-open"],
)
def test_the_widest_fields(
    record: np.ndarray, constants: list[int], meaning: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    program = tile([record], constants, [], [])
    r, a = Field(5, 0, 63, True), Field(4, 1, 63, True)
    machine = Machine(ROWS, 8, 64)
    machine.cells[:] = np.random.default_rng(2).integers(0, 2, machine.cells.shape)
    expected = wrap(meaning(machine.read(r), machine.read(a)), r)
    for op in expand_instruction(program.instructions[0], program, False, list(machine.offsets)):
        machine.execute(op)
    np.testing.assert_array_equal(machine.read(r), expected)


@st.composite
def programs(draw: st.DrawFn) -> Tile:
    """Several instructions over the same columns, one after another."""
    parts = [draw(instructions())[0] for _ in range(draw(st.integers(1, 5)))]
    code = []
    for number, part in enumerate(parts):
        record = part.instructions[0].copy()
        if record["op"] in (Op.CONST, Op.ADDC, Op.CLAMP, Op.STEP):
            record["imm"] = 2 * number
        code.append(record)
    return tile(code, [int(value) for part in parts for value in part.constants], [], [])


def run_alone(program: Tile, search_or: bool) -> TileRun:
    rows = Rows.of(70, array_rows=64, row_gate_rows=64)
    return run_tile(
        program,
        np.zeros(0, ROW_MAP),
        [],
        {},
        Layout(1, 7, 10),
        rows,
        columns=COLUMNS,
        domains=DOMAINS,
        search_or=search_or,
        array_rows=64,
    )


@settings(max_examples=150, deadline=None)
@given(programs(), st.booleans())
def test_static_counts_equal_the_machine(program: Tile, search_or: bool) -> None:
    counted = run_alone(program, search_or).counts
    static = static_counts(program, source_fields=None, search_or=search_or, columns=COLUMNS)
    for name in ("searches", "writes", "shift_steps", "source_searches", "source_shift_steps"):
        np.testing.assert_array_equal(getattr(counted, name), getattr(static, name), err_msg=name)
    assert counted.rewind_steps == static.rewind_steps


SOURCE_SHAPE = (2, 3, 4)


def gather_case() -> tuple[Tile, np.ndarray, list[StoredTensor], dict[int, np.ndarray]]:
    """An input and a stored tensor of 2 channels, 3 x 4, batch 2; the stored one along and across, twice gathered."""
    rng = np.random.default_rng(5)
    tensors = [
        StoredTensor("x", SOURCE_SHAPE, -1, fields((0, Field(0, 0, 5, True)), (0, Field(0, 0, 5, True)))),
        StoredTensor("y", SOURCE_SHAPE, 0, fields((0, Field(4, 7, 3)), (1, Field(9, 2, 3, False, True)))),
    ]
    sources = {0: rng.integers(-16, 16, (2, 24)).astype(np.int32), 1: rng.integers(0, 8, (2, 24)).astype(np.int32)}
    row_maps = np.array([(2, 1, -1, 1)], ROW_MAP)
    gathers = [(0, 1, 0, -3), (1, 0, 0, 2), (1, 1, 0, 0)]
    places = [Field(3, 0, 5, True), Field(4, 6, 3), Field(5, 1, 3, False, True)]
    order = [0, 1, 2, 1]
    code = [macro(Op.GATHER, places[index], imm=index) for index in order]
    return tile(code, [], gathers, []), row_maps, tensors, sources


def run_gathers(search_or: bool = False) -> tuple[TileRun, Tile, list[StoredTensor], Rows]:
    program, row_maps, tensors, sources = gather_case()
    rows = Rows.of(2 * 2 * 3, array_rows=8, row_gate_rows=64)
    run = run_tile(
        program,
        row_maps,
        tensors,
        sources,
        Layout(2, 2, 3),
        rows,
        columns=16,
        domains=12,
        search_or=search_or,
        array_rows=8,
    )
    return run, program, tensors, rows


def test_gather_maps_rows_pads_and_leaves_empty_rows_zero() -> None:
    run, program, _, rows = run_gathers()
    _, _, _, sources = gather_case()
    assert (rows.used, rows.active, rows.arrays) == (12, 64, 2)
    for field, tensor, channel, pad in (
        (Field(3, 0, 5, True), 0, 1, -3),
        (Field(4, 6, 3), 1, 0, 2),
        (Field(5, 1, 3, False, True), 1, 1, 0),
    ):
        values = run.machine.read(field)
        for image in range(2):
            for y in range(2):
                for x in range(3):
                    source_y, source_x = 2 * y - 1, x + 1
                    inside = 0 <= source_y < 3 and 0 <= source_x < 4
                    wanted = sources[tensor][channel][(image * 3 + source_y) * 4 + source_x] if inside else pad
                    assert values[(image * 2 + y) * 3 + x] == wanted
        assert not values[12:].any()
    inside_rows = 2 * 3  # of 2 images x 2 x 3: only y = 1 has a source row, x + 1 is always inside
    assert run.moved_bits[Op.GATHER] == inside_rows * (5 + 3 + 3 + 3)
    assert run.moved_bits.sum() == run.moved_bits[Op.GATHER]


@pytest.mark.parametrize("search_or", [False, True])
def test_gather_counts_equal_the_static_ones_and_a_hand_count(search_or: bool) -> None:
    run, program, tensors, rows = run_gathers(search_or)
    static = static_counts(program, source_fields=searched_fields(program, tensors), search_or=search_or, columns=16)
    assert run.counts.searches.tolist() == static.searches.tolist() == [5, 3, 3, 3]
    assert run.counts.writes.tolist() == static.writes.tolist() == [10, 6, 6, 6]
    # own columns: 0 -> 4; 0 -> 6 -> 8; three columns 0 -> 1; 8 -> 6 -> 8
    assert run.counts.shift_steps.tolist() == static.shift_steps.tolist() == [4, 8, 3, 4]
    assert run.counts.rewind_steps == static.rewind_steps == 4 + 8 + 3
    # source: the input costs nothing; 0 -> 7 -> 9; three columns 0 -> 2; 9 -> 7 -> 9
    assert run.counts.source_searches.tolist() == static.source_searches.tolist() == [0, 3, 3, 3]
    assert run.counts.source_shift_steps.tolist() == static.source_shift_steps.tolist() == [0, 9, 6, 4]
    assert run.counts.sources == static.sources == {1: (9, 19, 9 + 6)}

    source_rows = Rows.of(24, array_rows=8, row_gate_rows=64)
    of_data = rows, {1: source_rows}, run.written_bits, run.moved_bits
    counters = tile_counters(tile_events(program, run.counts), *of_data)
    assert counters == tile_counters(tile_events(program, static), *of_data)
    totals = counters.totals()
    assert totals["searches"] == 14 * 2
    assert totals["search_rows"] == 14 * 64
    assert totals["shifted_bits"] == (19 + 15) * 64
    assert totals["source_searches"] == 9 * 3
    assert totals["source_shifted_bits"] == (19 + 15) * 64
    assert counters.shift_steps[REWIND] == 15
    assert counters.as_dict()["writes"] == {"GATHER": 28 * 2}


def test_a_cell_away_from_its_port_is_refused() -> None:
    machine = Machine(4, 6, 8)
    with pytest.raises(AssertionError, match="column 4: 0 is at the port, not 2"):
        machine.execute(Search((((4, 2), 1),)))
    machine.execute(Shift(4, 2))
    machine.execute(Search((((4, 2), 1),)))
    with pytest.raises(AssertionError, match="leaves its nanowires"):
        machine.execute(Shift(4, 6))


def test_tag_all_writes_everywhere_and_counts_only_flips() -> None:
    machine = Machine(4, 6, 8)
    machine.cells[1, 5, 0] = True
    machine.execute(TagAll())
    machine.execute(Write((((5, 0), 1),)))
    assert machine.cells[:, 5, 0].all()
    assert machine.events.written_bits == 3
    assert (machine.events.writes, machine.events.searches) == (1, 0)
