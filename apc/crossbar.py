"""``apc.crossbar``: analog crossbars in Python, a matrix or a whole network at a time.

```python
config = apc.crossbar.CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=8, adc_range="calibrated", rows_max=1152)
array = apc.crossbar.CrossbarArray(weights, config, seed=0)        # (out, in)
array.calibrate(x); y = array.mvm(x)                               # (in, n) -> (out, n), in units of W @ x
network = apc.crossbar.load_network("model.onnx", config, seed=0)  # or an .apc file
network.calibrate({"input": some_images}); network.run({"input": images})["logits"]
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from apc.analog import AnalogModel, load_model
from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig
from simulator.analog.crossbar_network import Configs, CrossbarNetwork

__all__ = ["CrossbarArray", "CrossbarConfig", "CrossbarNetwork", "load_network"]


def load_network(
    source: Any,
    config: Configs,
    seed: int = 0,
    *,
    example: Any = None,
    calibration: Mapping[str, np.ndarray] | None = None,
) -> AnalogModel:
    """A network on crossbars that takes and gives what its ONNX model does.

    ``source``: an .onnx or .apc path, "package.module:factory", an nn.Module with an ``example`` input, or an
    ``ir.graph.Graph``; ``config``: for all layers, or a function of a layer's name and operation; ``calibration``:
    inputs by name, for ADC ranges that are chosen from data (``AnalogModel.calibrate`` does it later).
    Raises UserError, one line, for what is wrong with model, configuration or inputs.
    """
    return load_model(
        source, lambda graph: CrossbarNetwork(graph, config, seed), example=example, calibration=calibration
    )
