"""Derived tables against the results of the facts page and against brute force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.lut import Function, LutError, Pass, derive_lut


def full_add(x: int, y: int, carry: int) -> dict[str, int]:
    return {"C": (x + y + carry) >> 1, "r": (x + y + carry) & 1}


def full_subtract(x: int, y: int, borrow: int) -> dict[str, int]:
    return {"C": int(x - y - borrow < 0), "r": (x - y - borrow) & 1}


IN_PLACE: dict[str, Function] = {
    "r+a": lambda s: full_add(s["r"], s["a"], s["C"]),
    "r-a": lambda s: full_subtract(s["r"], s["a"], s["C"]),
}
OUT_OF_PLACE: dict[str, Function] = {
    "a+b": lambda s: full_add(s["a"], s["b"], s["C"]),
    "b-a": lambda s: full_subtract(s["b"], s["a"], s["C"]),
    "a-b": lambda s: full_subtract(s["a"], s["b"], s["C"]),
}

# facts/rtm_ap.md section 3; a state is C, a, r (in place) or C, a, b (out of place)
FACTS_IN_PLACE = {
    "r+a": {"011": "C1r0", "010": "r1", "100": "C0r1", "101": "r0"},
    "r-a": {"010": "C1r1", "011": "r0", "101": "C0r0", "100": "r1"},
}
FACTS_OUT_OF_PLACE = {
    "a+b": {"001": "r1", "010": "r1", "100": "C0r1", "111": "r1", "011": "C1"},
    "b-a": {"001": "r1", "010": "C1r1", "100": "r1", "101": "C0", "111": "r1"},
    "a-b": {"001": "C1r1", "010": "r1", "100": "r1", "110": "C0", "111": "r1"},
}


def as_text(passes: Sequence[Pass], columns: str) -> dict[str, str]:
    """{state: writes} of passes that each search for one state."""
    table = {}
    for item in passes:
        ((search,),) = (item.searches,)
        bits = dict(search)
        state = "".join(str(bits[name]) for name in columns)
        table[state] = "".join(f"{name}{bit}" for name, bit in item.writes)
    return table


def apply(passes: Sequence[Pass], state: Mapping[str, int]) -> dict[str, int]:
    cells = dict(state)
    for item in passes:
        if any(all(cells[name] == bit for name, bit in search) for search in item.searches):
            cells.update(item.writes)
    return cells


def is_correct(passes: Sequence[Pass], columns: str, function: Function, cleared: str = "") -> bool:
    """Whether every state ends where it should."""
    for bits in product((0, 1), repeat=len(columns)):
        state = dict(zip(columns, bits, strict=True)) | dict.fromkeys(cleared, 0)
        if apply(passes, state) != state | dict(function(state)):
            return False
    return True


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_has_the_four_passes_and_six_orders_of_the_facts(name: str) -> None:
    passes = derive_lut("Car", IN_PLACE[name])
    assert as_text(passes, "Car") == FACTS_IN_PLACE[name]
    assert is_correct(passes, "Car", IN_PLACE[name])
    assert sum(is_correct(order, "Car", IN_PLACE[name]) for order in permutations(passes)) == 6


@pytest.mark.parametrize("name", OUT_OF_PLACE)
def test_out_of_place_has_the_five_passes_and_sixty_orders_of_the_facts(name: str) -> None:
    passes = derive_lut("Cab", OUT_OF_PLACE[name], cleared="r")
    assert as_text(passes, "Cab") == FACTS_OUT_OF_PLACE[name]
    assert is_correct(passes, "Cab", OUT_OF_PLACE[name], "r")
    orders = list(permutations(passes))
    assert len(orders) == 120
    assert sum(is_correct(order, "Cab", OUT_OF_PLACE[name], "r") for order in orders) == 60


@pytest.mark.parametrize("name", [*IN_PLACE, *OUT_OF_PLACE])
def test_merged_searches_leave_three_writes(name: str) -> None:
    columns, cleared = ("Car", "") if name in IN_PLACE else ("Cab", "r")
    function = IN_PLACE[name] if name in IN_PLACE else OUT_OF_PLACE[name]
    plain = derive_lut(columns, function, cleared=cleared)
    merged = derive_lut(columns, function, cleared=cleared, search_or=True)
    assert len(merged) == 3
    assert sum(len(item.searches) for item in merged) == len(plain)
    assert is_correct(merged, columns, function, cleared)


def test_ripples_over_an_absent_operand_have_two_passes() -> None:
    add = derive_lut("Cr", lambda s: full_add(s["r"], 0, s["C"]))
    subtract = derive_lut("Cr", lambda s: full_subtract(s["r"], 0, s["C"]))
    assert as_text(add, "Cr") == {"10": "C0r1", "11": "r0"}
    assert [item.writes for item in add] == [(("C", 0), ("r", 1)), (("r", 0),)]
    assert as_text(subtract, "Cr") == {"11": "C0r0", "10": "r1"}
    assert [item.writes for item in subtract] == [(("C", 0), ("r", 0)), (("r", 1),)]


@pytest.mark.parametrize("search_or", [False, True])
def test_in_place_reverse_subtraction_has_no_order(search_or: bool) -> None:
    with pytest.raises(LutError, match="no order of passes over C/a/r is valid"):
        derive_lut("Car", lambda s: full_subtract(s["a"], s["r"], s["C"]), search_or=search_or)


def test_states_with_the_same_write_share_a_search() -> None:
    passes = derive_lut("Gar", lambda s: {"r": s["r"] | s["G"]})
    assert passes == (Pass(((("G", 1), ("r", 0)),), (("r", 1),)),)


def test_states_that_never_occur_widen_a_search() -> None:
    def pick(state: Mapping[str, int]) -> dict[str, int]:
        return {"r": 0 if state["F"] else 1 if state["G"] == 0 else 0}

    exact = derive_lut("FGr", pick)
    assert is_correct(exact, "FGr", pick)
    relaxed = derive_lut("FGr", pick, possible=lambda s: not (s["F"] and not s["G"]))
    assert set(relaxed) == {
        Pass(((("G", 0), ("r", 0)),), (("r", 1),)),
        Pass(((("G", 1), ("r", 1)),), (("r", 0),)),
    }


def test_nothing_to_change_is_an_empty_table() -> None:
    assert derive_lut("Cr", lambda s: {"C": s["C"], "r": s["r"]}) == ()


@st.composite
def functions(draw: st.DrawFn) -> tuple[dict[tuple[int, ...], dict[str, int]], Function]:
    """A random function of C, a, r to C, r."""
    table = {bits: {"C": draw(st.integers(0, 1)), "r": draw(st.integers(0, 1))} for bits in product((0, 1), repeat=3)}
    return table, lambda state: table[(state["C"], state["a"], state["r"])]


@settings(max_examples=200, deadline=None)
@given(functions(), st.booleans())
def test_any_function_is_derived_exactly_or_refused(
    case: tuple[dict[tuple[int, ...], dict[str, int]], Function], search_or: bool
) -> None:
    """A cycle of states is the only reason to refuse, and no row is ever tagged that need not change."""
    table, function = case
    successor = {bits: (target["C"], bits[1], target["r"]) for bits, target in table.items()}
    cyclic = False
    for bits in successor:
        reached, seen = bits, set()
        while successor[reached] != reached and reached not in seen:
            seen.add(reached)
            reached = successor[reached]
        cyclic |= successor[reached] != reached
    if cyclic:
        with pytest.raises(LutError):
            derive_lut("Car", function, search_or=search_or)
        return
    passes = derive_lut("Car", function, search_or=search_or)
    assert is_correct(passes, "Car", function)
    for bits, target in table.items():
        state = dict(zip("Car", bits, strict=True))
        writes = 0
        for item in passes:
            after = apply([item], state)
            tagged = any(all(state[name] == bit for name, bit in search) for search in item.searches)
            assert tagged == (after != state)
            writes += tagged
            state = after
        assert writes == (state != dict(zip("Car", bits, strict=True)))
        assert {"C": state["C"], "r": state["r"]} == target
