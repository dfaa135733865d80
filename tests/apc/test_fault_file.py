"""Fault files: what they may say, and what is said about those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from apc.errors import ApcError
from apc.fault_file import Origin, fault_preset_names, load_faults
from simulator.rtm.faults.model import Faults, Mitigation, SearchFaults, ShiftFaults, StuckWires, WriteFaults

FULL = """
name = "mine"
description = "every key"
[shift]
over = 1e-5
under = {value = 2e-5, source = "measured here", year = 2026, assumed = false}
pinning = 0
[search]
false_match = 1e-9
false_mismatch = 2e-9
[write]
not_switched = 0.5
[stuck]
zero = 1e-6
one = 1
[mitigation]
realign_every = 1000
correct = 1
guard_domains = 2
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    text = FULL.replace("one = 1\n", "one = 0.25\n")
    loaded = load_faults(write(tmp_path, text))
    assert (loaded.name, loaded.description) == ("mine", "every key")
    assert loaded.faults == Faults(
        ShiftFaults(1e-5, 2e-5, 0),
        SearchFaults(1e-9, 2e-9),
        WriteFaults(0.5),
        StuckWires(1e-6, 0.25),
        Mitigation(1000, 1, 2),
    )
    assert loaded.origins == {"shift.under": Origin("measured here", 2026, False)}
    assert load_faults(str(write(tmp_path, "[shift]\nby_distance = [1e-5, 1e-4]"))).faults == Faults(
        ShiftFaults(by_distance=(1e-5, 1e-4))
    )


def test_an_empty_file_is_no_fault(tmp_path: Path) -> None:
    loaded = load_faults(write(tmp_path, ""))
    assert loaded.faults == Faults() == load_faults("none").faults
    assert (loaded.name, loaded.description, loaded.origins) == ("mine", "", {})


def test_every_figure_of_a_preset_has_a_source() -> None:
    names = fault_preset_names()
    assert names == ["none", "pinning", "position-4.6e-5", "search-3.9e-11", "write-1e-9"]
    for name in names[1:]:
        preset = load_faults(name)
        assert preset.name == name and preset.description
        assert preset.origins and all(origin.source and origin.year for origin in preset.origins.values())
    assert load_faults("pinning").faults.shift.pinning == 1e-8
    assert load_faults("position-4.6e-5").faults.shift.by_distance == (4.6e-5,)
    assert load_faults("search-3.9e-11").faults.search == SearchFaults(3.9e-11, 3.9e-11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[shifts]", "unknown entry shifts; known: name, description, shift, search, write, stuck, mitigation"),
        ("[shift]\nover_shift = 1", "unknown entry shift.over_shift; known: over, under, pinning, by_distance"),
        ("[shift]\nover = 2", "shift.over must be a probability from 0 to 1, not 2"),
        ("[shift]\nover = nan", "shift.over must be a probability from 0 to 1, not nan"),
        ("[shift]\nover = true", "shift.over must be a probability from 0 to 1, not True"),
        ("[shift]\nover = '1'", "shift.over must be a probability from 0 to 1, not '1'"),
        ("[shift]\nover = 0.7\nunder = 0.7", "shift.over, under and pinning are 1.4 together, more than 1"),
        ("[shift]\nby_distance = 0.1", "shift.by_distance must be a list of probabilities, not 0.1"),
        ("[shift]\nby_distance = []", "shift.by_distance must be a list of probabilities, not []"),
        ("[shift]\nby_distance = [0, 3]", "shift.by_distance[1] must be a probability from 0 to 1, not 3"),
        (
            "[shift]\nby_distance = [0.1]\nover = 0.1",
            "shift.by_distance takes the place of shift.over, under and pinning: give either",
        ),
        ("[stuck]\nzero = 0.6\none = 0.6", "stuck.zero and stuck.one are 1.2 together, more than 1"),
        ("[mitigation]\ncorrect = 0.5", "mitigation.correct must be a whole number, from 0 to 255, not 0.5"),
        ("[mitigation]\nrealign_every = -1", "mitigation.realign_every must be a whole number, 0 or more, not -1"),
        (
            "[mitigation]\ncorrect = 2\nguard_domains = 1",
            "mitigation.correct is 2, but there are only 1 guard domains at each end of a wire"
            " (mitigation.guard_domains), where the code lives",
        ),
        ("[search]\nfalse_match = {source = 'x'}", "search.false_match.value is missing"),
        (
            "[search]\nfalse_match = {value = 0, from = 'x'}",
            "unknown entry search.false_match.from; known: value, source, year, assumed",
        ),
        ("[search]\nfalse_match = {value = 0, year = '1'}", "search.false_match.year must be a year, not '1'"),
        ("search = 1", "search must be a table, not 1"),
        ("name = 1", "name must be a text, not 1"),
        ("[shift", "not a TOML file: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ApcError) as caught:
        load_faults(path)
    assert str(caught.value) == f"{path}: {message}"


def test_faults_that_are_neither_a_file_nor_a_preset(tmp_path: Path) -> None:
    with pytest.raises(ApcError, match="unknown faults 'pin': name a .toml file or one of none, pinning"):
        load_faults("pin")
    with pytest.raises(ApcError, match="missing.toml: cannot read the fault file: No such file or directory"):
        load_faults(tmp_path / "missing.toml")
