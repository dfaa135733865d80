"""The sums that instructions compute, as linear forms of what a tile gathers: read off the microcode alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ir.cells import NONE, OPERAND_A, OPERAND_B, OPERAND_R
from ir.isa import R_FRESH, Op, gather_index
from ir.program import Tile
from ir.reads import TileReads

Leaf = tuple[int, int]
"""(gather, resident value): what an entry of the tile's gather table brings, times a resident value; NONE instead of
one of them: the other alone."""


@dataclass(frozen=True)
class Form:
    """constant + sum of factors x leaves, modulo a power of two that nothing exceeds in a correct program."""

    constant: int = 0
    factors: dict[Leaf, int] = field(default_factory=dict)

    def plus(self, other: Form, factor: int = 1) -> Form:
        """This + factor x other."""
        factors = dict(self.factors)
        for leaf, its in other.factors.items():
            factors[leaf] = factors.get(leaf, 0) + factor * its
        return Form(self.constant + factor * other.constant, {leaf: its for leaf, its in factors.items() if its})


class LinearForms:
    """``forms``: of every instruction of a slice (addresses in ascending order, with all that they depend on), what the
    value that it writes is then; no entry where that is not linear."""

    def __init__(self, tile: Tile, reads: TileReads, addresses: Iterable[int]) -> None:
        self.tile, self.reads = tile, reads
        self.forms: dict[int, Form] = {}
        for address in addresses:
            form = self._form(address)
            if form is not None:
                self.forms[address] = form

    def _form(self, address: int) -> Form | None:
        record = self.tile.instructions[address]
        op, width, fresh = Op(int(record["op"])), int(record["r_width"]), bool(record["flags"] & R_FRESH)
        match op:
            case Op.CONST:
                return Form(int(self.tile.constants[record["imm"]]))
            case Op.GATHER:
                return Form(fresh << (width - 1), {(int(gather_index(record)), NONE): 1})
            case Op.COPY:
                return self.operand(address, OPERAND_A)
            case Op.ADDO | Op.SUBO:
                sign, lift = (1, 0) if op == Op.ADDO else (-1, fresh << (width - 1))
                a, b = self.operand(address, OPERAND_A), self.operand(address, OPERAND_B)
                return None if a is None or b is None else a.plus(b, sign).plus(Form(lift))
            case Op.ADD | Op.SUB | Op.ADDC | Op.EXTEND | Op.MAC:
                before, change = self._before(address), self._change(record, address)
                return None if before is None or change is None else before.plus(change, 1 << self._shift(address))
            case _:
                return None

    def _shift(self, address: int) -> int:
        return int(self.reads.shift[address])

    def _change(self, record: np.void, address: int) -> Form | None:
        """What an instruction adds to r."""
        match Op(int(record["op"])):
            case Op.ADDC:
                return Form(int(self.tile.constants[record["imm"]]))
            case Op.EXTEND:
                return Form()
            case Op.MAC:
                return self._product(record, address)
            case op:
                a = self.operand(address, OPERAND_A)
                if a is None or op == Op.ADD:
                    return a
                lift = bool(record["flags"] & R_FRESH) << (int(record["r_width"]) - 1)
                return Form(lift).plus(a, -1)

    def _product(self, record: np.void, address: int) -> Form | None:
        """Of what is gathered and a resident value, or a sum of such; None where a depends on what is gathered."""
        a = self.operand(address, OPERAND_A)
        if a is None or a.constant or any(gather != NONE for gather, _ in a.factors):
            return None
        number = int(gather_index(record))
        return Form(0, {(number, resident): factor for (_, resident), factor in a.factors.items()})

    def _before(self, address: int) -> Form | None:
        """The whole value that an instruction updates, with what lies above it within r."""
        previous = int(self.reads.previous[address])
        if previous == NONE:
            return self.operand(address, OPERAND_R)
        form = self.forms.get(previous)
        for read in self._stretches(address, OPERAND_R)[1:]:
            above = self._stretch(read)
            if form is None or above is None:
                return None
            form = form.plus(above, 1 << (self._shift(address) + int(read["place"])))
        return form

    def _stretches(self, address: int, operand: int) -> np.ndarray:
        reads = self.reads.of(address)
        return reads[reads["operand"] == operand]

    def operand(self, index: int, operand: int) -> Form | None:
        """An operand of an instruction, or (as operand A) a field at the tile's end; None where it is not linear."""
        stretches = self._stretches(index, operand)
        form = Form()
        for number, read in enumerate(stretches):
            part = self._stretch(read)
            hidden = number + 1 < len(stretches) and read["above"] > 0  # its upper bits lie under the next one
            if part is None or (hidden and part.factors):
                return None
            form = form.plus(part, 1 << int(read["place"]))
        return form

    def _stretch(self, read: np.void) -> Form | None:
        """What the bits of one stretch are worth; of a value with factors only as a whole, from its first bit."""
        first, version = int(read["first_bit"]), int(read["version"])
        form = self.forms.get(version) if version != NONE else Form(0, {(NONE, int(read["value"])): 1})
        if form is not None and not form.factors:
            return Form(form.constant >> first & ((1 << int(read["bits"])) - 1))
        return form if first == 0 else None
