"""The fast engine with faults and wear against the reference machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.rtm.engine import FastEngine, LayerResult
from simulator.rtm.faults.model import (
    Faults,
    Mitigation,
    SearchFaults,
    ShiftFaults,
    StuckWires,
    WriteFaults,
)
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from tests.simulator.rtm.random_programs import random_images, random_program
from tests.simulator.rtm.test_engine import assert_same, stored


def random_faults(random: Random) -> Faults:
    """Some kinds of faults, often enough to matter in a small program."""

    def rate(most: float) -> float:
        return most * random.random() if random.random() < 0.6 else 0.0

    guard = random.randint(0, 2)
    by_distance = tuple(rate(2e-2) for _ in range(random.choice((0, 0, 1, 4))))
    return Faults(
        ShiftFaults(by_distance=by_distance) if by_distance else ShiftFaults(*(rate(3e-3) for _ in range(3))),
        SearchFaults(rate(1e-3), rate(1e-3)),
        WriteFaults(rate(1e-3)),
        StuckWires(rate(1e-3), rate(1e-3)),
        Mitigation(random.choice((0, 0, 1, 5)), random.randint(0, guard), guard),
    )


@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 5))
def test_faulty_programs_leave_the_same_cells_as_on_the_reference_machine(random: Random, batch: int) -> None:
    program = random_program(random)
    plan = FaultPlan(program, random_faults(random), random.randrange(1000), batch)
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}
    reference = ReferenceEngine(program, batch, plan.injector)
    fast = FastEngine(Prepared(program), batch, faults=plan.faults_of)
    alone = FastEngine(Prepared(program), batch, faults=plan.faults_of)
    for index, layer in enumerate(program.layers):
        expected = reference.run_layer(index, tensors, keep_contents=True)
        assert_same(fast.run_layer(index, tensors, keep_contents=True), expected)
        np.testing.assert_array_equal(alone.run_layer(index, tensors).output, expected.output)
        for engine in (fast, alone):
            np.testing.assert_array_equal(engine.wires[layer.output].places, reference.wires[layer.output].places)
            np.testing.assert_array_equal(engine.wires[layer.output].planes, reference.wires[layer.output].planes)
        tensors[layer.output] = expected.output


@settings(max_examples=10, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.sampled_from([1, 3, 40]))
def test_threads_and_block_sizes_change_nothing(random: Random, batch: int) -> None:
    program = random_program(random, layers=1, length=20)
    plan = FaultPlan(program, random_faults(random), random.randrange(1000), batch)
    tensors = {0: stored(random_images(random, program.tensors[0], batch))}

    def run(threads: int, pool: ThreadPoolExecutor | None, wear: bool) -> LayerResult:
        engine = FastEngine(Prepared(program), batch, threads, pool, plan.faults_of, wear)
        return engine.run_layer(0, tensors, keep_contents=True)

    alone = run(1, None, False)
    with ThreadPoolExecutor(3) as pool:
        assert_same(run(3, pool, False), alone)
        assert_same(run(3, pool, True), alone)
