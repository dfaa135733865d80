"""A program on the chip: where its layers lie, when their tiles run, how far their gathers reach. All static.

Outputs that leave the arrays (network outputs, and what finds no room) are read out one bit column at a time: a
search, the shifts that sweep each nanowire over its fields and back, and a transfer to the global buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from backends.rtm_ap.cost import LayerEvents, cycles_of
from backends.rtm_ap.placement import (
    Distance,
    LayerSize,
    Placement,
    Schedule,
    Traffic,
    moved_rows,
    place,
    row_traffic,
    schedule,
)
from backends.target import Target
from ir.isa import GATHERING, Op, gather_index, gathered_bits
from ir.program import LayerProgram, Program, Tile


@dataclass(frozen=True)
class LayerPlan:
    """One layer on the chip for a batch.

    ``rows``: batch x positions; ``active_rows``: those of all blocks that are not gated; ``row_tiles``: arrays a tile
    runs on. ``run_cycles``: of each tile on one array, int64[tiles], the ``export_cycles`` of its read-out included;
    ``timetable``: in which waves they run. ``control_bits``: encoded instruction bits fetched.
    ``gathered_bits``: int64[4] by Distance. ``exported_columns`` and ``export_steps``: bit columns and shift steps of
    the read-out (0 where the output stays in the arrays). ``powered_arrays``: the layer's own and those it reads.
    """

    name: str
    placement: Placement
    rows: int
    active_rows: int
    row_tiles: int
    run_cycles: np.ndarray
    export_cycles: np.ndarray
    timetable: Schedule
    control_bits: int
    gathered_bits: np.ndarray
    exported_columns: int
    export_steps: int
    powered_arrays: int

    @property
    def cycles(self) -> int:
        """Of the layer, waves and read-out included."""
        return self.timetable.cycles

    def events(
        self, search_rows: float, search_key_columns: float, written_bits: float, shifted_bits: float
    ) -> LayerEvents:
        """The layer's events, of its program as given plus those of this plan."""
        moved = self.gathered_bits.astype(np.int64)
        moved[Distance.GLOBAL] += self.exported_columns * self.rows
        array, tile, bank, far = moved.tolist()
        return LayerEvents(
            name=self.name,
            search_rows=search_rows + self.exported_columns * self.active_rows,
            search_key_columns=search_key_columns + self.exported_columns * self.row_tiles,
            written_bits=written_bits,
            shifted_bits=shifted_bits + self.export_steps * self.active_rows,
            control_bits=self.control_bits,
            moved_bits=(array, tile, bank, far),
            arrays=self.powered_arrays,
            cycles=self.cycles,
        )


def plan_chip(
    program: Program,
    target: Target,
    tile_cycles: Sequence[Sequence[int]],
    encoded_bits: Sequence[Sequence[int]],
    images: int = 1,
) -> list[LayerPlan]:
    """The plan of each layer. ``tile_cycles`` and ``encoded_bits``: for each layer, one number a tile: the cycles of
    its instructions on one array, and the bits of its instruction stream."""
    rows = [images * program.tensors[layer.output].positions for layer in program.layers]
    row_tiles = [-(-count // target.array.rows) for count in rows]
    sources = [
        sorted({int(tensor) for tile in layer.tiles for tensor in gathered(tile)[0]}) for layer in program.layers
    ]
    sizes = [
        LayerSize(
            len(layer.tiles), row_tiles[index], _last_reader(program, sources, index), len(layer.resident_fields) > 0
        )
        for index, layer in enumerate(program.layers)
    ]
    placements = place(sizes, target.array.arrays)
    outputs = {boundary.tensor for boundary in program.outputs}
    gate = target.array.row_gate_rows
    plans = []
    for index, layer in enumerate(program.layers):
        leaves = not placements[index].resident or layer.output in outputs
        columns, steps = _export(program, layer) if leaves else _nothing(layer)
        export = np.asarray(cycles_of(target.timing, target.array.rows, columns, 0, steps, columns), np.int64)
        run = np.asarray(tile_cycles[index], np.int64) + export
        timetable = schedule(run, row_tiles[index], placements[index].arrays)
        readers = {program.tensors[tensor].producer for tensor in sources[index]} - {-1}
        plans.append(
            LayerPlan(
                name=layer.name,
                placement=placements[index],
                rows=rows[index],
                active_rows=-(-rows[index] // gate) * gate,
                row_tiles=row_tiles[index],
                run_cycles=run,
                export_cycles=export,
                timetable=timetable,
                control_bits=int((np.asarray(encoded_bits[index], np.int64) * timetable.fetches).sum()),
                gathered_bits=_gathered_bits(program, index, placements, row_tiles, target, images, timetable.rank),
                exported_columns=int(columns.sum()),
                export_steps=int(steps.sum()),
                powered_arrays=placements[index].arrays
                + sum(placements[reader].arrays for reader in readers if placements[reader].resident),
            )
        )
    return plans


def gathered(tile: Tile) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(tensor, channel, row map, bits) of every instruction of a tile that gathers, int64[gathers] each."""
    records = _gathering(tile)
    chosen = tile.gathers[gather_index(records)]
    names = ("tensor", "channel", "row_map")
    tensor, channel, row_map = (chosen[name].astype(np.int64) for name in names)
    return tensor, channel, row_map, gathered_bits(records)


def _gathering(tile: Tile) -> np.ndarray:
    return tile.instructions[np.isin(tile.instructions["op"], GATHERING)]


def _last_reader(program: Program, sources: Sequence[Sequence[int]], index: int) -> int:
    output = program.layers[index].output
    return max((reader for reader, read in enumerate(sources) if output in read), default=index)


def _export(program: Program, layer: LayerProgram) -> tuple[np.ndarray, np.ndarray]:
    """Bit columns and shift steps that reading a layer's output takes, int64 per tile."""
    columns, steps = _nothing(layer)
    fields = program.tensors[layer.output].fields
    np.add.at(columns, fields["tile"], fields["width"].astype(np.int64))
    farthest: dict[tuple[int, int], int] = {}
    for tile, column, domain, width, _, across in fields.tolist():
        cells = [(column + bit, domain) for bit in range(width)] if across else [(column, domain + width - 1)]
        for wire, last in cells:
            farthest[tile, wire] = max(farthest.get((tile, wire), 0), last)
    for (tile, _), last in farthest.items():
        steps[tile] += 2 * last
    return columns, steps


def _nothing(layer: LayerProgram) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(layer.tiles), np.int64), np.zeros(len(layer.tiles), np.int64)


def _gathered_bits(
    program: Program,
    index: int,
    placements: Sequence[Placement],
    row_tiles: Sequence[int],
    target: Target,
    images: int,
    rank: np.ndarray,
) -> np.ndarray:
    """Bits that the gathers of a layer move, by Distance: int64[4]. ``rank``: of its tiles in its schedule."""
    layer = program.layers[index]
    traffic = _traffic_of(program, layer, target.array.rows, images)
    bits = np.zeros(len(Distance), np.int64)
    for number, tile in enumerate(layer.tiles):
        for (tensor, row_map, source_tile, broadcast), width in _joined(program, tile).items():
            producer = program.tensors[tensor].producer
            source = None if producer < 0 else (placements[producer], source_tile, row_tiles[producer])
            destination = (placements[index], int(rank[number]), row_tiles[index])
            bits += width * moved_rows(traffic(tensor, row_map, broadcast), source, destination, target.array)
    return bits


def _traffic_of(
    program: Program, layer: LayerProgram, array_rows: int, images: int
) -> Callable[[int, int, bool], Traffic]:
    """The traffic of (tensor, row map, broadcast or not) of one layer, each worked out once."""
    size = program.tensors[layer.output].shape[1:]

    @cache
    def traffic(tensor: int, row_map: int, broadcast: bool) -> Traffic:
        shape = program.tensors[tensor].shape
        return row_traffic(
            layer.row_maps[row_map], (shape[1], shape[2]), (size[0], size[1]), images, array_rows, broadcast
        )

    return traffic


def _joined(program: Program, tile: Tile) -> dict[tuple[int, int, int, bool], int]:
    """Total width of a tile's gathers by (tensor, row map, tile of the source layer that holds the channel, whether it
    is broadcast)."""
    tensor, channel, row_map, width = gathered(tile)
    source_tile = np.zeros(len(tensor), np.int64)
    for source in np.unique(tensor):
        chosen = tensor == source
        source_tile[chosen] = program.tensors[int(source)].fields["tile"][channel[chosen]]
    broadcast = _gathering(tile)["op"] == Op.MAC
    keys, inverse = np.unique(np.stack([tensor, row_map, source_tile, broadcast], axis=1), axis=0, return_inverse=True)
    totals = np.bincount(inverse.reshape(-1), weights=width, minlength=len(keys)).astype(np.int64)
    return {(int(t), int(m), int(s), bool(b)): int(total) for (t, m, s, b), total in zip(keys, totals, strict=True)}
