"""Networks on crossbars: every convolution and matrix product programmed into arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.config import CrossbarConfig, CrossbarConfigError
from simulator.analog.layer import CrossbarLayer, Geometry
from simulator.analog.network import AnalogNetwork, layers_of

Configs = CrossbarConfig | Callable[[str, Conv], CrossbarConfig]
"""One configuration for all layers, or each layer's from its name and operation."""


class CrossbarNetwork(AnalogNetwork):
    """``graph`` with the convolutions on crossbars. A layer's inputs are its integers less their zero point, and the
    configuration is ``fitted`` to them.

    ``seed``: decides every error and all noise, layer by layer: the programmed arrays of a layer depend on it and on
    the layer's place in the graph only. Raises CrossbarConfigError, with the layer's name, for a configuration that a
    layer cannot have.
    """

    def __init__(self, graph: Graph, config: Configs, seed: int = 0) -> None:
        def layer(name: str, op: Conv, low: int, high: int, own_seed: tuple[int, int]) -> CrossbarLayer:
            own = fitted(config if isinstance(config, CrossbarConfig) else config(name, op), low, high)
            geometry = Geometry(op.strides, op.pads, op.dilations, op.groups)
            return CrossbarLayer(op.weights, own, geometry=geometry, seed=own_seed)

        super().__init__(graph, layers_of(graph, layer, seed, CrossbarConfigError))


def fitted(config: CrossbarConfig, low: int, high: int) -> CrossbarConfig:
    """``config`` for inputs that are integers from ``low`` to ``high``: signed or not as they are, full scale the
    largest integer of their bits, so that integers are levels of the DAC, and no more bits (or bits a slice) than they
    have.

    The lowest two's complement integer, -2^k, has no counterpart above 0 and is clipped to the next by a DAC.
    """
    signed = low < 0
    magnitude_bits = max(1, high, -low - 1).bit_length()
    full_scale = float((1 << magnitude_bits) - 1)
    bits = min(config.dac_bits, magnitude_bits + signed)
    if bits:
        bits = max(bits, 1 + signed)
    return replace(
        config,
        dac_signed=signed,
        dac_bits=bits,
        input_range=(-full_scale if signed else 0.0, full_scale),
        input_slice_bits=min(config.input_slice_bits, max(0, bits - signed)),
    )
