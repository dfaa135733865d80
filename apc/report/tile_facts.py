"""What the microcode of one tile says of itself: its values, who reads them, whom they serve, what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apc.cycles import instruction_cycles
from apc.report.names import Names
from backends.target import Target
from ir.counts import StaticCounts, tile_counts
from ir.program import LayerProgram, Program, Tile
from ir.reads import TileReads, served, tile_reads
from ir.values import NONE, TileValues, tile_values


@dataclass(frozen=True, eq=False)
class TileFacts:
    """All that is known of one tile. ``channels``: of the layer's output, those that the tile computes; ``serves``:
    bool[instructions, channels of the tile]."""

    program: Program
    layer: LayerProgram
    tile: Tile
    tile_index: int
    channels: np.ndarray
    values: TileValues
    names: Names
    reads: TileReads
    serves: np.ndarray
    counts: StaticCounts
    cycles: np.ndarray

    @cached_property
    def users(self) -> np.ndarray:
        """How many outputs each instruction serves, int64[instructions]."""
        return self.serves.sum(axis=1)

    def outputs(self, version: int) -> list[int]:
        """The channels that what an instruction leaves is used for; those of a resident value (NONE) are not known."""
        return [] if version == NONE else self.channels[self.serves[version]].tolist()


def tile_facts(program: Program, layer_index: int, tile_index: int) -> TileFacts:
    """Follows every cell of a tile; takes about a second for half a million instructions."""
    layer, target = program.layers[layer_index], Target.from_table(program.target)
    tile, fields = layer.tiles[tile_index], program.tensors[layer.output].fields
    channels = np.flatnonzero(fields["tile"] == tile_index)
    values = tile_values(program, layer_index, tile_index)
    reads = tile_reads(tile, values, layer.resident(tile_index)[0], fields[channels])
    counts = tile_counts(program, tile)
    return TileFacts(
        program,
        layer,
        tile,
        tile_index,
        channels,
        values,
        Names(program, layer_index, tile_index, values),
        reads,
        served(reads, len(channels)),
        counts,
        instruction_cycles(tile, counts, target),
    )
