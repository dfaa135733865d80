"""Listings, searches and histograms of `apc inspect`, against counts and texts worked out another way."""

from __future__ import annotations

import io
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from rich.console import Console

import apc
from apc.accounting import Accounts
from apc.report import histograms
from apc.report.inspection import Window
from apc.report.listing import macro_records, micro_expansions
from apc.report.listing_text import interval_text, macro_lines, match_lines, micro_lines, shortened
from apc.report.search import SORTED_BY, compiled, matching_layers, most, search
from ir.errors import UserError
from ir.expand import Search, SearchOr, Shift, Write, operand_fields
from ir.program import Program
from tests.apc.small import small_model
from tests.programs import programs, tiny_program


def windows(program: Program) -> list[Window]:
    return [
        Window(index, layer, number, tile, 0, len(tile.instructions))
        for index, layer in enumerate(program.layers)
        for number, tile in enumerate(layer.tiles)
    ]


@pytest.fixture(scope="module")
def small() -> Program:
    return apc.compile(small_model(), level="O2")


def test_macro_lines_hold_names_places_and_counts(small: Program) -> None:
    """Everything that a record says, in its line, where nothing limits it."""
    for window in windows(small):
        records = macro_records(small, window)
        lines = [line for line in macro_lines(records) if line.startswith("  0x")]
        for record, line in zip(records, lines, strict=True):
            words = line.split()
            assert words[0] == f"0x{record['address']:04x}" and words[1] == record["opcode"]
            for operand, place in zip(record["operands"], record["text"].split()[2:], strict=False):
                assert f"{record['names'].get(operand, '')} {place}".strip() in line
            rest = " ".join(record["text"].split()[2 + len(record["operands"]) :])
            assert rest in line and interval_text(record["interval"]) in line
            assert [int(word) for word in words[-6:]] == [
                record[key]
                for key in ("cycles", "search_passes", "write_passes", "shift_steps")
                + ("source_search_passes", "source_shift_steps")
            ]


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_lines_fit_the_terminal(small: Program, width: int) -> None:
    for program in (small, tiny_program()):
        for window in windows(program):
            records = macro_records(program, window)
            for start in range(0, len(records), 16):
                lines = list(macro_lines(records[start : start + 16], width))
                assert max(map(len, lines)) <= width
                assert sum(line.startswith("  0x") for line in lines) == len(records[start : start + 16])


def test_a_wide_terminal_shows_what_a_pipe_gets(small: Program) -> None:
    records = macro_records(small, windows(small)[0])
    assert list(macro_lines(records, 1000)) == list(macro_lines(records))
    assert "search" not in next(iter(macro_lines(records, 80)))


@pytest.mark.parametrize(
    ("name", "longest", "expected"),
    [
        ("layer1.0.conv1.quant[5]@-1,+0", 16, "layer..[5]@-1,+0"),
        ("layer1.0.conv1.quant[5]", 12, "layer1...[5]"),
        ("input[0]@+1,-1", 8, "input[0]@+1,-1"),
        ("acc[5]", 10, "acc[5]"),
        ("layer1.0.conv1.quant[5]", 0, "layer1.0.conv1.quant[5]"),
    ],
)
def test_short_names_keep_their_ends(name: str, longest: int, expected: str) -> None:
    assert shortened(name, longest) == expected


@settings(max_examples=30)
@given(programs())
def test_micro_listings_name_the_operand_of_every_cell(program: Program) -> None:
    """A cell's operand bit lies where the operand's field has it; notes count the passes and say where columns go."""
    window = windows(program)[0]
    records = macro_records(program, window)
    ports = Counter[int]()
    for expansion in micro_expansions(program, window):
        passes = sum(": pass " in note for note in expansion.notes)
        if expansion.address < window.stop:
            fields = operand_fields(window.tile.instructions[expansion.address])
            assert passes == records[expansion.address]["write_passes"]
            assert expansion.names == records[expansion.address]["names"]
            assert list(expansion.interval or ()) == records[expansion.address]["interval"]
        for step, cells, note in zip(expansion.steps, expansion.cells, expansion.notes, strict=True):
            if isinstance(step, Shift):
                assert note == f"d{ports[step.column]} -> d{ports[step.column] + step.steps}"
                ports[step.column] += step.steps
            elif isinstance(step, Search | SearchOr | Write):
                places = step.values if isinstance(step, Write) else step.key
                for (place, _), cell in zip(places, cells, strict=True):
                    assert (fields[cell[0]].cell(int(cell[1:])) == place) if cell else place[0] < 3
    assert not any(ports.values())


def test_micro_lines_are_literal() -> None:
    program = tiny_program()
    window = Window(0, program.layers[0], 0, program.layers[0].tiles[0], 3, 4)
    lines = list(micro_lines(micro_expansions(program, window)))
    assert lines[0] == "0x0003  const   c6.d0:8s      #-3  ; r acc[0] in [-3, -3]"
    assert lines[3].split() == ["2", "SHIFT", "c6", "+1", ";", "d0", "->", "d1"]
    assert lines[4].split() == ["3", "SEARCH", "c6.d1(r1)=1", ";", "r1:", "pass", "1", "of", "1"]


@pytest.mark.parametrize("pattern", [r"acc\[1\]", r"^0x000\w add ", r"sub .*@\+0,-1", r"c\d+\.d1:", "fresh$", "x"])
def test_search_finds_what_the_listing_shows(small: Program, pattern: str) -> None:
    """The same lines as a search through the whole listing, its columns closed up."""
    expected = []
    for window in windows(small):
        for line in macro_lines(macro_records(small, window)):
            if line.startswith("  0x"):
                closed = " ".join(line.split()[:-6])
                shown = re.sub(r" \[-?\d+, -?\d+\]$", "", closed)
                if re.search(pattern, shown):
                    expected.append((window.layer_index, window.tile_index, int(shown[:6], 16)))
    found, total = search(small, range(len(small.layers)), None, compiled(pattern), 10**6)
    assert total == len(expected)
    matched = [
        (part.window.layer_index, part.window.tile_index, address) for part in found for address, _ in part.lines
    ]
    assert matched == expected
    some, again = search(small, range(len(small.layers)), None, compiled(pattern), 3)
    assert again == total and sum(len(part.lines) for part in some) == min(3, total)


def test_matches_say_how_many_more_there_are() -> None:
    program = tiny_program()
    found, total = search(program, [0], 1, compiled("gather"), 2)
    listed = [(part.window, macro_records(program, part.window, part.lines)) for part in found]
    assert list(match_lines(listed, total, None))[-1] == "; 3 instructions found, 1 more: --limit 3"
    assert list(match_lines([], 0, None)) == ["; 0 instructions found"]
    assert [record["address"] for record in listed[0][1]] == [0, 1]
    (both,), _ = search(program, [1], None, compiled(r"conv\[0\]\S+ c3\S+ conv\[1\]"), 9)  # a and b by name
    assert [address for address, _ in both.lines] == [2, 4]


@pytest.mark.parametrize(("by", "key"), SORTED_BY.items())
def test_the_instructions_that_have_most(small: Program, by: str, key: str) -> None:
    every = [
        (-record[key], number, record["address"])
        for number, window in enumerate(windows(small))
        for record in macro_records(small, window)
    ]
    found, total = most(small, range(len(small.layers)), None, key, 7)
    order = {(window.layer_index, window.tile_index): number for number, window in enumerate(windows(small))}
    mine = [
        (-record[key], order[tile.window.layer_index, tile.window.tile_index], record["address"])
        for tile in found
        for record in macro_records(small, tile.window, tile.lines)
    ]
    assert sorted(mine) == sorted(every)[:7] and total == len(every)


def test_only_tiles_that_there_are_are_searched() -> None:
    program = tiny_program()
    found, total = search(program, [0, 1], 1, re.compile("clamp"), 64)
    assert [(item.window.layer_index, item.window.tile_index) for item in found] == [(0, 1)] and total == 1
    with pytest.raises(UserError, match="none of the layers searched has a tile 2"):
        search(program, [0, 1], 2, re.compile("clamp"), 64)


def test_layers_by_pattern() -> None:
    program = tiny_program()
    assert matching_layers(program, None) == matching_layers(program, "*") == [0, 1]
    assert matching_layers(program, "[ce]*v*") == [0, 1]
    assert matching_layers(program, "1") == matching_layers(program, "every") == [1]
    with pytest.raises(UserError, match="no layer 'x\\*'"):
        matching_layers(program, "x*")
    with pytest.raises(UserError, match="--grep '\\[' is not a regular expression"):
        compiled("[")


def test_histograms_count_every_instruction(small: Program) -> None:
    records = [record for window in windows(small) for record in macro_records(small, window)]
    accounts = Accounts(small)
    measured = histograms.measure(accounts, range(len(small.layers)))
    estimate = accounts.cost(1).energy_J()
    assert measured.image_cycles == accounts.cycles(1)
    assert histograms.as_json(measured)["energy_estimate_J"] == pytest.approx(estimate, rel=1e-12)
    assert list(measured.energy_J.values()) == sorted(measured.energy_J.values(), reverse=True)
    cycles: Counter[str] = Counter()
    for record in records:
        cycles[record["opcode"]] += record["cycles"]
    counted = {item.opcode: (item.instructions, item.cycles) for item in measured.classes}
    counted.pop(histograms.REWIND)
    opcodes = Counter(record["opcode"] for record in records)
    assert counted == {opcode: (opcodes[opcode], cycles[opcode]) for opcode in opcodes}
    assert [item.cycles for item in measured.classes] == sorted(
        (item.cycles for item in measured.classes), reverse=True
    )
    for key in ("search_passes", "write_passes", "shift_steps"):
        bins = vars(measured)[key]
        values = np.array([record[key] for record in records])
        assert sum(item.instructions for item in bins) == len(records)
        for item in bins:
            assert item.instructions == ((values >= item.low) & (values <= item.high)).sum()
            assert (item.low, item.high) == (0, 0) or (item.high == 2 * item.low - 1 and item.low & (item.low - 1) == 0)
        assert bins[0].low <= values.min() and bins[-1].high >= values.max()


def test_a_histogram_in_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    printer = Console(file=out, width=80)
    histograms.show(histograms.measure(Accounts(tiny_program()), [0]), "layer 0 conv", printer)
    out.flush()
    lines = out.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "layer 0 conv: 16 instructions, 1,816 cycles"
    assert lines[1].startswith("an image takes 908 cycles")  # its two tiles run side by side
    assert lines[4].split() == ["shift", "11.2", "nJ", "87.6%", "#####################"]
    (adds,) = [line.split() for line in lines if line.startswith("add")]
    assert adds[:5] == ["add", "4", "25.0%", "620", "34.1%"]
    assert max(len(line) for number, line in enumerate(lines) if number != 1) <= 80
