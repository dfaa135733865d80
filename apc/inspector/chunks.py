"""The parts of a report that its page opens only when they are looked at, as bytes. Little endian throughout."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ir.counts import StaticCounts
from ir.isa import GATHERING, RECORD
from ir.program import FIELD, Program, Tile


def tile_bytes(tile: Tile, counts: StaticCounts) -> bytes:
    """What the page needs of one tile, one after another:

    - its instructions as 16 byte planes: byte p of every isa.RECORD, for p from 0 to 15;
    - its constants, int64;
    - its gathers, program.GATHER;
    - for each instruction that gathers, in order, uint32 searches in the source's arrays, then uint32 shift steps there
      (``counts``: StaticCounts of the tile).
    """
    gathering = np.isin(tile.instructions["op"], GATHERING)
    source = (counts.source_searches[gathering], counts.source_shift_steps[gathering])
    planes = tile.instructions.view(np.uint8).reshape(-1, RECORD.itemsize).T
    tables = (planes, tile.constants.astype("<i8"), tile.gathers, *(values.astype("<u4") for values in source))
    return b"".join(table.tobytes() for table in tables)


def fields_bytes(program: Program) -> bytes:
    """program.FIELD of every channel of every tensor, in their order."""
    return np.concatenate([np.zeros(0, FIELD), *(tensor.fields for tensor in program.tensors)]).tobytes()


def json_bytes(value: Any) -> bytes:
    """The shortest JSON text of ``value``. Raises ValueError for NaN and infinities."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")
