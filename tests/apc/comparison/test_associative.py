"""The quick prices against `Accounts` of the same target, which counts everything again."""

from __future__ import annotations

import pytest

import apc
from apc.accounting import Accounts
from apc.comparison.associative import LINEAR, Pricer, associative_backend, same_arrays
from backends.target import Target, load_target
from ir.errors import UserError
from ir.program import Program
from tests.apc.small import images, small_model
from tests.close import close

OVERRIDES = [
    [],
    ["write_bit_J=1e-15"],
    ["search_row_J=0", "control_bit_J=1e-12"],
    ["move_bit_global_J=1e-12", "leakage_array_W=1e-3"],
    ["cycle_s=5e-9"],
    ["search_cycles=3", "write_cycles=7"],
    ["shift_cycles=2", "transfer_bits_per_cycle=16"],
    ["arrays=2"],
    ["arrays=1", "arrays_per_tile=1", "tiles_per_bank=1"],
    ["row_gate_rows=128"],
]


@pytest.fixture(scope="module")
def program() -> Program:
    return apc.compile(small_model())


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_prices_are_those_of_the_accounts(program: Program, overrides: list[str], counted: bool) -> None:
    batch = 40
    written = [1000.0 + number for number in range(len(program.layers))] if counted else None
    target = load_target("rtm-ap-published", overrides)
    assert Pricer(Accounts(program), batch, written).report(target) == Accounts(program, target).cost(batch, written)


@pytest.mark.parametrize("override", ["rows=128", "columns=128", "domains=32", "search_or=false"])
def test_other_arrays_are_refused(program: Program, override: str) -> None:
    target = load_target("rtm-ap-published", ["row_gate_rows=64", override])
    assert not same_arrays(target, load_target("rtm-ap-published"))
    with pytest.raises(UserError, match=r"are not those the program was compiled for \(256 x 256 x 64\)"):
        Pricer(Accounts(program), 1).report(target)


def test_the_energy_is_linear_in_the_events(program: Program) -> None:
    """Each event count is what the energy gains by raising its figure from 0 to 1 J, over that."""
    own = Target.from_table(program.target)
    item = associative_backend(Pricer(Accounts(program), 3), own, "ap", [], 100)
    assert list(item.events) == list(LINEAR)
    for key, events in item.events.items():
        assert item.reprice(key, 1.0) - item.reprice(key, 0.0) == close(events, rel=1e-9)
    assert item.energy_J == Accounts(program).cost(3).energy_by_component_J()["total"]
    assert item.image_s == Accounts(program).cost(3).latency_s() / 3
    assert not item.notes


def test_another_preset_says_that_it_was_not_compiled_for(program: Program) -> None:
    target = load_target("rtm-ap-projected")
    item = associative_backend(Pricer(Accounts(program), 1, [1.0] * len(program.layers)), target, "p", ["a=1"], 100)
    assert item.notes[0] == "same arrays and program, priced anew: sharing and layout were chosen on rtm-ap-published"
    assert "larger --batch" in item.notes[1]
    assert item.energy_source == "written bits counted on the dataset"


def test_the_batch_of_a_program_is_priced_together(program: Program) -> None:
    """More images share what is fetched once, so control energy an image falls."""
    own = Target.from_table(program.target)
    single, many = (
        Pricer(Accounts(program), batch).report(own).energy_by_component_J() for batch in (1, len(images(7)))
    )
    assert many["control"] == close(single["control"] / 7)
