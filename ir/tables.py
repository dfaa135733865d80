"""The look-up tables of one bit step of each macro instruction, derived from what the step computes.

Columns are named "C", "F", "G" for the flags and "a", "b", "r" for the operands' bits; an operand that has no bit at
this place (an unsigned one beyond its width) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ir.isa import Op
from ir.lut import Function, Pass, State, derive_lut


@dataclass(frozen=True, eq=False)
class Table:
    """The passes of one bit step, and what follows from them: how many searches and writes they have, the key columns
    of all the searches together, and the columns they touch. Equal only to itself, so that it is a cheap key."""

    passes: tuple[Pass, ...]
    searches: int
    writes: int
    key_columns: int
    touched: frozenset[str]


def table(passes: Sequence[Pass]) -> Table:
    """The table of these passes."""
    bits = [bits for item in passes for bits in (*item.searches, item.writes)]
    return Table(
        tuple(passes),
        sum(len(item.searches) for item in passes),
        len(passes),
        sum(len(search) for item in passes for search in item.searches),
        frozenset(name for pairs in bits for name, _ in pairs),
    )


def derive_table(
    columns: str,
    function: Function,
    search_or: bool,
    *,
    cleared: str = "",
    possible: Callable[[Mapping[str, int]], bool] | None = None,
) -> Table:
    """``ir.lut.derive_lut`` as a table."""
    return table(derive_lut(columns, function, cleared=cleared, possible=possible, search_or=search_or))


NOTHING = table([])
"""No pass at all."""

RECEIVED = table([Pass((), (("r", 1),))])
"""r <- 1 in the rows that are tagged already."""

RECEIVED_INVERTED = table([Pass((), (("r", 0),))])
"""r <- 0 in the rows that are tagged already."""


@cache
def set_table(column: str, bit: int, search_or: bool) -> Table:
    """column <- bit."""
    return derive_table(column, lambda state: {column: bit}, search_or)


@cache
def set_unless_table(bit: int, search_or: bool) -> Table:
    """r <- bit where not G."""
    return derive_table("Gr", lambda state: {"r": state["r"] if state["G"] else bit}, search_or)


def _sum(state: Mapping[str, int], addends: str, constant: int) -> dict[str, int]:
    total = state.get("C", 0) + constant + sum(state.get(name, 0) for name in addends)
    return {"C": total >> 1, "r": total & 1}


def _difference(state: Mapping[str, int], minuend: str, subtrahend: str, constant: int) -> dict[str, int]:
    total = constant + state.get(minuend, 0) - state.get(subtrahend, 0) - state.get("C", 0)
    return {"C": int(total < 0), "r": total & 1}


@dataclass(frozen=True)
class AdderBit:
    """One bit of ADD, SUB, ADDO, SUBO or ADDC.

    ``operands``: the names of those that have this bit, of "a", "b" and, in place, "r"; ``constant``: a bit that is
    added; ``states``: those of C and the operands, in this order, that can occur.
    """

    op: Op
    operands: str
    constant: int
    states: frozenset[State]

    def result(self, state: Mapping[str, int]) -> dict[str, int]:
        """The carry out "C" and the bit "r" of a state of C and the operands."""
        here = {name: state.get(name, 0) for name in "C" + self.operands}
        if self.op == Op.SUB:
            return _difference(here, "r", "a", self.constant)
        if self.op == Op.SUBO:
            return _difference(here, "a", "b", self.constant)
        return _sum(here, self.operands, self.constant)

    def named(self) -> list[dict[str, int]]:
        """``states`` as {name: bit}."""
        return [dict(zip("C" + self.operands, state, strict=True)) for state in self.states]

    @property
    def carries(self) -> bool:
        """Whether a carry can come in."""
        return any(state[0] for state in self.states)


@cache
def adder_table(bit: AdderBit, overwrite: bool, carry_out: bool, search_or: bool) -> Table:
    """The passes of one bit of an adder. Out of place r holds 0 before, or with ``overwrite`` anything.

    Without ``carry_out`` C stays as it is, and where no carry can come in it is not looked at.
    """
    searched = ("C" if carry_out or bit.carries else "") + bit.operands

    def possible(state: Mapping[str, int]) -> bool:
        return tuple(state.get(name, 0) for name in "C" + bit.operands) in bit.states

    def function(state: Mapping[str, int]) -> dict[str, int]:
        result = bit.result(state)
        return result if carry_out else {"r": result["r"]}

    in_place = "r" in bit.operands
    return derive_table(
        searched + ("r" if overwrite else ""),
        function,
        search_or,
        cleared="" if in_place or overwrite else "r",
        possible=possible,
    )


@cache
def multiply_table(op: Op, operands: str, first: bool, search_or: bool) -> Table:
    """One bit of r <- r + a or (SUB) r - a in the rows whose broadcast bit "X" is 1. ``operands``: "ar", or "r" where a
    has no such bit. C is set in no other rows, and in none at all before the ``first`` bit."""

    def function(state: Mapping[str, int]) -> dict[str, int]:
        if not state["X"] or (first and state["C"]):
            return {}  # C is set in a row of the first bit only when that bit is done
        return _difference(state, "r", "a", 0) if op == Op.SUB else _sum(state, operands, 0)

    def possible(state: Mapping[str, int]) -> bool:
        return not state["C"] or state["X"] == 1

    return derive_table("CX" + operands, function, search_or, possible=possible)


@cache
def copy_table(source: str, target: str, search_or: bool) -> Table:
    """target <- source; ``source`` is "" for the bit 0."""
    return derive_table(source + target, lambda state: {target: state.get(source, 0)}, search_or)


@cache
def compare_table(flag: str, left: str, right: str, right_bit: int, inverted: bool, search_or: bool) -> Table:
    """One bit of the borrow chain flag <- (left < right), upwards. ``right``: an operand, or "" for the constant bit
    ``right_bit``. ``inverted``: the bit is a sign, where 1 is less than 0 (a constant has its bit inverted already).
    """

    def borrow(state: Mapping[str, int]) -> dict[str, int]:
        mine = state[left] ^ inverted
        other = state[right] ^ inverted if right else right_bit
        return {flag: int(mine < other or (mine == other and state[flag] == 1))}

    return derive_table(flag + left + right, borrow, search_or)


@cache
def select_table(flags: str, operand: str, lo_bit: int, hi_bit: int, ordered: bool, search_or: bool) -> Table:
    """One bit of r <- F ? lo : (G ? a : hi). ``flags``: those in use of "FG"; ``operand``: "a", or "" for the bit 0;
    ``ordered``: lo <= hi, so that F (a < lo) never comes without G (a < hi + 1)."""

    def select(state: Mapping[str, int]) -> dict[str, int]:
        if state.get("F", 0):
            return {"r": lo_bit}
        return {"r": state.get(operand, 0) if state.get("G", 1) else hi_bit}

    return derive_table(
        flags + operand + "r",
        select,
        search_or,
        possible=lambda state: not (ordered and state.get("F", 0) and not state.get("G", 1)),
    )


@cache
def choose_table(search_or: bool) -> Table:
    """r <- a where F."""
    return derive_table("Far", lambda state: {"r": state["a"] if state["F"] else state["r"]}, search_or)
