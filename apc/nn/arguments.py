"""What a model is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from apc.nn.errors import ConversionError


@dataclass(frozen=True, eq=False)
class Arguments:
    """Arguments by position and by name; their tensors, in tables and lists too, have images along the first axis."""

    positional: tuple[Any, ...]
    named: dict[str, Any]

    @staticmethod
    def of(example: Any) -> Arguments:
        """A model's argument, a tuple of arguments, or a table of named ones."""
        if isinstance(example, Mapping):
            return Arguments((), dict(example))
        return Arguments(example if isinstance(example, tuple) else (example,), {})

    @staticmethod
    def of_batch(batch: Any) -> Arguments:
        """What a loader gives: (inputs, labels) of which the latter are not read, or inputs alone; inputs are a tensor,
        several of them, or a table of named arguments. Raises ConversionError for what holds no tensor."""
        inputs = batch[0] if isinstance(batch, list | tuple) and len(batch) else batch
        arguments = Arguments.of(tuple(inputs) if isinstance(inputs, list) else inputs)
        tensors = arguments.tensors()
        if not tensors or not all(tensor.ndim for tensor in tensors):
            kind = type(batch).__name__
            raise ConversionError(
                f"calibration: batches must be tensors, (inputs, labels) or tables of named arguments, not {kind}"
            )
        return arguments

    @staticmethod
    def joined(parts: Sequence[Arguments]) -> Arguments:
        """The images of all ``parts``; what is no tensor is that of the first."""
        trees = [tree_flatten((part.positional, part.named)) for part in parts]
        leaves = zip(*(leaves for leaves, _ in trees), strict=True)
        together = [torch.cat(same) if isinstance(same[0], torch.Tensor) else same[0] for same in leaves]
        return Arguments(*tree_unflatten(together, trees[0][1]))

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.tensors()[0])

    def __getitem__(self, images: slice) -> Arguments:
        return self._changed(lambda tensor: tensor[images])

    def fits(self, other: Arguments) -> bool:
        """Whether images are of the same shapes, so that both can be joined."""
        return [one.shape[1:] for one in self.tensors()] == [one.shape[1:] for one in other.tensors()]

    def on(self, model: nn.Module) -> Arguments:
        """Where the model's parameters are."""
        device = next(model.parameters()).device
        return self._changed(lambda tensor: tensor.to(device))

    def given_to(self, model: nn.Module) -> Any:
        """What ``model`` makes of them."""
        return model(*self.positional, **self.named)

    def tensors(self) -> list[torch.Tensor]:
        """All of them, in order."""
        leaves, _ = tree_flatten((self.positional, self.named))
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Arguments:
        return Arguments(*tree_map_only(torch.Tensor, change, (self.positional, self.named)))


def recut(batches: Iterable[Arguments], size: int) -> Iterator[Arguments]:
    """The same images in batches of ``size``, the last one smaller, and the last before images of other shapes."""
    waiting: list[Arguments] = []
    for batch in batches:
        if waiting and not waiting[0].fits(batch):
            yield from _together(waiting)
            waiting = []
        waiting.append(batch)
        if sum(map(len, waiting)) < size:
            continue
        together = Arguments.joined(waiting)
        whole = len(together) // size * size
        for start in range(0, whole, size):
            yield together[start : start + size]
        waiting = [together[whole:]]
    yield from _together(waiting)


def _together(parts: list[Arguments]) -> Iterator[Arguments]:
    """All ``parts`` as one, where they hold an image."""
    if parts and len(joined := Arguments.joined(parts)):
        yield joined
