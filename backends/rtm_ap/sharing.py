"""Which sharing a group of inputs gets."""

from __future__ import annotations

from ir.adders import AdderDag
from ir.cse.greedy import share_pairs
from ir.cse.row_sums import row_sums
from ir.cse.trits import MOST_INPUTS, share_trits


def shared(dag: AdderDag) -> AdderDag:
    """A group with its common subexpressions shared, and one term left for every output that it contributes to.

    Narrow ternary groups go through trit space, where reuse may cancel; the others through shared pairs.
    """
    ternary = not dag.terms["shift"].any()
    return row_sums(share_trits(dag) if ternary and dag.inputs <= MOST_INPUTS else share_pairs(dag))
