"""Common subexpressions of groups of inputs: shared pairs, narrow row sums, schedules."""

from ir.cse.greedy import share_pairs
from ir.cse.row_sums import intervals, row_sums

__all__ = ["intervals", "row_sums", "share_pairs"]
