"""Which sharing a group of inputs gets."""

from __future__ import annotations

import numpy as np

from ir.adders import NODE, AdderDag
from ir.cse.greedy import share_pairs
from ir.cse.improve import improve
from ir.cse.trits import MOST_INPUTS, share_trits

PAIRS_BUDGET_S = 4e-6
"""Work for each term that improves shared pairs even without a budget: half as long as finding them."""


def shared(
    dag: AdderDag, block: int = 0, least: int = 2, term_budget_s: float | None = None, seed: int = 0
) -> AdderDag:
    """A group with its common subexpressions shared.

    ``block``: only within so many consecutive outputs, so that temporaries do not have to be held for long (0: all);
    ``least``: pairs that are used so often, where a sum of its own costs more than an addition saves;
    ``term_budget_s``, ``seed``: work to spend on ruin and recreate, in seconds of a typical core for each term (None:
    none at all), and its random draws.
    """
    if not block or block >= dag.outputs:
        return _shared(dag, least, term_budget_s, seed)
    blocks = []
    for first in range(0, dag.outputs, block):
        mine = (dag.terms["output"] >= first) & (dag.terms["output"] < first + block)
        terms = dag.terms[mine].copy()
        terms["output"] -= first
        part = AdderDag(dag.lo, dag.hi, dag.temporaries, terms, min(block, dag.outputs - first))
        blocks.append((first, _shared(part, least, term_budget_s, seed)))
    return _joined(dag, blocks)


def _shared(dag: AdderDag, least: int, term_budget_s: float | None, seed: int) -> AdderDag:
    """Narrow ternary groups go through trit space, where reuse may cancel; the others through shared pairs."""
    ternary = not dag.terms["shift"].any()
    if least == 2 and ternary and dag.inputs <= MOST_INPUTS:
        result, budget_s = share_trits(dag), term_budget_s
    else:
        result = share_pairs(dag, least=least)
        budget_s = term_budget_s
        if term_budget_s is not None and least == 2:
            budget_s = term_budget_s + PAIRS_BUDGET_S
    if not budget_s:
        return result
    return improve(dag, result, budget_s=budget_s * len(dag.terms), seed=seed, least=least)


def _joined(dag: AdderDag, blocks: list[tuple[int, AdderDag]]) -> AdderDag:
    """One DAG of blocks of outputs: (first output, its DAG)."""
    nodes, terms = [np.zeros(0, NODE)], []
    known = 0
    for first, part in blocks:
        temporaries, sums = part.temporaries.copy(), part.terms.copy()
        for array, name in ((temporaries, "left"), (temporaries, "right"), (sums, "operand")):
            array[name] += np.where(array[name] >= dag.inputs, known, 0).astype(array[name].dtype)
        sums["output"] += first
        nodes.append(temporaries)
        terms.append(sums)
        known += len(temporaries)
    return AdderDag(dag.lo, dag.hi, np.concatenate(nodes), np.concatenate(terms), dag.outputs)
