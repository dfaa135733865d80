"""Adder DAGs of few ternary inputs, in the space of all their ternary sums.

With k inputs a sum is one of 3**k patterns: which inputs it adds, which it subtracts (two masks). A pattern and its
negative are one value. Built on what exists, a sum of two existing patterns costs one addition; cancellations are
allowed, so x + y - z may come from (x + y + w) - (z + w).
"""

from __future__ import annotations

import numba
import numpy as np

from ir.adders import NODE, TERM, AdderDag
from ir.cse.draws import draw, generator

MOST_INPUTS = 12

Pattern = tuple[int, int]


@numba.njit(cache=True, nogil=True)
def _add(a: Pattern, b: Pattern, sign: int) -> Pattern:
    """a + sign * b as (plus, minus) masks, or (0, 0) where a coefficient would be 2; zero sums are (0, 0) too."""
    plus, minus = (b[0], b[1]) if sign > 0 else (b[1], b[0])
    if a[0] & plus or a[1] & minus:
        return 0, 0
    plus, minus = a[0] | plus, a[1] | minus
    return plus & ~minus, minus & ~plus


@numba.njit(cache=True, nogil=True)
def _canonical(pattern: Pattern) -> tuple[Pattern, int]:
    """(pattern or its negative, so that the lowest input is added; the sign)."""
    both = pattern[0] | pattern[1]
    if pattern[0] & (both & -both):
        return pattern, 1
    return (pattern[1], pattern[0]), -1


@numba.njit(cache=True, nogil=True)
def _index(pattern: Pattern, powers: np.ndarray) -> int:
    return powers[pattern[0]] + 2 * powers[pattern[1]]


@numba.njit(cache=True, nogil=True)
def _weight(pattern: Pattern) -> int:
    bits = pattern[0] | pattern[1]
    weight = 0
    while bits:
        bits &= bits - 1
        weight += 1
    return weight


@numba.njit(cache=True, nogil=True)
def _enter(
    new: Pattern,
    n_ready: int,
    ready: np.ndarray,
    sums: np.ndarray,
    n_sums: int,
    how: np.ndarray,
    votes: np.ndarray,
    state: np.ndarray,
    targets: np.ndarray,
    n_targets: int,
    powers: np.ndarray,
) -> int:
    """A pattern becomes ready as number ``n_ready``: list what one more addition reaches, and let targets vote.

    Target t votes for t - r and t + r of every ready r. Returns how many sums are listed now.
    """
    ready[n_ready, 0], ready[n_ready, 1] = new
    state[_index(new, powers)] = 2
    for k in range(n_ready + 1):
        old = (ready[k, 0], ready[k, 1])
        for sign in (1, -1):
            pattern, turned = _canonical(_add(old, new, sign))
            at = _index(pattern, powers)
            if at and state[at] == 0:
                state[at] = 1
                # Sums of canonical patterns are canonical; a difference may be the wrong way round.
                left, right = (k, n_ready) if turned > 0 else (n_ready, k)
                how[n_sums, 0], how[n_sums, 1], how[n_sums, 2] = left, right, sign
                sums[n_sums, 0], sums[n_sums, 1] = pattern
                n_sums += 1
    for k in range(n_targets):
        target = (targets[k, 0], targets[k, 1])
        for sign in (1, -1):
            votes[_index(_canonical(_add(target, new, sign))[0], powers)] += 1
    return n_sums


@numba.njit(cache=True, nogil=True)
def _unvote(target: Pattern, ready: np.ndarray, n_ready: int, votes: np.ndarray, powers: np.ndarray) -> None:
    for k in range(n_ready):
        old = (ready[k, 0], ready[k, 1])
        for sign in (1, -1):
            votes[_index(_canonical(_add(target, old, sign))[0], powers)] -= 1


@numba.njit(cache=True, nogil=True)
def _grow(targets: np.ndarray, n_targets: int, ready: np.ndarray, n_ready: int) -> Pattern:
    """The largest ready part of the lightest target with one more of its inputs."""
    lightest = 0
    for k in range(1, n_targets):
        if _weight((targets[k, 0], targets[k, 1])) < _weight((targets[lightest, 0], targets[lightest, 1])):
            lightest = k
    target = (targets[lightest, 0], targets[lightest, 1])
    best, best_weight = target, 0
    for k in range(n_ready):
        plus, minus = ready[k, 0], ready[k, 1]
        for _ in range(2):
            plus, minus = minus, plus
            weight = _weight((plus, minus))
            if not plus & ~target[0] and not minus & ~target[1] and weight > best_weight:
                best, best_weight = (plus, minus), weight
    plus, minus = target[0] & ~best[0], target[1] & ~best[1]
    lowest = (plus | minus) & -(plus | minus)
    return _canonical((best[0] | (plus & lowest), best[1] | (minus & lowest)))[0]


@numba.njit(cache=True, nogil=True)
def _build(inputs: int, targets: np.ndarray, powers: np.ndarray, random: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (left, right, sign) that make every target; targets: distinct canonical patterns, int64 (n, 2).

    Returns (patterns of all operands int64 (n, 2), nodes int32 (n - inputs, 3)).
    """
    n_targets = len(targets)
    patterns = 3**inputs
    limit = inputs + min(patterns // 2, n_targets * inputs) + 1
    ready = np.zeros((limit, 2), np.int64)
    nodes = np.zeros((limit, 3), np.int32)
    sums = np.zeros((patterns // 2 + 1, 2), np.int64)
    how = np.zeros((patterns // 2 + 1, 3), np.int32)
    votes = np.zeros(patterns, np.int32)
    state = np.zeros(patterns, np.int8)
    wanted = np.zeros(patterns, np.bool_)
    for k in range(n_targets):
        wanted[_index((targets[k, 0], targets[k, 1]), powers)] = True
    n_sums = n_ready = looked_at = 0
    for i in range(inputs):
        one = (1 << i, 0)
        n_sums = _enter(one, n_ready, ready, sums, n_sums, how, votes, state, targets, n_targets, powers)
        n_ready += 1

    while n_targets:
        chosen = -1
        while looked_at < n_sums and chosen < 0:
            at = _index((sums[looked_at, 0], sums[looked_at, 1]), powers)
            if wanted[at] and state[at] == 1:
                chosen = looked_at
            else:
                looked_at += 1
        if chosen < 0:
            best, best_weight, ties = 1, MOST_INPUTS + 1, 0
            for k in range(n_sums):
                at = _index((sums[k, 0], sums[k, 1]), powers)
                if state[at] == 1 and votes[at] >= best:
                    weight = _weight((sums[k, 0], sums[k, 1]))
                    if votes[at] > best or weight < best_weight:
                        chosen, best, best_weight, ties = k, votes[at], weight, 1
                    elif weight == best_weight:
                        ties += 1
                        if draw(random, ties) == 0:
                            chosen = k
        if chosen < 0:
            pattern = _grow(targets, n_targets, ready, n_ready)
            for k in range(n_sums):
                if sums[k, 0] == pattern[0] and sums[k, 1] == pattern[1]:
                    chosen = k
        pattern = (sums[chosen, 0], sums[chosen, 1])
        nodes[n_ready, 0], nodes[n_ready, 1], nodes[n_ready, 2] = how[chosen, 0], how[chosen, 1], how[chosen, 2]
        if wanted[_index(pattern, powers)]:
            for k in range(n_targets):
                if targets[k, 0] == pattern[0] and targets[k, 1] == pattern[1]:
                    n_targets -= 1
                    targets[k] = targets[n_targets]
                    break
            _unvote(pattern, ready, n_ready, votes, powers)
        n_sums = _enter(pattern, n_ready, ready, sums, n_sums, how, votes, state, targets, n_targets, powers)
        n_ready += 1
    return ready[:n_ready], nodes[inputs:n_ready]


def share_trits(dag: AdderDag, *, seed: int = 0, tries: int = 1) -> AdderDag:
    """Every output becomes one term: an input or a temporary that other outputs and temporaries may share.

    The best of ``tries``; ``seed`` decides between equally good sums.
    ``dag`` has no temporaries, at most 12 inputs, and weights -1, 0 and 1 only (ValueError).
    """
    if len(dag.temporaries) or dag.inputs > MOST_INPUTS:
        raise ValueError(f"trit-space sharing takes at most {MOST_INPUTS} inputs and no temporaries")
    weights = np.zeros((dag.outputs, dag.inputs), np.int64)
    np.add.at(weights, (dag.terms["output"], dag.terms["operand"]), dag.terms["sign"].astype(np.int64))
    if dag.terms["shift"].any() or np.abs(weights).max(initial=0) > 1:
        raise ValueError("trit-space sharing takes weights -1, 0 and 1 only")
    bits = 1 << np.arange(dag.inputs)
    plus, minus = np.where(weights > 0, bits, 0).sum(axis=1), np.where(weights < 0, bits, 0).sum(axis=1)
    both = plus | minus
    lowest = both & -both
    sign = np.where(plus & lowest, 1, -1)
    patterns = np.where(sign[:, None] > 0, np.stack([plus, minus], axis=1), np.stack([minus, plus], axis=1))
    used = np.flatnonzero(lowest)
    several = used[(weights[used] != 0).sum(axis=1) > 1]
    targets = np.unique(patterns[several], axis=0)
    masks = np.arange(1 << dag.inputs)
    powers = sum(((masks >> i & 1) * 3**i for i in range(dag.inputs)), np.zeros_like(masks))
    random = generator(seed)
    built = (_build(dag.inputs, targets.copy(), powers, random) for _ in range(tries))
    ready, nodes = min(built, key=lambda result: len(result[1]))

    code = ready[:, 0] << dag.inputs | ready[:, 1]
    order = np.argsort(code)
    wanted = patterns[used, 0] << dag.inputs | patterns[used, 1]
    temporaries = np.zeros(len(nodes), NODE)
    temporaries["left"], temporaries["right"], temporaries["right_sign"] = nodes.T
    terms = np.zeros(len(used), TERM)
    terms["output"], terms["sign"] = used, sign[used]
    terms["operand"] = order[np.searchsorted(code, wanted, sorter=order)]
    return AdderDag(dag.lo, dag.hi, temporaries, terms, dag.outputs)
