"""Runs of several batches against the batches themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apc.batches import PER_PROGRAM, split
from apc.driver import RunResult, compile_model, run_model
from apc.report.run import run_report
from ir.errors import UserError
from ir.program import Program
from simulator.rtm.faults.model import Faults, ShiftFaults
from tests.apc.small import images, small_model


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_model(small_model()).program


def run(program: Program, first: int = 0, stop: int = 5, **options: Any) -> RunResult:
    return run_model(program, {"x": images(5)[first:stop]}, **options)


def test_images_are_split_in_order() -> None:
    assert split(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert split(4, 4) == [slice(0, 4)]
    assert split(0, 4) == [slice(0, 0)]


def test_what_the_program_has_whatever_the_batch() -> None:
    streams = {"instructions", "search_passes", "write_passes", "shift_steps"}
    assert PER_PROGRAM == streams | {"source_search_passes", "source_shift_steps"}


def test_batches_add_up(program: Program) -> None:
    whole, parts = run(program, batch=2), [run(program, 0, 2), run(program, 2, 4), run(program, 4, 5)]
    assert [batch.images for batch in whole.batches] == [2, 2, 1] and whole.images == 5
    name = program.outputs[0].name
    np.testing.assert_array_equal(whole.outputs[name], run(program).outputs[name])
    for index, counters in enumerate(whole.simulation.layers):
        mine = counters.totals()
        theirs = [part.simulation.layers[index].totals() for part in parts]
        for kind, total in mine.items():
            assert total == (theirs[0][kind] if kind in PER_PROGRAM else sum(part[kind] for part in theirs))
    assert whole.cost.latency_s() == pytest.approx(sum(part.cost.latency_s() for part in parts))
    for part, joules in whole.cost.energy_J().items():
        assert joules * 5 == pytest.approx(sum(p.cost.energy_J()[part] * p.images for p in parts))


def test_the_report_of_batches_adds_up(program: Program) -> None:
    whole, parts = run(program, batch=2), [run(program, 0, 2), run(program, 2, 4), run(program, 4, 5)]
    report, reports = run_report(program, whole, "fast"), [run_report(program, part, "fast") for part in parts]
    assert report["batch"] == 2 and report["images"] == 5
    assert report["cycles"] == sum(part["cycles"] for part in reports)
    assert sum(report["by_class"]["cycles"].values()) == report["cycles"]
    fetched = sum(part["instructions_fetched"] * part["images"] for part in reports)
    assert report["instructions_fetched"] * 5 == pytest.approx(fetched)
    assert (
        sum(report["energy_J"][part] for part in report["energy_J"] if part != "total") == report["energy_J"]["total"]
    )


def test_checks_cover_all_batches(program: Program) -> None:
    one, several = run(program, check="reference").check, run(program, check="reference", batch=2).check
    assert one == several and one is not None and one.mismatches == 0
    assert run(program, check="onnxruntime", batch=2).check == run(program, check="onnxruntime").check


def test_faults_do_not_depend_on_batches(program: Program) -> None:
    faults = Faults(ShiftFaults(over=1e-3))
    one, several = run(program, faults=faults, seed=1), run(program, faults=faults, seed=1, batch=2, threads=1)
    name = program.outputs[0].name
    np.testing.assert_array_equal(one.outputs[name], several.outputs[name])
    assert one.simulation.faults == several.simulation.faults and sum(map(len, one.simulation.faults))
    other = run(program, faults=faults, seed=1, trial=1)
    assert other.simulation.faults != one.simulation.faults


def test_wear_is_that_of_the_worst_batch(program: Program) -> None:
    whole, parts = run(program, batch=3, wear=True).wear, [run(program, 0, 3, wear=True), run(program, 3, 5, wear=True)]
    assert whole is not None
    worn = [part.wear for part in parts if part.wear is not None]
    assert whole.lifetime.years == min(part.lifetime.years for part in worn)
    for index, cell in enumerate(whole.layers):
        assert cell in [part.layers[index] for part in worn]
        assert cell.writes == max(part.layers[index].writes for part in worn)
    assert run(program).wear is None


def test_what_is_refused(program: Program) -> None:
    with pytest.raises(UserError, match="--batch 0"):
        run(program, batch=0)
    with pytest.raises(UserError, match="--check reference is of a run without faults"):
        run(program, check="reference", faults=Faults())
