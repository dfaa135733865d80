"""The page's TypeScript computes of every instruction what Python does: costs, values, intervals, names, expansions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import apc
from apc.inspector import write_report
from apc.report.inspection import Window
from apc.report.inspection_text import micro_text
from apc.report.listing import macro_records
from apc.report.names import Names
from ir.expand import Shift, expand_instruction
from ir.program import Program, Tile
from tests.apc.inspector.browser import visit
from tests.programs import programs

_TILE = """async ([layer, number, micro]) => {
  const tile = await window.apcInspector.tile(layer, number);
  const addresses = tile.made.map((_, address) => address);
  const names = addresses.map(tile.names);
  return {
    cycles: tile.cycles, searches: tile.searches, writes: tile.writes, shifts: tile.shifts,
    made: tile.made, a: tile.a, b: tile.b, low: tile.low.map(Number), high: tile.high.map(Number),
    kinds: tile.kinds, rewind: tile.rewindSteps,
    names: names.map(({r, a, b}) => [r, a, b]),
    texts: addresses.map(tile.text),
    micro: micro ? [...addresses, addresses.length].map(tile.micro) : [],
  };
}"""


def compare(page: Page, program: Program, index: int, number: int, micro: bool = True) -> None:
    layer = program.layers[index]
    tile = layer.tiles[number]
    found: dict[str, Any] = page.evaluate(_TILE, [index, number, micro])
    window = Window(index, layer, number, tile, 0, len(tile.instructions))
    records = macro_records(program, window)
    for key, name in (("cycles", "cycles"), ("searches", "search_passes"), ("writes", "write_passes")):
        assert found[key] == [record[name] for record in records], key
    assert found["shifts"] == [record["shift_steps"] for record in records]
    names = Names(program, index, number)
    values = names.values
    for key, expected in (("made", values.made), ("a", values.a), ("b", values.b), ("kinds", values.kind)):
        np.testing.assert_array_equal(found[key], expected, key)
    for key, ends in (("low", values.low), ("high", values.high)):
        np.testing.assert_array_equal(np.array(found[key], np.float64), ends.astype(np.float64), key)
    operands = zip(values.made.tolist(), values.a.tolist(), values.b.tolist(), strict=True)
    assert found["names"] == [[names.of(value) for value in of_one] for of_one in operands]
    assert found["texts"] == [re.sub(r" at=\d+", "", record["text"]).strip() for record in records]
    if micro:
        assert found["micro"] == list(expansions(program, tile))


def expansions(program: Program, tile: Tile) -> Iterator[list[str]]:
    """The micro-operations of every instruction, and at last the shifts that rewind the columns."""
    search_or = bool(program.target["features"]["search_or"])
    offsets = [0] * int(program.target["array"]["columns"])
    for record in tile.instructions:
        yield [micro_text(step) for step in expand_instruction(record, tile, search_or, offsets)]
    yield [micro_text(Shift(column, -offset)) for column, offset in enumerate(offsets) if offset]


def tiles(program: Program) -> Iterator[tuple[int, int]]:
    for index, layer in enumerate(program.layers):
        for number in range(len(layer.tiles)):
            yield index, number


def test_every_instruction_of_digits(digits: Path, page_of_program: Path, browser: Browser) -> None:
    program = apc.load(digits / "digits.apc")
    with visit(browser, page_of_program) as page:
        for index, number in tiles(program):
            compare(page, program, index, number)


def test_any_program(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drawn")

    @hypothesis.given(programs())
    @hypothesis.settings(max_examples=8, database=None, phases=[hypothesis.Phase.generate])
    def holds(program: Program) -> None:
        apc.save(program, folder / "p.apc")
        write_report(folder / "p.html", [folder / "p.apc"])
        with visit(browser, folder / "p.html") as page:
            for index, number in tiles(program):
                compare(page, program, index, number)

    holds()


def test_every_instruction_of_a_narrow_resnet18(narrow: Path, browser: Browser) -> None:
    """Micro-operations of the first layers; the whole network is in test_resnet18.py."""
    program = apc.load(narrow / "narrow.apc")
    with visit(browser, narrow / "narrow.html") as page:
        for index, number in tiles(program):
            compare(page, program, index, number, micro=index < 2)
