"""dead-code: nodes that no output depends on are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import networkx as nx

from ir.graph import Graph
from ir.ops import Input


@dataclass(frozen=True)
class DeadCode:
    """Remove nodes that no output depends on; network inputs stay, being part of the interface."""

    name: ClassVar[str] = "dead-code"

    def run(self, graph: Graph) -> None:
        needed = {output.node for output in graph.outputs}
        for node in list(needed):
            needed |= nx.ancestors(graph.nx, node)
        for node in reversed(graph.order()):
            if node not in needed and not isinstance(graph.op(node), Input):
                graph.remove(node)
