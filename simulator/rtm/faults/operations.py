"""How many shift operations a tile makes: what a position-error code has to check."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numba import njit

from ir import isa
from ir.kernel_cache import forget_stale
from simulator.rtm.faults.operands import operand_cell
from simulator.rtm.faults.slots import TileSlots

forget_stale(__file__, isa.__file__)


def own_operations(slots: TileSlots) -> int:
    """In the tile's own arrays, those that rewind included."""
    paths, offsets = slots.paths, np.zeros(slots.columns, np.int64)
    count = _count(slots.tile.instructions, slots.signature, paths.moves, paths.move_starts, offsets)
    return int(count) + int(np.count_nonzero(offsets))


def source_operations(slots: TileSlots) -> Counter[int]:
    """In the arrays that hold gathered tensors, by tensor, those that rewind included."""
    readings = slots.readings
    last = np.zeros(len(readings.wires), np.int64)
    last[readings.wire] = readings.domain
    shifted = readings.wires[readings.wire[readings.steps != 0], 0]
    rewound = readings.wires[last != 0, 0]
    return Counter(np.concatenate([shifted, rewound]).tolist())


def source_columns(slots: TileSlots) -> Counter[int]:
    """How many columns of the arrays that hold gathered tensors the tile reads, by tensor."""
    return Counter(slots.readings.wires[:, 0].tolist())


@njit(cache=True, nogil=True)
def _count(
    records: np.ndarray, signature: np.ndarray, moves: np.ndarray, move_starts: np.ndarray, offsets: np.ndarray
) -> int:
    """Operations without the rewinding. ``records`` to ``move_starts``: see ``slots.Paths``; ``offsets``:
    int64[columns], 0 before and where the columns are afterwards."""
    count = 0
    for i in range(len(records)):
        for move in range(move_starts[signature[i]], move_starts[signature[i] + 1]):
            _, operand, bit = moves[move]
            column, domain = operand_cell(records[i], operand, bit)
            if offsets[column] != domain:
                offsets[column] = domain
                count += 1
    return count
