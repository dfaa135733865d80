"""dead-code: nodes that no output depends on are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ir.graph import Graph


@dataclass(frozen=True)
class DeadCode:
    """Remove nodes that no output depends on; network inputs stay, being part of the interface."""

    name: ClassVar[str] = "dead-code"

    def run(self, graph: Graph) -> None:
        graph.remove_dead()
