"""What lives where: the values that the instructions of a tile make, read and update, and what each can be.

A *value* is what one web of fields holds. An instruction whose opcode reads r (ADD, SUB, ADDC, MAX, STEP, MAC, EXTEND)
CONTINUES the value that r's lowest cell holds; where that cell holds none, and with every other opcode, it BEGINS a
value in r. Afterwards all cells of r hold it. Resident fields are values 0, 1, ... before the first instruction, the
others are numbered as they begin.

Intervals are exact images of intervals: operands are independent, every opcode means what ``ir.isa`` says (modulo
2**width of r, and with R_FRESH). They follow these rules, which the HTML inspector's port shares:

- Every value has an integer: that of the cells from its first bit (where it began) to the top of what was written last,
  signed where that instruction's r was. ``known`` is its width and [low, high] its interval.
- An instruction that adds to r (ADD, SUB, ADDC, MAC), where r begins ``below`` bits above the value's first cell, adds
  2**below times as much to the whole integer. MAX, STEP and EXTEND replace the bits of r and leave those below.
- A field is read as the stretches that lie in it, lowest first: longest runs of bits first, first + 1, ... of one
  value. A stretch of ``count`` bits is [low >> first, high >> first] of that value's integer modulo 2**count (signed
  where it is the top one of a signed operand), or all that ``count`` bits hold: where no value holds the cells, or
  first + count exceeds ``known``. The field's interval is the sum of the stretches', each shifted to its place.
- CLAMP leaves lo where a < lo, else hi where a > hi, else a. (Where lo > hi, that is lo or hi.)
- Modulo 2**width an interval is moved as a whole by a multiple of 2**width into the width's range. Where it does not
  fit as a whole, all of the range is possible.
- Nothing is known of a value (its field's range is all that is said, from then on) that is continued by a field lying
  the other way (along, across), or once its integer exceeds 48 bits. An instruction that makes a value from an operand
  of more than 48 bits, adds more than 48 - ``below`` bits (of a and x together for MAC), or gets beyond 2**50 leaves
  all that its field can hold.
- A gathered integer is what its channel's field holds, or the interval of the network input, or the pad value; a
  resident one lies between the least and greatest of its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ir import values_kernels as kernels
from ir.cells import NONE, cell_count, cell_of
from ir.isa import Op
from ir.program import Program, Tile
from ir.values_kernels import SEVERAL

__all__ = ["NONE", "SEVERAL", "Kind", "TileValues", "tile_values"]


class Kind(IntEnum):
    """What a value is for; the first that fits."""

    RESIDENT = 0  # in the arrays before the first instruction
    OUTPUT = 1  # holds the lowest bit of a channel of the layer's output at the end of the tile
    ACTIVATION = 2  # begun by GATHER, never updated
    CONSTANT = 3  # begun by CONST, never updated
    ACCUMULATOR = 4  # updated in place, and flows into exactly one channel
    TEMPORARY = 5  # everything else


@dataclass(frozen=True, eq=False)
class TileValues:
    """The values of one tile.

    Of every instruction: ``made`` int32, the value in r afterwards; ``a``, ``b`` int32, the value read (that of the
    operand's lowest cell that holds one; -1 where none does or there is no such operand); ``low``, ``high`` int64, the
    interval of the integer in r afterwards, as r is stored (unsigned, or signed where R_SIGNED).

    Of every value: ``first``, ``last`` int32, addresses of the first and last instruction that write it (-1 of resident
    ones); ``last_read`` int32, of the last that has it as operand a or b (-1: none); ``updates`` int32, how many
    instructions continue it; ``output`` int32, the lowest channel of the layer's output that it holds at the end of
    the tile (-1: none); ``channel`` int32, the only output channel that it flows into (-2 several, -1 none); ``kind``
    uint8, a Kind.

    A value flows into the channel that it holds at the end, and into those that a value made from it flows into later.
    """

    made: np.ndarray
    a: np.ndarray
    b: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    last: np.ndarray
    last_read: np.ndarray
    updates: np.ndarray
    output: np.ndarray
    channel: np.ndarray
    kind: np.ndarray


def tile_values(program: Program, layer_index: int, tile_index: int) -> TileValues:
    """The values of one tile of a verified program."""
    layer = program.layers[layer_index]
    tile = layer.tiles[tile_index]
    resident, integers = layer.resident(tile_index)
    channels = program.tensors[layer.output].fields
    held = _nothing_held(tile, np.concatenate([resident, channels[channels["tile"] == tile_index]]), len(resident))
    for value, (field, held_integers) in enumerate(zip(resident, integers, strict=True)):
        cell, across = _cell(field), bool(field["across"])
        kernels.begin(
            held, value, cell, across, int(field["width"]), int(held_integers.min()), int(held_integers.max())
        )
    trace = _nothing_traced(len(tile.instructions), len(resident))
    gathered = _gathered_intervals(program, tile)
    count = kernels.follow(tile.instructions, tile.constants, gathered, held, len(resident), trace)
    output, channel = _held_channels(_holders(channels, tile_index, held), count)
    kernels.flow(trace.made, trace.a, trace.b, channel)
    of_values = (trace.first[:count], trace.last[:count], trace.last_read[:count], trace.updates[:count])
    kind = _kinds(tile, len(resident), of_values[0], of_values[3], output, channel)
    return TileValues(trace.made, trace.a, trace.b, trace.low, trace.high, *of_values, output, channel, kind)


def _cell(field: np.void) -> int:
    return int(cell_of(field["column"], field["domain"]))


def _nothing_held(tile: Tile, fields: np.ndarray, resident: int) -> kernels.Held:
    """State for a tile whose arrays also have ``fields``, of which ``resident`` are values from the start."""
    cells, values = cell_count(tile.instructions, fields), resident + len(tile.instructions)
    return kernels.Held(
        value=np.full(cells, NONE, np.int32),
        bit=np.zeros(cells, np.int32),
        origin=np.zeros(values, np.int64),
        across=np.zeros(values, bool),
        known=np.zeros(values, np.int32),
        low=np.zeros(values, np.int64),
        high=np.zeros(values, np.int64),
    )


def _nothing_traced(instructions: int, resident: int) -> kernels.Trace:
    def none(count: int, dtype: type) -> np.ndarray:
        return np.full(count, NONE, dtype)

    values = resident + instructions
    return kernels.Trace(
        made=none(instructions, np.int32),
        a=none(instructions, np.int32),
        b=none(instructions, np.int32),
        low=none(instructions, np.int64),
        high=none(instructions, np.int64),
        first=none(values, np.int32),
        last=none(values, np.int32),
        last_read=none(values, np.int32),
        updates=np.zeros(values, np.int32),
    )


def _gathered_intervals(program: Program, tile: Tile) -> np.ndarray:
    """int64[gathers, 2]: least and greatest of what each gather of ``tile`` receives."""
    intervals = np.zeros((len(tile.gathers), 2), np.int64)
    inputs = {boundary.tensor: boundary for boundary in program.inputs}
    for number in np.unique(tile.gathers["tensor"]).tolist():
        mine = tile.gathers["tensor"] == number
        fields = program.tensors[number].fields[tile.gathers["channel"][mine]]
        bits, signed = fields["width"].astype(np.int64), fields["signed"] == 1
        low = np.where(signed, np.int64(-1) << (bits - 1), 0)
        high = (np.int64(1) << (bits - signed - 1)) - 1 + (np.int64(1) << (bits - signed - 1))
        if number in inputs:
            low, high = np.maximum(low, inputs[number].lo), np.minimum(high, inputs[number].hi)
        pad = tile.gathers["pad_value"][mine]
        intervals[mine] = np.stack([np.minimum(low, pad), np.maximum(high, pad)], axis=1)
    return intervals


def _holders(channels: np.ndarray, tile_index: int, held: kernels.Held) -> np.ndarray:
    """int32[channels]: the value that holds the lowest bit of each output channel of a tile, or NONE."""
    holders = np.full(len(channels), NONE, np.int32)
    for channel in np.flatnonzero(channels["tile"] == tile_index).tolist():
        holders[channel] = held.value[_cell(channels[channel])]
    return holders


def _held_channels(holders: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(the lowest, the only one) of the output channels that each of ``count`` values holds, int32[values]."""
    lowest, only = np.full(count, NONE, np.int32), np.full(count, NONE, np.int32)
    for channel in reversed(np.flatnonzero(holders != NONE).tolist()):
        value = holders[channel]
        only[value] = channel if lowest[value] == NONE else SEVERAL
        lowest[value] = channel
    return lowest, only


def _kinds(
    tile: Tile, resident: int, first: np.ndarray, updates: np.ndarray, output: np.ndarray, channel: np.ndarray
) -> np.ndarray:
    opcode = np.where(first >= 0, tile.instructions["op"][first], 0) if len(tile.instructions) else np.zeros(len(first))
    cases = [
        (np.arange(len(first)) < resident, Kind.RESIDENT),
        (output != NONE, Kind.OUTPUT),
        ((opcode == Op.GATHER) & (updates == 0), Kind.ACTIVATION),
        ((opcode == Op.CONST) & (updates == 0), Kind.CONSTANT),
        ((updates > 0) & (channel >= 0), Kind.ACCUMULATOR),
    ]
    return np.select([case for case, _ in cases], [kind for _, kind in cases], Kind.TEMPORARY).astype(np.uint8)
