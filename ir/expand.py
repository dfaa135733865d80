"""The meaning of macro instructions: their expansion into micro-operations.

An expansion is symbolic first: its cells are operand bits and flags, ``("a", 3)`` or ``("C", 0)``, so that all
instructions of one *signature* share it. ``concretise`` places the cells of one instruction in columns and domains
and inserts the shifts that bring every cell to its port just before it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Generic, TypeVar

import numpy as np

from ir.isa import (
    A_ACROSS,
    A_SIGNED,
    B_ACROSS,
    B_SIGNED,
    CARRY,
    FLAG_F,
    FLAG_G,
    OPERANDS,
    R_ACROSS,
    R_FRESH,
    R_SIGNED,
    Field,
    Op,
    gather_index,
)
from ir.program import Tile
from ir.tables import (
    NOTHING,
    RECEIVED,
    RECEIVED_INVERTED,
    AdderBit,
    Table,
    adder_table,
    choose_table,
    compare_table,
    copy_table,
    multiply_table,
    select_table,
    set_table,
    set_unless_table,
)

Cell = tuple[str, int]
"""A symbolic cell: bit of operand "a", "b" or "r" (least significant first), a flag "C", "F", "G" (bit 0), or "X": not
a cell but the line that puts a broadcast bit into the search key."""
Place = tuple[int, int]
"""A concrete cell: (column, domain)."""
Where = TypeVar("Where", Cell, Place)


@dataclass(frozen=True)
class Shift:
    """Move ``column`` until the domain ``steps`` further up (negative: further down) is at its port."""

    column: int
    steps: int


@dataclass(frozen=True)
class Search(Generic[Where]):
    """Tag exactly the rows where all cells of ``key`` hold their bits."""

    key: tuple[tuple[Where, int], ...]


@dataclass(frozen=True)
class SearchOr(Generic[Where]):
    """Tag also the rows where all cells of ``key`` hold their bits."""

    key: tuple[tuple[Where, int], ...]


@dataclass(frozen=True)
class TagAll:
    """Tag every row."""


@dataclass(frozen=True)
class Write(Generic[Where]):
    """Put bits into the cells of the tagged rows."""

    values: tuple[tuple[Where, int], ...]


@dataclass(frozen=True)
class Receive:
    """The tag register takes bit ``bit`` of what each row gathers. ``gather``: index into the tile's gather table
    (0 in a symbolic expansion)."""

    gather: int
    bit: int


@dataclass(frozen=True)
class Broadcast:
    """The key line X takes bit ``bit`` of what the rows gather, the same in all rows of an image. ``gather`` as in
    Receive."""

    gather: int
    bit: int


SymbolicOp = Search[Cell] | SearchOr[Cell] | Write[Cell] | Receive | Broadcast
MicroOp = Shift | Search[Place] | SearchOr[Place] | TagAll | Write[Place] | Receive | Broadcast

FLAG_CELLS: dict[str, Cell] = {"C": ("C", 0), "F": ("F", 0), "G": ("G", 0)}
KEY_LINE: Place = (-1, 0)
"""The place of "X", which has no column and never shifts."""
FLAG_PLACES: dict[str, Place] = {"C": (CARRY, 0), "F": (FLAG_F, 0), "G": (FLAG_G, 0), "X": KEY_LINE}


@dataclass(frozen=True)
class Signature:
    """All that decides an instruction's symbolic expansion. MAC: ``b_width`` and ``b_signed`` are those of what is
    broadcast. ``constants``: CONST, ADDC: the value; CLAMP: lo, hi;
    STEP: threshold, value. CONST, ADDC and the value of STEP are modulo 2**r_width."""

    op: Op
    a_width: int
    b_width: int
    r_width: int
    a_signed: bool = False
    b_signed: bool = False
    fresh: bool = False
    constants: tuple[int, ...] = ()


def signature(record: np.void, constants: np.ndarray) -> Signature:
    """The signature of one isa.RECORD; ``constants``: the tile's table."""
    op, flags, imm = Op(int(record["op"])), int(record["flags"]), int(record["imm"])
    modulus = 1 << int(record["r_width"])
    values: tuple[int, ...] = ()
    if op in (Op.CONST, Op.ADDC):
        values = (int(constants[imm]) % modulus,)
    elif op == Op.CLAMP:
        values = (int(constants[imm]), int(constants[imm + 1]))
    elif op == Op.STEP:
        values = (int(constants[imm]), int(constants[imm + 1]) % modulus)
    return Signature(
        op,
        int(record["a_width"]),
        int(record["b_width"]),
        int(record["r_width"]),
        bool(flags & A_SIGNED),
        bool(flags & B_SIGNED),
        bool(flags & R_FRESH),
        values,
    )


def operand_fields(record: np.void) -> dict[str, Field]:
    """The fields of an instruction's operands by name, "r" first."""
    flags = int(record["flags"])
    bits = {"a": (A_SIGNED, A_ACROSS), "b": (B_SIGNED, B_ACROSS), "r": (R_SIGNED, R_ACROSS)}
    return {
        name: Field(
            int(record[f"{name}_column"]),
            int(record[f"{name}_domain"]),
            int(record[f"{name}_width"]),
            bool(flags & bits[name][0]),
            bool(flags & bits[name][1]),
        )
        for name in OPERANDS[Op(int(record["op"]))][0]
    }


# --- symbolic expansion -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One table at work. ``cells``: where its columns are. ``receive``, ``broadcast``: the gathered bit that the tag
    register, or the key line X, takes first, or None."""

    table: Table
    cells: Mapping[str, Cell]
    receive: int | None = None
    broadcast: int | None = None


class _Steps:
    """Collects the steps of one signature."""

    def __init__(self, sig: Signature, search_or: bool) -> None:
        self.sig = sig
        self.search_or = search_or
        self.steps: list[Step] = []
        self.widths = {"a": (sig.a_width, sig.a_signed), "b": (sig.b_width, sig.b_signed)}

    def put(self, cell: Cell, bit: int) -> None:
        """cell <- bit, in the rows where it differs."""
        self.steps.append(Step(set_table(cell[0], bit, self.search_or), {cell[0]: cell}))

    def run(self, table: Table, **cells: Cell) -> None:
        """Append a table; ``cells``: its operand bits (flags are where they always are)."""
        self.steps.append(Step(table, FLAG_CELLS | cells))

    def bit_of(self, operand: str, bit: int) -> dict[str, Cell]:
        """{operand: cell} of a bit of "a" or "b": beyond its width the sign again, or nothing where unsigned."""
        width, signed = self.widths[operand]
        if bit < width:
            return {operand: (operand, bit)}
        return {operand: (operand, width - 1)} if signed else {}

    def compare_constants(self, thresholds: Mapping[str, int]) -> None:
        """Each flag <- (a < its threshold), all in one sweep over a.

        The comparison is unsigned: of a with its sign bit inverted and the threshold moved up by as much. It starts at
        the threshold's lowest set bit, below which nothing borrows.
        """
        width, signed = self.sig.a_width, self.sig.a_signed
        chains: dict[str, tuple[int, int]] = {}
        for flag, threshold in thresholds.items():
            biased = threshold + (1 << (width - 1) if signed else 0)
            self.put((flag, 0), int(biased >= 1 << width))
            if 0 < biased < 1 << width:
                chains[flag] = biased, (biased & -biased).bit_length() - 1
        for bit in range(width):
            for flag, (biased, start) in chains.items():
                if bit >= start:
                    inverted = signed and bit == width - 1
                    table = compare_table(flag, "a", "", biased >> bit & 1, inverted, self.search_or)
                    self.run(table, a=("a", bit))


def _adder(out: _Steps) -> None:
    """C is cleared, then the bits follow upwards, each without the passes for states that cannot occur.

    The top bit leaves C unwritten out of place: that costs no pass, and C is cleared before it is used again. In place
    the carry out has to be written, it marks the rows where r has been flipped already (in either order of writing
    C flips as often now, or when it is cleared next).
    """
    sig = out.sig
    out_of_place = sig.op in (Op.ADDO, Op.SUBO)
    constant = sig.constants[0] if sig.op == Op.ADDC else 0
    if sig.op == Op.ADDC and not constant:
        return
    out.put(FLAG_CELLS["C"], 0)
    first = (constant & -constant).bit_length() - 1 if constant else 0
    known = _Known(frozenset({(0,)}), {})
    for bit in range(first, sig.r_width):
        top = bit == sig.r_width - 1
        offset = top and sig.fresh and sig.op in (Op.SUB, Op.SUBO)
        cells = {name: cell for name in OPERANDS[sig.op][0][1:] for name, cell in out.bit_of(name, bit).items()}
        overwrite = sig.fresh and (out_of_place or top)
        if not out_of_place and not overwrite:
            cells["r"] = ("r", bit)
        adder = AdderBit(sig.op, "".join(cells), constant >> bit & 1 | offset, known.states(cells))
        following = known.after(adder, cells)
        carry_out = not (top or (not cells and following.no_carry)) if out_of_place or overwrite else True
        if out_of_place and not overwrite:
            out.put(("r", bit), 0)
        out.run(adder_table(adder, overwrite, carry_out, out.search_or), **cells | {"r": ("r", bit)})
        known = following


@dataclass(frozen=True)
class _Known:
    """The ``states`` that C (first) and ``cells`` can be in together; any other cell is independent of them."""

    joint: frozenset[tuple[int, ...]]
    cells: Mapping[str, Cell]

    def states(self, cells: Mapping[str, Cell]) -> frozenset[tuple[int, ...]]:
        """The same of C and ``cells``: a sign comes back bit after bit."""
        again = [name for name in cells if self.cells.get(name) == cells[name]]
        mine = [1 + list(self.cells).index(name) for name in again]
        theirs = [1 + list(cells).index(name) for name in again]
        seen = {(state[0], *(state[i] for i in mine)) for state in self.joint}
        candidates = product((0, 1), repeat=1 + len(cells))
        return frozenset(state for state in candidates if (state[0], *(state[i] for i in theirs)) in seen)

    def after(self, adder: AdderBit, cells: Mapping[str, Cell]) -> _Known:
        """What is known when ``adder`` has run on ``cells``."""
        keep = [name for name in cells if name != "r"]
        joint = {(adder.result(state)["C"], *(state[name] for name in keep)) for state in adder.named()}
        return _Known(frozenset(joint), {name: cells[name] for name in keep})

    @property
    def no_carry(self) -> bool:
        return not any(state[0] for state in self.joint)


def _multiply(out: _Steps) -> None:
    """Bit after bit of what is broadcast; the sign bit subtracts."""
    for shift in range(out.sig.b_width):
        sign = out.sig.b_signed and shift == out.sig.b_width - 1
        out.steps.append(Step(NOTHING, {}, broadcast=shift))
        out.put(FLAG_CELLS["C"], 0)
        for bit in range(shift, out.sig.r_width):
            cells = out.bit_of("a", bit - shift)
            table = multiply_table(Op.SUB if sign else Op.ADD, "".join(cells) + "r", bit == shift, out.search_or)
            out.run(table, X=("X", shift), r=("r", bit), **cells)


def _copy(out: _Steps) -> None:
    for bit in range(out.sig.r_width):
        cells = out.bit_of("a", bit)
        out.run(copy_table("".join(cells), "r", out.search_or), r=("r", bit), **cells)


def _const(out: _Steps) -> None:
    for bit in range(out.sig.r_width):
        out.put(("r", bit), out.sig.constants[0] >> bit & 1)


def _extend(out: _Steps) -> None:
    out.run(copy_table("r", "F", out.search_or), r=("r", out.sig.a_width - 1))
    for bit in range(out.sig.a_width, out.sig.r_width):
        out.run(copy_table("F", "r", out.search_or), r=("r", bit))


def _max(out: _Steps) -> None:
    width = out.sig.r_width
    out.put(FLAG_CELLS["F"], 0)
    for bit in range(width):
        sign = out.sig.a_signed and bit == width - 1
        out.run(compare_table("F", "r", "a", 0, sign, out.search_or), r=("r", bit), a=("a", bit))
    for bit in reversed(range(width)):
        out.run(choose_table(out.search_or), r=("r", bit), a=("a", bit))


def _clamp(out: _Steps) -> None:
    lo, hi = out.sig.constants
    least = -(1 << (out.sig.a_width - 1)) if out.sig.a_signed else 0
    greatest = least + (1 << out.sig.a_width) - 1
    thresholds = ({"F": lo} if lo > least else {}) | ({"G": hi + 1} if hi < greatest else {})
    out.compare_constants(thresholds)
    for bit in reversed(range(out.sig.r_width)):
        cells = out.bit_of("a", bit)
        bits = lo >> bit & 1, hi >> bit & 1
        table = select_table("".join(thresholds), "".join(cells), *bits, lo <= hi, out.search_or)
        out.run(table, r=("r", bit), **cells)


def _step(out: _Steps) -> None:
    threshold, value = out.sig.constants
    out.compare_constants({"G": threshold})
    for bit in range(out.sig.r_width):
        out.run(set_unless_table(value >> bit & 1, out.search_or), r=("r", bit))


def _gather(out: _Steps) -> None:
    for bit in range(out.sig.r_width):
        inverted = out.sig.fresh and bit == out.sig.r_width - 1
        out.put(("r", bit), int(inverted))
        table = RECEIVED_INVERTED if inverted else RECEIVED
        out.steps.append(Step(table, {"r": ("r", bit)}, receive=bit))


_STEPS = {
    Op.CONST: _const,
    Op.COPY: _copy,
    Op.ADD: _adder,
    Op.SUB: _adder,
    Op.ADDO: _adder,
    Op.SUBO: _adder,
    Op.ADDC: _adder,
    Op.EXTEND: _extend,
    Op.MAX: _max,
    Op.CLAMP: _clamp,
    Op.STEP: _step,
    Op.GATHER: _gather,
    Op.MAC: _multiply,
}


def steps(sig: Signature, search_or: bool) -> list[Step]:
    """The tables that every instruction of signature ``sig`` goes through, in order."""
    out = _Steps(sig, search_or)
    _STEPS[sig.op](out)
    return out.steps


@lru_cache(maxsize=4096)
def expand(sig: Signature, search_or: bool) -> tuple[SymbolicOp, ...]:
    """The micro-operations of every instruction of signature ``sig``, with symbolic cells and no shifts."""
    ops: list[SymbolicOp] = []
    for step in steps(sig, search_or):
        if step.receive is not None:
            ops.append(Receive(0, step.receive))
        if step.broadcast is not None:
            ops.append(Broadcast(0, step.broadcast))
        for item in step.table.passes:
            keys = [tuple((step.cells[name], bit) for name, bit in search) for search in item.searches]
            ops += [Search(key) for key in keys[:1]]
            ops += [SearchOr(key) for key in keys[1:]]
            ops.append(Write(tuple((step.cells[name], bit) for name, bit in item.writes)))
    return tuple(ops)


# --- concrete expansion -------------------------------------------------------------------------------------------


def concretise(
    ops: Sequence[SymbolicOp], fields: Mapping[str, Field], offsets: MutableSequence[int], gather: int = 0
) -> list[MicroOp]:
    """Place symbolic micro-operations and insert the shifts they need.

    ``fields``: operand name -> field; ``offsets``: the domain at the port of each column, updated in place; ``gather``:
    the index that Receive and Broadcast operations get.
    """
    placed: list[MicroOp] = []

    def bring(cells: Iterable[tuple[Cell, int]]) -> tuple[tuple[Place, int], ...]:
        places = []
        for (name, bit), value in cells:
            column, domain = fields[name].cell(bit) if name in fields else FLAG_PLACES[name]
            if (column, domain) != KEY_LINE and offsets[column] != domain:
                placed.append(Shift(column, domain - offsets[column]))
                offsets[column] = domain
            places.append(((column, domain), value))
        return tuple(places)

    for op in ops:
        match op:
            case Search(key):
                placed.append(Search(bring(key)))
            case SearchOr(key):
                placed.append(SearchOr(bring(key)))
            case Write(values):
                placed.append(Write(bring(values)))
            case Receive(_, bit):
                placed.append(Receive(gather, bit))
            case Broadcast(_, bit):
                placed.append(Broadcast(gather, bit))
    return placed


def expand_instruction(record: np.void, tile: Tile, search_or: bool, offsets: MutableSequence[int]) -> list[MicroOp]:
    """One legal instruction of ``tile`` as micro-operations with real cells and explicit shifts. ``offsets``: domain at
    the port of each column before it, updated to after it."""
    ops = expand(signature(record, tile.constants), search_or)
    return concretise(ops, operand_fields(record), offsets, int(gather_index(record)))
