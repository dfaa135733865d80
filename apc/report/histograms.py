"""What instructions are like: their classes, LUT passes and shift distances, counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from apc.cycles import instruction_cycles, rewind_cycles
from apc.options import Progress, silent
from apc.report.bars import bar
from backends.target import Target
from ir.counts import tile_counts
from ir.isa import Op
from ir.program import Program, Tile

REWIND = "rewind"
"""What brings the columns back at a tile's end: cycles without an instruction."""
_BINS = 65
"""Bin 0 counts zeros, bin n what lies in [2**(n - 1), 2**n)."""
_BAR = 24


@dataclass(frozen=True)
class ClassCount:
    """Instructions of one opcode, and the cycles of one array that runs them, transfers and sources included."""

    opcode: str
    instructions: int
    cycles: int


@dataclass(frozen=True)
class Bin:
    """How many instructions have a count in [low, high]."""

    low: int
    high: int
    instructions: int


@dataclass(frozen=True)
class Histograms:
    """Of some tiles, each counted once, however many arrays run it. ``classes``: most cycles first. Passes and steps
    are those of the tile's own arrays."""

    classes: list[ClassCount]
    search_passes: list[Bin]
    write_passes: list[Bin]
    shift_steps: list[Bin]


def measure(program: Program, layers: Iterable[int], progress: Progress = silent) -> Histograms:
    """The histograms of all tiles of ``layers``."""
    target = Target.from_table(program.target)
    tiles = [(program.layers[index].name, tile) for index in layers for tile in program.layers[index].tiles]
    classes = np.zeros((256, 2), np.int64)
    binned = np.zeros((3, _BINS), np.int64)
    rewound = done = 0
    for name, tile in tiles:
        progress(done, sum(len(other.instructions) for _, other in tiles), name)
        rewound += _count(program, tile, target, classes, binned)
        done += len(tile.instructions)
    counted = [ClassCount(op.name.lower(), *classes[op].tolist()) for op in Op if classes[op, 0]]
    counted += [ClassCount(REWIND, 0, rewound)] if rewound else []
    counted.sort(key=lambda item: -item.cycles)
    searches, writes, shifts = (_bins(row) for row in binned)
    return Histograms(counted, searches, writes, shifts)


def _count(program: Program, tile: Tile, target: Target, classes: np.ndarray, binned: np.ndarray) -> int:
    """Add a tile's counts to ``classes`` (int64[256, 2]: instructions, cycles) and ``binned`` (int64[3, _BINS]);
    returns the cycles of its rewinding."""
    counts = tile_counts(program, tile)
    ops = tile.instructions["op"]
    classes[:, 0] += np.bincount(ops, minlength=256)
    np.add.at(classes[:, 1], ops, instruction_cycles(tile, counts, target))
    for row, values in zip(binned, (counts.searches, counts.writes, counts.shift_steps), strict=True):
        row += np.bincount(_bin_of(values), minlength=_BINS)
    return rewind_cycles(counts, target)


def _bin_of(values: np.ndarray) -> np.ndarray:
    """How many bits each number takes, int64."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _bins(counted: np.ndarray) -> list[Bin]:
    """From the first bin to the last that counts any."""
    used = np.flatnonzero(counted)
    if not len(used):
        return []
    numbers = range(int(used[0]), int(used[-1]) + 1)
    return [Bin((1 << number) // 2, max((1 << number) - 1, 0), int(counted[number])) for number in numbers]


def as_json(histograms: Histograms) -> dict[str, Any]:
    """Lists of plain records (docs/json.md)."""
    return {name: [vars(item) for item in items] for name, items in vars(histograms).items()}


def show(histograms: Histograms, title: str, printer: Console) -> None:
    """Prints bar charts one below the other."""
    ascii_only = printer.options.ascii_only
    for line in _lines(histograms, title, ascii_only):
        printer.print(Text(line), soft_wrap=True)


def _lines(histograms: Histograms, title: str, ascii_only: bool) -> Iterator[str]:
    instructions = sum(item.instructions for item in histograms.classes)
    cycles = sum(item.cycles for item in histograms.classes)
    yield f"{title}: {instructions:,} instructions, {cycles:,} cycles"
    yield ""
    rows = [
        (
            item.opcode,
            f"{item.instructions:,}",
            _share(item.instructions, instructions),
            f"{item.cycles:,}",
            item.cycles,
        )
        for item in histograms.classes
    ]
    heading = ("class", "instructions", "share", "cycles")
    yield from _chart(heading, [row[:-1] for row in rows], [row[-1] for row in rows], cycles, ascii_only)
    for name, bins in (
        ("search passes", histograms.search_passes),
        ("write passes", histograms.write_passes),
        ("shift steps", histograms.shift_steps),
    ):
        yield ""
        cells = [(_range(item), f"{item.instructions:,}") for item in bins]
        yield from _chart((name, "instructions"), cells, [item.instructions for item in bins], instructions, ascii_only)


def _chart(
    heading: Sequence[str], rows: Sequence[Sequence[str]], values: Sequence[int], whole: int, ascii_only: bool
) -> Iterator[str]:
    """A table with its first column flush left, ended by each value's share of ``whole``, in figures and as a bar."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    first, *others = zip(heading, widths, strict=True)
    yield "  ".join([f"{first[0]:<{first[1]}}", *(f"{name:>{width}}" for name, width in others), " share"])
    for row, value in zip(rows, values, strict=True):
        (name, width), *others = zip(row, widths, strict=True)
        cells = [f"{name:<{width}}", *(f"{cell:>{space}}" for cell, space in others), _share(value, whole)]
        yield f"{'  '.join(cells)}  {bar(value / whole if whole else 0.0, _BAR, ascii_only)}".rstrip()


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0.0:5.1f}%"


def _range(item: Bin) -> str:
    return str(item.low) if item.low == item.high else f"{item.low}-{item.high}"
