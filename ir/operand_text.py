"""Parts that the printer and the parser of assembly text share: mnemonics, argument shapes, the tables of a tile.

An instruction shows constants and gathers by value. Which table entry it means follows from a rule both sides
apply: the first entry that is equal; a new one at the end where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from ir.isa import GATHERING, OPERANDS, Op

MNEMONICS: dict[str, Op] = {op.name.lower(): op for op in Op}

PAIRS = (Op.CLAMP, Op.STEP)
"""Opcodes that use constants[imm] and constants[imm + 1]."""

SINGLES = tuple(op for op, (_, immediate) in OPERANDS.items() if immediate and op not in (*PAIRS, *GATHERING))

GatherEntry = tuple[int, int, int, int]
"""tensor, channel, row map, pad value"""


class ConstantPool:
    """A tile's constant table while it is built or looked up."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self.values: list[int] = []
        self._singles: dict[int, int] = {}
        self._pairs: dict[tuple[int, int], int] = {}
        for value in values:
            self.append(value)

    def append(self, value: int) -> int:
        index = len(self.values)
        if index:
            self._pairs.setdefault((self.values[-1], value), index - 1)
        self.values.append(value)
        return self._singles.setdefault(value, index)

    def single(self, value: int) -> int:
        """The index that an instruction with the constant ``value`` means."""
        found = self._singles.get(value)
        return self.append(value) if found is None else found

    def pair(self, first: int, second: int) -> int:
        """The same for two neighbouring constants: the index of the first."""
        found = self._pairs.get((first, second))
        if found is not None:
            return found
        self.append(first)
        self.append(second)
        return len(self.values) - 2


class GatherPool:
    """A tile's gather table while it is built or looked up."""

    def __init__(self, entries: Iterable[GatherEntry] = ()) -> None:
        self.entries: list[GatherEntry] = []
        self._indices: dict[GatherEntry, int] = {}
        for entry in entries:
            self.append(entry)

    def append(self, entry: GatherEntry) -> int:
        self.entries.append(entry)
        return self._indices.setdefault(entry, len(self.entries) - 1)

    def find(self, entry: GatherEntry) -> int:
        """The index that an instruction with this gather means."""
        found = self._indices.get(entry)
        return self.append(entry) if found is None else found
