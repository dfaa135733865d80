"""The look-up tables of one bit step of each macro instruction, derived from what the step computes.

Columns are named "C", "F", "G" for the flags and "a", "b", "r" for the operands' bits; an operand that has no bit at
this place (an unsigned one beyond its width) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ir.isa import Op
from ir.lut import Function, Pass, derive_lut


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


RECEIVED = table([Pass((), (("r", 1),))])
"""r <- 1 in the rows that are tagged already."""


@cache
def set_table(column: str, bit: int, search_or: bool) -> Table:
    """column <- bit."""
    return derive_table(column, lambda state: {column: bit}, search_or)


@cache
def set_unless_table(bit: int, search_or: bool) -> Table:
    """r <- bit where not G."""
    return derive_table("Gr", lambda state: {"r": state["r"] if state["G"] else bit}, search_or)


def _sum(state: Mapping[str, int], addends: str, constant: int) -> dict[str, int]:
    total = state["C"] + constant + sum(state.get(name, 0) for name in addends)
    return {"C": total >> 1, "r": total & 1}


def _difference(state: Mapping[str, int], minuend: str, subtrahend: str) -> dict[str, int]:
    total = state.get(minuend, 0) - state.get(subtrahend, 0) - state["C"]
    return {"C": int(total < 0), "r": total & 1}


@cache
def adder_table(op: Op, operands: str, constant: int, search_or: bool) -> Table:
    """One bit of ADD, SUB, ADDO, SUBO or ADDC. ``operands``: the names of those that have this bit, of "a", "b" and,
    in place, "r"; ``constant``: the bit that ADDC adds."""
    functions: dict[Op, Function] = {
        Op.ADD: lambda state: _sum(state, "ar", 0),
        Op.ADDC: lambda state: _sum(state, "r", constant),
        Op.ADDO: lambda state: _sum(state, "ab", 0),
        Op.SUB: lambda state: _difference(state, "r", "a"),
        Op.SUBO: lambda state: _difference(state, "a", "b"),
    }
    cleared = "r" if op in (Op.ADDO, Op.SUBO) else ""
    return derive_table("C" + operands, functions[op], search_or, cleared=cleared)


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
