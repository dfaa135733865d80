"""merge-duplicates: one node for operations that are equal on equal inputs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ir.graph import Graph
from ir.ops import Input
from ir.types import QuantParams


@dataclass(frozen=True)
class MergeDuplicates:
    """Compute once what two nodes compute alike: a residual branch that was quantised twice, say."""

    name: ClassVar[str] = "merge-duplicates"

    def run(self, graph: Graph) -> None:
        first: dict[tuple[Any, ...], str] = {}
        outputs = {output.node for output in graph.outputs}
        for node in graph.order():
            op = graph.op(node)
            if isinstance(op, Input):
                continue
            key = (type(op).__name__, graph.inputs(node), *(_hashable(getattr(op, f.name)) for f in fields(op)))
            original = first.setdefault(key, node)
            if original != node and node not in outputs:
                graph.replace_uses(node, original)
                graph.remove(node)


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, QuantParams):
        return _hashable(value.scale), _hashable(value.zero_point)
    return value
