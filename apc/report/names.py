"""Names of the values of a tile, for people: which activation, accumulator, output or temporary a field holds.

A name follows from the value's Kind (``ir.values``); T is a tensor's name as it is stored, numbers are decimal where
nothing else is said. The HTML inspector has the same rules; a test compares the two on every instruction.

- OUTPUT: ``T[c]``; T: the tensor that the layer computes, c: the value's ``output``, the lowest channel it holds.
- ACTIVATION: ``T[c]@dy,dx`` of the gather that its first instruction names; dy, dx: offset_y and offset_x of the
  gather's row map, each with its sign (``@-1,+0``). Where both offsets of all row maps of the layer are 0, ``T[c]``.
- ACCUMULATOR: ``acc[c]``, c: its ``channel``; the second accumulator of the same channel ``acc[c].2``, the next
  ``acc[c].3``, in the order of value numbers.
- CONSTANT: ``#k``, k: the constant that its first instruction names, as the tile's table has it.
- TEMPORARY: ``tmp@hhhh``, hhhh: the address of its first instruction in hexadecimal, lower case, at least four digits.
- RESIDENT: ``w[i]``, i: its value number.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from ir.isa import gather_index
from ir.program import Program
from ir.values import NONE, Kind, TileValues, tile_values


class Names:
    """The names of one tile's values; ``values``: what ``ir.values.tile_values`` says of the tile."""

    def __init__(self, program: Program, layer: int, tile: int, values: TileValues | None = None) -> None:
        self.values = tile_values(program, layer, tile) if values is None else values
        self._program = program
        self._layer = program.layers[layer]
        self._tile = self._layer.tiles[tile]
        row_maps = self._layer.row_maps
        self._offset = bool(row_maps["offset_y"].any() or row_maps["offset_x"].any())
        self._ranks = _ranks(self.values)
        self._known: dict[int, str] = {NONE: ""}

    def of(self, value: int) -> str:
        """The name of a value; "" for NONE."""
        name = self._known.get(value)
        if name is None:
            name = self._known[value] = self._name(value)
        return name

    def of_operands(self, address: int) -> dict[str, str]:
        """The names of what an instruction writes and reads, by operand ("r", "a", "b"), without operands that it has
        not, or whose cells no value holds."""
        values = {"r": self.values.made, "a": self.values.a, "b": self.values.b}
        return {operand: self.of(int(of[address])) for operand, of in values.items() if of[address] != NONE}

    def _name(self, value: int) -> str:
        values = self.values
        match Kind(int(values.kind[value])):
            case Kind.RESIDENT:
                return f"w[{value}]"
            case Kind.OUTPUT:
                return f"{self._program.tensors[self._layer.output].name}[{values.output[value]}]"
            case Kind.ACTIVATION:
                return self.gathered(self._tile.instructions[values.first[value]])
            case Kind.CONSTANT:
                return f"#{self._tile.constants[self._tile.instructions['imm'][values.first[value]]]}"
            case Kind.ACCUMULATOR:
                rank = self._ranks[value]
                return f"acc[{values.channel[value]}]" + (f".{rank}" if rank > 1 else "")
            case _:
                return f"tmp@{values.first[value]:04x}"

    def gathered(self, record: np.void) -> str:
        """What a GATHER brings to every row, or a MAC to all rows of an image."""
        gather = self._tile.gathers[gather_index(record)]
        name = f"{self._program.tensors[gather['tensor']].name}[{gather['channel']}]"
        if not self._offset:
            return name
        row_map = self._layer.row_maps[gather["row_map"]]
        return f"{name}@{row_map['offset_y']:+d},{row_map['offset_x']:+d}"


def _ranks(values: TileValues) -> dict[int, int]:
    """Accumulator -> the how many-th of its channel it is, from 1."""
    seen: Counter[int] = Counter()
    ranks = {}
    for value in np.flatnonzero(values.kind == Kind.ACCUMULATOR).tolist():
        seen[int(values.channel[value])] += 1
        ranks[value] = seen[int(values.channel[value])]
    return ranks
