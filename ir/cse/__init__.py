"""Adder DAGs with fewer and narrower additions: sharing, improvement, row sums."""

import ir.adders
from ir.kernel_cache import forget_stale

forget_stale(__file__, ir.adders.__file__)

from ir.cse.clusters import clusters  # noqa: E402
from ir.cse.greedy import share_pairs  # noqa: E402
from ir.cse.improve import improve, work_for  # noqa: E402
from ir.cse.row_sums import intervals, row_sums  # noqa: E402
from ir.cse.trits import MOST_INPUTS, share_trits  # noqa: E402

__all__ = [
    "MOST_INPUTS",
    "clusters",
    "improve",
    "intervals",
    "row_sums",
    "share_pairs",
    "share_trits",
    "work_for",
]
