"""Convolutions and linear layers on simulated hardware."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

from apc.nn.simulated import SimulatedLayer
from simulator.analog.unfold import Geometry

Made = TypeVar("Made", bound=nn.Module)


def adopt(kind: type[Made], module: nn.Module) -> Made:
    """A module of another kind with the parameters, buffers, hooks and attributes of ``module``, not copies."""
    made = kind.__new__(kind)
    made.__dict__.update(module.__dict__)
    return made


class SimulatedConv2d(SimulatedLayer, nn.Conv2d):
    """A Conv2d on hardware."""

    @property
    def geometry(self) -> Geometry:
        left, right, top, bottom = self._reversed_padding_repeated_twice if self.padding_mode == "zeros" else (0,) * 4
        strides, dilations = (self.stride[0], self.stride[1]), (self.dilation[0], self.dilation[1])
        return Geometry(strides, (top, left, bottom, right), dilations, self.groups)

    def kernel(self, levels: torch.Tensor) -> torch.Tensor:
        return levels

    def as_images(self, x: torch.Tensor) -> torch.Tensor:
        images = x if x.ndim == 4 else x[None]
        return _padded(self, images)

    def from_images(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return y if x.ndim == 4 else y[0]

    def float_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return self._conv_forward(x, weight, bias)


class SimulatedConv1d(SimulatedLayer, nn.Conv1d):
    """A Conv1d on hardware: images of one row."""

    @property
    def geometry(self) -> Geometry:
        left, right = self._reversed_padding_repeated_twice if self.padding_mode == "zeros" else (0, 0)
        return Geometry((1, self.stride[0]), (0, left, 0, right), (1, self.dilation[0]), self.groups)

    def kernel(self, levels: torch.Tensor) -> torch.Tensor:
        return levels[:, :, None]

    def as_images(self, x: torch.Tensor) -> torch.Tensor:
        lines = x if x.ndim == 3 else x[None]
        return _padded(self, lines)[:, :, None]

    def from_images(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return y[:, :, 0] if x.ndim == 3 else y[0, :, 0]

    def float_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return self._conv_forward(x, weight, bias)


class SimulatedMatrix(SimulatedLayer):
    """A matrix on hardware: (N, ..., in) to (N, ..., out), where the axes between are positions of an image.

    ``image_axis``: 1 where images are the second axis, in a transformer that has the sequence first.
    """

    image_axis = 0

    @property
    def geometry(self) -> Geometry:
        return Geometry()

    def kernel(self, levels: torch.Tensor) -> torch.Tensor:
        return levels[:, :, None, None]

    def as_images(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.movedim(self.image_axis, 0) if x.ndim > self.image_axis + 1 else x[None]
        return rows.reshape(len(rows), -1, rows.shape[-1]).transpose(1, 2)[..., None]

    def from_images(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        rows = y[..., 0].transpose(1, 2)
        if x.ndim <= self.image_axis + 1:
            return rows.reshape(*x.shape[:-1], y.shape[1])
        shape = x.movedim(self.image_axis, 0).shape
        return rows.reshape(*shape[:-1], y.shape[1]).movedim(0, self.image_axis)

    def float_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return functional.linear(x, weight, bias)


class SimulatedLinear(SimulatedMatrix, nn.Linear):  # type: ignore[misc]
    """A Linear on hardware."""


def _padded(layer: SimulatedConv1d | SimulatedConv2d, x: torch.Tensor) -> torch.Tensor:
    """``x`` padded where that is not with zeros, which the hardware does."""
    if layer.padding_mode == "zeros":
        return x
    return functional.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
