"""Ruin and recreate: take some temporaries out of a shared group, share again, keep what is not worse.

What is taken out goes with everything built on it. The temporaries that stay are put back wherever both their operands
stand in a row, the greedy shares what is left, and a solution that is slightly worse is kept now and then.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ir.adders import AdderDag, without_dead
from ir.cse.greedy import draw, extract, generator, pack, unpack

WORK_PER_SECOND = 150_000_000
"""Terms handled in a second. A budget in seconds is a budget in terms, so that every machine finds the same."""

TEMPERATURE = 0.3
RANDOM = 1 << 30


@numba.njit(cache=True, nogil=True)
def _used(
    codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, width: int, operands: int, nodes: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(uses of every operand by rows and by temporaries that count themselves, uses by rows alone)."""
    by_rows = np.zeros(operands + count, np.int32)
    for row in range(len(starts)):
        for at in range(starts[row], starts[row] + lengths[row]):
            by_rows[codes[at] // width] += 1
    uses = by_rows.copy()
    for k in range(count - 1, -1, -1):
        if uses[operands + k]:
            uses[nodes[k, 0]] += 1
            uses[nodes[k, 2]] += 1
    return uses, by_rows


@numba.njit(cache=True, nogil=True)
def _choose(
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    width: int,
    inputs: int,
    nodes: np.ndarray,
    count: int,
    random: np.ndarray,
) -> np.ndarray:
    """Which temporaries go: some at random, those of some rows, or those above some inputs; bool (inputs + count,)."""
    gone = np.zeros(inputs + count, np.bool_)
    kind = draw(random, 3)
    # In thousandths. Small shares are frequent: a step costs less, and more of them are kept.
    share = 5 + draw(random, 1 + draw(random, 1 + draw(random, 200)))
    if kind == 0:
        for k in range(count):
            gone[inputs + k] = draw(random, 1000) < share
    elif kind == 1:
        for row in range(len(starts)):
            if draw(random, 1000) < share:
                for at in range(starts[row], starts[row] + lengths[row]):
                    gone[codes[at] // width] = True
    else:
        for _ in range(1 + inputs * share // 2000):
            gone[draw(random, inputs)] = True
        for k in range(count):
            gone[inputs + k] = gone[nodes[k, 0]] or gone[nodes[k, 2]]
    gone[:inputs] = False
    return gone


@numba.njit(cache=True, nogil=True)
def _inline(
    codes: np.ndarray,
    begin: int,
    length: int,
    gone: np.ndarray,
    renamed: np.ndarray,
    nodes: np.ndarray,
    inputs: int,
    top: int,
    out: np.ndarray,
    out_begin: int,
    capacity: int,
    stack: np.ndarray,
) -> int:
    """Write a row without the operands that are gone; returns its length, or -1 where it exceeds ``capacity``."""
    deltas = 2 * top + 1
    width = 2 * deltas
    written = 0
    for at in range(begin, begin + length):
        stack[0] = codes[at]
        depth = 1
        while depth:
            depth -= 1
            code = stack[depth]
            operand = code // width
            if gone[operand]:
                node = nodes[operand - inputs]
                shift, negative = code // 2 % deltas, code & 1
                stack[depth] = (node[0] * deltas + shift + node[1]) * 2 + negative
                stack[depth + 1] = (node[2] * deltas + shift + node[3]) * 2 + (negative ^ (node[4] < 0))
                depth += 2
            else:
                if written == capacity:
                    return -1
                out[out_begin + written] = renamed[operand] * width + (code - operand * width)
                written += 1
    return written


@numba.njit(cache=True, nogil=True)
def _reapply(
    codes: np.ndarray,
    begin: int,
    length: int,
    position: np.ndarray,
    nodes: np.ndarray,
    count: int,
    inputs: int,
    top: int,
) -> int:
    """Replace pairs of a row by the temporaries that are their sums.

    ``position``: int32 per operand and shift, all -1, and left so. Returns the row's new length, or -1 where an operand
    occurs twice at the same shift.
    """
    deltas = 2 * top + 1
    twice = False
    for at in range(begin, begin + length):
        twice |= position[codes[at] // 2] >= 0
        position[codes[at] // 2] = at
    if not twice:
        for k in range(count):
            left, left_shift, right, right_shift, sign = nodes[k]
            for shift in range(top + 1 - max(left_shift, right_shift)):
                at = position[left * deltas + shift + left_shift]
                if at < 0:
                    continue
                other = position[right * deltas + shift + right_shift]
                if other < 0 or ((codes[at] ^ codes[other]) & 1) != (sign < 0):
                    continue
                position[codes[at] // 2] = -1
                position[codes[other] // 2] = -1
                codes[at] = ((inputs + k) * deltas + shift) * 2 + (codes[at] & 1)
                position[codes[at] // 2] = at
                length -= 1
                if other != begin + length:
                    codes[other] = codes[begin + length]
                    position[codes[other] // 2] = other
    for at in range(begin, begin + length):
        position[codes[at] // 2] = -1
    return -1 if twice else length


@numba.njit(cache=True, nogil=True)
def _step(
    plain: tuple[np.ndarray, np.ndarray],
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    top: int,
    inputs: int,
    nodes: np.ndarray,
    count: int,
    random: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """One neighbour of a solution: (codes, lengths, nodes, how many nodes, work). Rows start at ``starts`` in both.

    ``plain``: the terms without temporaries and how many a row has. A row that cannot be written without
    cancellations starts again from them.
    """
    plain_codes, plain_lengths = plain
    width = 2 * (2 * top + 1)
    gone = _choose(codes, starts, lengths, width, inputs, nodes, count, random)
    uses, by_rows = _used(codes, starts, lengths, width, inputs, nodes, count)
    renamed = np.arange(inputs + count)
    new_nodes = np.empty_like(nodes)
    kept = 0
    for k in range(count):
        node = nodes[k]
        operand = inputs + k
        # A temporary that one row alone uses saves nothing: the row gets its operands back.
        gone[operand] |= (
            gone[node[0]] or gone[node[2]] or uses[operand] == 0 or (uses[operand] == by_rows[operand] == 1)
        )
        if not gone[operand]:
            renamed[operand] = inputs + kept
            new_nodes[kept] = node
            new_nodes[kept, 0] = renamed[node[0]]
            new_nodes[kept, 2] = renamed[node[2]]
            kept += 1

    new_codes = np.empty_like(codes)
    new_lengths = np.empty_like(lengths)
    changed = np.zeros(len(starts), np.bool_)
    position = np.full((inputs + kept) * (2 * top + 1), -1, np.int32)
    stack = np.empty(count + 2, np.int32)
    work = 4 * count + len(codes)
    for row in range(len(starts)):
        begin = starts[row]
        for at in range(begin, begin + lengths[row]):
            changed[row] |= gone[codes[at] // width]
        new_lengths[row] = _inline(
            codes, begin, lengths[row], gone, renamed, nodes, inputs, top, new_codes, begin, plain_lengths[row], stack
        )
        if new_lengths[row] >= 0 and changed[row]:
            new_lengths[row] = _reapply(new_codes, begin, new_lengths[row], position, new_nodes, kept, inputs, top)
            work += kept * (top + 1)
        if new_lengths[row] < 0:
            changed[row] = True
            new_codes[begin : begin + plain_lengths[row]] = plain_codes[begin : begin + plain_lengths[row]]
            new_lengths[row] = _reapply(new_codes, begin, plain_lengths[row], position, new_nodes, kept, inputs, top)
            work += kept * (top + 1)
    added, visited = extract(new_codes, starts, new_lengths, changed, top, inputs + kept, new_nodes[kept:], random)
    return new_codes, new_lengths, new_nodes, kept + added, work + 2 * visited


@numba.njit(cache=True, nogil=True)
def _cost(
    codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, width: int, inputs: int, nodes: np.ndarray, count: int
) -> int:
    uses, _ = _used(codes, starts, lengths, width, inputs, nodes, count)
    return np.count_nonzero(uses[inputs:]) + lengths.sum()


@numba.njit(cache=True, nogil=True)
def _search(
    plain: tuple[np.ndarray, np.ndarray],
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    top: int,
    inputs: int,
    nodes: np.ndarray,
    count: int,
    steps: int,
    work: int,
    random: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    width = 2 * (2 * top + 1)
    cost = _cost(codes, starts, lengths, width, inputs, nodes, count)
    best = (codes, lengths, nodes, count)
    best_cost = cost
    while steps > 0 and work > 0:
        other = _step(plain, codes, starts, lengths, top, inputs, nodes, count, random)
        steps -= 1
        work -= other[4]
        other_cost = _cost(other[0], starts, other[1], width, inputs, other[2], other[3])
        if other_cost <= cost or draw(random, RANDOM) < RANDOM * math.exp((cost - other_cost) / TEMPERATURE):
            codes, lengths, nodes, count, cost = other[0], other[1], other[2], other[3], other_cost
            if cost < best_cost:
                best, best_cost = (codes, lengths, nodes, count), cost
    return best


def work_for(budget_s: float) -> int:
    """How many terms ``improve`` may handle in ``budget_s`` seconds of a common core, whatever this machine does."""
    return int(budget_s * WORK_PER_SECOND)


def improve(
    plain: AdderDag, shared: AdderDag, *, budget_s: float = math.inf, steps: int | None = None, seed: int = 0
) -> AdderDag:
    """A DAG with at most as many additions as ``shared``; both compute the same sums, ``plain`` has no temporaries.

    Stops after ``steps`` or when the work of ``budget_s`` is done (``work_for``), whichever comes first; one of
    them must be given (ValueError). The result depends on nothing else.
    """
    if steps is None and math.isinf(budget_s):
        raise ValueError("improve needs steps or budget_s")
    if not len(plain.terms):
        return shared
    plain_codes, starts, plain_lengths, top = pack(plain.terms, plain.outputs)
    rows = pack(shared.terms, shared.outputs)
    if rows[3] > top or (rows[2] > plain_lengths).any() or len(shared.temporaries) > len(plain_codes):
        raise ValueError("the shared sums have more terms, temporaries or shifts than the plain ones")
    # Rows of ``shared`` go to where the plain rows start: no row of a solution is ever longer than the plain one.
    codes = np.zeros_like(plain_codes)
    shared_codes, shared_starts, lengths, shared_top = rows
    at = np.arange(len(shared_codes)) + np.repeat(starts - shared_starts, lengths)
    shared_deltas, deltas = 2 * shared_top + 1, 2 * top + 1
    operand, shift = np.divmod(shared_codes // 2, shared_deltas)
    codes[at] = (operand * deltas + shift) * 2 + shared_codes % 2
    nodes = np.zeros((len(plain_codes) + len(shared.temporaries) + 2, 5), np.int32)
    for column, name in enumerate(shared.temporaries.dtype.names or ()):
        nodes[: len(shared.temporaries), column] = shared.temporaries[name]
    work = 2**62 if math.isinf(budget_s) else work_for(budget_s)
    best_codes, best_lengths, best_nodes, count = _search(
        (plain_codes, plain_lengths),
        codes,
        starts,
        lengths,
        top,
        plain.inputs,
        nodes,
        len(shared.temporaries),
        2**62 if steps is None else steps,
        work,
        generator(seed),
    )
    return without_dead(unpack(plain, best_codes, starts, best_lengths, top, best_nodes[:count]))
