"""Two-term common subexpressions, the most frequent first, without a table of pairs.

A row holds the terms of one output. The pair (i, j, relative shift, relative sign) that most rows hold becomes a
temporary, and so on until no pair occurs twice. Every operand has an upper bound on the count of its best pair and
waits in the bucket of that bound; counts of existing operands never rise, so only the top bucket need be looked at,
one operand at a time, and a failed look lowers its bound.

Terms are packed as ``code = (operand * deltas + shift) * 2 + negative`` with ``deltas = 2 * top + 1``, ``top`` being
the highest shift: the pair that a term makes with an operand at (shift, negative) is one addition and one xor away.
"""

from __future__ import annotations

import numba
import numpy as np

from ir.adders import NODE, TERM, AdderDag

SCAN = 4096
"""How many operands of the top bucket compete for being the rarest."""


@numba.njit(cache=True, nogil=True)
def draw(state: np.ndarray, bound: int) -> int:
    """A pseudo-random integer below ``bound`` (at most 2**31); ``state``: uint64 (1,), advanced (xorshift64*)."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return int(((x * np.uint64(2685821657736338717)) >> np.uint64(33)) % np.uint64(bound))


def generator(seed: int) -> np.ndarray:
    """The state of ``draw`` for a seed, any integer."""
    return np.array([(seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64 | 1], np.uint64)


@numba.njit(cache=True, nogil=True)
def _unlink(operand: int, bucket: int, head: np.ndarray, following: np.ndarray, previous: np.ndarray) -> None:
    if previous[operand] >= 0:
        following[previous[operand]] = following[operand]
    else:
        head[bucket] = following[operand]
    if following[operand] >= 0:
        previous[following[operand]] = previous[operand]


@numba.njit(cache=True, nogil=True)
def _link(operand: int, bucket: int, head: np.ndarray, following: np.ndarray, previous: np.ndarray) -> None:
    previous[operand] = -1
    following[operand] = head[bucket]
    if head[bucket] >= 0:
        previous[head[bucket]] = operand
    head[bucket] = operand


@numba.njit(cache=True, nogil=True)
def _rarest(
    bucket: np.ndarray,
    bound: int,
    head: np.ndarray,
    following: np.ndarray,
    previous: np.ndarray,
    lengths: np.ndarray,
    random: np.ndarray,
) -> int:
    """The operand with the fewest terms among the first of a bucket; those with fewer than ``bound`` move down."""
    best, ties, scanned = -1, 0, 0
    operand = head[bound]
    while operand >= 0 and scanned < SCAN:
        after = following[operand]
        length = lengths[operand]
        if length < bound:
            _unlink(operand, bound, head, following, previous)
            bucket[operand] = length
            if length > 1:
                _link(operand, length, head, following, previous)
        else:
            scanned += 1
            if best < 0 or length < lengths[best]:
                best, ties = operand, 1
            elif length == lengths[best]:
                ties += 1
                if draw(random, ties) == 0:
                    best = operand
        operand = after
    return best


@numba.njit(cache=True, nogil=True)
def _own_pairs(terms: np.ndarray, top: int, visit: int, counts: np.ndarray, seen: np.ndarray, used: np.ndarray) -> int:
    """Pairs that an operand makes with itself in the same row, disjoint ones only.

    ``terms``: its (row, shift, negative), packed, sorted by row. With ``visit`` < 0 the pairs are added to ``counts``
    (delta * 2 + sign) and what was touched is listed in ``seen``; else the lower terms of the disjoint matches of the
    pair ``visit`` are listed. Returns how many were listed.
    """
    shifts = top + 1
    listed = 0
    begin = 0
    while begin < len(terms):
        row = terms[begin] // (2 * shifts)
        end = begin
        while end < len(terms) and terms[end] // (2 * shifts) == row:
            end += 1
        for pair in range(2, 2 * shifts):
            used[pair] = 0
        for low in range(shifts):
            low_at = -1
            for k in range(begin, end):
                if terms[k] // 2 % shifts == low:
                    low_at = k
            if low_at < 0:
                continue
            for k in range(begin, end):
                high = terms[k] // 2 % shifts
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
def extract(
    codes: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    changed: np.ndarray,
    top: int,
    operands: int,
    nodes: np.ndarray,
    random: np.ndarray,
) -> tuple[int, int]:
    """Share pairs until none occurs twice.

    ``codes``: int32, the packed terms; row r is at ``starts[r]``, ``lengths[r]`` long; both are updated in place.
    ``changed``: bool per row; pairs must occur at most once in the rows that are not changed. ``operands``: how many
    there are; new temporaries are appended as rows (left, left_shift, right, right_shift, right_sign) to ``nodes``
    (int32, at least half as many as there are terms). Returns (how many temporaries were added, terms visited).
    """
    rows, shifts, deltas = len(starts), top + 1, 2 * top + 1
    total = 0
    for row in range(rows):
        total += lengths[row]
    limit = operands + total // 2 + 1
    width = 2 * deltas

    uses = np.zeros(limit, np.int32)
    bucket = np.zeros(limit, np.int32)
    for row in range(rows):
        for at in range(starts[row], starts[row] + lengths[row]):
            uses[codes[at] // width] += 1
            bucket[codes[at] // width] += changed[row]
    where = np.zeros(limit, np.int64)
    for operand in range(1, operands):
        where[operand] = where[operand - 1] + uses[operand - 1]
    pool = np.empty(2 * total + 1, np.int32)
    uses[:] = 0
    for row in range(rows):
        for at in range(starts[row], starts[row] + lengths[row]):
            operand = codes[at] // width
            rest = codes[at] - operand * width
            pool[where[operand] + uses[operand]] = row * 2 * shifts + rest
            uses[operand] += 1
    pool_end = total

    bound = 1
    for operand in range(operands):
        bucket[operand] = min(uses[operand], 1 + bucket[operand])
        bound = max(bound, bucket[operand])
    head = np.full(bound + 1, -1, np.int32)
    following = np.full(limit, -1, np.int32)
    previous = np.full(limit, -1, np.int32)
    for operand in range(operands):
        if bucket[operand] > 1:
            _link(operand, bucket[operand], head, following, previous)

    counts = np.zeros(limit * width, np.int32)
    touched = np.empty(limit * width, np.int32)
    own = np.zeros(2 * shifts, np.int32)
    own_used = np.zeros(2 * shifts, np.int64)
    own_seen = np.empty(max(2 * shifts, total), np.int32)
    stamp = np.zeros(rows * shifts, np.int32)
    added = 0
    visited = 0
    while bound > 1:
        if head[bound] < 0:
            bound -= 1
            continue
        first = _rarest(bucket, bound, head, following, previous, uses, random)
        if first < 0:
            continue

        n_touched = 0
        for k in range(where[first], where[first] + uses[first]):
            place = pool[k]
            negative = place & 1
            row = place // (2 * shifts)
            offset = 2 * (top - (place // 2) % shifts)
            begin = starts[row]
            visited += lengths[row]
            for at in range(begin, begin + lengths[row]):
                key = (codes[at] + offset) ^ negative
                if counts[key] == 0:
                    touched[n_touched] = key
                    n_touched += 1
                counts[key] += 1
        best, chosen, ties = 1, -1, 0
        for k in range(n_touched):
            key = touched[k]
            count = counts[key]
            counts[key] = 0
            if count < best:
                continue
            partner = key // width
            if partner == first:
                continue
            if count > best or chosen < 0 or uses[partner] < uses[chosen // width]:
                best, chosen, ties = count, key, 1
            elif uses[partner] == uses[chosen // width]:
                ties += 1
                if draw(random, ties) == 0:
                    chosen = key
        with_itself = -1
        if top:
            mine = pool[where[first] : where[first] + uses[first]]
            for k in range(_own_pairs(mine, top, -1, own, own_seen, own_used)):
                pair = own_seen[k]
                if own[pair] > best:
                    best, with_itself = own[pair], pair
                own[pair] = 0
        if best < bound:
            _unlink(first, bound, head, following, previous)
            bucket[first] = best
            if best > 1:
                _link(first, best, head, following, previous)
            continue

        temporary = operands + added
        node = nodes[added]
        added += 1
        where[temporary] = pool_end
        if with_itself >= 0:
            delta = with_itself // 2
            second = first
            node[0], node[1], node[2], node[3], node[4] = first, 0, first, delta, 1 - 2 * (with_itself & 1)
            matches = _own_pairs(mine, top, with_itself, own, own_seen, own_used)
            for k in range(matches):
                pool[pool_end + k] = own_seen[k]
        else:
            second = chosen // width
            delta = (chosen % width) // 2 - top
            node[0], node[1], node[2], node[3] = first, max(0, -delta), second, max(0, delta)
            node[4] = 1 - 2 * (chosen & 1)
            matches = 0
            for k in range(where[first], where[first] + uses[first]):
                place = pool[k]
                row, shift, negative = place // (2 * shifts), (place // 2) % shifts, place & 1
                if not 0 <= shift + delta < shifts:
                    continue
                partner = (second * deltas + shift + delta) * 2 + (negative ^ (chosen & 1))
                if _find(codes, starts[row], starts[row] + lengths[row], partner) >= 0:
                    pool[pool_end + matches] = place
                    matches += 1

        # pool[pool_end:] now lists the places of the first operand; rewrite their rows, then the lists of both.
        for k in range(pool_end, pool_end + matches):
            place = pool[k]
            row, shift, negative = place // (2 * shifts), (place // 2) % shifts, place & 1
            begin, end = starts[row], starts[row] + lengths[row]
            low = min(shift, shift + delta)
            at = _find(codes, begin, end, (first * deltas + shift) * 2 + negative)
            codes[at] = (temporary * deltas + low) * 2 + negative
            sign = negative if node[4] > 0 else 1 - negative
            at = _find(codes, begin, end, (second * deltas + shift + delta) * 2 + sign)
            codes[at] = codes[end - 1]
            lengths[row] -= 1
            pool[k] = (row * shifts + low) * 2 + negative
            stamp[row * shifts + shift] = 2 * temporary
            if second == first:
                stamp[row * shifts + shift + delta] = 2 * temporary
        kept = 0
        for k in range(where[first], where[first] + uses[first]):
            if stamp[pool[k] // 2] != 2 * temporary:
                pool[where[first] + kept] = pool[k]
                kept += 1
        uses[first] = kept
        if second != first:
            for k in range(pool_end, pool_end + matches):
                row, low = pool[k] // (2 * shifts), (pool[k] // 2) % shifts
                stamp[row * shifts + low + max(0, delta)] = 2 * temporary + 1
            kept = 0
            for k in range(where[second], where[second] + uses[second]):
                if stamp[pool[k] // 2] != 2 * temporary + 1:
                    pool[where[second] + kept] = pool[k]
                    kept += 1
            uses[second] = kept
        uses[temporary] = matches
        pool_end += matches
        _unlink(first, bound, head, following, previous)
        bucket[first] = min(bound, uses[first])
        if bucket[first] > 1:
            _link(first, bucket[first], head, following, previous)
        bucket[temporary] = min(bound, matches)
        if bucket[temporary] > 1:
            _link(temporary, bucket[temporary], head, following, previous)
    return added, visited


def pack(terms: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(codes int32, starts int64, lengths int64, top) of TERM records, row by row.

    ValueError where an output has two terms with the same operand and shift: ``adders.terms_of`` makes none.
    """
    ordered = terms[np.lexsort([terms["shift"], terms["operand"], terms["output"]])]
    place = np.stack([ordered["output"], ordered["operand"], ordered["shift"]])
    if (place[:, 1:] == place[:, :-1]).all(axis=0).any():
        raise ValueError("an output has two terms with the same operand and the same shift")
    top = int(terms["shift"].max(initial=0))
    codes = (ordered["operand"] * (2 * top + 1) + ordered["shift"]) * 2 + (ordered["sign"] < 0)
    lengths = np.bincount(ordered["output"], minlength=outputs).astype(np.int64)
    return codes.astype(np.int32), np.cumsum(lengths) - lengths, lengths, top


def unpack(
    dag: AdderDag, codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, top: int, nodes: np.ndarray
) -> AdderDag:
    """The AdderDag of packed rows and of nodes (n, 5), with the inputs of ``dag``."""
    codes = codes[np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)]
    terms = np.zeros(len(codes), TERM)
    terms["output"] = np.repeat(np.arange(len(starts)), lengths)
    terms["operand"] = codes // (2 * (2 * top + 1))
    terms["shift"] = codes // 2 % (2 * top + 1)
    terms["sign"] = 1 - 2 * (codes & 1)
    temporaries = np.zeros(len(nodes), NODE)
    for column, name in enumerate(NODE.names or ()):
        temporaries[name] = nodes[:, column]
    order = np.lexsort([terms["operand"], terms["output"]])
    return AdderDag(dag.lo, dag.hi, temporaries, terms[order], dag.outputs)


def share_pairs(dag: AdderDag, *, seed: int = 0) -> AdderDag:
    """Share two-term sums greedily; ``seed`` decides between equally good pairs.

    ``dag`` has no temporaries, and no two terms of an output have the same operand and shift (ValueError).
    """
    if len(dag.temporaries):
        raise ValueError("pairs are shared in sums without temporaries")
    codes, starts, lengths, top = pack(dag.terms, dag.outputs)
    nodes = np.zeros((len(codes) // 2 + 1, 5), np.int32)
    changed = np.ones(dag.outputs, np.bool_)
    added, _ = extract(codes, starts, lengths, changed, top, dag.inputs, nodes, generator(seed))
    return unpack(dag, codes, starts, lengths, top, nodes[:added])
