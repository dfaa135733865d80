"""The fast engine against the reference machine: cells, written bits, outputs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.isa import Field, Op
from ir.program import FIELD, GATHER, ROW_MAP, LayerProgram, Program, StoredTensor, Tile
from ir.verify_program import verify_program
from simulator.rtm.engine import BLOCK_COST, FastEngine, LayerResult, SimulationError
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from tests.programs import macro
from tests.simulator.rtm.random_programs import (
    program_of,
    random_images,
    random_program,
    target_table,
)


def stored(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as int32[C, rows], rows filled up to whole words with what must never be read."""
    channels = images.swapaxes(0, 1).reshape(images.shape[1], -1).astype(np.int32)
    return np.ascontiguousarray(np.pad(channels, ((0, 0), (0, -channels.shape[1] % 64)), constant_values=-1))


def assert_same(fast: LayerResult, reference: LayerResult) -> None:
    np.testing.assert_array_equal(fast.written_bits, reference.written_bits)
    assert len(fast.contents) == len(reference.contents)
    for mine, theirs in zip(fast.contents, reference.contents, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(fast.output, reference.output)


@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 5), lanes=st.sampled_from([*BLOCK_COST]))
def test_random_programs_leave_the_same_cells_as_on_the_reference_machine(
    random: Random, batch: int, lanes: int
) -> None:
    program = random_program(random)
    verify_program(program)
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}
    reference = ReferenceEngine(program, batch)
    fast = FastEngine(Prepared(program), batch, lanes=lanes)
    for index, layer in enumerate(program.layers):
        expected = reference.run_layer(index, tensors, keep_contents=True)
        assert_same(fast.run_layer(index, tensors, keep_contents=True), expected)
        tensors[layer.output] = expected.output


def one_tile(tile: Tile, source: StoredTensor, row_maps: np.ndarray, output: StoredTensor) -> Program:
    layer = LayerProgram("only", "test", 1, row_maps, [tile], {})
    return program_of([source, output], [layer], target_table(64))


def tensor(name: str, shape: tuple[int, int, int], producer: int, *places: Field) -> StoredTensor:
    fields = [(0, p.column, p.domain, p.width, p.signed, p.across) for p in places]
    return StoredTensor(name, shape, producer, np.array(fields, FIELD))


def wrap(values: np.ndarray, place: Field) -> np.ndarray:
    """``values`` as a field of this width and sign holds them."""
    low = values & ((1 << place.width) - 1)
    return np.where(place.signed & (low >> (place.width - 1) == 1), low - (1 << place.width), low)


A, B, R = Field(3, 1, 5, True), Field(10, 4, 4, False, True), Field(20, 2, 9, True)
A_UNSIGNED = Field(3, 1, 5)
R_ACROSS = Field(20, 7, 9, True, True)
NARROW = Field(20, 3, 3, False)
SEMANTICS = {
    "const": (macro(Op.CONST, R, imm=2), lambda a, b, r: 0 * r - 77),
    "copy": (macro(Op.COPY, R, A), lambda a, b, r: a),
    "copy_narrow": (macro(Op.COPY, NARROW, A), lambda a, b, r: a),
    "add": (macro(Op.ADD, R, A), lambda a, b, r: r + a),
    "add_across": (macro(Op.ADD, R_ACROSS, B), lambda a, b, r: r + b),
    "sub": (macro(Op.SUB, R, A), lambda a, b, r: r - a),
    "sub_across": (macro(Op.SUB, R_ACROSS, B), lambda a, b, r: r - b),
    "addo": (macro(Op.ADDO, R, A, B), lambda a, b, r: a + b),
    "subo": (macro(Op.SUBO, R, A, B), lambda a, b, r: a - b),
    "subo_narrow": (macro(Op.SUBO, NARROW, B, A), lambda a, b, r: b - a),
    "add_fresh": (macro(Op.ADD, R, B, fresh=True), lambda a, b, r: (r & 255) + b),
    "add_across_fresh": (macro(Op.ADD, R_ACROSS, B, fresh=True), lambda a, b, r: (r & 255) + b),
    "sub_fresh": (macro(Op.SUB, R, B, fresh=True), lambda a, b, r: 256 + (r & 255) - b),
    "addo_fresh": (macro(Op.ADDO, R, A, B, fresh=True), lambda a, b, r: a + b),
    "addo_narrow_fresh": (macro(Op.ADDO, NARROW, B, A, fresh=True), lambda a, b, r: a + b),
    "subo_fresh": (macro(Op.SUBO, R_ACROSS, B, A_UNSIGNED, fresh=True), lambda a, b, r: b - (a & 31) + 256),
    "addc": (macro(Op.ADDC, R, imm=2), lambda a, b, r: r - 77),
    "addc_nothing": (macro(Op.ADDC, NARROW, imm=3), lambda a, b, r: r),
    "clamp": (macro(Op.CLAMP, R, A, imm=0), lambda a, b, r: np.clip(a, -6, 11)),
    "clamp_unsigned": (macro(Op.CLAMP, NARROW, B, imm=0), lambda a, b, r: np.minimum(b, 11)),
    "clamp_out_of_range": (macro(Op.CLAMP, R, A, imm=3), lambda a, b, r: 0 * a + 40),
    "step": (macro(Op.STEP, R, A, imm=0), lambda a, b, r: np.where(a >= -6, 11, r)),
    "step_never": (macro(Op.STEP, R, A, imm=3), lambda a, b, r: r),
    "step_always": (macro(Op.STEP, R_ACROSS, A, imm=2), lambda a, b, r: 0 * r + 40),
}
CONSTANTS = np.array([-6, 11, -77, 40, 50], np.int64)


@pytest.mark.parametrize("name", SEMANTICS)
@pytest.mark.parametrize("words", [1, 3, 7, 18, 30])
def test_an_instruction_computes_what_the_integers_say(name: str, words: int) -> None:
    record, meaning = SEMANTICS[name]
    result = next(place for place in (R, R_ACROSS, NARROW) if _is_r(place, record))
    rows = words * 64 - 7
    source = tensor("x", (3, 1, rows), -1, A, B, result)
    source.fields[["tile", "column", "domain", "across"]] = 0
    places = (A, B, result)
    gathers = np.array([(0, channel, 0, 0) for channel in range(3)], GATHER)
    load = [macro(Op.GATHER, place, imm=number) for number, place in enumerate(places)]
    tile = Tile(np.array([*load, record]), CONSTANTS, gathers)
    program = one_tile(tile, source, np.array([(1, 1, 0, 0)], ROW_MAP), tensor("y", (1, 1, rows), 0, result))
    verify_program(program)
    images = random_images(Random(words), source, 1)
    done = FastEngine(Prepared(program), 1).run_layer(0, {0: stored(images)})
    np.testing.assert_array_equal(done.output[0, :rows], wrap(meaning(*images[0, :, 0]), result))


def _is_r(place: Field, record: np.ndarray) -> bool:
    same_place = (place.column, place.domain) == (int(record["r_column"]), int(record["r_domain"]))
    return same_place and place.width == int(record["r_width"])


def test_flips_of_a_short_addition_are_those_counted_by_hand() -> None:
    """All 64 rows: r = 0 + 3 flips 2 cells; r = 3 + 1 on 3 bits flips r0, r1, r2 and the carry up and down again."""
    r, one = Field(4, 0, 3), Field(5, 0, 1)
    tile = Tile(
        np.array(
            [
                macro(Op.CONST, r, imm=0),
                macro(Op.CONST, one, imm=1),
                macro(Op.ADD, r, one),
                macro(Op.SUB, r, one),
            ]
        ),
        np.array([3, 1], np.int64),
        np.zeros(0, GATHER),
    )
    source, target = tensor("x", (1, 1, 1), -1, Field(0, 0, 1)), tensor("y", (1, 1, 1), 0, r)
    program = one_tile(tile, source, np.zeros(0, ROW_MAP), target)
    done = FastEngine(Prepared(program), 1).run_layer(0, {0: np.zeros((1, 64), np.int32)})
    written = done.written_bits[0]
    assert (written[Op.CONST], written[Op.ADD], written[Op.SUB]) == (3 * 64, 5 * 64, 5 * 64)
    assert done.output[0, 0] == 3


@settings(max_examples=15, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.sampled_from([1, 3, 9, 40]))
def test_threads_and_block_sizes_change_nothing(random: Random, batch: int) -> None:
    program = random_program(random, layers=1, length=20)
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}
    alone = FastEngine(Prepared(program), batch, lanes=4).run_layer(0, tensors, keep_contents=True)
    with ThreadPoolExecutor(3) as pool:
        for lanes in (16, 32):
            together = FastEngine(Prepared(program), batch, 3, pool, lanes=lanes)
            assert_same(together.run_layer(0, tensors, keep_contents=True), alone)


def test_a_tensor_wider_than_int32_is_refused() -> None:
    wide = Field(4, 0, 32)
    tile = Tile(np.array([macro(Op.CONST, wide, imm=0)]), np.array([1], np.int64), np.zeros(0, GATHER))
    source, target = tensor("x", (1, 1, 1), -1, Field(0, 0, 1)), tensor("y", (1, 1, 1), 0, wide)
    program = one_tile(tile, source, np.zeros(0, ROW_MAP), target)
    with pytest.raises(SimulationError, match="tensor y: channel 0 needs 33 bits"):
        FastEngine(Prepared(program), 1).run_layer(0, {0: np.zeros((1, 64), np.int32)})


def test_a_tensor_in_another_memory_order_is_refused() -> None:
    program = random_program(Random(3))
    tensors = {0: np.asfortranarray(np.zeros((program.tensors[0].channels, 64), np.int64))}
    with pytest.raises(ValueError, match="tensor 0 must be a C-contiguous array of int8, int16 or int32"):
        FastEngine(Prepared(program), 1).run_layer(0, tensors)
