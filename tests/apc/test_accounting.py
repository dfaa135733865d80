"""Static counts and prices: what the simulator counts, known before it runs."""

from __future__ import annotations

from typing import Literal

import pytest

from apc.accounting import Accounts
from apc.driver import compile_model, run_model
from backends.target import load_target
from ir.encoding import encode
from ir.program import Program
from tests.apc.small import images, small_model


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_model(small_model()).program


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_static_counts_are_the_counters_of_a_run(program: Program, engine: Literal["fast", "reference"]) -> None:
    result = run_model(program, {"x": images(1)}, engine=engine)
    for layer, statics, counters in zip(
        program.layers, Accounts(program).layers(), result.simulation.layers, strict=True
    ):
        totals = counters.totals()
        assert statics.instructions == totals["instructions"] == sum(len(tile.instructions) for tile in layer.tiles)
        assert 0 <= sum(8 * len(encode(tile)) for tile in layer.tiles) - statics.encoded_bits < 8 * len(layer.tiles)
        assert statics.search_passes == totals["search_passes"] + totals["source_search_passes"]
        assert statics.write_passes == totals["write_passes"]
        assert statics.shift_steps == totals["shift_steps"] + totals["source_shift_steps"]
        assert 3 < statics.columns <= 256


def test_cycles_do_not_depend_on_the_data(program: Program) -> None:
    runs = [run_model(program, {"x": images(2, seed)}) for seed in (1, 2)]
    accounts = Accounts(program)
    cycles = [sum(int(layer.counters["cycles"]) for layer in run.cost.layers) for run in runs]
    assert cycles[0] == cycles[1] == accounts.cycles(2)
    assert accounts.cycles(1) == sum(layer.cycles for layer in accounts.layers())


def test_the_estimate_is_near_what_is_counted(program: Program) -> None:
    """Uniform bits switch more than those of real activations, but not by an order of magnitude."""
    accounts = Accounts(program)
    counted = [float(layer.written_bits.sum()) for layer in run_model(program, {"x": images(4)}).simulation.layers]
    expected = accounts.expected_written_bits(4)
    assert len(counted) == len(expected)
    assert 0.3 < sum(expected) / sum(counted) < 3
    estimate, price = accounts.cost(4).energy_J(), accounts.cost(4, counted).energy_J()
    assert {part for part in estimate if estimate[part] != pytest.approx(price[part])} == {"write", "total"}


def test_written_bits_are_priced_linearly(program: Program) -> None:
    accounts = Accounts(program)
    layers = len(program.layers)
    none, some, twice = (accounts.cost(1, [bits] * layers).energy_J()["write"] for bits in (0.0, 10.0, 20.0))
    assert none == 0 and some > 0 and twice == pytest.approx(2 * some)


def test_another_target_prices_the_same_events(program: Program) -> None:
    other = load_target("rtm-ap-projected")
    assert other.array.columns == 256
    here, there = Accounts(program), Accounts(program, other)
    assert [layer.shift_steps for layer in here.layers()] == [layer.shift_steps for layer in there.layers()]
    assert here.cost(1).energy_J()["total"] != there.cost(1).energy_J()["total"]
