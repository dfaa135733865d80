"""Accumulating terms: running widths of accumulators, and the instructions, in one Numba loop."""

from __future__ import annotations

import numba
import numpy as np

from ir.isa import A_ACROSS, A_SIGNED, R_ACROSS, R_SIGNED, RECORD, Op

RUNNING = np.dtype([("lo", "<i8"), ("hi", "<i8"), ("width", "<i4"), ("signed", "?")])
"""What an accumulator is known to hold: its interval, and the low bits that represent it. Bits above ``width`` are
zero while it is unsigned and undefined once it is signed: they are filled (EXTEND) when the width grows."""

PLACE = np.dtype([("column", "<i4"), ("domain", "<i4"), ("width", "<i4"), ("signed", "?"), ("across", "?")])
"""A field as numbers: ``ir.isa.Field``."""

_ADD, _SUB, _EXTEND = int(Op.ADD), int(Op.SUB), int(Op.EXTEND)


@numba.njit(cache=True)
def _bits_needed(lo: int, hi: int, signed: bool) -> int:
    width = 0
    low = -lo - 1 if lo < 0 else 0
    while (low >> width) > 0 or (hi >> width) > 0 and hi > 0:
        width += 1
    if signed:
        width += 1
    return max(width, 1)


@numba.njit(cache=True)
def _advance(state: np.void, lo: int, hi: int, shift: int, sign: int) -> tuple[int, bool]:
    """Add sign * ([lo, hi] << shift) to one running accumulator; returns (old width, old signedness)."""
    width, signed = state["width"], state["signed"]
    if sign > 0:
        state["lo"] += lo << shift
        state["hi"] += hi << shift
    else:
        state["lo"] -= hi << shift
        state["hi"] -= lo << shift
    state["signed"] = signed or state["lo"] < 0
    needed = _bits_needed(state["lo"], state["hi"], state["signed"])
    state["width"] = max(width, needed, shift + 1)
    return width, signed


@numba.njit(cache=True)
def _final(states: np.ndarray, terms: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> None:
    for term in terms:
        operand = term["operand"]
        _advance(states[term["output"]], lo[operand], hi[operand], term["shift"], term["sign"])


@numba.njit(cache=True)
def _emit(
    states: np.ndarray,
    terms: np.ndarray,
    lo: np.ndarray,
    hi: np.ndarray,
    places: np.ndarray,
    accumulators: np.ndarray,
    records: np.ndarray,
) -> tuple[int, int]:
    count = 0
    bit_adds = 0
    for term in terms:
        output, operand, shift = term["output"], term["operand"], term["shift"]
        state, target, source = states[output], accumulators[output], places[operand]
        width, signed = _advance(state, lo[operand], hi[operand], shift, term["sign"])
        if signed and state["width"] > width:
            record = records[count]
            record["op"] = _EXTEND
            record["flags"] = R_SIGNED | (R_ACROSS if target["across"] else 0)
            record["a_width"] = width
            record["r_width"] = state["width"]
            record["r_column"] = target["column"]
            record["r_domain"] = target["domain"]
            count += 1
        record = records[count]
        record["op"] = _ADD if term["sign"] > 0 else _SUB
        record["flags"] = (
            (A_SIGNED if source["signed"] else 0)
            | (A_ACROSS if source["across"] else 0)
            | (R_SIGNED if state["signed"] else 0)
            | (R_ACROSS if target["across"] else 0)
        )
        record["a_width"] = min(source["width"], state["width"] - shift)
        record["a_column"] = source["column"]
        record["a_domain"] = source["domain"]
        record["r_width"] = state["width"] - shift
        record["r_column"] = target["column"] + (shift if target["across"] else 0)
        record["r_domain"] = target["domain"] + (0 if target["across"] else shift)
        bit_adds += state["width"] - shift
        count += 1
    return count, bit_adds


def start(initial: np.ndarray) -> np.ndarray:
    """RUNNING states of accumulators that hold constants."""
    states = np.zeros(len(initial), RUNNING)
    states["lo"] = states["hi"] = initial
    states["signed"] = initial < 0
    states["width"] = [_bits_needed(v, v, v < 0) for v in initial.tolist()]
    return states


def final_states(initial: np.ndarray, terms: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The states after all the terms (adders.TERM records); ``lo``, ``hi``: the operands' intervals."""
    states = start(initial)
    _final(states, terms, lo, hi)
    return states


def emit_terms(
    states: np.ndarray, terms: np.ndarray, lo: np.ndarray, hi: np.ndarray, places: np.ndarray, accumulators: np.ndarray
) -> tuple[np.ndarray, int]:
    """RECORDs that add the terms in order, and the sum of their result widths; advances ``states``.

    ``places``: PLACE of every operand; ``accumulators``: PLACE of every output.
    """
    records = np.zeros(2 * len(terms), RECORD)
    count, bit_adds = _emit(states, terms, lo, hi, places, accumulators, records)
    return records[:count], int(bit_adds)
