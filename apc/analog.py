"""An analog network behind the names, shapes and dtypes of its ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apc.options import Progress, silent
from ir.boundary import dequantise_output, quantise_inputs
from simulator.analog.network import AnalogNetwork

if TYPE_CHECKING:
    from ir.graph import Graph


class AnalogModel:
    """``network``: what runs inside, on integers."""

    def __init__(self, network: AnalogNetwork) -> None:
        self.network = network

    def calibrate(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Let every layer choose what depends on data. ``inputs``: as for ``run``."""
        self.network.calibrate(quantise_inputs(self.network.graph.graph_inputs, inputs))

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        first_image: int = 0,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> dict[str, np.ndarray]:
        """Outputs by ONNX name, with the ONNX graph's shapes and dtypes.

        ``inputs``: arrays by ONNX input name, any number of images; ``first_image``: the place of the first one among
        all there are, on which read noise depends; ``threads``: groups of images at once. Results depend neither on
        them nor on how images are split into calls (but for last places with ``precision`` float32). Raises UserError
        for inputs that do not fit.
        """
        integers = quantise_inputs(self.network.graph.graph_inputs, inputs)
        values = self.network.run(integers, first_image=first_image, threads=threads, progress=progress)
        return {out.name: dequantise_output(out, values[out.node]) for out in self.network.graph.outputs}


def load_model(
    source: Any,
    programmed: Callable[[Graph], AnalogNetwork],
    *,
    example: Any = None,
    calibration: Mapping[str, np.ndarray] | None = None,
) -> AnalogModel:
    """The network of ``source`` (an .onnx or .apc path, "package.module:factory", an nn.Module with an ``example``
    input, or a graph) on the arrays that ``programmed`` makes of its graph, calibrated on inputs by name where there
    are some."""
    model = AnalogModel(programmed(_graph(source, example)))
    if calibration is not None:
        model.calibrate(calibration)
    return model


def _graph(source: Any, example: Any) -> Graph:
    from apc.frontend import load_graph
    from ir.graph import Graph

    if isinstance(source, Graph):
        return source
    if isinstance(source, str | Path) and Path(source).suffix == ".apc":
        from apc import artifact
        from apc.checks import source_graph

        return source_graph(artifact.load(source))
    return load_graph(source, example=example).graph
