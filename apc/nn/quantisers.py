"""Fake quantisers of weights and inputs: integer levels times a scale forwards, straight through backwards."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import nn

from apc.nn.errors import ConversionError
from apc.nn.operators import fake_quantise
from apc.nn.quantisation import Quantisation
from apc.quantize.weights import TWN_THRESHOLD

DEFAULT = Quantisation()


def straight_through(x: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """``value`` forwards, the gradient of ``x`` backwards."""
    return x + (value - x).detach()


class Straight(torch.autograd.Function):
    """``value`` forwards, bit for bit; the gradient goes to ``soft``."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, soft: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return value.clone()  # what autograd takes for a view, layers behind may not change in place

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None


def power_of_two(scale: torch.Tensor, up: bool = False) -> torch.Tensor:
    """The power of two nearest to ``scale`` by its logarithm, or not below it."""
    mantissa, exponent = torch.frexp(scale)
    above = mantissa > (0.5 if up else math.sqrt(0.5))
    return torch.ldexp(torch.ones_like(scale), exponent - 1 + above.to(exponent.dtype))


def lsq(x: torch.Tensor, scale: torch.Tensor, low: int, high: int, sharing: int) -> torch.Tensor:
    """Levels of ``x`` times ``scale`` with the gradients of LSQ (Esser et al., 2020): straight through inside the
    range, none beyond for ``x``; for ``scale``, level - x / scale inside and the limit beyond, divided by
    sqrt(``sharing`` * high), where ``sharing`` elements share a scale."""
    weight = 1 / math.sqrt(sharing * high)
    step = straight_through(scale * weight, scale)
    steps = torch.clamp(x / step, low, high)
    return straight_through(steps, torch.round(steps)) * step


class WeightQuantiser(nn.Module):
    """Weights (outputs first) to levels and a scale of each output (or one), as ``quantisation`` says.

    ``scale``: with learned scales a parameter, float32 (outputs or 1,), else None.
    """

    scale: nn.Parameter | None

    def __init__(self, quantisation: Quantisation, weight: torch.Tensor) -> None:
        super().__init__()
        self.quantisation = quantisation
        self.register_parameter("scale", None)
        if quantisation.weight_scale == "learned":
            mean = self._rows(weight.detach()).abs().mean(1)
            self.scale = nn.Parameter(_positive(2 * mean / math.sqrt(quantisation.top)).to(weight.dtype))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Levels times scales, of the shape of ``weight``, differentiable."""
        if self.scale is None:
            levels, scale = self.levels(weight)
            return straight_through(weight, levels.to(weight.dtype) * _along(scale, weight))
        scale = self._learned_scale()
        top = self.quantisation.top
        return lsq(weight, _along(scale, weight), -top, top, weight.numel() // scale.numel())

    def levels(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """int32 levels of the shape of ``weight``, and the positive scales, float32 (outputs,). An output of zeros has
        scale 1. Half levels go to the even one; magnitudes equal to TWN's threshold are dropped."""
        rows = self._rows(weight.detach())
        if self.scale is not None:
            scale = self._learned_scale().detach()
            levels = _nearest(rows, scale, self.quantisation.top)
        else:
            levels, scale = self._of_rows(rows)
        full = scale.float().expand(len(weight)) if scale.numel() == 1 else scale.float()
        return levels.reshape(weight.shape).to(torch.int32), full

    def _of_rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Levels and scales (rows,) of ``rows``, float32 (scales, weights that share one)."""
        sizes = rows.double().abs()
        mean = sizes.mean(1)
        kind = self.quantisation.weights
        if kind == "int":
            scale = self._settled(_positive(sizes.amax(1) / self.quantisation.top), up=True)
            return _nearest(rows, scale, self.quantisation.top), scale
        if kind == "binary":
            levels = torch.where(rows >= 0, 1.0, -1.0) * (mean > 0)[:, None]
            return levels, self._settled(_positive(mean))
        kept = sizes > TWN_THRESHOLD * mean[:, None]
        scale = (sizes * kept).sum(1) / kept.sum(1).clamp(min=1)
        return rows.sign() * kept, self._settled(_positive(scale))

    def _settled(self, scale: torch.Tensor, up: bool = False) -> torch.Tensor:
        return power_of_two(scale, up) if self.quantisation.power_of_two else scale

    def _learned_scale(self) -> torch.Tensor:
        assert self.scale is not None
        scale = self.scale.abs().clamp(min=torch.finfo(torch.float32).tiny)
        return straight_through(scale, power_of_two(scale)) if self.quantisation.power_of_two else scale

    def _rows(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.float().flatten(1) if self.quantisation.per_channel else weight.float().reshape(1, -1)


class Observer(Protocol):
    """What calibration wants to know of values."""

    def see(self, x: torch.Tensor) -> None: ...


class ActivationQuantiser(nn.Module):
    """Values to levels of one scale, which does not depend on the batch: of every simulated layer's inputs, and, placed
    in a model by its author, of what else ``apc compile`` needs as integers (operands of an addition, what a pool
    reads, outputs). ``apc.nn.calibrate`` sets it; until then values pass unchanged.

    Buffers ``low`` and ``high``: the levels' range; ``scale``: float32 (), with learned scales a parameter; ``ready``:
    whether they are set. ``observer``: sees values while they pass unchanged, in calibration. ``frozen``: scale and
    range for export.
    """

    low: torch.Tensor
    high: torch.Tensor
    ready: torch.Tensor
    scale: torch.Tensor

    def __init__(self, quantisation: Quantisation = DEFAULT) -> None:
        super().__init__()
        self.quantisation = quantisation
        self.observer: Observer | None = None
        self.frozen: tuple[float, int, int] | None = None
        low, high = quantisation.input_range(signed=False)
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.register_buffer("ready", torch.tensor(False))
        if quantisation.activation_scale == "learned":
            self.register_parameter("scale", nn.Parameter(torch.ones(())))
        else:
            self.register_buffer("scale", torch.ones(()))

    def set_range(self, signed: bool, largest: float, mean: float) -> None:
        """Choose range and scale for inputs of magnitudes up to ``largest``, ``mean`` on average (where scales are
        learned they begin at LSQ's 2 mean / sqrt(high)). Raises ConversionError for 1-bit inputs below 0."""
        low, high = self.quantisation.input_range(signed)
        if not high:
            raise ConversionError("activation_bits = 1: inputs below 0 need 2 bits or more")
        learned = self.quantisation.activation_scale == "learned"
        scale = torch.tensor(2 * mean / math.sqrt(high) if learned else largest / high, dtype=torch.float64)
        scale = _positive(scale)
        if self.quantisation.power_of_two and not learned:
            scale = power_of_two(scale, up=self.quantisation.activation_scale == "max")
        with torch.no_grad():
            self.low.fill_(low)
            self.high.fill_(high)
            self.scale.copy_(scale)
            self.ready.fill_(True)

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest level."""
        return int(self.low), int(self.high)

    def current_scale(self) -> torch.Tensor:
        """The scale as it is used: positive, a power of two where it has to be; differentiable where it is learned."""
        if self.quantisation.activation_scale != "learned":
            return self.scale
        scale = self.scale.abs().clamp(min=torch.finfo(torch.float32).tiny)
        return straight_through(scale, power_of_two(scale)) if self.quantisation.power_of_two else scale

    def freeze(self) -> None:
        """Compute from now on with the operation that becomes QuantizeLinear in ONNX. Raises ConversionError for more
        than 8 bits."""
        low, high = self.range
        if not -128 <= low <= high <= (127 if low else 255):
            raise ConversionError(f"activation_bits = {self.quantisation.activation_bits}: at most 8 can be exported")
        self.frozen = (float(self.current_scale().detach()), low, high)

    def levels(self, x: torch.Tensor) -> torch.Tensor:
        """round_half_even(x / scale) clamped to the range: whole numbers, float32."""
        low, high = self.range
        return torch.clamp(torch.round(x.detach().float() / self.current_scale().detach()), low, high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Levels times scale, differentiable."""
        if self.frozen is not None:
            return fake_quantise(x, *self.frozen)
        if self.observer is not None:
            self.observer.see(x.detach())
        if self.observer is not None or not self.ready:
            return x
        low, high = self.range
        scale = self.current_scale()
        if self.quantisation.activation_scale == "learned":
            return lsq(x, scale, low, high, x[:1].numel())
        steps = torch.clamp(x / scale, low, high)
        return straight_through(steps, torch.round(steps)) * scale


def _nearest(rows: torch.Tensor, scale: torch.Tensor, top: int) -> torch.Tensor:
    return torch.clamp(torch.round(rows / scale.float()[:, None]), -top, top)


def _positive(scale: torch.Tensor) -> torch.Tensor:
    """float32 ``scale``, 1 where it is 0."""
    narrow = scale.float()
    return torch.where(narrow > 0, narrow, torch.ones_like(narrow))


def _along(scale: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``scale`` (outputs or 1,) against the first axis of ``weight``."""
    return scale.to(weight.dtype).reshape(-1, *[1] * (weight.ndim - 1))
