"""``apc.nn``: torch models with their layers on simulated hardware.

```python
simulated = apc.nn.convert(model, "acim-22nm", exclude=("head",), calibration=loader)
logits = simulated(images)                        # noise belongs to images, whatever the batches
print(apc.nn.summary(simulated, images[:1]))
sram = apc.acim.AcimConfig(adc_bits=7, noise_lsb=0.2)
tuned = apc.nn.convert(model, {"stem*": None, "*": sram}, quantisation=apc.nn.Quantisation(weights="ternary"))
apc.nn.calibrate(tuned, loader)                   # then train ``tuned`` as any model: gradients go through
apc.nn.export(tuned, images[:1], "net.onnx")      # what ``apc compile`` reads
```
"""

from __future__ import annotations

from apc.nn.associative import RtmAp
from apc.nn.calibration import calibrate, restart
from apc.nn.conversion import convert
from apc.nn.engines import Software
from apc.nn.errors import ConversionError
from apc.nn.exporting import export
from apc.nn.folding import fold_batch_norm
from apc.nn.integer_sums import quantise_sums
from apc.nn.prediction import predict_errors
from apc.nn.presets import resolve
from apc.nn.quantisation import Quantisation
from apc.nn.quantisers import ActivationQuantiser
from apc.nn.summary import summary

__all__ = [
    "ActivationQuantiser",
    "ConversionError",
    "Quantisation",
    "RtmAp",
    "Software",
    "calibrate",
    "convert",
    "export",
    "fold_batch_norm",
    "predict_errors",
    "quantise_sums",
    "resolve",
    "restart",
    "summary",
]
