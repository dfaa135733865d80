"""Emitting an adder DAG: temporaries in a few columns of their own, outputs in the accumulators' order.

The accumulators are visited in one direction, so that across columns they step one domain an output; a temporary is
computed when the first output needs it (depth first) and its columns are free again after its last use. An addition
goes in place where an operand dies. A temporary may be held negated: a sign that its uses take into account costs
nothing, where ``b <- a - b`` has no look-up table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from backends.rtm_ap.terms import NOTHING, PLACE, accumulate, bits_needed, write_extend, write_record
from ir.adders import AdderDag
from ir.isa import RECORD, Op
from ir.kernel_cache import forget_stale

forget_stale(__file__)

_ADD, _SUB, _ADDO, _SUBO, _COPY, _CONST = (int(op) for op in (Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.COPY, Op.CONST))


@dataclass(frozen=True)
class Region:
    """Columns for temporaries. ``across``: fields lie across columns at domain 0, any number in a row; otherwise
    each takes a column of its own, along the wire."""

    column: int
    columns: int
    across: bool


@dataclass(frozen=True, eq=False)
class Emission:
    """RECORDs, and what they amount to. ``columns``: how much of the region was used."""

    records: np.ndarray
    adds: int
    bit_adds: int
    columns: int


def emit_dag(
    dag: AdderDag,
    intervals: tuple[np.ndarray, np.ndarray],
    sweep: np.ndarray,
    places: np.ndarray,
    accumulators: np.ndarray,
    running: np.ndarray,
    region: Region,
    zero: int,
) -> Emission | None:
    """Instructions for one group, or None where its temporaries do not fit the region.

    ``intervals``: exact (lo, hi) of all operands, inputs then temporaries; ``sweep``: the order of outputs;
    ``places``: PLACE of the inputs; ``accumulators``: PLACE of every output, whose RUNNING states advance (also
    where None is returned); ``zero``: index of the constant 0.
    """
    operands = dag.inputs + len(dag.temporaries)
    held = np.zeros(operands, PLACE)
    held[: dag.inputs] = places
    held["across"][dag.inputs :] = region.across
    terms = dag.terms[np.argsort(dag.terms["output"], kind="stable")]
    first = np.searchsorted(terms["output"], np.arange(dag.outputs + 1))
    uses = np.bincount(dag.terms["operand"], minlength=operands)
    uses += np.bincount(dag.temporaries["left"], minlength=operands)
    uses += np.bincount(dag.temporaries["right"], minlength=operands)
    records = np.zeros(2 * len(terms) + 2 * len(dag.temporaries), RECORD)
    free = np.ones(region.columns, np.bool_)
    lo, hi = intervals
    running["operand"] = -1  # values are numbered anew in every group
    count, adds, bit_adds, columns = _emit(
        dag.inputs,
        dag.temporaries,
        terms,
        first,
        uses,
        lo,
        hi,
        sweep,
        held,
        accumulators,
        running,
        free,
        region.column,
        NOTHING,
        zero,
        records,
    )
    if count < 0:
        return None
    return Emission(records[:count], int(adds), int(bit_adds), int(columns))


@numba.njit(cache=True)
def _emit(
    inputs: int,
    nodes: np.ndarray,
    terms: np.ndarray,
    first: np.ndarray,
    uses: np.ndarray,
    lo: np.ndarray,
    hi: np.ndarray,
    sweep: np.ndarray,
    held: np.ndarray,
    accumulators: np.ndarray,
    running: np.ndarray,
    free: np.ndarray,
    base: int,
    nothing: np.void,
    zero: int,
    records: np.ndarray,
) -> tuple[int, int, int, int]:
    """(instructions, additions, sum of their widths, columns used); -1 instructions where there is no room."""
    signs = np.ones(held.shape[0], np.int64)
    done = np.zeros(held.shape[0], np.bool_)
    done[:inputs] = True
    stack = np.empty(held.shape[0] + 1, np.int64)
    count = adds = bit_adds = most = 0
    for output in sweep:
        for index in range(first[output], first[output + 1]):
            term = terms[index]
            stack[0] = term["operand"]
            depth = 1
            while depth > 0:
                value = stack[depth - 1]
                if done[value]:
                    depth -= 1
                    continue
                node = nodes[value - inputs]
                left, right = node["left"], node["right"]
                if not done[left]:
                    stack[depth] = left
                    depth += 1
                elif not done[right]:
                    stack[depth] = right
                    depth += 1
                else:
                    count, width = _compute(
                        value, node, inputs, uses, lo, hi, held, signs, free, base, nothing, zero, records, count
                    )
                    if count < 0:
                        return count, adds, bit_adds, most
                    done[value] = True
                    adds += 1
                    bit_adds += width
                    most = max(most, held[value]["column"] + _extent(held[value]) - base)
                    depth -= 1
            value = term["operand"]
            low, high = lo[value], hi[value]
            if signs[value] < 0:
                low, high = -high, -low
            count, width = accumulate(
                records,
                count,
                running[output],
                accumulators[output],
                value,
                low,
                high,
                term["shift"],
                term["sign"] * signs[value],
                held[value],
                nothing,
            )
            adds += 1
            bit_adds += width
            uses[value] -= 1
            if value >= inputs and uses[value] == 0:
                _release(free, base, held[value])
    return count, adds, bit_adds, most


@numba.njit(cache=True)
def _extent(place: np.void) -> int:
    return place["width"] if place["across"] else 1


@numba.njit(cache=True)
def _release(free: np.ndarray, base: int, place: np.void) -> None:
    for column in range(place["column"] - base, place["column"] - base + _extent(place)):
        free[column] = True


@numba.njit(cache=True)
def _allocate(free: np.ndarray, base: int, place: np.void) -> bool:
    """First fit; False where there is no room."""
    extent = _extent(place)
    run = 0
    for column in range(free.shape[0]):
        run = run + 1 if free[column] else 0
        if run == extent:
            place["column"] = base + column + 1 - extent
            place["domain"] = 0
            free[column + 1 - extent : column + 1] = False
            return True
    return False


@numba.njit(cache=True)
def _compute(
    value: int,
    node: np.void,
    inputs: int,
    uses: np.ndarray,
    lo: np.ndarray,
    hi: np.ndarray,
    held: np.ndarray,
    signs: np.ndarray,
    free: np.ndarray,
    base: int,
    nothing: np.void,
    zero: int,
    records: np.ndarray,
    count: int,
) -> tuple[int, int]:
    """Emit one temporary; returns (next index or -1, result width)."""
    left, right = node["left"], node["right"]
    left_sign, right_sign = signs[left], node["right_sign"] * signs[right]
    uses[left] -= 1
    uses[right] -= 1
    left_dies = left >= inputs and uses[left] == 0 and node["left_shift"] == 0 and left != right
    right_dies = right >= inputs and uses[right] == 0 and node["right_shift"] == 0 and left != right
    for attempt in range(2):
        wider_left = held[left]["width"] >= held[right]["width"]
        on_left = wider_left if attempt == 0 else not wider_left
        if on_left and left_dies:
            target, other, shift, sign = left, right, node["right_shift"], left_sign
        elif not on_left and right_dies:
            target, other, shift, sign = right, left, node["left_shift"], right_sign
        else:
            continue
        next_count, width = _in_place(
            value,
            target,
            other,
            shift,
            sign,
            left_sign == right_sign,
            lo,
            hi,
            held,
            free,
            base,
            nothing,
            zero,
            records,
            count,
        )
        if next_count >= 0:
            signs[value] = sign
            if other >= inputs and uses[other] == 0:
                _release(free, base, held[other])
            return next_count, width
    count, width = _out_of_place(
        value, node, left_sign, right_sign, lo, hi, held, signs, free, base, nothing, records, count
    )
    if count >= 0:
        if left >= inputs and uses[left] == 0:
            _release(free, base, held[left])
        if right >= inputs and uses[right] == 0 and right != left:
            _release(free, base, held[right])
    return count, width


@numba.njit(cache=True)
def _in_place(
    value: int,
    target: int,
    other: int,
    shift: int,
    sign: int,
    same: bool,
    lo: np.ndarray,
    hi: np.ndarray,
    held: np.ndarray,
    free: np.ndarray,
    base: int,
    nothing: np.void,
    zero: int,
    records: np.ndarray,
    count: int,
) -> tuple[int, int]:
    """target += or -= other << shift, in target's columns and, where it grows, the next ones; -1 if those are taken."""
    place = held[value]
    old_width, old_signed = held[target]["width"], held[target]["signed"]
    low, high = (lo[value], hi[value]) if sign > 0 else (-hi[value], -lo[value])
    signed = old_signed or low < 0
    width = max(old_width, bits_needed(low, high, signed), shift + 1)
    across = held[target]["across"]
    start = held[target]["column"] - base
    if across and width > old_width:
        if start + width > free.shape[0] or not free[start + old_width : start + width].all():
            return -1, 0
        free[start + old_width : start + width] = False
    place["column"], place["domain"], place["across"] = held[target]["column"], held[target]["domain"], across
    place["width"], place["signed"] = width, signed
    if width > old_width:
        if old_signed:
            write_extend(records, count, place, old_width, width)
        else:
            write_record(records, count, _CONST, place, old_width, width - old_width, nothing, nothing, zero)
        count += 1
    write_record(records, count, _ADD if same else _SUB, place, shift, width - shift, held[other], nothing, 0)
    place["signed"] = low < 0
    place["width"] = bits_needed(low, high, low < 0)
    if across and place["width"] < width:
        free[start + place["width"] : start + width] = True
    return count + 1, width - shift


@numba.njit(cache=True)
def _out_of_place(
    value: int,
    node: np.void,
    left_sign: int,
    right_sign: int,
    lo: np.ndarray,
    hi: np.ndarray,
    held: np.ndarray,
    signs: np.ndarray,
    free: np.ndarray,
    base: int,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int]:
    """A sum in columns of its own; -1 where there is no room."""
    left, right = node["left"], node["right"]
    left_shift, right_shift = node["left_shift"], node["right_shift"]
    place = held[value]
    if left_shift == 0 and right_shift == 0:
        sign = left_sign if left_sign == right_sign else 1
    else:
        sign = left_sign if left_shift == 0 else right_sign
    low, high = (lo[value], hi[value]) if sign > 0 else (-hi[value], -lo[value])
    place["signed"] = low < 0
    place["width"] = max(bits_needed(low, high, low < 0), left_shift + 1, right_shift + 1)
    signs[value] = sign
    if not _allocate(free, base, place):
        return -1, 0
    width = place["width"]
    if left_shift == 0 and right_shift == 0:
        if left_sign == right_sign:
            write_record(records, count, _ADDO, place, 0, width, held[left], held[right], 0)
        elif left_sign > 0:
            write_record(records, count, _SUBO, place, 0, width, held[left], held[right], 0)
        else:
            write_record(records, count, _SUBO, place, 0, width, held[right], held[left], 0)
        return count + 1, width
    plain, shifted, shift = (left, right, right_shift) if left_shift == 0 else (right, left, left_shift)
    write_record(records, count, _COPY, place, 0, width, held[plain], nothing, 0)
    op = _ADD if left_sign == right_sign else _SUB
    write_record(records, count + 1, op, place, shift, width - shift, held[shifted], nothing, 0)
    return count + 2, width - shift
