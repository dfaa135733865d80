"""What a model computes, as a graph of calls: torch.fx."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from apc.nn.errors import ConversionError
from apc.nn.quantisers import ActivationQuantiser
from apc.nn.simulated import SimulatedLayer

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers with outputs along the first axis of their weights."""


class _Tracer(fx.Tracer):
    """Layers and norms are calls of modules, subclasses of torch's too, and so are quantisers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*LAYERS, _BatchNorm, ActivationQuantiser)) or super().is_leaf_module(
            m, module_qualified_name
        )


def trace(model: nn.Module, advice: str) -> fx.Graph:
    """The calls of a model that is not converted. Raises ConversionError, with ``advice``, for one that is, and for one
    whose forward depends on data or shapes, which torch.fx cannot trace."""
    name = type(model).__name__
    if any(isinstance(module, SimulatedLayer) for module in model.modules()):
        raise ConversionError(f"{name}: is converted already, begin with the original")
    try:
        return _Tracer().trace(model)
    except Exception as error:  # whatever a model's own forward raises on torch.fx's stand-ins
        line = str(error).split("\n", 1)[0]
        raise ConversionError(f"{name}: torch.fx cannot trace it ({line}): {advice}") from error
