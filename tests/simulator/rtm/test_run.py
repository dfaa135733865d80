"""Whole programs: both engines agree, and what is kept, freed, counted and refused."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.isa import Op
from ir.program import Program
from simulator.rtm.engine import SimulationError
from simulator.rtm.run import run_program
from tests.programs import tiny_program
from tests.simulator.rtm.random_programs import random_images, random_program


def image_of(program: Program, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {program.inputs[0].name: random_images(Random(seed), program.tensors[0], batch)}


@settings(max_examples=15, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 4))
def test_engines_agree_in_tensors_and_every_counter(random: Random, batch: int) -> None:
    program = random_program(random)
    inputs = image_of(program, batch)
    fast = run_program(program, inputs, threads=2, keep="all")
    reference = run_program(program, inputs, engine="reference", keep="all")
    assert fast.layers == reference.layers
    assert fast.tensors.keys() == reference.tensors.keys() == set(range(len(program.tensors)))
    for number, values in reference.tensors.items():
        np.testing.assert_array_equal(fast.tensors[number], values)


def test_a_convolution_with_clamp_computes_what_its_weights_say() -> None:
    program = tiny_program()
    images = image_of(program, 5)["image"]
    result = run_program(program, {"image": images}, keep="all")
    np.testing.assert_array_equal(result.tensors[0], images)
    left = np.pad(images, ((0, 0), (0, 0), (0, 0), (1, 1)))
    x0, x1, x2 = left[:, 0, :, :-2], images[:, 0], left[:, 1, :, 2:]
    expected = np.stack([x0 - x1 + x2 - 3, -x0 + x1 + x2 + 5], axis=1).clip(0, 15)
    np.testing.assert_array_equal(result.tensors[1], expected)


def test_counters_of_a_run_include_the_static_ones_and_the_moved_bits() -> None:
    program = tiny_program()
    counters = run_program(program, image_of(program, 5)).layers[0]
    assert counters.instructions[Op.ADD] == 4 and counters.instructions[Op.GATHER] == 6
    whole, cut = 4 * 4, 4 * 3  # positions with a source: all, or all but one column of the image
    assert counters.moved_bits[Op.GATHER] == 5 * 2 * 4 * (cut + whole + cut)
    assert counters.search_rows.sum() == counters.search_passes.sum() * 128  # 5 * 16 rows, gated in blocks of 64
    assert counters.searches.sum() == counters.search_passes.sum() * 2  # arrays of 64 rows


def test_only_outputs_are_kept_unless_all_are_asked_for() -> None:
    program = tiny_program()
    inputs = image_of(program, 2)
    outputs = run_program(program, inputs).tensors
    everything = run_program(program, inputs, keep="all").tensors
    assert set(outputs) == {boundary.tensor for boundary in program.outputs}
    assert set(everything) == {0, 1, 2}
    for number, values in outputs.items():
        assert values.dtype == np.int64
        np.testing.assert_array_equal(values, everything[number])


def test_an_image_gives_the_same_alone_and_in_a_batch_of_any_size() -> None:
    program = random_program(Random(11))
    inputs = image_of(program, 7)
    name = program.inputs[0].name
    together = run_program(program, inputs, keep="all")
    for number in range(7):
        alone = run_program(program, {name: inputs[name][number : number + 1]}, keep="all")
        for tensor, values in alone.tensors.items():
            np.testing.assert_array_equal(values[0], together.tensors[tensor][number])


def test_progress_names_each_layer_as_it_starts() -> None:
    program = tiny_program()
    calls: list[tuple[int, int, str]] = []
    run_program(program, image_of(program, 1), progress=lambda *call: calls.append(call))
    assert calls == [(0, 2, "conv"), (1, 2, "every"), (2, 2, "")]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "the network has image"),
        ({"image": np.zeros((1, 3, 4, 4), np.int64)}, r"image: has shape .*expected \(N, 2, 4, 4\)"),
        ({"image": np.zeros((0, 2, 4, 4), np.int64)}, "image: has shape"),
        ({"image": np.full((1, 2, 4, 4), 16)}, r"channel 0 has values out of the range \[0, 15\]"),
        ({"image": np.full((1, 2, 4, 4), -1)}, r"channel 0 has values out of the range \[0, 15\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        run_program(tiny_program(), inputs)
