"""Adder DAGs with fewer and narrower additions: sharing, improvement, row sums and order."""

from ir.cse.greedy import share_pairs
from ir.cse.improve import improve, work_for
from ir.cse.row_sums import intervals, row_sums
from ir.cse.schedule import adds, live_temporaries, order
from ir.cse.trits import MOST_INPUTS, share_trits

__all__ = [
    "MOST_INPUTS",
    "adds",
    "improve",
    "intervals",
    "live_temporaries",
    "order",
    "row_sums",
    "share_pairs",
    "share_trits",
    "work_for",
]
