"""How errors of layers' sums travel through a model to first order: recorded calls, and derivatives between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from apc.nn.engines import Software
from apc.nn.simulated import SimulatedLayer
from apc.nn.sum_errors import SumErrors, sum_errors

SMALL, HARMONICS = 1 / 64, 10
"""Below this variance an error of a step or more does not occur, and E f (1 - f) = E |e| - E e^2; above, so many terms
of its series are enough."""


@dataclass(eq=False)
class Call:
    """A call of a layer named ``name``, of a model on software.

    ``x``, ``y``: what it read and gave, in the graph of derivatives; ``step``: of its inputs' levels; ``inside``: like
    ``x``, which elements are not clipped; ``errors``: what hardware gets wrong in the sums behind ``y``; ``mean``,
    ``deviation``: the same like ``y`` and in its units; ``rounding``: variance that rounding to levels adds to the
    errors of an element of ``x`` that is inside.
    """

    name: str
    x: torch.Tensor
    y: torch.Tensor
    step: float
    inside: torch.Tensor
    errors: SumErrors
    mean: torch.Tensor
    deviation: torch.Tensor
    rounding: float = 0.0

    def carried(self, slope: torch.Tensor, images: int) -> tuple[float, torch.Tensor]:
        """What of the errors reaches what has the derivative ``slope`` by ``y``: the variance over all ``images`` of
        the model, and the bias of each, float64 (images,). Where the call reads several times as many, windows or
        tokens of an image in turn, those are parts of an image."""
        slope = slope.double()
        leading = len(slope)
        image = (torch.arange(leading, device=slope.device) // max(1, leading // images)).clamp(max=images - 1)
        each = (slope * self.mean).reshape(leading, -1).sum(1)
        bias = torch.zeros(images, dtype=torch.float64, device=slope.device).index_add_(0, image, each)
        return float((slope * self.deviation).square().sum()), bias.cpu()

    def rounded(self, slope: torch.Tensor) -> float:
        """The variance that rounding adds to what has the derivative ``slope`` by ``x``."""
        return self.rounding * float((slope.double() * self.inside).square().sum())


@contextmanager
def recorded(layers: Mapping[SimulatedLayer, SimulatedLayer], calls: list[Call]) -> Iterator[None]:
    """Calls of the keys, which compute on software from now on, are appended to ``calls``; the values are the same
    layers on their hardware."""

    def own_operand(soft: SimulatedLayer, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (args[0].clone(), *args[1:])  # to differentiate by what this layer reads alone

    def record(soft: SimulatedLayer, args: tuple[torch.Tensor, ...], y: torch.Tensor) -> torch.Tensor:
        calls.append(_call(soft, layers[soft], args[0], y))
        return y.clone()  # what follows may change its operand in place

    hooks = [soft.register_forward_pre_hook(own_operand) for soft in layers]
    hooks += [soft.register_forward_hook(record) for soft in layers]
    for soft in layers:
        soft.hardware = Software()
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _call(soft: SimulatedLayer, layer: SimulatedLayer, x: torch.Tensor, y: torch.Tensor) -> Call:
    fixed = x.detach()
    errors = sum_errors(layer, soft.integers(fixed))
    scale = soft.output_scale().double().reshape(-1, 1, 1)
    mean, deviation = (
        soft.from_images(one.to(scale.device) * scale, fixed) for one in (errors.mean, errors.variance.sqrt())
    )
    levels = fixed / soft.input_scale
    inside = (levels > soft.input_low) & (levels < soft.input_high)
    return Call(layer.name, x, y, soft.input_scale, inside, errors, mean, deviation)


def slopes(
    goal: torch.Tensor, direction: torch.Tensor, calls: Sequence[Call]
) -> list[tuple[Call, torch.Tensor | None, torch.Tensor | None]]:
    """Derivatives of the sum of ``goal`` times ``direction`` by each call's ``y`` and ``x``; None where there is
    none."""
    known = [tensor for call in calls for tensor in (call.y, call.x) if tensor.requires_grad]
    found = iter(torch.autograd.grad(goal, known, direction, retain_graph=True, allow_unused=True) if known else ())
    return [
        (call, next(found) if call.y.requires_grad else None, next(found) if call.x.requires_grad else None)
        for call in calls
    ]


def find_rounding(calls: Sequence[Call], images: int, seed: int) -> None:
    """Set every call's ``rounding``: from the mean square of the errors that reach an element of what it reads, which
    one pass of derivatives along random signs estimates (Hutchinson's estimator of a trace).

    Where in a step a value lies is taken as uniform. Then an error e, its magnitude with the fraction f of a step,
    changes levels by e on average and with variance f (1 - f) = 1/6 - sum of cos(2 pi k f) / (pi k)^2 over k = 1, 2
    ...; for Gaussian errors the cosines' means are exp(-2 (pi k)^2 variance).
    """
    generator = torch.Generator().manual_seed(seed)
    for index, call in enumerate(calls):
        inside = int(call.inside.sum())
        if not call.x.requires_grad or not inside:
            continue
        signs = torch.randint(0, 2, call.x.shape, generator=generator).to(call.x) * 2 - 1
        square = 0.0
        for source, by_y, by_x in slopes(call.x, signs * call.inside, calls[:index]):
            if by_y is not None:
                variance, bias = source.carried(by_y, images)
                square += variance + float(bias.square().sum())
            if by_x is not None:
                square += source.rounded(by_x)
        call.rounding = call.step**2 * rounding_variance(square / inside / call.step**2)


def rounding_variance(variance: float) -> float:
    """What rounding adds to the variance of a Gaussian error of ``variance``, both in steps squared."""
    if variance < SMALL:
        return math.sqrt(2 * variance / math.pi) - variance
    squares = [(math.pi * k) ** 2 for k in range(1, HARMONICS + 1)]
    return 1 / 6 - math.fsum(math.exp(-2 * square * variance) / square for square in squares)
