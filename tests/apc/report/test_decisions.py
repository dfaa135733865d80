"""What is printed of a layer's candidates, and of what a pass changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apc.report.decisions import decisions_text, effects_table, reason
from backends.rtm_ap.decisions import Candidate, Decision

CHEAP = Candidate("groups of 18 inputs", 2, {"search": 1e-9, "write": 2e-9, "shift": 1e-9, "control": 1e-9})
DEAR = Candidate("groups of 9 inputs", 1, {"search": 0.5e-9, "write": 2e-9, "shift": 6.5e-9, "control": 1e-9})
WIDE = Candidate("groups of 27 inputs", refused="too many temporaries are alive at a time")
PLAIN = Candidate("one channel's window, along nanowires", 1)


def decision(*candidates: Candidate, taken: int = 0) -> Decision:
    others = (*candidates[:taken], *candidates[taken + 1 :])
    return Decision("conv1", "Conv", 36, candidates[taken], others)


PRINTED = """\
layer conv1: Conv, 36 rows an image
  taken   groups of 18 inputs: 2 tiles, 5 nJ (search 1 nJ, write 2 nJ, shift 1 nJ, control 1 nJ)
  other   groups of 9 inputs: 1 tile, 10 nJ (search 500 pJ, write 2 nJ, shift 6.5 nJ, control 1 nJ)
  no fit  groups of 27 inputs: too many temporaries are alive at a time
  why     least expected energy, 50.0% below the next, groups of 9 inputs: shift 1 nJ against 6.5 nJ, in spite of \
search 1 nJ against 500 pJ
layer fc: Gemm, 1 row an image
  taken   one channel's window, along nanowires: not priced
  why     there is one way that these passes allow"""


def test_candidates_and_the_choice() -> None:
    layers = [decision(DEAR, CHEAP, WIDE, taken=1), Decision("fc", "Gemm", 1, PLAIN, ())]
    assert decisions_text(layers) == PRINTED


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (decision(PLAIN), "there is one way that these passes allow"),
        (decision(CHEAP), "there is one way that these passes allow"),
        (decision(WIDE, PLAIN, taken=1), "it is the first that fits"),
        (decision(WIDE, CHEAP, taken=1), "it is the only one that fits"),
        (decision(CHEAP, replace(DEAR, refused="tile 2: full")), "it is the only one that fits"),
    ],
)
def test_reasons_without_a_rival(made: Decision, why: str) -> None:
    assert reason(made) == why


def test_the_reason_of_a_tie_counts_the_equals() -> None:
    equal = replace(CHEAP, strategy="groups of 27 inputs")
    assert reason(decision(CHEAP, equal, equal)) == "least expected energy, the first of 3 that are equal"
    why = reason(decision(CHEAP, equal, DEAR))
    assert why.startswith(
        "least expected energy, the first of 2 that are equal, 50.0% below the next, groups of 9 inputs:"
    )


def layer(name: str, adds: int, energy: float) -> dict[str, object]:
    counts = dict.fromkeys(("bit_adds", "encoded_bits", "search_passes", "write_passes", "shifted_bits", "columns"), 5)
    return {"name": name, "adds": adds, "written_bits_estimate": 2.5, **counts, "energy_estimate_J": {"total": energy}}


def test_effects_show_what_changed() -> None:
    off = {"layers": [layer("a", 4000, 2.0), layer("b", 7, 1.0)], "totals": layer("all", 4007, 3.0)}
    on = {"layers": [layer("a", 3000, 1.0), layer("b", 7, 1.0)], "totals": layer("all", 3007, 2.0)}
    (table,) = effects_table(on, off, 80)
    assert not isinstance(table, str)
    assert [list(column.cells) for column in table.columns] == [
        ["a", "all"],
        ["4,000 -> 3,000", "4,007 -> 3,007"],
        ["x 0.500", "x 0.667"],
    ]
    assert [column.header for column in table.columns] == ["layer", "adds", "energy ratio"]
    assert effects_table(on, on, 80) == []
