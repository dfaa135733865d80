"""What `apc run --engine reference --layer L --range A:B` shows, as text of 80 columns and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from apc.report.inspection import Window
from apc.report.inspection_text import micro_text
from apc.stepping import Step, SteppedInstruction, Stepper
from ir.disassembler import field_text
from ir.expand import Broadcast, Shift, Write

WIDTH = 80
PICTURED_ROWS = 8
"""Rows at most whose tags and flips are drawn beside a micro-operation."""
_OP_WIDTH = 44


def header(window: Window, rows: int) -> list[str]:
    """What is shown, and how to read it."""
    layer = window.layer
    place = f"tile {window.tile_index} of {len(layer.tiles)}"
    span = f"instructions {window.start}:{window.stop} of {len(window.tile.instructions)}"
    drawn = min(rows, PICTURED_ROWS)
    return [
        f"layer {window.layer_index} {layer.name} ({layer.op}), {place}, {span}",
        f"first image of the input, one row a position: {rows} rows",
        f"beside each micro-operation rows 0 to {drawn - 1}: # tagged (WRITE: flipped), . not",
    ]


def lines(item: SteppedInstruction, rows: int) -> Iterator[str]:
    """An instruction, its micro-operations, and the picture of its operands in the first ``rows`` rows."""
    yield ""
    yield item.text
    for number, step in enumerate(item.steps):
        yield _step_line(number, step)
    yield from _picture(item, min(rows, len(item.after)))


def step_report(stepper: Stepper, rows: int) -> dict[str, Any]:
    """The payload of `apc run --json` for a slice of a layer (docs/json.md); runs it. ``rows``: how many to show."""
    window = stepper.window
    return {
        "engine": "reference",
        "layer": window.layer.name,
        "tile": window.tile_index,
        "tiles": len(window.layer.tiles),
        "range": [window.start, window.stop],
        "tile_instructions": len(window.tile.instructions),
        "rows": stepper.rows,
        "instructions": [_instruction_record(item, rows) for item in stepper.window_steps()],
    }


def _instruction_record(item: SteppedInstruction, rows: int) -> dict[str, Any]:
    return {
        "address": item.address,
        "text": item.text,
        "fields": {name: field_text(field) for name, field in item.fields.items()},
        "before": {name: values[:rows].tolist() for name, values in item.before.items()},
        "received": None if item.received is None else item.received[:rows].tolist(),
        "after": item.after[:rows].tolist(),
        "steps": [_step_record(step, rows) for step in item.steps],
    }


def _step_record(step: Step, rows: int) -> dict[str, Any]:
    return {
        "text": micro_text(step.op),
        "tagged_rows": int(np.count_nonzero(step.tags)),
        "flipped_cells": int(step.flipped.sum()),
        "tags": step.tags[:rows].astype(int).tolist(),
        "flips": step.flipped[:rows].tolist(),
        "ports": None if step.domains is None else list(step.domains),
    }


def _step_line(number: int, step: Step) -> str:
    text = f"{number:>5}  {micro_text(step.op):<{_OP_WIDTH}}"
    if isinstance(step.op, Shift):
        assert step.domains is not None
        return f"{text}  port d{step.domains[0]} -> d{step.domains[1]}"
    if isinstance(step.op, Broadcast):
        return text.rstrip()
    if isinstance(step.op, Write):
        return f"{text}  {_marks(step.flipped)}  flips {int(step.flipped.sum())}"
    return f"{text}  {_marks(step.tags)}  tags {int(np.count_nonzero(step.tags))}"


def _marks(rows: np.ndarray) -> str:
    return "".join("#" if row else "." for row in rows[:PICTURED_ROWS])


def _picture(item: SteppedInstruction, rows: int) -> Iterator[str]:
    """A table of integers and, where 80 columns hold them, bits, most significant first."""
    drawn = _columns(item, rows, bits=True)
    if sum(len(column[0]) + 2 for column in drawn) > WIDTH:
        drawn = _columns(item, rows, bits=False)
    yield from ("  ".join(cells) for cells in zip(*drawn, strict=True))


def _columns(item: SteppedInstruction, rows: int, bits: bool) -> list[list[str]]:
    """Row numbers, what is received, the operands, r before and after: a heading and a cell for each row."""
    drawn = [_column("row", np.arange(rows), 0)]
    if item.received is not None:
        drawn.append(_column("received", item.received[:rows], 0))
    named = [(f"{name} {field_text(field)}", field, item.before[name]) for name, field in item.fields.items()]
    (_, field, before), *operands = named
    for title, place, values in [*operands, ("r before", field, before), ("r after", field, item.after)]:
        drawn.append(_column(title, values[:rows], place.width if bits else 0))
    return drawn


def _column(title: str, values: np.ndarray, width: int) -> list[str]:
    """A heading and the integers with their ``width`` lowest bits, right-aligned."""
    numbers = [str(value) for value in values.tolist()]
    longest = max(map(len, numbers), default=0)
    if width:
        patterns = [f"{value & (1 << width) - 1:0{width}b}" for value in values.tolist()]
        numbers = [f"{number:>{longest}} {pattern}" for number, pattern in zip(numbers, patterns, strict=True)]
    size = max(map(len, [title, *numbers]))
    return [f"{text:>{size}}" for text in [title, *numbers]]
