"""`apc inspect --grep` and ``--sort``: instructions whose line matches a pattern, or that cost most, in tiles of one
layer or of many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from apc.cycles import instruction_cycles
from apc.options import Progress, silent
from apc.report.inspection import Window, find_layer, find_tile
from apc.report.names import Names
from backends.target import Target
from ir.counts import tile_counts
from ir.disassembler import instruction_lines
from ir.errors import UserError
from ir.program import Program, Tile

SORTED_BY = {
    "cycles": "cycles",
    "searches": "search_passes",
    "writes": "write_passes",
    "shifts": "shift_steps",
}
"""What instructions can be sorted by -> the key of their records (``listing.macro_records``)."""


@dataclass(frozen=True)
class Found:
    """Some instructions of one tile. ``window``: all of the tile; ``lines``: their addresses and assembly texts."""

    window: Window
    lines: list[tuple[int, str]]


def matching_layers(program: Program, wanted: str | None) -> list[int]:
    """Layers by name, number or shell pattern (``layer1.*``); all for None. Raises UserError where there is none."""
    if wanted is None:
        return list(range(len(program.layers)))
    matching = [index for index, layer in enumerate(program.layers) if fnmatchcase(layer.name, wanted)]
    return matching or [find_layer(program, wanted)]


def compiled(pattern: str) -> re.Pattern[str]:
    """Raises UserError for what is not a regular expression."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"--grep {pattern!r} is not a regular expression: {error}") from error


def search(
    program: Program,
    layers: Sequence[int],
    tile: int | None,
    pattern: re.Pattern[str],
    limit: int,
    progress: Progress = silent,
) -> tuple[list[Found], int]:
    """(the first ``limit`` matches, how many there are) in the given ``tile`` of each layer that has it, or in all.

    The pattern is looked for in the line's address, opcode, name and place of each operand, and what follows them, with
    single spaces between all of these.
    """
    windows = list(_windows(program, layers, tile))
    instructions = sum(window.stop for window in windows)
    found, total, done = [], 0, 0
    for window in windows:
        progress(done, instructions, window.layer.name)
        names = Names(program, window.layer_index, window.tile_index)
        lines = []
        for address, (text, line) in enumerate(_lines(window.tile, names)):
            if pattern.search(line):
                total += 1
                if total <= limit:
                    lines.append((address, text))
        if lines:
            found.append(Found(window, lines))
        done += window.stop
    return found, total


def most(
    program: Program, layers: Sequence[int], tile: int | None, key: str, limit: int, progress: Progress = silent
) -> tuple[list[Found], int]:
    """(the ``limit`` instructions with the largest ``key``, one of the values of SORTED_BY, and of equals the first
    ones; how many were compared). They stand in the order of the program."""
    windows, target = list(_windows(program, layers, tile)), Target.from_table(program.target)
    instructions, done = sum(window.stop for window in windows), 0
    best = np.zeros((0, 3), np.int64)  # value, window, address
    for number, window in enumerate(windows):
        progress(done, instructions, window.layer.name)
        values = _measured(program, window.tile, target)[key]
        table = np.stack([values, np.full(len(values), number), np.arange(len(values))], axis=1)
        best = np.concatenate([best, table])
        best = best[np.argsort(-best[:, 0], kind="stable")[:limit]]
        done += window.stop
    found = []
    for number, window in enumerate(windows):
        addresses = np.sort(best[best[:, 1] == number, 2]).tolist()
        if addresses:
            lines = [(i, next(instruction_lines(window.tile, i, i + 1))) for i in addresses]
            found.append(Found(window, lines))
    return found, instructions


def _measured(program: Program, tile: Tile, target: Target) -> dict[str, np.ndarray]:
    """What a tile's instructions can be sorted by."""
    counts = tile_counts(program, tile)
    return {
        "cycles": instruction_cycles(tile, counts, target),
        "search_passes": counts.searches,
        "write_passes": counts.writes,
        "shift_steps": counts.shift_steps,
    }


def _windows(program: Program, layers: Sequence[int], tile: int | None) -> Iterator[Window]:
    """All tiles of the layers, or those of them that have the given ``tile``. Raises UserError where none has it."""
    having = [index for index in layers if tile is None or 0 <= tile < len(program.layers[index].tiles)]
    if layers and not having:
        raise UserError(
            f"none of the layers searched has a tile {tile}: `apc inspect OUT.apc --level layers` counts them"
        )
    for index in having:
        layer = program.layers[index]
        for number in range(len(layer.tiles)) if tile is None else [tile]:
            code = find_tile(layer, number)
            yield Window(index, layer, number, code, 0, len(code.instructions))


def _lines(tile: Tile, names: Names) -> Iterator[tuple[str, str]]:
    """(assembly text, the line that is searched) of every instruction."""
    values = names.values
    labels = [f"{names.of(value)} " for value in range(len(values.first))]
    texts = instruction_lines(tile, 0, len(tile.instructions))
    for text, r, a, b in zip(texts, values.made.tolist(), values.a.tolist(), values.b.tolist(), strict=True):
        words = text.split()
        words[2] = labels[r] + words[2]
        if a >= 0:
            words[3] = labels[a] + words[3]
        if b >= 0:
            words[4] = labels[b] + words[4]
        yield text, " ".join(words)
