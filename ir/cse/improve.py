"""Ruin and recreate: take some temporaries out of a shared group, share again, keep what is not worse.

What is taken out goes with everything built on it. The temporaries that stay are put back wherever both their operands
stand in a row, the greedy shares what is left, and a solution that is slightly worse is kept now and then.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ir.adders import AdderDag, without_dead
from ir.cse.draws import draw, generator
from ir.cse.greedy import extract
from ir.cse.packing import bits_for, pack, unpack

WORK_PER_SECOND = 250_000_000
"""Terms handled in a second. A budget in seconds is a budget in terms, so that every machine finds the same."""

PATIENCE = 3000
"""Steps without a better solution after which none is expected: small groups end long before their budget."""

TEMPERATURE = 0.3
RANDOM = 1 << 30
UNBOUNDED = 2**62


@numba.njit(cache=True, nogil=True)
def _used(
    codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, bits: int, operands: int, nodes: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(uses of every operand by rows and by temporaries that count themselves, uses by rows alone)."""
    by_rows = np.zeros(operands + count, np.int32)
    for row in range(len(starts)):
        for at in range(starts[row], starts[row] + lengths[row]):
            by_rows[codes[at] >> bits] += 1
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
    bits: int,
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
                    gone[codes[at] >> bits] = True
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
    bits: int,
    out: np.ndarray,
    capacity: int,
    stack: np.ndarray,
) -> int:
    """Write a row without the operands that are gone, from ``begin`` on; returns its length, or -1 where it exceeds
    ``capacity``."""
    mask = (1 << bits) - 1
    written = 0
    for at in range(begin, begin + length):
        stack[0] = codes[at]
        depth = 1
        while depth:
            depth -= 1
            code = stack[depth]
            operand, rest = code >> bits, code & mask
            if gone[operand]:
                node = nodes[operand - inputs]
                stack[depth] = node[0] << bits | (rest + 2 * node[1])
                stack[depth + 1] = node[2] << bits | ((rest + 2 * node[3]) ^ (node[4] < 0))
                depth += 2
            else:
                if written == capacity:
                    return -1
                out[begin + written] = renamed[operand] << bits | rest
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
    bits = bits_for(top)
    twice = False
    for at in range(begin, begin + length):
        twice |= position[codes[at] >> 1] >= 0
        position[codes[at] >> 1] = at
    if not twice:
        for k in range(count):
            left, left_shift, right, right_shift, sign = nodes[k]
            for shift in range(top + 1 - max(left_shift, right_shift)):
                at = position[left << (bits - 1) | (shift + left_shift)]
                if at < 0:
                    continue
                other = position[right << (bits - 1) | (shift + right_shift)]
                if other < 0 or ((codes[at] ^ codes[other]) & 1) != (sign < 0):
                    continue
                position[codes[at] >> 1] = -1
                position[codes[other] >> 1] = -1
                codes[at] = (inputs + k) << bits | shift << 1 | (codes[at] & 1)
                position[codes[at] >> 1] = at
                length -= 1
                if other != begin + length:
                    codes[other] = codes[begin + length]
                    position[codes[other] >> 1] = other
    for at in range(begin, begin + length):
        position[codes[at] >> 1] = -1
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
    least: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """One neighbour of a solution: (codes, lengths, nodes, how many nodes, work). Rows start at ``starts`` in both.

    ``plain``: the terms without temporaries and how many a row has. A row that cannot be written without
    cancellations starts again from them.
    """
    plain_codes, plain_lengths = plain
    bits = bits_for(top)
    gone = _choose(codes, starts, lengths, bits, inputs, nodes, count, random)
    uses, by_rows = _used(codes, starts, lengths, bits, inputs, nodes, count)
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
    position = np.full((inputs + kept) << (bits - 1), -1, np.int32)
    stack = np.empty(count + 2, np.int32)
    work = 4 * count + len(codes)
    for row in range(len(starts)):
        begin, most = starts[row], plain_lengths[row]
        for at in range(begin, begin + lengths[row]):
            changed[row] |= gone[codes[at] >> bits]
        length = _inline(codes, begin, lengths[row], gone, renamed, nodes, inputs, bits, new_codes, most, stack)
        if changed[row] and length >= 0:
            length = _reapply(new_codes, begin, length, position, new_nodes, kept, inputs, top)
            work += kept * (top + 1)
        if length < 0:
            changed[row] = True
            new_codes[begin : begin + most] = plain_codes[begin : begin + most]
            length = _reapply(new_codes, begin, most, position, new_nodes, kept, inputs, top)
            work += kept * (top + 1)
        new_lengths[row] = length
    added, visited = extract(
        new_codes, starts, new_lengths, changed, top, inputs + kept, new_nodes[kept:], random, least
    )
    return new_codes, new_lengths, new_nodes, kept + added, work + 2 * visited


@numba.njit(cache=True, nogil=True)
def _cost(
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    bits: int,
    inputs: int,
    nodes: np.ndarray,
    count: int,
    least: int,
) -> int:
    """Additions, where a temporary pays from ``least`` uses on: it costs one addition and ``least`` - 2 more."""
    uses, _ = _used(codes, starts, lengths, bits, inputs, nodes, count)
    return (least - 1) * np.count_nonzero(uses[inputs:]) + lengths.sum()


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
    least: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    bits = bits_for(top)
    cost = _cost(codes, starts, lengths, bits, inputs, nodes, count, least)
    best = (codes, lengths, nodes, count)
    best_cost = cost
    patience = PATIENCE
    while steps > 0 and work > 0 and patience > 0:
        other = _step(plain, codes, starts, lengths, top, inputs, nodes, count, random, least)
        steps -= 1
        patience -= 1
        work -= other[4]
        other_cost = _cost(other[0], starts, other[1], bits, inputs, other[2], other[3], least)
        if other_cost <= cost or draw(random, RANDOM) < RANDOM * math.exp((cost - other_cost) / TEMPERATURE):
            codes, lengths, nodes, count, cost = other[0], other[1], other[2], other[3], other_cost
            if cost < best_cost:
                best, best_cost = (codes, lengths, nodes, count), cost
                patience = PATIENCE
    return best


@numba.njit(cache=True, nogil=True)
def _improve(
    plain_terms: np.ndarray,
    temporaries: np.ndarray,
    terms: np.ndarray,
    inputs: int,
    outputs: int,
    steps: int,
    work: int,
    random: np.ndarray,
    least: int,
) -> tuple[np.ndarray, np.ndarray, bool]:
    """(temporaries, terms, can the shared sums come from the plain ones?)"""
    count, top = len(temporaries), 0
    for k in range(len(plain_terms)):
        top = max(top, plain_terms[k]["shift"])
    for k in range(len(terms)):
        if terms[k]["shift"] > top:
            return temporaries, terms, False
    plain_codes, starts, plain_lengths, _ = pack(plain_terms, inputs, outputs, top)
    shared_codes, shared_starts, lengths, _ = pack(terms, inputs + count, outputs, top)
    if count > len(plain_codes) or (lengths > plain_lengths).any():
        return temporaries, terms, False
    # Rows of a solution stand where the plain rows do: none is ever longer.
    codes = np.zeros_like(plain_codes)
    for row in range(outputs):
        for k in range(lengths[row]):
            codes[starts[row] + k] = shared_codes[shared_starts[row] + k]
    nodes = np.zeros((len(plain_codes) + count + 2, 5), np.int32)
    for k in range(count):
        node = temporaries[k]
        nodes[k, 0], nodes[k, 1], nodes[k, 2], nodes[k, 3] = (
            node["left"],
            node["left_shift"],
            node["right"],
            node["right_shift"],
        )
        nodes[k, 4] = node["right_sign"]
    codes, lengths, nodes, count = _search(
        (plain_codes, plain_lengths), codes, starts, lengths, top, inputs, nodes, count, steps, work, random, least
    )
    new_temporaries, new_terms = unpack(codes, starts, lengths, top, nodes, count)
    return new_temporaries, new_terms, True


def work_for(budget_s: float) -> int:
    """How many terms ``improve`` may handle in ``budget_s`` seconds of a common core, whatever this machine does."""
    return int(budget_s * WORK_PER_SECOND)


def improve(
    plain: AdderDag,
    shared: AdderDag,
    *,
    budget_s: float = math.inf,
    steps: int | None = None,
    seed: int = 0,
    least: int = 2,
) -> AdderDag:
    """A DAG no dearer than ``shared`` in additions; both compute the same sums, ``plain`` has no temporaries.

    A temporary counts as ``least`` - 1 additions: with a higher ``least`` it pays if it is used more often.

    Stops after ``steps``, when the work of ``budget_s`` is done (``work_for``), or when PATIENCE steps in a row found
    nothing better, whichever comes first; ``steps`` or ``budget_s`` must be given (ValueError). The result depends on
    nothing else.
    """
    if steps is None and math.isinf(budget_s):
        raise ValueError("improve needs steps or budget_s")
    work = UNBOUNDED if math.isinf(budget_s) else work_for(budget_s)
    temporaries, terms, fits = _improve(
        plain.terms,
        shared.temporaries,
        shared.terms,
        plain.inputs,
        plain.outputs,
        UNBOUNDED if steps is None else steps,
        work,
        generator(seed),
        least,
    )
    if not fits:
        raise ValueError("the shared sums have more terms, temporaries or shifts than the plain ones")
    return without_dead(AdderDag(plain.lo, plain.hi, temporaries, terms, plain.outputs))
