"""Passes over the integer graph: named, switchable, verified before and after, measured.

A pass is a frozen dataclass with a ``name``, its options as fields, and ``run(graph)``, which changes the graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ir.graph import Graph


class Pass(Protocol):
    name: ClassVar[str]

    def run(self, graph: Graph) -> None:
        """Change the graph in place; its outputs' values stay what they were."""


@dataclass(frozen=True)
class PassStatistics:
    """What one run of a pass did to the graph."""

    name: str
    nodes_before: int
    nodes_after: int
    wall_s: float


def run_passes(
    graph: Graph, passes: Sequence[Pass], after: Callable[[str, Graph], None] | None = None
) -> list[PassStatistics]:
    """Run passes in order, verifying the graph before the first and after each; ``after`` sees every result."""
    graph.verify()
    statistics = []
    for item in passes:
        before, started = len(graph.nx), time.perf_counter()
        item.run(graph)
        graph.verify()
        statistics.append(PassStatistics(item.name, before, len(graph.nx), time.perf_counter() - started))
        if after is not None:
            after(item.name, graph)
    return statistics
