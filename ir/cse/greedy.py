"""Two-term common subexpressions, the most frequent first, without a table of pairs.

A row holds the terms of one output (``packing``). The pair (i, j, relative shift, relative sign) that most rows hold
becomes a temporary, and so on until no pair occurs twice. Every operand has an upper bound on the count of its best
pair; counts of existing operands never rise, so only operands with the highest bound need be looked at, the rarest
first, and a failed look lowers the bound.

An operand's *places* are its terms seen from the operand: ``row << bits | shift << 1 | negative``.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.adders import NODE, AdderDag
from ir.cse.bits import ones
from ir.cse.draws import draw, generator
from ir.cse.packing import bits_for, pack, unpack

WORD = 64
PLANES_GAIN = 6
"""Counting one operand in 64 rows by bits takes about a sixth of the time of counting one term."""


@numba.njit(cache=True, nogil=True)
def _push(heap: np.ndarray, size: int, key: int) -> int:
    """Put a key into a heap (the least on top) of ``size`` keys; returns the new size."""
    at = size
    while at and heap[(at - 1) // 2] > key:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = key
    return size + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap: np.ndarray, size: int) -> int:
    """Take the least key, heap[0], off a heap of ``size`` keys; returns the new size."""
    size -= 1
    key = heap[size]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = key
    return size


@numba.njit(cache=True, nogil=True)
def _key(operand: int, uses: int, random: np.ndarray) -> int:
    """Orders operands by their uses, and at random where these are equal."""
    return (uses << 44) | (draw(random, 1 << 16) << 28) | operand


@numba.njit(cache=True, nogil=True)
def _own_pairs(
    terms: np.ndarray, top: int, bits: int, visit: int, counts: np.ndarray, seen: np.ndarray, used: np.ndarray
) -> int:
    """Pairs that an operand makes with itself in the same row, disjoint ones only.

    ``terms``: its places, sorted by row. With ``visit`` < 0 the pairs are added to ``counts``
    (delta * 2 + sign) and what was touched is listed in ``seen``; else the lower terms of the disjoint matches of the
    pair ``visit`` are listed. Returns how many were listed.
    """
    shifts, mask = top + 1, (1 << bits) - 1
    listed = 0
    begin = 0
    while begin < len(terms):
        row = terms[begin] >> bits
        end = begin
        while end < len(terms) and terms[end] >> bits == row:
            end += 1
        for pair in range(2, 2 * shifts):
            used[pair] = 0
        for low in range(shifts):
            low_at = -1
            for k in range(begin, end):
                if (terms[k] & mask) >> 1 == low:
                    low_at = k
            if low_at < 0:
                continue
            for k in range(begin, end):
                high = (terms[k] & mask) >> 1
                if high <= low:
                    continue
                pair = (high - low) * 2 + ((terms[k] ^ terms[low_at]) & 1)
                if used[pair] >> low & 1:
                    continue
                used[pair] |= (np.int64(1) << low) | (np.int64(1) << high)
                if visit < 0:
                    if counts[pair] == 0:
                        seen[listed] = pair
                        listed += 1
                    counts[pair] += 1
                elif visit == pair:
                    seen[listed] = terms[low_at]
                    listed += 1
        begin = end
    return listed


@numba.njit(cache=True, nogil=True)
def _find(codes: np.ndarray, begin: int, end: int, code: int) -> int:
    for at in range(begin, end):
        if codes[at] == code:
            return at
    return -1


@numba.njit(cache=True, nogil=True)
def _look_at_terms(
    first: int,
    bound: int,
    places: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    top: int,
    bits: int,
    uses: np.ndarray,
    counts: np.ndarray,
    touched: np.ndarray,
    random: np.ndarray,
) -> tuple[int, int, int]:
    """Count the pairs of an operand: (the highest count, the rarest partner if that is ``bound`` and else -1, terms
    visited). A partner is its code with shift + top. ``counts``: zeros, and left so."""
    codes, starts, lengths = rows
    n_touched = 0
    visited = 0
    mask = (1 << bits) - 1
    for place in places:
        row, rest = place >> bits, place & mask
        offset, negative = 2 * top - (rest & ~1), rest & 1
        visited += lengths[row]
        for at in range(starts[row], starts[row] + lengths[row]):
            key = np.uint32((codes[at] + offset) ^ negative)
            touched[n_touched] = key
            n_touched += counts[key] == 0
            counts[key] += 1
    counts[first << bits : (first + 1) << bits] = 0
    best = 1
    for k in range(n_touched):
        best = max(best, counts[touched[k]])
    chosen, ties = -1, 0
    for k in range(n_touched):
        partner = touched[k]
        if best == bound and counts[partner] == bound:
            if chosen < 0 or uses[partner >> bits] < uses[chosen >> bits]:
                chosen, ties = partner, 1
            elif uses[partner >> bits] == uses[chosen >> bits]:
                ties += 1
                if draw(random, ties) == 0:
                    chosen = partner
        counts[partner] = 0
    return best, chosen, visited


@numba.njit(cache=True, nogil=True)
def _look_at_planes(
    first: int,
    bound: int,
    planes: np.ndarray,
    operands: int,
    uses: np.ndarray,
    same: np.ndarray,
    diff: np.ndarray,
    random: np.ndarray,
) -> tuple[int, int, int]:
    """``_look_at_terms`` of ternary sums, by bits: plane [word, negative, operand] holds 64 rows."""
    same[:operands] = 0
    diff[:operands] = 0
    for word in range(len(planes)):
        plus, minus = planes[word, 0], planes[word, 1]
        first_plus, first_minus = plus[first], minus[first]
        if first_plus | first_minus:
            for k in range(operands):
                same[k] += np.int32(ones((first_plus & plus[k]) | (first_minus & minus[k])))
                diff[k] += np.int32(ones((first_plus & minus[k]) | (first_minus & plus[k])))
    same[first] = diff[first] = 0
    best = np.int32(1)
    for k in range(operands):
        best = max(best, max(same[k], diff[k]))
    chosen, ties = -1, 0
    if best == bound:
        for k in range(operands):
            if same[k] < bound and diff[k] < bound:
                continue
            for negative in range(2):
                if (diff[k] if negative else same[k]) == bound:
                    if chosen < 0 or uses[k] < uses[chosen >> 1]:
                        chosen, ties = k << 1 | negative, 1
                    elif uses[k] == uses[chosen >> 1]:
                        ties += 1
                        if draw(random, ties) == 0:
                            chosen = k << 1 | negative
    return int(best), chosen, 1 + len(planes) * operands // PLANES_GAIN


@numba.njit(cache=True, nogil=True)
def extract(
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    changed: np.ndarray,
    top: int,
    operands: int,
    nodes: np.ndarray,
    random: np.ndarray,
    least: int = 2,
) -> tuple[int, int]:
    """Share pairs until none occurs ``least`` (at least 2) times.

    ``codes``, ``starts``, ``lengths``: packed rows with shifts up to ``top``, updated in place.
    ``changed``: bool per row; pairs must occur at most once in the rows that are not changed. ``operands``: how many
    there are; new temporaries are appended to ``nodes`` (at least half as many as there are terms). Returns (how many
    temporaries were added, work in terms visited).
    """
    rows, shifts, bits = len(starts), top + 1, bits_for(top)
    mask = (1 << bits) - 1
    total = 0
    for row in range(rows):
        total += lengths[row]
    limit = operands + total // 2 + 1

    uses = np.zeros(limit, np.int32)
    bucket = np.zeros(limit, np.int32)
    for row in range(rows):
        for at in range(starts[row], starts[row] + lengths[row]):
            uses[codes[at] >> bits] += 1
            bucket[codes[at] >> bits] += changed[row]
    where = np.zeros(limit, np.int64)
    for operand in range(1, operands):
        where[operand] = where[operand - 1] + uses[operand - 1]
    pool = np.empty(2 * total + 1, np.int32)
    words = (rows + WORD - 1) // WORD
    by_planes = top == 0 and total * total * PLANES_GAIN > rows * operands * words * operands
    planes = np.zeros((words if by_planes else 0, 2, limit), np.uint64)
    uses[:] = 0
    for row in range(rows):
        for at in range(starts[row], starts[row] + lengths[row]):
            operand, rest = codes[at] >> bits, codes[at] & mask
            pool[where[operand] + uses[operand]] = row << bits | rest
            uses[operand] += 1
            if by_planes:
                planes[row // WORD, rest, operand] |= np.uint64(1) << np.uint64(row % WORD)
    pool_end = total

    bound = 1
    for operand in range(operands):
        bucket[operand] = min(uses[operand], 1 + bucket[operand])
        bound = max(bound, bucket[operand])
    # Operands of lower bounds wait in lists. Those of the top bound are in a heap, the rarest first; where an operand
    # was used since or has another bound now, its key there is ignored.
    head = np.full(bound + 1, -1, np.int32)
    following = np.full(limit, -1, np.int32)
    for operand in range(operands):
        if bucket[operand] > 1:
            following[operand] = head[bucket[operand]]
            head[bucket[operand]] = operand
    heap = np.empty(3 * limit, np.int64)
    heaped = 0

    counts = np.zeros(limit << bits, np.int32)
    touched = np.empty((limit << bits) + 1, np.int32)
    own = np.zeros(2 * shifts, np.int32)
    own_used = np.zeros(2 * shifts, np.int64)
    own_seen = np.empty(max(2 * shifts, total if top else 0), np.int32)
    stamp = np.zeros(rows << (bits - 1), np.int32)
    added = work = 0
    while bound >= least:
        operand = head[bound]
        head[bound] = -1
        while operand >= 0:
            after = following[operand]
            if uses[operand] >= bound:
                heaped = _push(heap, heaped, _key(operand, uses[operand], random))
            else:
                bucket[operand] = uses[operand]
                following[operand] = head[uses[operand]]
                head[uses[operand]] = operand
            operand = after
        if heaped == 0:
            bound -= 1
            continue
        first = heap[0] & ((1 << 28) - 1)
        stale = heap[0] >> 44 != uses[first] or bucket[first] != bound
        heaped = _pop(heap, heaped)
        if stale:
            continue

        mine = pool[where[first] : where[first] + uses[first]]
        if by_planes and len(mine) * total * PLANES_GAIN > rows * words * (operands + added):
            best, chosen, visited = _look_at_planes(
                first, bound, planes, operands + added, uses, counts, touched, random
            )
            counts[: operands + added] = 0
        else:
            best, chosen, visited = _look_at_terms(
                first, bound, mine, (codes, starts, lengths), top, bits, uses, counts, touched, random
            )
        work += visited
        with_itself = -1
        if top:
            for k in range(_own_pairs(mine, top, bits, -1, own, own_seen, own_used)):
                pair = own_seen[k]
                if own[pair] > best:
                    best, with_itself = own[pair], pair
                own[pair] = 0
        if best < bound:
            bucket[first] = best
            following[first] = head[best]
            head[best] = first
            continue

        temporary = operands + added
        node = nodes[added]
        added += 1
        where[temporary] = pool_end
        if with_itself >= 0:
            second, delta, turned = first, with_itself >> 1, with_itself & 1
            matches = _own_pairs(mine, top, bits, with_itself, own, own_seen, own_used)
            for k in range(matches):
                pool[pool_end + k] = own_seen[k]
        else:
            second, delta, turned = chosen >> bits, ((chosen & mask) >> 1) - top, chosen & 1
            matches = 0
            for place in mine:
                row, shift, negative = place >> bits, (place & mask) >> 1, place & 1
                if 0 <= shift + delta < shifts:
                    partner = second << bits | (shift + delta) << 1 | (negative ^ turned)
                    if _find(codes, starts[row], starts[row] + lengths[row], partner) >= 0:
                        pool[pool_end + matches] = place
                        matches += 1
        node[0], node[1], node[2], node[3], node[4] = first, max(0, -delta), second, max(0, delta), 1 - 2 * turned

        # pool[pool_end:] now lists the places of the first operand; rewrite their rows, then the lists of both.
        for k in range(pool_end, pool_end + matches):
            place = pool[k]
            row, shift, negative = place >> bits, (place & mask) >> 1, place & 1
            begin, end = starts[row], starts[row] + lengths[row]
            low = min(shift, shift + delta)
            at = _find(codes, begin, end, first << bits | shift << 1 | negative)
            codes[at] = temporary << bits | low << 1 | negative
            at = _find(codes, begin, end, second << bits | (shift + delta) << 1 | (negative ^ turned))
            codes[at] = codes[end - 1]
            lengths[row] -= 1
            pool[k] = row << bits | low << 1 | negative
            stamp[place >> 1] = 2 * temporary
            if second == first:
                stamp[(place >> 1) + delta] = 2 * temporary
            if by_planes:
                word, bit = row // WORD, np.uint64(1) << np.uint64(row % WORD)
                planes[word, negative, first] ^= bit
                planes[word, negative ^ turned, second] ^= bit
                planes[word, negative, temporary] |= bit
        total -= matches
        kept = 0
        for place in mine:
            if stamp[place >> 1] != 2 * temporary:
                pool[where[first] + kept] = place
                kept += 1
        uses[first] = kept
        if second != first:
            for k in range(pool_end, pool_end + matches):
                stamp[(pool[k] >> 1) + max(0, delta)] = 2 * temporary + 1
            kept = 0
            for k in range(where[second], where[second] + uses[second]):
                if stamp[pool[k] >> 1] != 2 * temporary + 1:
                    pool[where[second] + kept] = pool[k]
                    kept += 1
            uses[second] = kept
        uses[temporary] = matches
        pool_end += matches
        bucket[temporary] = bound
        heaped = _push(heap, heaped, _key(temporary, matches, random))
        for operand in (first, second):
            if bucket[operand] != bound:
                continue
            if uses[operand] >= bound:
                heaped = _push(heap, heaped, _key(operand, uses[operand], random))
            else:
                bucket[operand] = uses[operand]
                following[operand] = head[uses[operand]]
                head[uses[operand]] = operand
    return added, work


@numba.njit(cache=True, nogil=True)
def _share(
    terms: np.ndarray, inputs: int, outputs: int, random: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """(temporaries, terms, were there two terms of an output with the same operand and shift)."""
    top = 0
    for k in range(len(terms)):
        top = max(top, terms[k]["shift"])
    codes, starts, lengths, twice = pack(terms, inputs, outputs, top)
    if twice:
        return np.empty(0, NODE), terms[:0].copy(), True
    nodes = np.empty((len(codes) // 2 + 1, 5), np.int32)
    changed = np.ones(outputs, np.bool_)
    added, _ = extract(codes, starts, lengths, changed, top, inputs, nodes, random, least)
    temporaries, shared = unpack(codes, starts, lengths, top, nodes, added)
    return temporaries, shared, False


def share_pairs(dag: AdderDag, *, seed: int = 0, least: int = 2) -> AdderDag:
    """Share two-term sums greedily; ``seed`` decides between equally good pairs. Those that would be used less than
    ``least`` (at least 2) times are left alone.

    ``dag`` has no temporaries, and no two terms of an output have the same operand and shift (ValueError).
    """
    if len(dag.temporaries):
        raise ValueError("pairs are shared in sums without temporaries")
    temporaries, terms, twice = _share(dag.terms, dag.inputs, dag.outputs, generator(seed), least)
    if twice:
        raise ValueError("an output has two terms with the same operand and the same shift")
    return AdderDag(dag.lo, dag.hi, temporaries, terms, dag.outputs)
