"""Networks on crossbars: every convolution and matrix product programmed into arrays."""

from __future__ import annotations

from collections.abc import Callable

from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.config import CrossbarConfig
from simulator.analog.layer import CrossbarLayer, Geometry
from simulator.analog.network import AnalogNetwork

Configs = CrossbarConfig | Callable[[str, Conv], CrossbarConfig]
"""One configuration for all layers, or each layer's from its name and operation."""


class CrossbarNetwork(AnalogNetwork):
    """``graph`` with the convolutions on crossbars. A layer's inputs are its integers less their zero point, and its
    ``input_range`` is the interval of these that the graph proves, whatever the configuration says.

    ``seed``: decides every error and all noise, layer by layer: the programmed arrays of a layer depend on it and on
    the layer's place in the graph only. Raises UserError for a configuration that a layer cannot have.
    """

    def __init__(self, graph: Graph, config: Configs, seed: int = 0) -> None:
        names = [name for name in graph.order() if isinstance(graph.op(name), Conv)]
        layers = {name: _layer(graph, name, config, (seed, place)) for place, name in enumerate(names)}
        super().__init__(graph, layers)


def _layer(graph: Graph, name: str, config: Configs, seed: tuple[int, int]) -> CrossbarLayer:
    op = graph.op(name)
    assert isinstance(op, Conv)
    operand = graph.type(graph.inputs(name)[0])
    interval = (int(operand.lo.min()) - op.zero_point, int(operand.hi.max()) - op.zero_point)
    return CrossbarLayer(
        op.weights,
        config if isinstance(config, CrossbarConfig) else config(name, op),
        geometry=Geometry(op.strides, op.pads, op.dilations, op.groups),
        seed=seed,
        input_range=(min(interval[0], 0), max(interval[1], 0)),
    )
