"""A program with what its simulation needs whatever the images are: worked out once, used by every run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ir.counts import StaticCounts, program_counts
from ir.isa import FLAG_COLUMNS
from ir.program import LayerProgram, Program
from simulator.rtm.counters import TileEvents, tile_events
from simulator.rtm.gather import broadcast_bits, moved_bits, source_maps
from simulator.rtm.prepared_kernels import used_domains

Part = Literal["cells", "wires", "arrays"]


@dataclass(frozen=True, eq=False)
class TileStatics:
    """A tile as the kernels see it. ``maps``: int64[maps, 2], the (source tensor, row map) pairs it gathers through;
    ``map_of``: int64[gathers], which of them each entry of its gather table names; ``resident``: int64[n], its
    resident fields, by index into those of the layer; the others as in ``kernels.TileCode``."""

    maps: np.ndarray
    map_of: np.ndarray
    resident: np.ndarray
    resident_cells: np.ndarray
    spans: np.ndarray
    wires: np.ndarray
    stores: np.ndarray
    columns: int
    pitch: int


@dataclass(frozen=True, eq=False)
class TileWork:
    """What is counted of a tile before it runs. ``gathered_bits`` are moved for one image; ``broadcast_bits`` go for
    one image to each array that holds rows of it."""

    events: TileEvents
    gathered_bits: int
    broadcast_bits: int


class Prepared:
    """What is static in the simulation of ``program``. ``counts``: what ``program_counts`` gives, if at hand."""

    def __init__(self, program: Program, counts: list[list[StaticCounts]] | None = None) -> None:
        self.program = program
        self._counts = counts
        self._tiles: dict[tuple[int, int, Part, int], TileStatics] = {}

    @cached_property
    def work(self) -> list[list[TileWork]]:
        """Of every tile of every layer."""
        program = self.program
        counts = self._counts if self._counts is not None else program_counts(program)
        return [
            [
                TileWork(
                    tile_events(tile, of_tile),
                    int(moved_bits(program, layer, tile).sum()),
                    broadcast_bits(program, layer, tile),
                )
                for tile, of_tile in zip(layer.tiles, of_layer, strict=True)
            ]
            for layer, of_layer in zip(program.layers, counts, strict=True)
        ]

    @cached_property
    def last_uses(self) -> list[int]:
        """For each tensor the last layer that gathers it (or computes it, where none does); -1 for an unused input."""
        last = [tensor.producer for tensor in self.program.tensors]
        for index, layer in enumerate(self.program.layers):
            for tile in layer.tiles:
                for tensor in np.unique(tile.gathers["tensor"]).tolist():
                    last[tensor] = index
        return last

    def tile(self, layer: int, number: int, part: Part = "cells", guard: int = 0) -> TileStatics:
        """What ``tile_statics`` says of a tile of a layer."""
        key = layer, number, part, guard
        if key not in self._tiles:
            self._tiles[key] = tile_statics(self.program, self.program.layers[layer], number, part, guard)
        return self._tiles[key]


def tile_statics(
    program: Program, layer: LayerProgram, number: int, part: Part = "cells", guard: int = 0
) -> TileStatics:
    """``part``: the cells in use alone, or all the data domains of the wires they are in, or all of the arrays;
    ``guard``: further domains at each end of these wires."""
    tile, target = layer.tiles[number], program.tensors[layer.output]
    array = program.target["array"]
    channels = np.flatnonzero(target.fields["tile"] == number)
    resident = np.flatnonzero(layer.resident_fields["tile"] == number)
    placed = np.concatenate([target.fields[channels], layer.resident_fields[resident]])
    domains = int(array["domains"])
    low, stop = np.full(int(array["columns"]), domains, np.int64), np.zeros(int(array["columns"]), np.int64)
    used_domains(tile.instructions, placed, low, stop)
    used = np.flatnonzero(stop > low)
    depth = int(stop.max()) if part == "cells" else domains + 2 * guard
    pitch = depth | 1  # odd, so that one domain of many columns does not share cache sets
    wires = {"cells": used[:0], "wires": used, "arrays": np.arange(len(low))}[part]
    ends = np.where(wires < FLAG_COLUMNS, 0, guard)  # flags do not shift
    first = placed["column"].astype(np.int64) * pitch + placed["domain"]
    step = np.where(placed["across"] != 0, pitch, 1)
    kept, held = slice(0, len(channels)), slice(len(channels), len(placed))
    stores = [channels, first[kept], step[kept], placed["width"][kept], placed["signed"][kept]]
    maps, map_of = source_maps(tile)
    return TileStatics(
        maps,
        map_of,
        resident,
        _cells(first[held], step[held], placed["width"][held].astype(np.int64)),
        np.stack([used * pitch + low[used], (stop - low)[used]], axis=1),
        np.stack([wires * pitch - ends, domains + 2 * ends], axis=1),
        np.stack(stores, axis=1).astype(np.int64),
        len(low) if part == "arrays" else int(used[-1]) + 1,
        pitch,
    )


def _cells(first: np.ndarray, step: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """All the cells of fields, one field after the other, upwards (all arguments int64[fields])."""
    owner = np.repeat(np.arange(len(first)), widths)
    bit = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    return first[owner] + bit * step[owner]
