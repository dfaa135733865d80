"""The faults that a plan draws against those that the reference machine draws singly."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.program import Program
from simulator.rtm.faults.model import Faults, Mitigation, SearchFaults, ShiftFaults, StuckWires, WriteFaults
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.faults.singly import SinglyOfTiles
from simulator.rtm.faults.slots import ProgramSlots
from simulator.rtm.reference import InjectorOfTile, ReferenceEngine
from tests.simulator.rtm.random_programs import random_images, random_program

CERTAIN = {
    "over": Faults(shift=ShiftFaults(over=1)),
    "under": Faults(shift=ShiftFaults(under=1)),
    "pinning": Faults(shift=ShiftFaults(pinning=1)),
    "false match": Faults(search=SearchFaults(false_match=1)),
    "false mismatch": Faults(search=SearchFaults(false_mismatch=1)),
    "search": Faults(search=SearchFaults(1, 1)),
    "not switched": Faults(write=WriteFaults(1)),
    "stuck at 0": Faults(stuck=StuckWires(zero=1)),
    "stuck at 1": Faults(stuck=StuckWires(one=1)),
    "everything": Faults(ShiftFaults(over=1), SearchFaults(1, 1), WriteFaults(1)),
}
"""Figures that leave nothing to chance."""


def stored(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as int32[C, rows], rows filled up to whole words."""
    channels = images.swapaxes(0, 1).reshape(images.shape[1], -1).astype(np.int32)
    return np.ascontiguousarray(np.pad(channels, ((0, 0), (0, -channels.shape[1] % 64))))


def run_all(program: Program, images: np.ndarray, faults: InjectorOfTile | None) -> list[np.ndarray]:
    """Everything that the layers leave behind, in the columns that they use."""
    slots = ProgramSlots(program)
    engine = ReferenceEngine(program, len(images), faults)
    tensors = {0: stored(images)}
    left: list[np.ndarray] = []
    for index, layer in enumerate(program.layers):
        done = engine.run_layer(index, tensors, keep_contents=True)
        tensors[layer.output] = done.output
        used = [tile.used_columns for tile in slots.tiles[index]]
        left += [done.output, done.written_bits]
        left += [cells[:columns] for cells, columns in zip(done.contents, used, strict=True)]
    return left + [engine.wires[number].planes for number in sorted(engine.wires)]


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", CERTAIN)
@settings(max_examples=4, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 3))
def test_faults_that_are_certain_are_the_same_drawn_either_way(name: str, random: Random, batch: int) -> None:
    program = random_program(random, layers=2, length=5)
    program.target["wire"] = {"guard_domains": random.choice((0, 2)), "entering_bit": random.randint(0, 1)}
    images = random_images(random, program.tensors[0], batch)
    guard = random.choice((None, 3))
    correct = random.choice((0, 2)) if guard else 0
    mitigation = Mitigation(random.choice((0, 1, 3)), correct, guard)
    faults = replace(CERTAIN[name], mitigation=mitigation)
    plan = FaultPlan(program, faults, seed=1, images=batch)
    wanted = run_all(program, images, SinglyOfTiles(program, faults, batch, np.random.default_rng(0)))
    assert_same(run_all(program, images, plan.injector), wanted)


def test_faults_that_cannot_happen_change_nothing() -> None:
    program = random_program(Random(5))
    images = random_images(Random(6), program.tensors[0], 3)
    plan = FaultPlan(program, Faults(), seed=1, images=3)
    without = run_all(program, images, None)
    assert_same(run_all(program, images, plan.injector)[: len(without)], without)
    assert plan.counts() == [{}, {}]


def test_an_image_fails_the_same_whatever_batch_it_is_in() -> None:
    program = random_program(Random(7), layers=3)
    images = random_images(Random(8), program.tensors[0], 5)
    some = Faults(ShiftFaults(0.01, 0.01, 0.005), SearchFaults(0.01, 0.02), WriteFaults(0.01), StuckWires(0.01, 0.01))
    slots = ProgramSlots(program)
    whole_plan = FaultPlan(program, some, 3, 5, slots=slots)
    together = run_outputs(program, images, whole_plan)
    plans = [
        FaultPlan(program, some, 3, size, first_image=first, slots=slots) for first, size in ((0, 1), (1, 3), (4, 1))
    ]
    parts = [run_outputs(program, images[plan.first_image :][: plan.images], plan) for plan in plans]
    for layer, whole in enumerate(together):
        np.testing.assert_array_equal(np.concatenate([part[layer] for part in parts], axis=1), whole)
    for layer, happened in enumerate(whole_plan.counts()):
        assert happened == sum((plan.counts()[layer] for plan in plans), Counter())


def test_seeds_trials_and_images_fail_differently() -> None:
    program = random_program(Random(9))
    some = Faults(ShiftFaults(over=0.02))
    plans = [FaultPlan(program, some, seed, 1, trial, first) for seed, trial, first in np.ndindex(2, 2, 2)]
    events = {plan.faults_of(0, 0, {}).events.tobytes() for plan in plans}
    assert len(events) == 8


def run_outputs(program: Program, images: np.ndarray, plan: FaultPlan) -> list[np.ndarray]:
    """The used rows of every layer's output."""
    engine = ReferenceEngine(program, len(images), plan.injector)
    tensors, outputs = {0: stored(images)}, []
    for index, layer in enumerate(program.layers):
        tensors[layer.output] = engine.run_layer(index, tensors).output
        outputs.append(tensors[layer.output][:, : len(images) * program.tensors[layer.output].positions])
    return outputs
