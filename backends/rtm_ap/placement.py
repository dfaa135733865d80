"""Where layers lie on the chip, when their tiles run, and how far gathered bits travel.

Job (tile t, row tile r) of a layer with R row tiles has the number t' * R + r, where t' is the tile's rank in the
layer's schedule, t itself where all jobs fit at once: then they run on the arrays ``base + number``, and the output
stays there until the last layer that reads it has run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from backends.target import ArrayFigures

BUFFER = -1
"""The global buffer in place of an array number."""


class Distance(IntEnum):
    """How far a bit moves; the order of ``LayerEvents.moved_bits``."""

    ARRAY = 0
    TILE = 1
    BANK = 2
    GLOBAL = 3


@dataclass(frozen=True)
class LayerSize:
    """What a layer asks for: instruction streams, arrays for each, and the index of the last layer that reads its
    output (its own index for a network output). ``pinned``: its arrays hold weights that stay there for good."""

    tiles: int
    row_tiles: int
    last_reader: int
    pinned: bool = False

    @property
    def arrays(self) -> int:
        return self.tiles * self.row_tiles


@dataclass(frozen=True)
class Placement:
    """A layer runs on the arrays [base, base + arrays). ``resident``: its output stays there; otherwise it goes to
    the global buffer. ``waves``: how often the arrays are filled."""

    base: int
    arrays: int
    waves: int
    resident: bool

    def array_of(self, job: np.ndarray | int) -> np.ndarray | int:
        """The array that runs a job."""
        return self.base + job % self.arrays

    def stored_at(self, job: np.ndarray) -> np.ndarray:
        """The array that holds a job's output afterwards, or BUFFER."""
        return np.asarray(self.base + job) if self.resident else np.full_like(job, BUFFER)


@dataclass(frozen=True)
class Schedule:
    """``cycles`` of a layer; ``fetches``: int64 per tile, the waves it runs in, so how often it is fetched; ``order``:
    the tiles as they start, int64[tiles]; ``rank``: the place of each tile in that order; ``longest``: the tile that
    each wave waits for, int64[waves]."""

    cycles: int
    fetches: np.ndarray
    order: np.ndarray
    rank: np.ndarray
    longest: np.ndarray


def place(layers: Sequence[LayerSize], arrays: int) -> list[Placement]:
    """Places layers, which run in order, by first fit among the arrays that hold no output still to be read.

    A layer that finds no room runs in waves in the largest gap and leaves its output in the buffer. Where that gap is
    below half of the chip, stored outputs are moved to the buffer, the last needed first, and placement starts again.

    Pinned layers get the last arrays of the chip, which no other layer uses, together at most half of them: what does
    not fit these runs in waves on the copies of the weights that do. A chip too small for that pins nothing.
    """
    pinned = _pin(layers, arrays)
    arrays -= sum(placement.arrays for placement in pinned.values())
    buffered: set[int] = set()
    while True:
        placements, crowded_out = _first_fit(layers, arrays, buffered, pinned)
        if crowded_out is None:
            return placements
        buffered.add(crowded_out)


def _pin(layers: Sequence[LayerSize], arrays: int) -> dict[int, Placement]:
    """Where the pinned layers lie, from the last array down."""
    wanted = {index: layer.arrays for index, layer in enumerate(layers) if layer.pinned}
    placements: dict[int, Placement] = {}
    if 2 * len(wanted) > arrays:
        return placements
    for index, count in wanted.items():
        held = min(count, arrays // (2 * len(wanted)))
        base = arrays - held - sum(placement.arrays for placement in placements.values())
        placements[index] = Placement(base, held, -(-count // held), held == count)
    return placements


def _first_fit(
    layers: Sequence[LayerSize], arrays: int, buffered: set[int], pinned: Mapping[int, Placement]
) -> tuple[list[Placement], int | None]:
    """One attempt: the placements, or those up to the layer without room and the output that must give way."""
    placements: list[Placement] = []
    for index, layer in enumerate(layers):
        if index in pinned:
            placements.append(pinned[index])
            continue
        residents = [
            earlier
            for earlier, placement in enumerate(placements)
            if placement.resident and layers[earlier].last_reader >= index and earlier not in pinned
        ]
        gaps = _gaps([(placements[i].base, placements[i].arrays) for i in residents], arrays)
        fitting = [start for start, length in gaps if length >= layer.arrays]
        if fitting:
            placements.append(Placement(fitting[0], layer.arrays, 1, index not in buffered))
            continue
        start, length = max(gaps, key=lambda gap: gap[1], default=(0, 0))
        if residents and length < min(layer.arrays, max(1, arrays // 2)):
            return placements, max(residents, key=lambda i: (layers[i].last_reader, layers[i].arrays))
        placements.append(Placement(start, length, -(-layer.arrays // length), False))
    return placements, None


def _gaps(taken: list[tuple[int, int]], arrays: int) -> list[tuple[int, int]]:
    """The free (start, length) runs between the taken (base, arrays) ones."""
    gaps: list[tuple[int, int]] = []
    start = 0
    for base, length in [*sorted(taken), (arrays, 0)]:
        if base > start:
            gaps.append((start, base - start))
        start = base + length
    return gaps


def schedule(tile_cycles: Sequence[int] | np.ndarray, row_tiles: int, arrays: int) -> Schedule:
    """List scheduling in waves of at most ``arrays`` jobs, the longest tiles first where there is more than one wave; a
    wave lasts as long as its longest job. ``tile_cycles``: cycles of each tile on one array; each runs ``row_tiles``
    times."""
    cycles = np.asarray(tile_cycles, np.int64)
    longest_first = np.argsort(-cycles, kind="stable")
    order = longest_first if len(cycles) * row_tiles > arrays else np.arange(len(cycles))
    first_job = np.arange(len(cycles), dtype=np.int64) * row_tiles
    fetches = np.empty(len(cycles), np.int64)
    fetches[order] = (first_job + row_tiles - 1) // arrays - first_job // arrays + 1
    wave_starts = np.arange(0, len(cycles) * row_tiles, arrays, dtype=np.int64)
    longest = longest_first[wave_starts // row_tiles]
    return Schedule(int(cycles[longest].sum()), fetches, order, np.argsort(order), longest)


def distance(source: np.ndarray, destination: np.ndarray, figures: ArrayFigures) -> np.ndarray:
    """Distance class (u1) between arrays by number, elementwise; BUFFER on either side is GLOBAL."""
    source, destination = np.asarray(source, np.int64), np.asarray(destination, np.int64)
    per_bank = figures.arrays_per_tile * figures.tiles_per_bank
    result = np.full(np.broadcast_shapes(source.shape, destination.shape), Distance.GLOBAL, np.uint8)
    result[source // per_bank == destination // per_bank] = Distance.BANK
    result[source // figures.arrays_per_tile == destination // figures.arrays_per_tile] = Distance.TILE
    result[source == destination] = Distance.ARRAY
    result[(source == BUFFER) | (destination == BUFFER)] = Distance.GLOBAL
    return result


@dataclass(frozen=True)
class Traffic:
    """Rows that one gathered bit moves: ``rows[i]`` from ``source_row_tile[i]`` to ``row_tile[i]`` (int64 each)."""

    source_row_tile: np.ndarray
    row_tile: np.ndarray
    rows: np.ndarray


def row_traffic(
    row_map: np.void,
    source_size: tuple[int, int],
    size: tuple[int, int],
    images: int,
    array_rows: int,
    broadcast: bool = False,
) -> Traffic:
    """Which row tiles a gather joins. ``broadcast``: a row of the source is sent once to every array that reads it.
    ``row_map``: an ``ir.program.ROW_MAP`` record; sizes are (height, width) of the source tensor and of the layer's
    output. Rows without a source move nothing."""
    source_height, source_width = source_size
    height, width = size
    y = np.arange(height, dtype=np.int64) * int(row_map["stride_y"]) + int(row_map["offset_y"])
    x = np.arange(width, dtype=np.int64) * int(row_map["stride_x"]) + int(row_map["offset_x"])
    inside_y, inside_x = (y >= 0) & (y < source_height), (x >= 0) & (x < source_width)
    image = np.arange(images, dtype=np.int64)[:, None, None]
    source = (image * source_height + y[inside_y][:, None]) * source_width + x[inside_x]
    rows = (image * height + np.flatnonzero(inside_y)[:, None]) * width + np.flatnonzero(inside_x)
    row_tiles = -(-images * height * width // array_rows)
    if broadcast:
        source, rows = np.divmod(np.unique(source * row_tiles + rows // array_rows), row_tiles)
        rows *= array_rows
    pairs, counts = np.unique((source // array_rows) * row_tiles + rows // array_rows, return_counts=True)
    return Traffic(pairs // row_tiles, pairs % row_tiles, counts.astype(np.int64))


def moved_rows(
    traffic: Traffic,
    source: tuple[Placement, int, int] | None,
    destination: tuple[Placement, int, int],
    figures: ArrayFigures,
) -> np.ndarray:
    """Rows that one gathered bit moves over each distance: int64[4], indexed by Distance.

    ``source`` and ``destination``: (placement, tile, row tiles of the layer); None is a network input. A gather
    moves this times its width in bits.
    """
    place_to, tile, row_tiles = destination
    to_array = place_to.array_of(tile * row_tiles + traffic.row_tile)
    if source is None:
        from_array = np.full_like(traffic.source_row_tile, BUFFER)
    else:
        place_from, source_tile, source_row_tiles = source
        from_array = place_from.stored_at(source_tile * source_row_tiles + traffic.source_row_tile)
    classes = distance(from_array, np.asarray(to_array), figures)
    return np.bincount(classes, weights=traffic.rows, minlength=len(Distance)).astype(np.int64)
