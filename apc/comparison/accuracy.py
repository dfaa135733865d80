"""How often a backend says the same as the exact network, and how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from apc.array_configs import acim_config, crossbar_config, narrowest_bits
from apc.comparison.backend import Accuracy
from apc.intervals import interval
from apc.options import Progress, silent
from apc.target_files import ArrayTarget
from backends.crossbar.target import CrossbarTarget
from backends.sram_acim.target import AcimTarget
from ir.boundary import dequantise_output
from ir.errors import UserError
from ir.graph import Graph
from ir.ops import Conv

if TYPE_CHECKING:
    from apc.comparison.data import Data
    from simulator.analog.acim.config import AcimConfig
    from simulator.analog.network import AnalogNetwork


def accuracy_of(classes: np.ndarray, exact: np.ndarray, labels: np.ndarray | None) -> Accuracy:
    """``classes``: what the backend takes each image for; ``exact``: what the exact network does; int64[images]."""
    images = len(classes)
    agreement = interval([int((classes == exact).sum())], images)
    right = None if labels is None else interval([int((classes == labels).sum())], images)
    return Accuracy(images, agreement, right)


def array_classes(
    graph: Graph, target: ArrayTarget, data: Data, threads: int, progress: Progress = silent
) -> np.ndarray:
    """What the network takes every image for on the arrays of ``target``: int64[images]. Converters whose range is
    calibrated are set on the first images. Raises UserError for a target whose arrays cannot hold the network."""
    try:
        network = _network(graph, target)
    except UserError as error:
        raise UserError(f"{target.name}, {error}") from error
    if isinstance(target, CrossbarTarget) and target.array.adc_range == "calibrated":
        network.calibrate(data.first)
    values = network.run(data.integers, threads=threads, progress=progress)
    outputs = {out.name: dequantise_output(out, values[out.node]) for out in graph.outputs}
    return data.classifier.classes(outputs)


def _network(graph: Graph, target: ArrayTarget) -> AnalogNetwork:
    """The simulation of ``graph`` on ``target``. Errors and noise, where a target has any, are those of seed 0."""
    from simulator.analog.acim.network import AcimNetwork
    from simulator.analog.crossbar_network import CrossbarNetwork

    if isinstance(target, CrossbarTarget):
        return CrossbarNetwork(graph, lambda name, op: crossbar_config(op.weights, target, _signed(graph, name, op)))
    return AcimNetwork(graph, lambda name, op: _acim_config(graph, name, op, target))


def _acim_config(graph: Graph, name: str, op: Conv, target: AcimTarget) -> AcimConfig:
    """Raises UserError where the target takes fewer bits of an activation than there are: it would not compute this."""
    from simulator.analog.acim.network import driven_bits

    x, taken = graph.type(graph.inputs(name)[0]), target.workload.activation_bits
    bits = driven_bits(int(x.lo.min()) - op.zero_point, int(x.hi.max()) - op.zero_point)
    if 0 < taken < bits:
        raise UserError(f"workload.activation_bits is {taken}, but the layer's inputs have {bits}: take so many, or 0")
    return acim_config(target, narrowest_bits(op.weights), bits)


def _signed(graph: Graph, name: str, op: Conv) -> bool:
    """Whether a layer's integers less their zero point may be negative."""
    return int(graph.type(graph.inputs(name)[0]).lo.min()) < op.zero_point
