"""The faults of one tile as an engine takes them: already drawn, each with the place where it acts."""

from __future__ import annotations

import numpy as np

EVENT = np.dtype(
    [("instruction", "<u4"), ("op", "<u2"), ("kind", "u1"), ("argument", "<u2"), ("amount", "i1"), ("row", "<i8")]
)
"""One event in the tile's own arrays. ``op``: index into ``ir.expand.expand`` of the instruction's signature; events of
the rewind have instruction = number of instructions and op = 0. ``row``: image after image. By ``kind``:

- DISPLACE: just before ``op`` (its shifts done) column ``argument`` of the row is displaced by ``amount``.
- TAG: the search ``op`` errs where it does not match (bit 0 of ``argument``) or where it does (bit 1).
- UNSWITCHED: cell ``argument`` of the values of the write ``op`` keeps what it holds.
"""
DISPLACE, TAG, UNSWITCHED = 0, 1, 2
MOST_AMOUNT = 127
"""A displacement by more is several events in the same place."""

WHERE_MISMATCH, WHERE_MATCH = 1, 2
"""Bits of a TAG's argument."""

PATCH = np.dtype([("instruction", "<u4"), ("row", "<i8"), ("bits", "<u8")])
"""``bits`` are flipped in what ``row`` receives in a GATHER or MAC."""

STUCK = np.dtype([("column", "<u2"), ("row", "<i8"), ("value", "u1")])
"""The wire of ``row`` in ``column`` holds ``value`` and nothing else."""


def sort_events(events: np.ndarray) -> np.ndarray:
    """EVENT records by instruction, op and row."""
    place = events["instruction"].astype(np.int64) << 16 | events["op"]
    return events[np.lexsort((events["row"], place))]
