"""Transformations of the integer graph, one a file; ``manager`` runs them."""

from ir.passes.dead_code import DeadCode
from ir.passes.manager import Pass
from ir.passes.merge_duplicates import MergeDuplicates

PASSES: dict[str, type[Pass]] = {item.name: item for item in (DeadCode, MergeDuplicates)}

LEVELS: dict[str, tuple[str, ...]] = dict.fromkeys(("O0", "O1", "O2", "O3"), ("dead-code", "merge-duplicates"))
"""Optimisation levels: names of passes in order."""
