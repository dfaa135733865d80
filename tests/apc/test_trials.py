"""Trials against single runs, and what does not change them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import apc
from apc.driver import compile_model, run_model
from apc.trials import TrialsResult, run_trials
from ir.errors import UserError
from ir.program import Program
from simulator.rtm.faults.model import Faults, Mitigation, ShiftFaults, StuckWires
from tests.apc.small import images, small_model

FAULTS = Faults(ShiftFaults(over=5e-4, under=5e-4))
IMAGES = 5
LABELS = np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_model(small_model()).program


def run(program: Program, faults: Faults = FAULTS, **options: Any) -> TrialsResult:
    return run_trials(program, {"x": images(IMAGES)}, faults, **{"seed": 1, "trials": 3, "labels": LABELS, **options})


def test_trials_are_single_runs_against_the_fault_free_one(program: Program) -> None:
    found = run(program)
    plain = run_model(program, {"x": images(IMAGES)})
    singly = [run_model(program, {"x": images(IMAGES)}, faults=FAULTS, seed=1, trial=trial) for trial in range(3)]
    name, tensor = program.outputs[0].name, program.outputs[0].tensor
    np.testing.assert_array_equal(found.outputs[name], singly[0].outputs[name])
    np.testing.assert_array_equal(found.fault_free.outputs[name], plain.outputs[name])
    top, tops = plain.outputs[name].argmax(1), np.stack([one.outputs[name].argmax(1) for one in singly])
    assert found.fault_free.accuracy == (top == LABELS).mean()
    assert found.accuracy is not None and found.accuracy.method == "t"
    assert found.accuracy.mean == pytest.approx((tops == LABELS).mean())
    assert found.agreement.mean == pytest.approx((tops == top).mean())
    steps = np.stack([np.abs(one.simulation.tensors[tensor] - plain.simulation.tensors[tensor]) for one in singly])
    (error,) = found.logit_errors
    assert error.output == name and error.steps.max_abs == steps.max() > 0
    assert error.steps.mean_abs == pytest.approx(steps.mean())
    assert error.steps.rms == pytest.approx((steps**2).mean() ** 0.5)
    units = np.stack([np.abs(one.outputs[name] - plain.outputs[name]) for one in singly])
    assert error.units.max_abs == pytest.approx(units.max())
    for index, layer in enumerate(found.layers):
        events = sum((one.simulation.faults[index] for one in singly), Counter())
        assert layer.events == {kind: count / (3 * IMAGES) for kind, count in events.items()}
    assert found.events["over"] == pytest.approx(sum(layer.events.get("over", 0) for layer in found.layers))


def test_layers_say_what_differs_and_where_it_begins(program: Program) -> None:
    found = run(program)
    (last,) = (layer for layer, code in zip(found.layers, program.layers, strict=True) if code is program.layers[-1])
    (error,) = found.logit_errors
    assert (last.different > 0) == (error.steps.max_abs > 0)
    for layer in found.layers:
        assert 0 <= layer.first <= 1 and 0 <= layer.different <= 1
        assert layer.different > 0 or layer.first == 0
    assert sum(layer.first for layer in found.layers) <= 1


def test_wires_that_are_all_stuck_spoil_every_image_in_the_first_layer(program: Program) -> None:
    found = run(program, Faults(stuck=StuckWires(one=1.0)), trials=1)
    assert [layer.first for layer in found.layers] == [1.0] + [0.0] * (len(found.layers) - 1)
    assert found.accuracy is not None and found.accuracy.method == found.agreement.method == "wilson"


def test_no_faults_change_nothing(program: Program) -> None:
    found = run(program, Faults(), labels=None)
    assert found.events == {} and found.accuracy is None and found.fault_free.accuracy is None
    assert found.agreement.mean == 1 and found.logit_errors[0].units.max_abs == 0
    assert all(layer.different == layer.first == 0 for layer in found.layers)


@pytest.mark.parametrize("options", [{"batch": 2}, {"threads": 1}, {"engine": "reference"}, {"batch": 1, "threads": 3}])
def test_batches_threads_and_engines_change_nothing(program: Program, options: dict[str, Any]) -> None:
    expected, found = run(program), run(program, **options)
    assert (found.accuracy, found.agreement) == (expected.accuracy, expected.agreement)
    assert found.fault_free.accuracy == expected.fault_free.accuracy
    for mine, theirs in zip(found.layers, expected.layers, strict=True):
        assert mine == theirs
    assert found.logit_errors[0].steps.max_abs == expected.logit_errors[0].steps.max_abs
    assert found.logit_errors[0].units.rms == pytest.approx(expected.logit_errors[0].units.rms)


def test_progress_reaches_its_end(program: Program) -> None:
    calls: list[tuple[int, int, str]] = []
    run(program, batch=3, progress=lambda *call: calls.append(call))
    assert calls.pop(0) == (0, 0, "preparing the program")
    done, totals, labels = zip(*calls, strict=True)
    assert list(done) == sorted(done) and done[-1] == totals[-1] and len(set(totals)) == 1
    assert {label.split()[0] for label in labels} == {"fault-free", "trial"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "--seed -1: it must be an integer that is not negative"),
        ({"trials": 0}, "--trials 0: at least one"),
        ({"labels": np.zeros(4, np.int64)}, "4 labels for 5 images"),
        ({"labels": np.full(IMAGES, 3)}, r"there is a class 3, but no output has so many classes \(\w+ 3\)"),
        ({"faults": Faults(mitigation=Mitigation(correct=1))}, "mitigation.correct is 1"),
    ],
)
def test_what_is_refused(program: Program, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(program, **options)


def test_the_public_functions(program: Program) -> None:
    faults = apc.load_faults("position-4.6e-5")
    found = apc.run_trials(program, {"x": images(2)}, faults, trials=2)
    once = apc.run(program, {"x": images(2)}, faults=faults)
    name = program.outputs[0].name
    np.testing.assert_array_equal(found.outputs[name], once.outputs[name])
