"""What instructions are like: their classes, LUT passes and shift distances, counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from apc.accounting import Accounts
from apc.cycles import instruction_cycles, rewind_cycles
from apc.options import Progress, silent
from apc.report.bars import bar
from apc.report.units import with_unit
from backends.target import Target
from ir.counts import StaticCounts
from ir.isa import Op
from ir.program import Tile

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
    are those of the tile's own arrays. ``image_cycles``: of one image's schedule, in which tiles run side by side;
    ``energy_J``: of one image by part, an estimate."""

    image_cycles: int
    energy_J: dict[str, float]
    classes: list[ClassCount]
    search_passes: list[Bin]
    write_passes: list[Bin]
    shift_steps: list[Bin]


def measure(accounts: Accounts, layers: Iterable[int], progress: Progress = silent) -> Histograms:
    """The histograms of all tiles of ``layers``."""
    program, chosen = accounts.program, list(layers)
    tiles = [
        (program.layers[index].name, tile, counts)
        for index in chosen
        for tile, counts in zip(program.layers[index].tiles, accounts.counts[index], strict=True)
    ]
    classes = np.zeros((256, 2), np.int64)
    binned = np.zeros((3, _BINS), np.int64)
    instructions = sum(len(tile.instructions) for _, tile, _ in tiles)
    rewound = done = 0
    for name, tile, counts in tiles:
        progress(done, instructions, name)
        rewound += _count(tile, counts, accounts.target, classes, binned)
        done += len(tile.instructions)
    counted = [ClassCount(op.name.lower(), *classes[op].tolist()) for op in Op if classes[op, 0]]
    counted += [ClassCount(REWIND, 0, rewound)] if rewound else []
    counted.sort(key=lambda item: -item.cycles)
    searches, writes, shifts = (_bins(row) for row in binned)
    cycles = sum(accounts.plans(1)[index].cycles for index in chosen)
    return Histograms(cycles, _energy(accounts, chosen), counted, searches, writes, shifts)


def _energy(accounts: Accounts, layers: Sequence[int]) -> dict[str, float]:
    """J of one image by part, most first."""
    priced = accounts.cost(1).layers
    parts: dict[str, float] = {}
    for index in layers:
        for part, value in priced[index].energy_J.items():
            parts[part] = parts.get(part, 0.0) + value
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def _count(tile: Tile, counts: StaticCounts, target: Target, classes: np.ndarray, binned: np.ndarray) -> int:
    """Add a tile's counts to ``classes`` (int64[256, 2]: instructions, cycles) and ``binned`` (int64[3, _BINS]);
    returns the cycles of its rewinding."""
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
    """Plain records (docs/json.md)."""
    return {
        "cycles": histograms.image_cycles,
        "energy_estimate_J": {**histograms.energy_J, "total": sum(histograms.energy_J.values())},
        "classes": [vars(item) for item in histograms.classes],
        "search_passes": [vars(item) for item in histograms.search_passes],
        "write_passes": [vars(item) for item in histograms.write_passes],
        "shift_steps": [vars(item) for item in histograms.shift_steps],
    }


def show(histograms: Histograms, title: str, printer: Console) -> None:
    """Prints bar charts one below the other."""
    ascii_only = printer.options.ascii_only
    for line in _lines(histograms, title, ascii_only):
        printer.print(Text(line), soft_wrap=True)


def _lines(histograms: Histograms, title: str, ascii_only: bool) -> Iterator[str]:
    instructions = sum(item.instructions for item in histograms.classes)
    cycles = sum(item.cycles for item in histograms.classes)
    yield f"{title}: {instructions:,} instructions, {cycles:,} cycles"
    if cycles != histograms.image_cycles:
        yield (
            f"an image takes {histograms.image_cycles:,} cycles, as tiles run side by side and outputs are read out; "
            "below, each tile counts once"
        )
    yield from _energy_lines(histograms.energy_J, ascii_only)
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


def _energy_lines(energy_J: dict[str, float], ascii_only: bool) -> Iterator[str]:
    """A chart of the parts of the energy."""
    total = sum(energy_J.values())
    if total:
        parts = {part: value for part, value in energy_J.items() if value}
        cells = [(part, with_unit(value, "J")) for part, value in parts.items()]
        yield ""
        yield from _chart(("energy (estimate)", "an image"), cells, list(parts.values()), total, ascii_only)


def _chart(
    heading: Sequence[str], rows: Sequence[Sequence[str]], values: Sequence[float], whole: float, ascii_only: bool
) -> Iterator[str]:
    """A table with its first column flush left, ended by each value's share of ``whole``, in figures and as a bar."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    first, *others = zip(heading, widths, strict=True)
    yield "  ".join([f"{first[0]:<{first[1]}}", *(f"{name:>{width}}" for name, width in others), " share"])
    for row, value in zip(rows, values, strict=True):
        (name, width), *others = zip(row, widths, strict=True)
        cells = [f"{name:<{width}}", *(f"{cell:>{space}}" for cell, space in others), _share(value, whole)]
        yield f"{'  '.join(cells)}  {bar(value / whole if whole else 0.0, _BAR, ascii_only)}".rstrip()


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0.0:5.1f}%"


def _range(item: Bin) -> str:
    return str(item.low) if item.low == item.high else f"{item.low}-{item.high}"
