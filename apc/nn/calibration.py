"""Ranges from data: of layers' inputs, then of converters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from apc.nn.arguments import Arguments, recut
from apc.nn.errors import ConversionError
from apc.nn.quantisation import Quantisation
from apc.nn.quantisers import ActivationQuantiser
from apc.nn.simulated import SimulatedLayer

TOGETHER = 16
"""Images of a forward pass, however the data are cut: the last places of floats may depend on it."""
CONVERTER_IMAGES = 64
"""Images that converters' ranges, and whatever else engines choose, are chosen on: the first ones."""
BIN_SHIFT = 15
"""Low bits of a float32 that its bin does not tell: bins are 1/256 of an octave's start wide."""


def simulated_layers(model: nn.Module) -> list[SimulatedLayer]:
    """The layers of a converted model on hardware, each once. Raises ConversionError where there is none."""
    layers = [module for module in model.modules() if isinstance(module, SimulatedLayer)]
    if not layers:
        raise ConversionError(f"{type(model).__name__}: no layer is simulated, call apc.nn.convert first")
    return layers


def quantisers_of(model: nn.Module) -> dict[str, ActivationQuantiser]:
    """All quantisers of activations: of simulated layers by the layer's name, others by their own."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, ActivationQuantiser)}
    root = type(model).__name__.removeprefix("Simulated")
    return {name.removesuffix("input_quantiser").rstrip(".") or root: module for name, module in found.items()}


def calibrate(model: nn.Module, loader: Iterable[Any]) -> None:
    """Choose the scales of all layers' inputs from what the float model computes on all batches of ``loader``, then, in
    the order of the network, what engines choose from data (ranges of ADCs, fault statistics), on the first
    ``CONVERTER_IMAGES`` images. Warns of layers that are not called.

    ``loader``: batches of inputs, or (inputs, labels) of which the latter are not read; inputs are a tensor, a tuple of
    a model's arguments or a table of named ones, images along the first axis of all their tensors; one tensor is one
    batch. How data are cut into batches decides nothing. Modules are in evaluation mode meanwhile; noise begins anew
    with image 0. Raises ConversionError for a model without simulated layers, and for data without an image or with
    NaN.
    """
    layers = simulated_layers(model)
    first: list[Arguments] = []
    for layer in layers:
        layer.forget_engine()
    quantisers = quantisers_of(model)
    observers = [_Observed(name, quantiser.quantisation) for name, quantiser in quantisers.items()]
    with evaluating(model), torch.no_grad():
        for quantiser, observer in zip(quantisers.values(), observers, strict=True):
            quantiser.observer = observer
        try:
            batches = [loader] if isinstance(loader, torch.Tensor) else loader
            for inputs in recut(map(Arguments.of_batch, batches), TOGETHER):
                inputs.on(model).given_to(model)
                if sum(map(len, first)) < CONVERTER_IMAGES and (not first or first[0].fits(inputs)):
                    first.append(inputs)
        finally:
            for quantiser in quantisers.values():
                quantiser.observer = None
        if not first:
            raise ConversionError("calibration: holds no image, give at least one")
        for quantiser, observer in zip(quantisers.values(), observers, strict=True):
            observer.set_range(quantiser)
        _warn_of([name for name, observer in zip(quantisers, observers, strict=True) if not observer.called])
        _settle(model, layers, Arguments.joined(first))
    restart(model)


def restart(model: nn.Module, first_image: int = 0) -> None:
    """Noise of the next batch is that of the images from number ``first_image`` on."""
    simulated_layers(model)[0].calls.images.restart(first_image)


def _settle(model: nn.Module, layers: list[SimulatedLayer], inputs: Arguments) -> None:
    if not any(layer.is_calibrated and layer.engine.calibrates for layer in layers):
        return
    restart(model)
    for layer in layers:
        layer.settling = True
    try:
        inputs.on(model).given_to(model)
    finally:
        for layer in layers:
            layer.settling = False


def _warn_of(idle: list[str]) -> None:
    """Of layers that nothing calls: libraries' own attention reads the weights of its layers."""
    if idle:
        warnings.warn(
            f"calibration calls no layer {', '.join(idle)}: nothing of it is simulated, even where its weights are "
            "read: exclude it",
            stacklevel=3,
        )


class _Observed:
    """Magnitudes of a layer's inputs: how many there are in each of the bins that a float32's upper bits make, so that
    a percentile needs neither all data nor to know their range."""

    def __init__(self, name: str, quantisation: Quantisation) -> None:
        self._name, self._quantisation = name, quantisation
        self.called = False
        self._signed, self._largest = False, 0.0
        self._sum, self._count = 0.0, 0
        self._bins = torch.zeros(1 << (31 - BIN_SHIFT), dtype=torch.int64)

    def see(self, x: torch.Tensor) -> None:
        self.called = True
        if not x.numel():
            return
        sizes = x.float().abs().flatten().cpu()
        largest = float(sizes.max())
        if not math.isfinite(largest):
            raise ConversionError(f"layer {self._name}: calibration data give it inputs that are not finite")
        self._signed |= bool((x < 0).any())
        self._largest = max(self._largest, largest)
        self._sum, self._count = self._sum + float(sizes.double().sum()), self._count + sizes.numel()
        if self._quantisation.activation_scale == "percentile":
            self._bins += torch.bincount(sizes.view(torch.int32) >> BIN_SHIFT, minlength=len(self._bins))

    def set_range(self, quantiser: ActivationQuantiser) -> None:
        if not self._count:
            return
        largest = self._percentile() if self._quantisation.activation_scale == "percentile" else self._largest
        try:
            quantiser.set_range(self._signed, largest, self._sum / self._count)
        except ConversionError as error:
            raise ConversionError(f"layer {self._name}: {error}") from None

    def _percentile(self) -> float:
        """The upper end of the bin in which the percentile lies, at most the largest magnitude."""
        rank = math.ceil(self._quantisation.percentile / 100 * self._count)
        place = int(torch.searchsorted(self._bins.cumsum(0), rank))
        end = torch.tensor((place + 1) << BIN_SHIFT, dtype=torch.int32).view(torch.float32)
        return min(float(end), self._largest)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode; every module's own mode is as before at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
