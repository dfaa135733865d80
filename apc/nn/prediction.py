"""How far hardware takes a model's outputs from those of the quantised software model, to first order."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from apc.nn.arguments import Arguments
from apc.nn.calibration import simulated_layers
from apc.nn.error_flow import Call, find_rounding, recorded, slopes
from apc.nn.errors import ConversionError
from apc.options import Progress
from apc.progress import progress

PROBES = 16
"""Directions in which outputs are differentiated: each output where there are at most so many, else random ones."""


@dataclass(frozen=True)
class LayerPrediction:
    """Of one layer over the inputs given, all its calls together.

    ``code_error``: probability that a conversion gives another code than without noise and static errors, None where
    the hardware has no such thing; ``mean``, ``std``: of the errors of the layer's results, in units of W * x;
    ``logit_error``: root mean square of what they do to an output of the model; ``observed``: the layer's own errors
    were measured in a simulation of it, not computed in closed form.
    """

    name: str
    code_error: float | None
    mean: float
    std: float
    logit_error: float
    observed: bool


@dataclass(frozen=True)
class Prediction:
    """``layers`` in the order of their first calls; ``rounding``: root mean square of what comes on top as layers round
    inputs that are wrong already to other levels; ``logit_error``: expected root mean square difference between the
    model's outputs and those of the quantised software model, from all of them together."""

    layers: Sequence[LayerPrediction]
    rounding: float
    logit_error: float

    def as_table(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers]}


def predict_errors(model: nn.Module, inputs: Any, *, seed: int = 0) -> Prediction:
    """What the hardware of a calibrated model, made by ``apc.nn.convert``, does to its outputs on ``inputs`` (its
    argument, images first, a tuple of arguments or a table of named ones), from one pass and its derivatives instead of
    many simulations.

    The quantised software model runs on the inputs. Every layer's integers give mean and variance of the error of each
    of its sums: in SRAM arrays in closed form (what is static is that of the model's own arrays), on other hardware as
    observed when it computes them once. Straight-through derivatives carry them to the outputs, where means add up, and
    variances, as noise is independent. What layers round is taken to lie anywhere in a step, and its errors to be
    Gaussian: where they are rare, ``rounding`` is too high. Errors large enough to change which units are on are beyond
    this first order. ``seed``: of the random directions of some derivatives. Neither the model nor its noise change.
    Raises ConversionError for a model that is not converted or calibrated, and where its output is no tensor.
    """
    originals = simulated_layers(model)
    soft = copy.deepcopy(model).eval().requires_grad_(True)
    calls: list[Call] = []
    with progress("predicting errors") as update:
        with torch.enable_grad(), recorded(dict(zip(simulated_layers(soft), originals, strict=True)), calls):
            outputs = Arguments.of(inputs).given_to(soft)
        if not isinstance(outputs, torch.Tensor):
            given = type(outputs).__name__
            raise ConversionError(f"{type(model).__name__}: gives {given}, but errors are of one tensor")
        return _prediction(calls, outputs.flatten(1), seed, update)


@dataclass
class _Sums:
    """Over images and directions: of variances, and of squared biases, that reach the model's outputs."""

    variance: float = 0.0
    squared_bias: float = 0.0

    def rms(self, cases: int) -> float:
        """Root of the mean over ``cases``."""
        return math.sqrt((self.variance + self.squared_bias) / cases)


def _prediction(calls: Sequence[Call], outputs: torch.Tensor, seed: int, progress: Progress) -> Prediction:
    """``outputs``: (images, outputs of the model), with the graph that leads to them. ``progress`` counts the outputs,
    or the directions that stand for them."""
    images, number = outputs.shape
    find_rounding(calls, images, seed)
    directions = _directions(number, seed).to(outputs)
    layers, together, rounding = {call.name: _Sums() for call in calls}, _Sums(), _Sums()
    for done, direction in enumerate(directions):
        progress(done, len(directions), "")
        biases = {name: torch.zeros(images, dtype=torch.float64) for name in layers}
        for call, by_y, by_x in slopes(outputs, direction.expand_as(outputs), calls):
            if by_y is not None:
                variance, bias = call.carried(by_y, images)
                layers[call.name].variance += variance
                biases[call.name] += bias
            if by_x is not None:
                rounding.variance += call.rounded(by_x)
        for name, bias in biases.items():
            layers[name].squared_bias += float(bias.square().sum())
        together.squared_bias += float(torch.stack(list(biases.values())).sum(0).square().sum())
    together.variance = rounding.variance + sum(layer.variance for layer in layers.values())
    cases = images * number * (1 if len(directions) == number else len(directions))
    found = [_layer(name, calls, sums, cases) for name, sums in layers.items()]
    return Prediction(found, rounding.rms(cases), together.rms(cases))


def _directions(number: int, seed: int) -> torch.Tensor:
    """(directions, number): along each output, or random signs, whose squares are those of all outputs together on
    average."""
    if number <= PROBES:
        return torch.eye(number)
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (PROBES, number), generator=generator) * 2.0 - 1


def _layer(name: str, calls: Sequence[Call], sums: _Sums, cases: int) -> LayerPrediction:
    own = [call.errors for call in calls if call.name == name]
    mean = torch.cat([errors.mean.flatten() for errors in own])
    variance = torch.cat([errors.variance.flatten() for errors in own])
    shares = [errors.mean.numel() / mean.numel() for errors in own]
    codes = [
        share * errors.code_error for share, errors in zip(shares, own, strict=True) if errors.code_error is not None
    ]
    return LayerPrediction(
        name,
        sum(codes) if len(codes) == len(own) else None,
        float(mean.mean()),
        math.sqrt(float(variance.mean()) + float(mean.var(correction=0))),
        sums.rms(cases),
        any(errors.observed for errors in own),
    )
