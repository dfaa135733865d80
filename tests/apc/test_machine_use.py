"""Counters by class and distance, and how busy the machine is: sums, engines, static figures, batch splits, threads."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from apc.accounting import Accounts
from apc.cycles import READ_OUT
from apc.driver import CompileOptions, RunResult, compile_model, run_model
from apc.machine_use import MachineUse, machine_use
from apc.report.run import run_report
from ir.program import Program
from tests.apc.small import images, small_model


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_model(small_model()).program


@pytest.fixture(scope="module")
def crowded() -> Program:
    """On a chip of 8 arrays, too few for a batch of 16: layers run in waves."""
    return compile_model(small_model(), CompileOptions(overrides=["arrays=8", "rows=64"])).program


def parts(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [report, *report["layers"]]


def comparable(program: Program, result: RunResult) -> dict[str, Any]:
    return {**run_report(program, result, "any"), "wall_s": 0}


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("which", ["program", "crowded"])
def test_parts_sum_to_their_wholes(which: str, count: int, request: pytest.FixtureRequest) -> None:
    program: Program = request.getfixturevalue(which)
    result = run_model(program, {"x": images(count)})
    for part in parts(run_report(program, result, "fast")):
        assert sum(part["by_class"]["cycles"].values()) == part["cycles"]
        for counter, total in part["counters"].items():
            assert sum(part["by_class"][counter].values()) == pytest.approx(total)
        assert sum(part["moved_bits_by_distance"].values()) == pytest.approx(part["counters"]["moved_bits"])
        assert 0 < part["utilisation"]["arrays"] <= 1 and 0 < part["utilisation"]["rows"] <= 1
    priced = sum(layer.counters["moved_bits"] for layer in result.cost.layers)
    report = run_report(program, result, "fast")
    assert priced / count == pytest.approx(report["counters"]["moved_bits"] + report["read_out_bits"])


def test_both_engines_report_the_same(program: Program) -> None:
    engines: tuple[Literal["fast", "reference"], ...] = ("fast", "reference")
    fast, reference = (comparable(program, run_model(program, {"x": images(2)}, engine=name)) for name in engines)
    assert fast == reference


def test_threads_change_nothing(program: Program) -> None:
    one, two = (comparable(program, run_model(program, {"x": images(5)}, threads=threads)) for threads in (1, 2))
    assert one == two


def test_what_does_not_depend_on_how_a_batch_is_split(program: Program) -> None:
    """Bits gathered belong to an image, passes to the program; switched cells add up where no part of the batch leaves
    a powered row empty: constants are written to those too."""
    whole = run_model(program, {"x": images(32)}).simulation.layers
    split = [run_model(program, {"x": part}).simulation.layers for part in np.split(images(32), 2)]
    full = [program.tensors[layer.output].positions * 16 % 64 == 0 for layer in program.layers]
    assert any(full)
    for layer, first, second, no_empty_rows in zip(whole, *split, full, strict=True):
        np.testing.assert_array_equal(layer.moved_bits, first.moved_bits + second.moved_bits)
        for counter in ("instructions", "search_passes", "write_passes", "shift_steps", "source_shift_steps"):
            np.testing.assert_array_equal(getattr(layer, counter), getattr(first, counter))
        for counter in ("written_bits", "search_rows", "shifted_bits") if no_empty_rows else ():
            together = getattr(first, counter) + getattr(second, counter)
            np.testing.assert_array_equal(getattr(layer, counter), together)


def test_a_run_of_one_image_takes_the_static_figures(program: Program) -> None:
    report = run_report(program, run_model(program, {"x": images(1)}), "fast")
    statics = Accounts(program).layers()
    for layer, static in zip(report["layers"], statics, strict=True):
        assert sum(layer["by_class"]["cycles"].values()) == layer["cycles"] == static.cycles
        assert layer["instructions_fetched"] == static.instructions == layer["counters"]["instructions"]


def test_every_wave_fetches_its_instructions(crowded: Program) -> None:
    accounts = Accounts(crowded)
    for plan, use, layer in zip(accounts.plans(16), machine_use(accounts, 16), crowded.layers, strict=True):
        lengths = [len(tile.instructions) for tile in layer.tiles]
        assert use.instructions_fetched == sum(
            length * fetches for length, fetches in zip(lengths, plan.timetable.fetches, strict=True)
        )
    assert any(plan.placement.waves > 1 for plan in accounts.plans(16))
    assert any(READ_OUT in use.cycles for use in machine_use(accounts, 16))


def test_utilisation_by_hand() -> None:
    half = MachineUse(array_cycles=100, used_array_cycles=50, powered_row_cycles=64, used_row_cycles=16)
    assert (half.array_utilisation, half.row_utilisation) == (0.5, 0.25)
    both = half + MachineUse(array_cycles=100, used_array_cycles=100, powered_row_cycles=64, used_row_cycles=64)
    assert (both.array_utilisation, both.row_utilisation) == (0.75, 0.625)
    assert MachineUse().array_utilisation == 0
