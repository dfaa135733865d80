"""Evaluation of nodes whose inputs are all constant: ternarisers left in the graph, shape arithmetic, casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apc.frontend.node import Node
from apc.frontend.values import Const

#: operators that move elements without changing them, so that quantised weights stay quantised
MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand", "Gather", "Slice"}
#: operators that draw random numbers, or run subgraphs that may read anything
REFUSED = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}


def fold(node: Node, inputs: Sequence[Const | None], opsets: dict[str, int]) -> list[Const]:
    """The constant outputs of a node. Raises UserError where it cannot be evaluated."""
    arrays = [None if value is None else value.array for value in inputs]
    if node.op_type == "Clip" and node.domain == "":
        return [Const(_clip(node, arrays), name=_origin(inputs))]
    if node.op_type in REFUSED or any(attribute.HasField("g") for attribute in node.proto.attribute):
        raise node.error("its result cannot be computed at compile time; export the network without it")
    results = [Const(array, name=_origin(inputs)) for array in _evaluate(node, arrays, opsets)]
    first = inputs[0] if inputs else None
    if first is not None and first.integers is not None and node.op_type in MOVES | {"Cast"}:
        moved = [
            (part if node.op_type == "Cast" else _evaluate(node, [part, *arrays[1:]], opsets)[0])
            for part in first.integers
        ]
        results = [Const(results[0].array, (moved[0], moved[1]), results[0].name)]
    return results


def _origin(inputs: Sequence[Const | None]) -> str:
    """Keep the name of the initializer a result was computed from, where there is one of weight-like rank."""
    names = [value.name for value in inputs if value is not None and value.name and value.array.ndim >= 2]
    return names[0] if names else ""


def _clip(node: Node, arrays: Sequence[np.ndarray | None]) -> np.ndarray:
    """Clip of constants; quantised levels are held in int64 whatever type their bounds have."""
    value, lo, hi = (*arrays, None, None)[:3]
    if value is None:
        raise node.error("its input 0 is missing")
    if lo is not None:
        value = np.maximum(value, lo.astype(value.dtype))
    return value if hi is None else np.minimum(value, hi.astype(value.dtype))


def _evaluate(node: Node, arrays: Sequence[np.ndarray | None], opsets: dict[str, int]) -> list[np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    feeds: dict[str, Any] = {
        name: array for name, array in zip(node.inputs, arrays, strict=True) if array is not None and name
    }
    try:
        results = ReferenceEvaluator(node.proto, opsets=dict(opsets)).run(None, feeds)
    # the reference evaluator raises whatever numpy or its own operators raise; all of it means the same here
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise node.error(f"its constant result could not be computed: {reason}") from error
    return [np.asarray(result) for result in results]
