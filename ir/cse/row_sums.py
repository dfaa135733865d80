"""Exact intervals of a DAG's operands, and sums of each output's terms in narrow temporaries."""

from __future__ import annotations

import numba
import numpy as np

from ir.adders import NODE, TERM, AdderDag


@numba.njit(cache=True, nogil=True)
def bits_of(lo: int, hi: int) -> int:
    """The width of ``ir.types.IntType.containing(lo, hi)``."""
    magnitude = max(hi, -lo - 1)
    bits = 1 if lo < 0 else 0
    while magnitude > 0:
        magnitude >>= 1
        bits += 1
    return max(bits, 1)


@numba.njit(cache=True, nogil=True)
def _merge(
    index: np.ndarray, weight: np.ndarray, left: tuple[int, int, int], right: tuple[int, int, int], at: int
) -> int:
    """Write the combination left + right, sorted by input, to index[at:], weight[at:]; returns its end.

    ``left``, ``right``: (begin, end, factor) of sorted combinations in the same arrays.
    """
    i, i_end, i_factor = left
    j, j_end, j_factor = right
    while i < i_end or j < j_end:
        value = 0
        if j == j_end or (i < i_end and index[i] <= index[j]):
            place = index[i]
        else:
            place = index[j]
        if i < i_end and index[i] == place:
            value += weight[i] * i_factor
            i += 1
        if j < j_end and index[j] == place:
            value += weight[j] * j_factor
            j += 1
        if value:
            index[at], weight[at] = place, value
            at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _interval(
    index: np.ndarray, weight: np.ndarray, begin: int, end: int, lo: np.ndarray, hi: np.ndarray
) -> tuple[int, int]:
    low, high = 0, 0
    for k in range(begin, end):
        factor = weight[k]
        if factor > 0:
            low += factor * lo[index[k]]
            high += factor * hi[index[k]]
        else:
            low += factor * hi[index[k]]
            high += factor * lo[index[k]]
    return low, high


@numba.njit(cache=True, nogil=True)
def _combinations(
    lo: np.ndarray, hi: np.ndarray, nodes: np.ndarray, spare: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What every operand is as a combination of inputs: (index int32, weight int64, starts, lo, hi).

    Operand v is index[starts[v]:starts[v + 1]], weight[...]. The arrays end with ``spare`` unused places.
    """
    inputs = len(lo)
    index = np.empty(2 * inputs + 8 * len(nodes) + spare, np.int32)
    weight = np.empty(len(index), np.int64)
    starts = np.zeros(inputs + len(nodes) + 1, np.int64)
    los, his = np.empty(inputs + len(nodes), np.int64), np.empty(inputs + len(nodes), np.int64)
    for i in range(inputs):
        index[i], weight[i], starts[i + 1] = i, 1, i + 1
        los[i], his[i] = lo[i], hi[i]
    for k in range(len(nodes)):
        operand, node = inputs + k, nodes[k]
        left, right = node["left"], node["right"]
        begin = starts[operand]
        most = begin + starts[left + 1] - starts[left] + starts[right + 1] - starts[right]
        if most + spare > len(index):
            grown_index, grown_weight = np.empty(2 * most + spare, np.int32), np.empty(2 * most + spare, np.int64)
            grown_index[:begin], grown_weight[:begin] = index[:begin], weight[:begin]
            index, weight = grown_index, grown_weight
        end = _merge(
            index,
            weight,
            (starts[left], starts[left + 1], 1 << node["left_shift"]),
            (starts[right], starts[right + 1], node["right_sign"] * (1 << node["right_shift"])),
            begin,
        )
        starts[operand + 1] = end
        los[operand], his[operand] = _interval(index, weight, begin, end, lo, hi)
    return index, weight, starts, los, his


def intervals(dag: AdderDag) -> tuple[np.ndarray, np.ndarray]:
    """(lo, hi), int64, of all operands, inputs first: the exact range of the combination of independent inputs."""
    _, _, _, lo, hi = _combinations(dag.lo, dag.hi, dag.temporaries, 0)
    return lo, hi


@numba.njit(cache=True, nogil=True)
def _sum_rows(
    lo: np.ndarray, hi: np.ndarray, old: np.ndarray, terms: np.ndarray, starts: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """New temporaries and one term a row; ``terms``: TERM sorted by output, row r is terms[starts[r]:starts[r + 1]]."""
    inputs, count = len(lo), len(old)
    spare = longest * (inputs + 1)
    index, weight, begins, los, his = _combinations(lo, hi, old, spare)
    operands = inputs + count
    scratch = begins[operands]
    nodes = np.zeros(count + len(terms), NODE)
    nodes[:count] = old
    summed = np.zeros(len(starts) - 1, TERM)
    uses = np.zeros(operands, np.int32)
    for node in old:
        uses[node["left"]] += 1
        uses[node["right"]] += 1
    for term in terms:
        uses[term["operand"]] += 1

    rows = 0
    for row in range(len(starts) - 1):
        size = starts[row + 1] - starts[row]
        if not size:
            continue
        pending = terms[starts[row] : starts[row + 1]].copy()
        begin, end = np.empty(size, np.int64), np.empty(size, np.int64)
        low, high = np.empty(size, np.int64), np.empty(size, np.int64)
        dies = np.empty(size, np.bool_)
        for k in range(size):
            operand = pending[k]["operand"]
            begin[k], end[k] = begins[operand], begins[operand + 1]
            low[k], high[k] = los[operand], his[operand]
            dies[k] = operand >= inputs and uses[operand] == 1
        free = scratch
        while size > 1:
            # The narrowest term, and the one that makes the narrowest sum with it.
            a = 0
            for k in range(1, size):
                if (high[k] - low[k]) << pending[k]["shift"] < (high[a] - low[a]) << pending[a]["shift"]:
                    a = k
            b, best_bits, best_range = -1, 0, 0
            for k in range(size):
                if k == a:
                    continue
                base = min(pending[k]["shift"], pending[a]["shift"])
                a_low, a_high = low[a] << pending[a]["shift"] - base, high[a] << pending[a]["shift"] - base
                k_low, k_high = low[k] << pending[k]["shift"] - base, high[k] << pending[k]["shift"] - base
                if pending[k]["sign"] == pending[a]["sign"]:
                    bits = bits_of(a_low + k_low, a_high + k_high) + base
                else:
                    bits = min(bits_of(a_low - k_high, a_high - k_low), bits_of(k_low - a_high, k_high - a_low)) + base
                spread = (k_high - k_low) << base
                if b < 0 or (bits, spread) < (best_bits, best_range):
                    b, best_bits, best_range = k, bits, spread
            # The left operand can be overwritten: one that dies, the wider one of two.
            if (dies[b], high[b] - low[b]) > (dies[a], high[a] - low[a]):
                a, b = b, a
            base = min(pending[a]["shift"], pending[b]["shift"])
            same = pending[a]["sign"] == pending[b]["sign"]
            first, second = pending[a]["shift"] - base, pending[b]["shift"] - base
            if not same:
                forward = low[a] << first, high[a] << first, low[b] << second, high[b] << second
                if bits_of(forward[2] - forward[1], forward[3] - forward[0]) < bits_of(
                    forward[0] - forward[3], forward[1] - forward[2]
                ):
                    a, b, first, second = b, a, second, first
            sign = 1 if same else -1
            node = nodes[count]
            node["left"], node["left_shift"] = pending[a]["operand"], first
            node["right"], node["right_shift"], node["right_sign"] = pending[b]["operand"], second, sign
            done = _merge(index, weight, (begin[a], end[a], 1 << first), (begin[b], end[b], sign * (1 << second)), free)
            pending[a]["operand"], pending[a]["shift"] = inputs + count, base
            begin[a], end[a], dies[a] = free, done, True
            low[a], high[a] = _interval(index, weight, free, done, lo, hi)
            free = done
            count += 1
            size -= 1
            pending[b], begin[b], end[b], dies[b] = pending[size], begin[size], end[size], dies[size]
            low[b], high[b] = low[size], high[size]
        summed[rows] = pending[0]
        rows += 1
    return nodes[:count], summed[:rows]


def row_sums(dag: AdderDag) -> AdderDag:
    """The DAG with at most one term an output: the others are summed in temporaries, narrowest first.

    Sums of two terms cost additions of narrow temporaries instead of additions to a wide accumulator.
    """
    if not len(dag.terms):
        return dag
    terms = dag.terms[np.argsort(dag.terms["output"], kind="stable")]
    counts = np.bincount(terms["output"], minlength=dag.outputs)
    starts = np.concatenate([[0], np.cumsum(counts)])
    nodes, summed = _sum_rows(dag.lo, dag.hi, dag.temporaries, terms, starts, int(counts.max()))
    return AdderDag(dag.lo, dag.hi, nodes, summed, dag.outputs)
