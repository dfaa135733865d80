"""Which images a batch holds: noise is keyed by an image's place among all there are, not by its place in a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

CALL_STRIDE = 1 << 24
"""Between the noise of a layer's calls in one forward pass: more images than that begin to share noise."""


class Images:
    """The images that have been seen. All layers of a model share one.

    ``first``: the place of the current batch's first image; ``count``: how many it has (0: no batch yet); ``passes``:
    forward passes begun.
    """

    def __init__(self) -> None:
        self.first = self.count = self.passes = self._next = 0

    def begin(self, count: int) -> None:
        """A batch of ``count`` images follows what has been seen."""
        self.first, self.count = self._next, count
        self._next += count
        self.passes += 1

    def restart(self, first_image: int = 0) -> None:
        """The next batch's first image is number ``first_image``."""
        self._next = self.first = first_image
        self.count = 0
        self.passes += 1


class Calls:
    """How often one layer was called in the current forward pass."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self._pass = self._number = 0

    def first_image(self, leading: int) -> int:
        """The place of the first of ``leading`` images that the layer reads in its next call. Where they are a
        multiple of the model's images, windows or tokens of an image in turn, each counts as an image."""
        images = self.images
        if self._pass != images.passes:
            self._pass, self._number = images.passes, 0
        each = leading // images.count if images.count and leading % images.count == 0 else 1
        place = images.first * each + self._number * CALL_STRIDE
        self._number += 1
        return place


class CountImages:
    """A forward pre-hook of a model's root."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        first = next(_tensors((*args, *kwargs.values())), None)
        self.images.begin(first.shape[0] if first is not None and first.ndim else 1)


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors among ``values`` and in the lists and tables among them."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, Mapping):
            yield from _tensors(value.values())
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
