"""Whole programs with faults: the same on both engines, for any threads and any split into batches."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from ir.program import Program
from simulator.rtm.engine import SimulationError
from simulator.rtm.faults.model import Faults, Mitigation, SearchFaults, ShiftFaults, StuckWires, WriteFaults
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.run import EngineName, SimulationResult, run_program
from tests.programs import tiny_program
from tests.simulator.rtm.random_programs import random_images, random_program

FAULTS = Faults(
    ShiftFaults(over=1e-3, under=1e-3, pinning=5e-4),
    SearchFaults(2e-4, 2e-4),
    WriteFaults(1e-3),
    StuckWires(1e-4, 1e-4),
    Mitigation(realign_every=7, correct=1, guard_domains=1),
)
IMAGES = 5


@pytest.fixture(scope="module", params=["tiny", "random"])
def program(request: pytest.FixtureRequest) -> Program:
    return tiny_program() if request.param == "tiny" else random_program(Random(5))


def run(
    program: Program, first: int, stop: int, *, engine: EngineName = "fast", threads: int = 1, seed: int = 3
) -> SimulationResult:
    images = random_images(Random(1), program.tensors[0], IMAGES)[first:stop]
    plan = FaultPlan(program, FAULTS, seed, stop - first, trial=2, first_image=first)
    name = program.inputs[0].name
    return run_program(program, {name: images}, engine=engine, threads=threads, keep="all", faults=plan)


def assert_same(one: SimulationResult, other: SimulationResult) -> None:
    assert one.layers == other.layers and one.faults == other.faults
    assert one.tensors.keys() == other.tensors.keys()
    for number, values in one.tensors.items():
        np.testing.assert_array_equal(values, other.tensors[number])


def test_engines_and_threads_agree(program: Program) -> None:
    alone = run(program, 0, IMAGES)
    assert sum(map(Counter.total, alone.faults)) > 0
    assert_same(run(program, 0, IMAGES, threads=3), alone)
    assert_same(run(program, 0, IMAGES, engine="reference"), alone)


def test_images_fail_the_same_alone_and_in_a_batch(program: Program) -> None:
    together = run(program, 0, IMAGES)
    singly = [run(program, image, image + 1) for image in range(IMAGES)]
    for number, values in together.tensors.items():
        np.testing.assert_array_equal(np.concatenate([one.tensors[number] for one in singly]), values)
    for layer, events in enumerate(together.faults):
        assert sum((one.faults[layer] for one in singly), Counter()) == events


def test_the_seed_decides(program: Program) -> None:
    assert run(program, 0, IMAGES, seed=3).faults != run(program, 0, IMAGES, seed=4).faults


def test_an_observer_sees_every_output_as_it_is_stored() -> None:
    program = tiny_program()
    images = random_images(Random(1), program.tensors[0], 3)
    seen: list[tuple[int, np.ndarray]] = []
    result = run_program(
        program, {"image": images}, keep="all", observe=lambda index, output: seen.append((index, output.copy()))
    )
    assert [index for index, _ in seen] == [0, 1]
    for index, output in seen:
        kept = result.tensors[program.layers[index].output]
        assert output.dtype.itemsize < 4 and output.shape == (kept.shape[1], 3 * 16)
        np.testing.assert_array_equal(output, np.swapaxes(kept, 0, 1).reshape(output.shape))


def test_wear_is_counted_where_asked_for() -> None:
    program = tiny_program()
    images = {"image": random_images(Random(1), program.tensors[0], 2)}
    result, plain = run_program(program, images, threads=2, wear=True), run_program(program, images)
    assert result.layers == plain.layers and plain.wear == []
    for counters, wear in zip(result.layers, result.wear, strict=True):
        assert sum(int(tile.writes.sum()) for tile in wear.tiles) == counters.written_bits.sum()
    with pytest.raises(SimulationError, match="wear is counted by the fast engine only"):
        run_program(program, images, engine="reference", wear=True)


def test_faults_of_another_batch_are_refused() -> None:
    program = tiny_program()
    images = {"image": random_images(Random(1), program.tensors[0], 2)}
    with pytest.raises(ValueError, match="of 3 images, the inputs of 2"):
        run_program(program, images, faults=FaultPlan(program, FAULTS, 0, 3))
