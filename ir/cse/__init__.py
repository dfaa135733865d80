"""Common subexpressions of groups of inputs: shared pairs, shared trits, narrow row sums, schedules."""

from __future__ import annotations

import numpy as np

from ir.adders import AdderDag
from ir.cse.greedy import share_pairs
from ir.cse.row_sums import intervals, row_sums
from ir.cse.trits import MOST_INPUTS, share_trits

__all__ = ["intervals", "row_sums", "share_pairs", "share_trits", "shared"]


def shared(dag: AdderDag) -> AdderDag:
    """A group with its common subexpressions shared, and one term left for every output that it contributes to."""
    ternary = not dag.terms["shift"].any()
    narrow = ternary and dag.inputs <= MOST_INPUTS
    return row_sums(share_trits(dag) if narrow else share_pairs(dag))
