"""An analog network behind the names, shapes and dtypes of its ONNX model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from apc.options import Progress, silent
from ir.boundary import check_input_names, dequantise_output, quantise_input
from simulator.analog.network import AnalogNetwork


class AnalogModel:
    """``network``: what runs inside, on integers."""

    def __init__(self, network: AnalogNetwork) -> None:
        self.network = network

    def calibrate(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Let every layer choose what depends on data. ``inputs``: as for ``run``."""
        self.network.calibrate(self._integers(inputs))

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
        values = self.network.run(self._integers(inputs), first_image=first_image, threads=threads, progress=progress)
        return {out.name: dequantise_output(out, values[out.node]) for out in self.network.graph.outputs}

    def _integers(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        entries = self.network.graph.graph_inputs
        check_input_names(entries, inputs)
        return {entry.name: quantise_input(entry, inputs[entry.name]) for entry in entries}
