"""``apc.acim``: analog compute-in-memory in SRAM, a matrix, a layer or a whole network at a time.

```python
config = apc.acim.AcimConfig(rows=255, adc_bits=7, noise_lsb=0.2, hybrid_level=2, voting=3, voting_level=3)
array = apc.acim.AcimArray(weights, config, seed=0)                # (out, in), integers
array.mvm(x)                                                       # (in, n) -> (out, n), in units of W @ x
array.codes(x)                                                     # what every conversion gave
network = apc.acim.load_network("model.onnx", config, seed=0)      # or an .apc file
network.run({"input": images})["logits"]
apc.acim.layer_error(config, histogram, tiles).variance            # in closed form
```
"""

from __future__ import annotations

from typing import Any

from apc.analog import AnalogModel, load_model
from simulator.analog.acim.array import AcimArray
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer, Geometry
from simulator.analog.acim.network import AcimNetwork, Configs
from simulator.analog.acim.predictor import (
    ConversionError,
    LayerError,
    code_error_probability,
    conversion_error,
    expected_histogram,
    layer_error,
    layer_error_of_macs,
)

__all__ = [
    "AcimArray",
    "AcimConfig",
    "AcimLayer",
    "AcimNetwork",
    "ConversionError",
    "Geometry",
    "LayerError",
    "code_error_probability",
    "conversion_error",
    "expected_histogram",
    "layer_error",
    "layer_error_of_macs",
    "load_network",
]


def load_network(source: Any, config: Configs, seed: int = 0, *, example: Any = None) -> AnalogModel:
    """A network on SRAM arrays that takes and gives what its ONNX model does.

    ``source``: an .onnx or .apc path, "package.module:factory", an nn.Module with an ``example`` input, or an
    ``ir.graph.Graph``; ``config``: for all layers, or a function of a layer's name and operation. Nothing is to be
    calibrated: the model's integers drive the rows.
    Raises UserError, one line, for what is wrong with model, configuration or inputs.
    """
    return load_model(source, lambda graph: AcimNetwork(graph, config, seed), example=example)
