"""Adder DAGs with fewer and narrower additions: sharing, improvement, row sums."""

from ir.cse.greedy import share_pairs
from ir.cse.improve import improve, work_for
from ir.cse.row_sums import intervals, row_sums
from ir.cse.trits import MOST_INPUTS, share_trits

__all__ = [
    "MOST_INPUTS",
    "improve",
    "intervals",
    "row_sums",
    "share_pairs",
    "share_trits",
    "work_for",
]
