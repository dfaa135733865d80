"""What an example asks of a model's layers: shapes, sizes and integers, seen without simulating anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from apc.nn.arguments import Arguments
from apc.nn.calibration import evaluating
from apc.nn.quantisers import ActivationQuantiser
from apc.nn.simulated import SimulatedLayer

WEIGHTED = (SimulatedLayer, nn.Linear, nn.modules.conv._ConvNd)
"""Layers that have weights, simulated or not."""
Seen = Callable[[nn.Module, torch.Tensor, torch.Tensor], None]
"""Called with a layer, what it reads and what it gives."""


@dataclass(eq=False)
class LayerUse:
    """A layer of a model, named ``name``, and what it did for some images.

    ``input_shape``, ``output_shape``: of one image, as torch has them; ``sizes``: height and width of what the
    layer's kernel moves over, and how often an image has it; ``span``: the integers that it reads, from the lowest to
    the highest.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    span: tuple[int, int] = (0, 0)


class _Ignore:
    """An observer of inputs that wants to know nothing: where there is one, the original's floats are computed."""

    def see(self, x: torch.Tensor) -> None:
        pass


@contextmanager
def observed(model: nn.Module, seen: Seen) -> Iterator[None]:
    """Calls of ``model`` compute the original's floats in evaluation mode, and ``seen`` sees every layer with weights.
    Modes, observers and the count of images are as before at the end."""
    layers = [module for module in model.modules() if isinstance(module, SimulatedLayer)]
    quantisers = [module for module in model.modules() if isinstance(module, ActivationQuantiser)]
    observers = [quantiser.observer for quantiser in quantisers]
    counts = {layer.calls.images: layer.calls.images.first + layer.calls.images.count for layer in layers}
    hooks = [
        module.register_forward_hook(lambda layer, args, y: seen(layer, args[0], y))
        for module in model.modules()
        if isinstance(module, WEIGHTED)
    ]
    try:
        for quantiser in quantisers:
            quantiser.observer = _Ignore()
        with evaluating(model), torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()
        for quantiser, observer in zip(quantisers, observers, strict=True):
            quantiser.observer = observer
        for images, place in counts.items():
            images.restart(place)


def layer_uses(model: nn.Module, example: Any, seen: Seen | None = None) -> list[LayerUse]:
    """The layers with weights that ``example`` (the model's argument, a tuple of them, or a table of named ones)
    passes, in that order. ``seen``, too, is told of them, one call after the other."""
    names = {module: name for name, module in model.named_modules()}
    uses: dict[nn.Module, LayerUse] = {}

    def note(layer: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
        if layer not in uses:
            name = names[layer] or type(layer).__name__
            uses[layer] = LayerUse(name, layer, tuple(x.shape[1:]), tuple(y.shape[1:]))
        if isinstance(layer, SimulatedLayer):
            _note_size(uses[layer], layer, x)
        if seen is not None:
            seen(layer, x, y)

    with observed(model, note):
        Arguments.of(example).given_to(model)
    return list(uses.values())


def _note_size(use: LayerUse, layer: SimulatedLayer, x: torch.Tensor) -> None:
    images = layer.as_images(x.detach())
    count = layer.calls.images.count
    use.sizes[images.shape[2], images.shape[3]] += max(1, len(images) // count if count else len(images))
    if layer.is_calibrated:
        use.span = (layer.input_low, layer.input_high)
    else:
        low, high = layer.quantisation.input_range(bool((x < 0).any()) or use.span[0] < 0)
        use.span = (low, high)
