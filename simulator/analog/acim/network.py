"""Networks on SRAM arrays: every convolution and matrix product in bit planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.layer import AcimLayer, Geometry
from simulator.analog.network import AnalogNetwork, layers_of

Configs = AcimConfig | Callable[[str, Conv], AcimConfig]
"""One configuration for all layers, or each layer's from its name and operation."""


class AcimNetwork(AnalogNetwork):
    """``graph`` with the convolutions on SRAM arrays. A layer's inputs are its integers less their zero point, from the
    lowest of which rows are driven, and the configuration is ``fitted`` to them.

    ``seed``: decides static errors and all noise, layer by layer: what a layer draws depends on it and on the layer's
    place in the graph only. Raises AcimConfigError, with the layer's name, for a configuration that a layer cannot
    have.
    """

    def __init__(self, graph: Graph, config: Configs, seed: int = 0) -> None:
        def layer(name: str, op: Conv, low: int, high: int, own_seed: tuple[int, int]) -> AcimLayer:
            low = min(low, 0)
            own = fitted(config if isinstance(config, AcimConfig) else config(name, op), low, high)
            geometry = Geometry(op.strides, op.pads, op.dilations, op.groups)
            return AcimLayer(op.weights, own, geometry=geometry, seed=own_seed, input_low=low)

        super().__init__(graph, layers_of(graph, layer, seed, AcimConfigError))


def fitted(config: AcimConfig, low: int, high: int) -> AcimConfig:
    """``config`` with the activation bits that integers from ``low`` to ``high`` are driven with."""
    return replace(config, activation_bits=driven_bits(low, high))


def driven_bits(low: int, high: int) -> int:
    """Bits of integers from ``low`` to ``high``, and of the zeros of padding, less the lowest of all."""
    return max(1, (max(high, 0) - min(low, 0)).bit_length())
