"""Which sharing a group of inputs gets."""

from __future__ import annotations

from ir.adders import AdderDag
from ir.cse.greedy import share_pairs
from ir.cse.improve import improve
from ir.cse.row_sums import row_sums
from ir.cse.trits import MOST_INPUTS, share_trits


def shared(dag: AdderDag, search_s: float = 0.0) -> AdderDag:
    """A group with its common subexpressions shared, and one term left for every output that it contributes to.

    Narrow ternary groups go through trit space, where reuse may cancel; the others through shared pairs. ``search_s``:
    work, in seconds of a typical core, to spend on ruin and recreate.
    """
    ternary = not dag.terms["shift"].any()
    result = share_trits(dag) if ternary and dag.inputs <= MOST_INPUTS else share_pairs(dag)
    return row_sums(improve(dag, result, budget_s=search_s) if search_s else result)
