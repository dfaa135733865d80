"""`apc inspect --grep`: instructions whose line matches a pattern, in tiles of one layer or of many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from apc.options import Progress, silent
from apc.report.inspection import Window, find_layer, find_tile
from apc.report.names import Names
from ir.disassembler import instruction_lines
from ir.errors import UserError
from ir.program import Program, Tile


@dataclass(frozen=True)
class Found:
    """Matches of one tile. ``window``: all of the tile; ``lines``: address and assembly text of the first ones."""

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
    """(the first ``limit`` matches, how many there are) in the given ``tile`` of each layer, or in all of them.

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


def _windows(program: Program, layers: Sequence[int], tile: int | None) -> Iterator[Window]:
    for index in layers:
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
