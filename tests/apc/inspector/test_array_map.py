"""What the page's array map shows, against a replay of the instructions and of their micro-operations in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

import apc
from apc.cycles import instruction_cycles
from backends.target import Target
from ir.counts import searched_fields, static_counts
from ir.expand import Write, expand_instruction, operand_fields
from ir.isa import Field
from ir.program import Program
from ir.values import tile_values
from tests.apc.inspector.browser import visit

_MAP = """async ([layer, moments]) => {
  const tile = await window.apcInspector.tile(layer, 0);
  return {writes: tile.cellWrites(), share: tile.liveShare(), peak: tile.peak(), held: moments.map(tile.held)};
}"""


def write_passes(program: Program, index: int) -> np.ndarray:
    """int64[columns, domains]: write micro-operations that include each cell."""
    tile, target = program.layers[index].tiles[0], Target.from_table(program.target)
    total = np.zeros((target.array.columns, target.array.domains), np.int64)
    offsets = [0] * target.array.columns
    for record in tile.instructions:
        for step in expand_instruction(record, tile, target.features.search_or, offsets):
            if isinstance(step, Write):
                for place, _ in step.values:
                    total[place] += 1
    return total


def replay(program: Program, index: int) -> tuple[np.ndarray, np.ndarray]:
    """int64[instructions, columns, domains]: the value that each cell holds after each instruction (-1: none), and the
    instruction from which on it has held that value."""
    layer, array = program.layers[index], Target.from_table(program.target).array
    tile, made = layer.tiles[0], tile_values(program, index, 0).made
    held = np.full((len(tile.instructions), array.columns, array.domains), -1, np.int64)
    since = np.full_like(held, -1)
    value, begun = held[0].copy(), held[0].copy()
    for number, (_, column, domain, width, _, across) in enumerate(layer.resident(0)[0].tolist()):
        for bit in range(width):
            value[Field(column, domain, width, across=bool(across)).cell(bit)] = number
    for i, record in enumerate(tile.instructions):
        field = operand_fields(record)["r"]
        for bit in range(field.width):
            cell = field.cell(bit)
            if value[cell] != made[i]:
                value[cell], begun[cell] = made[i], i
        held[i], since[i] = value, begun
    return held, since


def last_uses(program: Program, index: int) -> np.ndarray:
    """int64[values]: the last instruction that each value matters to; one beyond the last where it is an output."""
    values = tile_values(program, index, 0)
    uses = np.maximum(values.last, values.last_read).astype(np.int64)
    uses[values.output >= 0] = len(values.made)
    return np.append(uses, -1)  # of no value


def cycles(program: Program, index: int) -> np.ndarray:
    tile, target = program.layers[index].tiles[0], Target.from_table(program.target)
    counts = static_counts(
        tile,
        source_fields=searched_fields(tile, program.tensors),
        search_or=target.features.search_or,
        columns=target.array.columns,
    )
    return instruction_cycles(tile, counts, target)


@pytest.mark.parametrize("name", ["stem", "blocks.0.add.quant", "classifier"])
def test_what_the_cells_hold(name: str, digits: Path, page_of_program: Path, browser: Browser) -> None:
    program = apc.load(digits / "digits.apc")
    index = [layer.name for layer in program.layers].index(name)
    held, since = replay(program, index)
    moments = sorted({0, 7, len(held) // 2, len(held) - 1})
    with visit(browser, page_of_program) as page:
        found: dict[str, Any] = page.evaluate(_MAP, [index, moments])
    np.testing.assert_array_equal(np.array(found["held"]), held[moments].reshape(len(moments), -1))
    np.testing.assert_array_equal(found["writes"], write_passes(program, index).ravel())
    uses, time = last_uses(program, index)[held], np.arange(len(held))[:, None, None]
    live = (uses > time).sum(axis=(1, 2))
    assert found["peak"] == [int(live.argmax()), int(live.max())]
    spent = cycles(program, index)
    needed = (uses > time) | ((uses == time) & (since < time))
    share = np.tensordot(spent, needed.astype(np.float64), 1) / spent.sum()
    np.testing.assert_allclose(np.array(found["share"]), share.ravel(), rtol=1e-4, atol=1e-6)
