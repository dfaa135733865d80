"""The microcode interpreter: fault-free against the reference machine, every kind of fault by hand."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from ir.expand import Search, SearchOr, Write, expand, signature
from ir.isa import FLAG_COLUMNS, GATHERING, RECORD, Field, Op, gather_index
from ir.program import GATHER, LayerProgram, Program, Tile
from simulator.rtm.counters import CLASSES, Rows
from simulator.rtm.faults.events import (
    DISPLACE,
    EVENT,
    PATCH,
    STUCK,
    TAG,
    UNSWITCHED,
    WHERE_MATCH,
    WHERE_MISMATCH,
    sort_events,
)
from simulator.rtm.faults.injector import NOTHING_FAILS
from simulator.rtm.faults.model import Faults, Mitigation, WireFaults
from simulator.rtm.faults.scheduled import Scheduled
from simulator.rtm.lanes import store
from simulator.rtm.machine import Layout, _Gatherer, run_tile
from simulator.rtm.micro.block import begin_tile, end_tile, make_block, next_stop, patch_received, runs_singly
from simulator.rtm.micro.code import encode
from simulator.rtm.micro.execute import execute_one
from simulator.rtm.micro.plan import NO_FAULTS, TileFaults, plan_singles
from tests.programs import macro
from tests.simulator.rtm.random_programs import COLUMNS, DOMAINS, random_images, random_program
from tests.simulator.rtm.test_engine import stored

LANES = (0, 0)
WORDS = len(LANES)


@njit
def run_block(
    planes: np.ndarray,
    instructions: np.ndarray,
    singles: Any,
    received: np.ndarray,
    shape: tuple[int, int],
    number: int,
    flips: np.ndarray,
    wear: np.ndarray,
    lanes: tuple[int, ...],
) -> None:
    """Every instruction singly, on one block. ``received``: uint64[instructions, 64 * words]; ``shape``: columns,
    pitch. Adds to ``flips`` (int64[instructions]) and ``wear``."""
    room = make_block(singles, *shape, len(lanes), np.zeros(received.shape[1], np.uint64))
    block = begin_tile(planes, room, singles, number)
    stop = next_stop(block, -1)
    for index in range(len(instructions)):
        if index == stop:
            runs_singly(planes, block, singles.code, instructions[index], index)
        block.received[:] = received[index]
        patch_received(block, index)
        count = popcounts(execute_one(planes, instructions, index, singles.code, block, lanes), lanes)
        flips[index] += count
        stop = next_stop(block, index)
    end_tile(planes, block)
    wear += block.wear


@njit
def popcounts(counts: Any, lanes: tuple[int, ...]) -> int:
    held = np.zeros(len(lanes), np.uint64)
    store(held, 0, counts)
    return np.int64(held.sum())


class Bench:
    """``rows`` rows of ``columns`` x ``domains`` cells, with ``guard`` further ones at each end of a wire."""

    def __init__(self, columns: int = COLUMNS, domains: int = DOMAINS, guard: int = 0, entering: int = 0) -> None:
        self.columns, self.domains, self.guard, self.entering = columns, domains, guard, entering
        self.pitch = domains + 2 * guard
        self.planes = np.zeros((columns * self.pitch + 1) * WORDS, np.uint64)

    def run(
        self,
        tile: Tile,
        received: np.ndarray | None = None,
        faults: TileFaults = NO_FAULTS,
        *,
        search_or: bool = True,
        words: int = WORDS,
        number: int = 0,
    ) -> np.ndarray:
        """Run block ``number``; int64[instructions], the written bits."""
        length = len(tile.instructions)
        flips = np.zeros(length, np.int64)
        bits = np.zeros((length, 64 * WORDS), np.uint64) if received is None else received
        faults = faults._replace(guard=self.guard, entering=self.entering)
        singles = plan_singles(encode(tile, search_or), faults, self.domains, words, WORDS, wear=True)
        self.wear = np.zeros((self.columns * self.pitch, 64 * WORDS), np.int32)
        shape = self.columns, self.pitch
        run_block(self.planes, tile.instructions, singles, bits, shape, number, flips, self.wear, LANES)
        return flips

    def cells(self) -> np.ndarray:
        """bool[columns, domains, rows]."""
        words = self.planes[: self.columns * self.pitch * WORDS].reshape(self.columns, self.pitch, WORDS)
        bits = np.unpackbits(words[:, : self.domains].copy().view(np.uint8), axis=-1, bitorder="little")
        return bits.astype(bool)

    def put(self, place: Field, values: np.ndarray) -> None:
        """Load ``values``, one a row."""
        planes = self.planes.reshape(-1, WORDS)
        for bit in range(place.width):
            column, domain = place.cell(bit)
            packed = np.packbits((values >> bit & 1).astype(bool), bitorder="little").view(np.uint64)
            planes[column * self.pitch + domain] = packed

    def value(self, place: Field, row: int) -> int:
        cells = self.cells()
        bits = [int(cells[(*place.cell(bit), row)]) << bit for bit in range(place.width)]
        return sum(bits) - (bits[-1] << 1 if place.signed else 0)


def received_planes(program: Program, layer: LayerProgram, tile: Tile, images: np.ndarray) -> np.ndarray:
    """uint64[instructions, 64, words] what every row gathers, all rows of the layer."""
    target = program.tensors[layer.output]
    batch = images.shape[0]
    layout = Layout(batch, *target.shape[1:])
    active = -(-layout.used // (64 * WORDS)) * 64 * WORDS
    gatherer = _Gatherer(tile, layer.row_maps, program.tensors, {0: stored(images)}, layout)
    planes = np.zeros((len(tile.instructions), 64, active // 64), np.uint64)
    for index, record in enumerate(tile.instructions):
        if record["op"] in GATHERING:
            values, _ = gatherer.values(int(gather_index(record)), active)
            bits = values[None] >> np.arange(64)[:, None] & 1
            planes[index] = np.packbits(bits.astype(bool), axis=-1, bitorder="little").view(np.uint64)
    return planes


def random_faults(random: Random, tile: Tile, used: int, search_or: bool, guard: int) -> TileFaults:
    """Up to 60 events, 10 patches and 3 stuck wires anywhere in a tile."""
    drawn: dict[tuple[int, ...], tuple[int, ...]] = {}
    length = len(tile.instructions)
    for _ in range(random.randint(0, 60)):
        index, row = random.randint(0, length), random.randrange(used)
        ops = expand(signature(tile.instructions[index], tile.constants), search_or) if index < length else ()
        op = random.randrange(len(ops)) if ops else 0
        if not ops or random.random() < 0.3:
            if index < length and not ops:
                continue  # no micro-operation, no event
            column, amount = random.randrange(FLAG_COLUMNS, COLUMNS), random.choice((-3, -2, -1, 1, 2, 3))
            drawn[index, op, DISPLACE, column, row] = (index, op, DISPLACE, column, amount, row)
        elif isinstance(ops[op], Search | SearchOr):
            drawn[index, op, TAG, 0, row] = (index, op, TAG, random.randint(1, 3), 0, row)
        elif isinstance(ops[op], Write):
            cell = random.randrange(len(ops[op].values))
            drawn[index, op, UNSWITCHED, cell, row] = (index, op, UNSWITCHED, cell, 0, row)
    gathering = np.flatnonzero(np.isin(tile.instructions["op"], GATHERING)).tolist()
    patches = {
        (random.choice(gathering), random.randrange(used)): random.randrange(1 << 12)
        for _ in range(random.randint(0, 10))
    }
    stuck = {
        (random.randrange(COLUMNS), random.randrange(used)): random.randint(0, 1) for _ in range(random.randint(0, 3))
    }
    return TileFaults(
        sort_events(np.array(list(drawn.values()), EVENT)),
        np.array([(*place, bits) for place, bits in sorted(patches.items())], PATCH),
        np.array([(*place, value) for place, value in sorted(stuck.items())], STUCK),
        random.choice((0, 1, 4)),
        guard,
        random.randint(0, 1),
    )


def assert_same_on_the_reference_machine(random: Random, batch: int, guard: int, faulty: bool) -> None:
    program = random_program(random, layers=1, length=15)
    program.tensors[0].producer = 0  # as if a layer had stored it: only then reading can go wrong
    images = random_images(random, program.tensors[0], batch)
    layer = program.layers[0]
    target = program.tensors[layer.output]
    search_or = bool(program.target["features"]["search_or"])
    used = batch * target.positions
    active = -(-used // (64 * WORDS)) * 64 * WORDS
    for number, tile in enumerate(layer.tiles):
        (place,), values = layer.resident(number)
        _, column, domain, width, signed, across = place.tolist()
        held = np.zeros(active, np.int64)
        held[:used] = np.tile(values[0].astype(np.int64), batch)
        resident = Field(column, domain, width, bool(signed), bool(across))
        faults = random_faults(random, tile, used, search_or, guard) if faulty else NO_FAULTS
        model = WireFaults(Faults(mitigation=Mitigation(faults.realign_every)), faults.guard, faults.entering)
        expected = run_tile(
            tile, layer.row_maps, program.tensors, {0: stored(images)}, Layout(batch, *target.shape[1:]),
            Rows(used, active, 1), columns=COLUMNS, domains=DOMAINS, search_or=search_or, array_rows=active,
            resident=[(resident, held)],
            faults=Scheduled(model, faults.events, faults.stuck, faults.patches) if faulty else NOTHING_FAILS,
        )  # fmt: skip
        received = received_planes(program, layer, tile, images)
        written = np.zeros(CLASSES, np.int64)
        for word in range(0, active // 64, WORDS):
            bench = Bench(guard=faults.guard, entering=faults.entering)
            bench.put(resident, held[word * 64 : (word + WORDS) * 64])
            block = np.ascontiguousarray(received[:, :, word : word + WORDS]).reshape(len(tile.instructions), -1)
            flips = bench.run(tile, block, faults, search_or=search_or, words=active // 64, number=word // WORDS)
            np.add.at(written, tile.instructions["op"], flips)
            there = expected.machine.cells[word * 64 : (word + WORDS) * 64].transpose(1, 2, 0)
            np.testing.assert_array_equal(bench.cells(), there)
            assert bench.wear.sum() == flips.sum()
        np.testing.assert_array_equal(written, expected.written_bits)


@settings(max_examples=20, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 3))
def test_without_faults_cells_and_flips_are_those_of_the_reference_machine(random: Random, batch: int) -> None:
    assert_same_on_the_reference_machine(random, batch, guard=0, faulty=False)


@settings(max_examples=50, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 3), guard=st.integers(0, 2))
def test_with_scheduled_faults_they_are_too(random: Random, batch: int, guard: int) -> None:
    assert_same_on_the_reference_machine(random, batch, guard, faulty=True)


# --- faults by hand -----------------------------------------------------------------------------------------------

A, NEXT, R = Field(3, 0, 4), Field(3, 4, 4), Field(8, 0, 8)
WIRE, HELD = Field(3, 0, 8), 0b10110101
ROWS = np.arange(64 * WORDS)


def instructions(*records: np.ndarray) -> Tile:
    return Tile(np.array(list(records), RECORD), np.array([5, 0], np.int64), np.zeros(0, GATHER))


def with_events(*events: tuple[int, ...], realign_every: int = 0) -> TileFaults:
    return TileFaults(np.array(list(events), EVENT), realign_every=realign_every)


def test_a_displaced_wire_stays_displaced_until_it_is_realigned_and_loses_its_end() -> None:
    bench = Bench(domains=8)
    bench.put(A, ROWS % 16)
    bench.put(NEXT, (ROWS + 3) % 16)
    copies = instructions(*(macro(Op.COPY, Field(8 + number, 0, 4), A) for number in range(3)))
    bench.run(copies, faults=with_events((1, 0, DISPLACE, 3, 1, 70), realign_every=2))
    whole = (70 % 16) | ((70 + 3) % 16) << 4
    assert bench.value(Field(8, 0, 4), 70) == whole & 15
    assert bench.value(Field(9, 0, 4), 70) == whole >> 1 & 15
    assert bench.value(Field(10, 0, 4), 70) == whole & 14  # bit 0 left the wire, a zero came back
    for row in (6, 69, 71):
        assert [bench.value(Field(8 + number, 0, 4), row) for number in range(3)] == [row % 16] * 3


@pytest.mark.parametrize("guard", [0, 1, 2])
@pytest.mark.parametrize("amount", [1, 2, -1, -2, 8, -8, 9])
@pytest.mark.parametrize("entering", [0, 1])
def test_guard_domains_keep_what_leaves_the_data(guard: int, amount: int, entering: int) -> None:
    bench = Bench(domains=8, guard=guard, entering=entering)
    bench.put(WIRE, np.full(len(ROWS), HELD))
    bench.run(instructions(macro(Op.COPY, R, WIRE)), faults=with_events((0, 0, DISPLACE, 3, amount, 5)))
    frame = {k: HELD >> k & 1 if 0 <= k < 8 else entering for k in range(-guard, 8 + guard)}
    moved = {k: frame.get(k + amount, entering) for k in frame}
    back = {k: moved.get(k - amount, entering) for k in frame}
    assert bench.value(R, 5) == sum(moved[k] << k for k in range(8))
    assert bench.value(WIRE, 5) == sum(back[k] << k for k in range(8))
    assert bench.value(R, 4) == bench.value(WIRE, 4) == HELD
    if abs(amount) <= guard:
        assert bench.value(WIRE, 5) == HELD


def test_displacements_add_up_and_rewinding_displaces_too() -> None:
    bench = Bench(domains=8, guard=2)
    bench.put(WIRE, np.full(len(ROWS), HELD))
    copies = instructions(macro(Op.COPY, R, WIRE), macro(Op.COPY, R, WIRE))
    moves = (
        *((0, 0, DISPLACE, 3, 1, 5), (1, 0, DISPLACE, 3, 1, 5), (1, 0, DISPLACE, 3, -1, 9)),
        (2, 0, DISPLACE, 3, 4, 9),
    )
    bench.run(copies, faults=with_events(*moves))
    assert [bench.value(R, row) for row in (5, 9)] == [HELD >> 2, HELD << 1 & 255]
    assert [bench.value(WIRE, row) for row in (5, 9)] == [HELD, HELD & 254]  # bit 0 was 3 domains beyond its end


@pytest.mark.parametrize(
    ("op", "acts", "a", "r", "after"),
    [
        (0, WHERE_MATCH, 0, 1, 1),
        (0, WHERE_MISMATCH, 0, 1, 0),
        (2, WHERE_MISMATCH, 0, 0, 1),
        (2, WHERE_MATCH, 0, 0, 0),
        (2, WHERE_MISMATCH | WHERE_MATCH, 1, 0, 0),
    ],
)
def test_a_search_errs_only_where_the_event_says(op: int, acts: int, a: int, r: int, after: int) -> None:
    """COPY of one bit clears where a = 0 and r = 1 (0: search, 1: write), then sets where a = 1 and r = 0 (2, 3)."""
    bench, held, target = Bench(), Field(3, 0, 1), Field(8, 0, 1)
    bench.put(held, np.full(len(ROWS), a))
    bench.put(target, np.full(len(ROWS), r))
    flips = bench.run(instructions(macro(Op.COPY, target, held)), faults=with_events((0, op, TAG, acts, 0, 64)))
    assert [bench.value(target, row) for row in (63, 64, 65)] == [a, after, a]
    assert flips.sum() == (len(ROWS) - 1) * (a ^ r) + (after ^ r)


@pytest.mark.parametrize(
    ("a", "r", "acts", "after"),
    [(0, 0, WHERE_MISMATCH, 2), (2, 0, WHERE_MISMATCH | WHERE_MATCH, 2), (1, 1, WHERE_MATCH, 0), (1, 1, 0, 2)],
)
def test_an_or_ed_search_errs_before_it_is_or_ed(a: int, r: int, acts: int, after: int) -> None:
    """ADD of two bits; its OR-ed search is for a carry into the top bit, where a and r are 0."""
    record = macro(Op.ADD, Field(8, 0, 2), Field(3, 0, 2))
    tile = instructions(record)
    ops = expand(signature(tile.instructions[0], tile.constants), True)
    (number,) = [index for index, op in enumerate(ops) if isinstance(op, SearchOr)]
    bench = Bench()
    bench.put(Field(3, 0, 2), np.full(len(ROWS), a))
    bench.put(Field(8, 0, 2), np.full(len(ROWS), r))
    bench.run(tile, faults=with_events((0, number, TAG, acts, 0, 7)))
    assert [bench.value(Field(8, 0, 2), row) for row in (6, 7)] == [a + r, after]


def test_a_bit_that_does_not_switch_counts_as_written() -> None:
    bench = Bench()
    tile = instructions(macro(Op.CONST, Field(8, 0, 3), imm=0))
    flips = bench.run(tile, faults=with_events((0, 1, UNSWITCHED, 0, 0, 100), (0, 3, UNSWITCHED, 0, 0, 100)))
    assert bench.value(Field(8, 0, 3), 100) == 4
    assert bench.value(Field(8, 0, 3), 99) == 5
    assert flips.tolist() == [2 * len(ROWS)]


def test_a_stuck_wire_reads_as_its_value_and_is_written_in_vain() -> None:
    bench = Bench(domains=8)
    bench.put(A, ROWS % 16)
    tile = instructions(macro(Op.COPY, Field(8, 0, 4), A), macro(Op.CONST, Field(9, 0, 3), imm=0))
    stuck = np.array([(3, 1, 1), (9, 2, 0)], STUCK)
    flips = bench.run(tile, faults=with_events((1, 0, DISPLACE, 3, 1, 1))._replace(stuck=stuck))
    assert bench.value(A, 1) == bench.value(Field(8, 0, 4), 1) == 15
    assert bench.value(Field(9, 0, 3), 2) == 0
    assert bench.value(Field(9, 0, 3), 3) == 5
    assert flips[1] == 2 * len(ROWS)
