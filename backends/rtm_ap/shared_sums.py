"""Emitting a group's sums: temporaries in a few columns of their own, outputs in the accumulators' order.

The accumulators are visited in one direction, so that across columns they step one domain an output. A shared
temporary is computed when the first output needs it and held until its last use, if there is room: where there is
not, the one whose next use is furthest away gives its columns up and is computed again when it is needed (Belady's
rule; an addition is cheaper than shifting any value away and back). A temporary without another use is not held at
all: its operands join the sum that needs it. What is left of an output's terms is summed narrow first in a field
kept for that, and meets the accumulator once; or every term is added to the accumulator itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from backends.rtm_ap.arithmetic import HELD, NO_ROOM, NOTHING, Style, add_in, confine, sum_out
from ir.adders import AdderDag
from ir.isa import RECORD
from ir.kernel_cache import forget_stale

forget_stale(__file__)

NEVER = np.iinfo(np.int64).max
GONE, HERE, AWAITED = 0, 1, 2
"""A temporary is not held; is held; is about to be."""
ACCUMULATOR_FULL = -2
"""Instead of a count: an accumulator is too narrow."""
TOO_MANY_LEAVES = -3
SCRATCH_RECORDS = 1 << 12
MOST_LEAVES = SCRATCH_RECORDS // 4


class AccumulatorOverflow(Exception):
    """An accumulator needs more bits than it was given."""


@dataclass(frozen=True)
class Region:
    """Columns for temporaries. ``across``: fields lie across columns at domain 0, any number in a row; otherwise
    each takes a column of its own, along the wire. ``total``: columns kept for an output's sum, the first ones (0:
    terms go to the accumulator one by one); ``room``: bits a field may have."""

    column: int
    columns: int
    across: bool
    total: int
    room: int


@dataclass(frozen=True, eq=False)
class Emission:
    """RECORDs, and what they amount to."""

    records: np.ndarray
    adds: int
    bit_adds: int


class _Sums(NamedTuple):
    """A group as the kernels read it. Temporaries are numbered from ``inputs``; lists of lists are in CSR form:
    ``rows`` of ``terms`` by output, ``parents`` of each temporary, ``uses`` the sweep positions of the outputs that
    have it as a term."""

    inputs: int
    nodes: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    terms: np.ndarray
    rows: np.ndarray
    parents: np.ndarray
    parents_of: np.ndarray
    uses: np.ndarray
    uses_of: np.ndarray
    sums_lo: np.ndarray
    sums_hi: np.ndarray


class _State(NamedTuple):
    """What changes. ``held``: by value; ``status``: GONE, HERE, AWAITED; ``next``: index into ``uses`` of each
    temporary; ``busy``, ``refused``: the sweep position at which a temporary may not give way, or found no room;
    ``free``: columns of the region; ``leaves``: rows (operand, shift, sign); ``full``: the records were too few; the
    others are working space."""

    held: np.ndarray
    status: np.ndarray
    next: np.ndarray
    busy: np.ndarray
    refused: np.ndarray
    free: np.ndarray
    leaves: np.ndarray
    stack: np.ndarray
    pending: np.ndarray
    work: np.ndarray
    scratch: np.ndarray
    full: np.ndarray


class _Place(NamedTuple):
    """Where temporaries may lie: see Region."""

    column: int
    across: bool
    room: int
    total: int


def emit_sums(
    dag: AdderDag,
    intervals: tuple[np.ndarray, np.ndarray],
    sweep: np.ndarray,
    places: np.ndarray,
    accumulators: np.ndarray,
    rooms: np.ndarray,
    region: Region,
    style: Style,
) -> Emission:
    """Instructions that add a group's sums to the accumulators.

    ``intervals``: exact (lo, hi) of all operands, inputs then temporaries; ``sweep``: the order of outputs;
    ``places``: HELD inputs; ``accumulators``: HELD, one an output, which advance; ``rooms``: their widths at most.
    Raises AccumulatorOverflow where one of those is too small.
    """
    sums = _sums(dag, intervals, sweep)
    operands = dag.inputs + len(dag.temporaries)
    held = np.zeros(operands, HELD)
    held[: dag.inputs] = places
    held["across"][dag.inputs :] = region.across
    free = np.ones(region.columns, np.bool_)
    free[: region.total] = False
    size = 4 * operands + 4 * len(dag.terms) + MOST_LEAVES
    state = _State(
        held,
        np.repeat([np.int8(HERE), np.int8(GONE)], [dag.inputs, len(dag.temporaries)]),
        sums.uses_of[:-1].copy(),
        np.full(operands, -1),
        np.full(operands, -1),
        free,
        np.zeros((MOST_LEAVES, 3), np.int64),
        np.zeros(size, np.int64),
        np.zeros((size, 3), np.int64),
        np.zeros(2, HELD),
        np.zeros(SCRATCH_RECORDS, RECORD),
        np.zeros(1, np.bool_),
    )
    place = _Place(region.column, region.across, region.room, region.total)
    records = np.zeros(256 + 8 * (len(dag.terms) + len(dag.temporaries)), RECORD)
    while True:
        before = accumulators.copy()
        count, adds, bit_adds = _emit(sums, state, place, style, sweep, accumulators, rooms, NOTHING, records)
        if count != NO_ROOM:
            break
        accumulators[:] = before  # the records were too few
        records = np.zeros(2 * len(records), RECORD)
        state.status[dag.inputs :], state.busy[:], state.refused[:] = GONE, -1, -1
        state.next[:] = sums.uses_of[:-1]
        state.free[region.total :] = True
        state.full[:] = False
    if count == ACCUMULATOR_FULL:
        raise AccumulatorOverflow
    if count == TOO_MANY_LEAVES:
        raise ValueError(f"an output's sum has more than {MOST_LEAVES} terms of one group")
    return Emission(records[:count].copy(), int(adds), int(bit_adds))


def _sums(dag: AdderDag, intervals: tuple[np.ndarray, np.ndarray], sweep: np.ndarray) -> _Sums:
    nodes, lo, hi = dag.temporaries, *intervals
    terms = dag.terms[np.argsort(dag.terms["output"], kind="stable")]
    count = len(nodes)
    children = np.concatenate([nodes["left"], nodes["right"]]).astype(np.int64) - dag.inputs
    parent = np.tile(np.arange(count), 2)[children >= 0]
    children = children[children >= 0]
    order = np.argsort(children, kind="stable")
    position = np.empty(dag.outputs, np.int64)
    position[sweep] = np.arange(dag.outputs)
    used = terms[terms["operand"] >= dag.inputs]
    operand, at = used["operand"].astype(np.int64) - dag.inputs, position[used["output"]]
    by_use = np.lexsort((at, operand))
    factors = terms["sign"].astype(np.int64) << terms["shift"]
    one, other = factors * lo[terms["operand"]], factors * hi[terms["operand"]]
    sums_lo, sums_hi = np.zeros(dag.outputs, np.int64), np.zeros(dag.outputs, np.int64)
    np.add.at(sums_lo, terms["output"], np.minimum(one, other))
    np.add.at(sums_hi, terms["output"], np.maximum(one, other))
    return _Sums(
        dag.inputs,
        nodes,
        lo,
        hi,
        terms,
        np.searchsorted(terms["output"], np.arange(dag.outputs + 1)),
        parent[order],
        np.searchsorted(children[order], np.arange(count + 1)),
        at[by_use],
        np.searchsorted(operand[by_use], np.arange(count + 1)),
        sums_lo,
        sums_hi,
    )


@numba.njit(cache=True, nogil=True)
def _emit(
    sums: _Sums,
    state: _State,
    place: _Place,
    style: Style,
    sweep: np.ndarray,
    accumulators: np.ndarray,
    rooms: np.ndarray,
    nothing: np.void,
    records: np.ndarray,
) -> tuple[int, int, int]:
    """(instructions, additions, sum of their widths); instead of instructions NO_ROOM where ``records`` is too short,
    ACCUMULATOR_FULL or TOO_MANY_LEAVES."""
    count = adds = bit_adds = 0
    for position in range(len(sweep)):
        output = sweep[position]
        leaves, count, more, more_bits = _leaves_of(
            sums, state, place, style, position, output, nothing, records, count
        )
        if leaves < 0:
            return TOO_MANY_LEAVES, 0, 0
        if state.full[0] or count + 3 * (leaves + 1) > len(records):
            return NO_ROOM, 0, 0
        adds += more
        bit_adds += more_bits
        accumulator = accumulators[output]
        lo, hi, offset = accumulator["lo"], accumulator["hi"], accumulator["offset"]
        count, more, more_bits = _accumulate(
            sums, state, place, style, leaves, accumulator, output, rooms[output], nothing, records, count
        )
        if count < 0:
            return ACCUMULATOR_FULL, 0, 0
        if state.full[0]:
            return NO_ROOM, 0, 0
        adds += more
        bit_adds += more_bits
        moved = accumulator["offset"] - offset  # what was added is known exactly
        accumulator["lo"] = max(accumulator["lo"], lo + moved + sums.sums_lo[output])
        accumulator["hi"] = min(accumulator["hi"], hi + moved + sums.sums_hi[output])
        for index in range(leaves):
            value = state.leaves[index, 0]
            if (
                value >= sums.inputs
                and state.status[value] == HERE
                and _next_use(sums, state, value, position) == NEVER
            ):
                _release(state, place, value)
    return count, adds, bit_adds


# --- which temporaries are held -----------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True)
def _next_use(sums: _Sums, state: _State, value: int, position: int) -> int:
    """The sweep position after this one at which a temporary is needed: as a term, or to compute one that is not
    held; NEVER if none."""
    best = NEVER
    state.stack[0] = value - sums.inputs
    depth = 1
    while depth > 0:
        depth -= 1
        node = state.stack[depth]
        index = state.next[node]
        while index < sums.uses_of[node + 1] and sums.uses[index] <= position:
            index += 1
        state.next[node] = index
        if index < sums.uses_of[node + 1]:
            best = min(best, sums.uses[index])
        for k in range(sums.parents_of[node], sums.parents_of[node + 1]):
            parent = sums.parents[k]
            if state.status[parent + sums.inputs] == GONE and depth < len(state.stack):
                state.stack[depth] = parent
                depth += 1
    return best


@numba.njit(cache=True, nogil=True)
def _leaves_of(
    sums: _Sums,
    state: _State,
    place: _Place,
    style: Style,
    position: int,
    output: int,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int, int, int]:
    """Compute the temporaries that are worth holding for an output, and list what is to be summed for it:
    (leaves or -1, next index, additions, sum of their widths)."""
    leaves = adds = bit_adds = 0
    depth = 0
    for index in range(sums.rows[output + 1] - 1, sums.rows[output] - 1, -1):
        term = sums.terms[index]
        depth = _push(state.pending, depth, term["operand"], term["shift"], term["sign"])
    while depth > 0:
        depth -= 1
        value, shift, sign = state.pending[depth, 0], state.pending[depth, 1], state.pending[depth, 2]
        if state.status[value] == GONE and state.refused[value] != position:
            if _next_use(sums, state, value, position) != NEVER:
                count, more, more_bits = _hold(
                    sums, state, place, style, position, value, depth, nothing, records, count
                )
                adds += more
                bit_adds += more_bits
        if state.status[value] == HERE:
            if leaves == len(state.leaves):
                return -1, count, adds, bit_adds
            state.busy[value] = position
            state.leaves[leaves, 0], state.leaves[leaves, 1], state.leaves[leaves, 2] = value, shift, sign
            leaves += 1
        else:
            depth = _push_operands(sums, state, value, shift, sign, depth)
    return _merged(state.leaves, leaves), count, adds, bit_adds


@numba.njit(cache=True, nogil=True)
def _push(pending: np.ndarray, depth: int, value: int, shift: int, sign: int) -> int:
    pending[depth, 0], pending[depth, 1], pending[depth, 2] = value, shift, sign
    return depth + 1


@numba.njit(cache=True, nogil=True)
def _push_operands(sums: _Sums, state: _State, value: int, shift: int, sign: int, depth: int) -> int:
    node = sums.nodes[value - sums.inputs]
    depth = _push(state.pending, depth, node["right"], shift + node["right_shift"], sign * node["right_sign"])
    return _push(state.pending, depth, node["left"], shift + node["left_shift"], sign)


@numba.njit(cache=True, nogil=True)
def _hold(
    sums: _Sums,
    state: _State,
    place: _Place,
    style: Style,
    position: int,
    root: int,
    bottom: int,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int, int]:
    """Compute a temporary, and before it those of its operands that are worth holding too, as far as there is room:
    (next index, additions, sum of their widths). ``bottom``: the first entry of ``pending`` that is not in use."""
    adds = bit_adds = 0
    path = np.empty(len(sums.nodes) + 1, np.int64)
    path[0], depth = root, 1
    state.status[root] = AWAITED
    while depth > 0:
        value = path[depth - 1]
        node = sums.nodes[value - sums.inputs]
        operand = np.int64(-1)
        for candidate in (node["left"], node["right"]):
            if operand < 0 and state.status[candidate] == GONE and state.refused[candidate] != position:
                if _next_use(sums, state, candidate, position) != NEVER:
                    operand = np.int64(candidate)
        if operand >= 0:
            state.status[operand] = AWAITED
            path[depth] = operand
            depth += 1
            continue
        depth -= 1
        count, more, more_bits = _compute(sums, state, place, style, position, value, bottom, nothing, records, count)
        adds += more
        bit_adds += more_bits
    return count, adds, bit_adds


@numba.njit(cache=True, nogil=True)
def _compute(
    sums: _Sums,
    state: _State,
    place: _Place,
    style: Style,
    position: int,
    value: int,
    bottom: int,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int, int]:
    """Compute one temporary from what is held, if there is room: (next index, additions, sum of their widths)."""
    leaves = np.empty((len(state.leaves), 3), np.int64)
    number = 0
    depth = _push_operands(sums, state, value, 0, 1, bottom)
    while depth > bottom:
        depth -= 1
        operand, shift, sign = state.pending[depth, 0], state.pending[depth, 1], state.pending[depth, 2]
        if state.status[operand] == HERE:
            if number == len(leaves):
                state.status[value], state.refused[value] = GONE, position
                return count, 0, 0
            leaves[number, 0], leaves[number, 1], leaves[number, 2] = operand, shift, sign
            number += 1
        else:
            depth = _push_operands(sums, state, operand, shift, sign, depth)
    number = _merged(leaves, number)
    _narrow_first(state, leaves, number)
    column, widest = -1, 0
    if number > 1 and _lead(leaves, 0, number) == 0:
        trial = state.work[1]
        trial["across"] = place.across
        end, _, _, _, widest = _chain(state, leaves, 0, number, 0, trial, place.room, style, nothing, state.scratch, 0)
        kept = state.busy[leaves[:number, 0]]
        state.busy[leaves[:number, 0]] = position  # what is summed here may not give way to the sum
        column = _allocate(sums, state, place, position, value, widest) if end == number else -1
        state.busy[leaves[:number, 0]] = kept
    if column < 0 or count + 3 * number + 3 > len(records):
        state.full[0] = column >= 0
        state.status[value], state.refused[value] = GONE, position
        return count, 0, 0
    target = state.held[value]
    target["column"], target["domain"] = column, 0
    _, count, adds, bit_adds, _ = _chain(
        state, leaves, 0, number, 0, target, place.room, style, nothing, records, count
    )
    confine(target, sums.lo[value], sums.hi[value], style)
    if place.across:
        state.free[column - place.column + target["width"] : column - place.column + widest] = True
    state.status[value], state.busy[value] = HERE, position
    for index in range(number):
        operand = leaves[index, 0]
        unused = operand >= sums.inputs and state.status[operand] == HERE and state.busy[operand] != position
        if unused and _next_use(sums, state, operand, position) == NEVER:
            _release(state, place, operand)
    return count, adds, bit_adds


@numba.njit(cache=True, nogil=True)
def _release(state: _State, place: _Place, value: int) -> None:
    start = state.held[value]["column"] - place.column
    state.free[start : start + (state.held[value]["width"] if place.across else 1)] = True
    state.status[value] = GONE


@numba.njit(cache=True, nogil=True)
def _allocate(sums: _Sums, state: _State, place: _Place, position: int, value: int, width: int) -> int:
    """The first column of a free place, made free where need be by temporaries used later than ``value``; or -1."""
    extent = width if place.across else 1
    mine = _next_use(sums, state, value, position)
    while True:
        run = 0
        for column in range(len(state.free)):
            run = run + 1 if state.free[column] else 0
            if run == extent:
                state.free[column + 1 - extent : column + 1] = False
                return place.column + column + 1 - extent
        furthest, victim = mine, -1
        for other in range(sums.inputs, len(state.status)):
            if state.status[other] == HERE and state.busy[other] != position:
                use = _next_use(sums, state, other, position)
                if use > furthest:
                    furthest, victim = use, other
        if victim < 0:
            return -1
        _release(state, place, victim)


# --- sums ---------------------------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True)
def _accumulate(
    sums: _Sums,
    state: _State,
    place: _Place,
    style: Style,
    leaves: int,
    accumulator: np.void,
    output: int,
    room: int,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int, int]:
    """accumulator += the leaves, by way of narrow sums where there is a place for them: (next index or NO_ROOM,
    additions, sum of their widths)."""
    _narrow_first(state, state.leaves, leaves)
    total = state.work[0]
    total["column"], total["domain"], total["across"] = place.column, 0, place.across
    total_room = min(place.total, place.room) if place.across else place.room
    begin = adds = bit_adds = 0
    while begin < leaves:
        end = begin
        if place.total > 0 and leaves - begin > 1:
            shift = _lead(state.leaves, begin, leaves)
            end, count, more, more_bits, _ = _chain(
                state, state.leaves, begin, leaves, shift, total, total_room, style, nothing, records, count
            )
            adds += more
            bit_adds += more_bits
        if end > begin:
            if begin == 0 and end == leaves:
                confine(total, sums.sums_lo[output] >> shift, sums.sums_hi[output] >> shift, style)
            count, width = add_in(records, count, accumulator, total, shift, total["sign"], room, style, nothing)
            begin = end
        else:
            leaf = state.held[state.leaves[begin, 0]]
            shift, sign = state.leaves[begin, 1], state.leaves[begin, 2] * leaf["sign"]
            count, width = add_in(records, count, accumulator, leaf, shift, sign, room, style, nothing)
            begin += 1
        if count == NO_ROOM:
            return count, adds, bit_adds
        adds += 1 if width > 0 else 0
        bit_adds += width
    return count, adds, bit_adds


@numba.njit(cache=True, nogil=True)
def _merged(leaves: np.ndarray, number: int) -> int:
    """Leaves that are the same value with the same shift, which sharing with cancellation leads to, become one with a
    greater shift or none; returns how many there are."""
    index = 0
    while index < number:
        twin = index + 1
        while twin < number and (leaves[twin, 0] != leaves[index, 0] or leaves[twin, 1] != leaves[index, 1]):
            twin += 1
        if twin == number:
            index += 1
            continue
        same = leaves[twin, 2] == leaves[index, 2]
        number -= 1
        leaves[twin] = leaves[number]
        if same:
            leaves[index, 1] += 1
        else:
            number -= 1
            leaves[index] = leaves[number]
        index = 0
    return number


@numba.njit(cache=True, nogil=True)
def _narrow_first(state: _State, leaves: np.ndarray, number: int) -> None:
    """Sort leaves: the lowest top bit first, then as they are."""
    for index in range(1, number):
        value, shift, sign = leaves[index, 0], leaves[index, 1], leaves[index, 2]
        top = state.held[value]["width"] + shift
        at = index
        while at > 0 and state.held[leaves[at - 1, 0]]["width"] + leaves[at - 1, 1] > top:
            leaves[at] = leaves[at - 1]
            at -= 1
        leaves[at, 0], leaves[at, 1], leaves[at, 2] = value, shift, sign


@numba.njit(cache=True, nogil=True)
def _lead(leaves: np.ndarray, begin: int, number: int) -> int:
    """Bring a leaf of the least shift, which is returned, among the first two."""
    least = begin
    for index in range(begin + 1, number):
        if leaves[index, 1] < leaves[least, 1]:
            least = index
    if least > begin + 1:
        for field in range(3):
            leaves[begin + 1, field], leaves[least, field] = leaves[least, field], leaves[begin + 1, field]
        least = begin + 1
    return leaves[least, 1]


@numba.njit(cache=True, nogil=True)
def _chain(
    state: _State,
    leaves: np.ndarray,
    begin: int,
    number: int,
    shift: int,
    r: np.void,
    room: int,
    style: Style,
    nothing: np.void,
    records: np.ndarray,
    count: int,
) -> tuple[int, int, int, int, int]:
    """r << shift <- the leaves from ``begin`` (at least two, see ``_lead``) on, as far as r has room: (first leaf not
    summed, next index, additions, sum of their widths, the widest r has been)."""
    if count + 3 * (number - begin) + 3 > len(records):
        state.full[0] = True
        return begin, count, 0, 0, 0
    a, b = state.held[leaves[begin, 0]], state.held[leaves[begin + 1, 0]]
    after, width = sum_out(
        records, count, r, a, leaves[begin, 1] - shift, leaves[begin, 2] * a["sign"],
        b, leaves[begin + 1, 1] - shift, leaves[begin + 1, 2] * b["sign"], room, style, nothing,
    )  # fmt: skip
    if after == NO_ROOM:
        return begin, count, 0, 0, 0
    count, adds, bit_adds, widest = after, 1, width, r["width"]
    for index in range(begin + 2, number):
        leaf = state.held[leaves[index, 0]]
        sign = leaves[index, 2] * leaf["sign"] * r["sign"]
        after, width = add_in(records, count, r, leaf, leaves[index, 1] - shift, sign, room, style, nothing)
        if after == NO_ROOM:
            return index, count, adds, bit_adds, widest
        count, widest = after, max(widest, r["width"])
        adds += 1
        bit_adds += width
    return number, count, adds, bit_adds, widest
