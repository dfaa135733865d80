"""One layer of a torch model as a program of its own for the RTM associative processor."""

from __future__ import annotations

import numpy as np

from backends.rtm_ap.compiler import Origin, compile_graph
from backends.target import Target
from ir.errors import UserError
from ir.graph import Graph, GraphInput, GraphOutput
from ir.ops import Conv, Input
from ir.program import Program
from ir.types import IntType
from simulator.analog.unfold import Geometry

INPUT, OUTPUT = "x", "y"
"""Names of the program's input and output."""


def layer_graph(levels: np.ndarray, geometry: Geometry, size: tuple[int, int], low: int, high: int) -> Graph:
    """The sums of one convolution, as integers that cross unchanged.

    ``levels``: int (Cout, Cin / groups, kh, kw); ``size``: height and width of what it reads, integers from ``low`` to
    ``high`` that padding adds zeros to. Raises UserError where the kernel does not fit.
    """
    graph = Graph("layer")
    shape = (levels.shape[1] * geometry.groups, *size)
    graph.add(INPUT, Input(shape, IntType.containing(low, high), None, low, high))
    conv = Conv(levels.astype(np.int64), geometry.strides, geometry.pads, geometry.dilations, geometry.groups)
    graph.add(OUTPUT, conv, (INPUT,))
    graph.graph_inputs.append(GraphInput(INPUT, INPUT, (None, *shape), "int64", None, None, low, high))
    graph.outputs.append(GraphOutput(OUTPUT, OUTPUT, (None, *graph.type(OUTPUT).shape), "int64", None, None, None))
    graph.verify()
    return graph


def layer_program(graph: Graph, target: Target, level: str) -> Program:
    """``graph`` compiled with the passes of ``level``. Raises UserError where it does not fit the arrays."""
    try:
        return compile_graph(graph, target, Origin("", level, ()), workers=1)
    except UserError as error:
        raise UserError(
            f"target {target.name}: the layer does not fit its arrays, keep it digital ({error})"
        ) from error
