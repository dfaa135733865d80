"""A copy of a user's model."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

from apc.nn.errors import ConversionError

Model = TypeVar("Model", bound=nn.Module)


def copy_of(model: Model) -> Model:
    """A deep copy. Raises ConversionError where torch cannot make one, as of weights that a hook computes."""
    try:
        return copy.deepcopy(model)
    except RuntimeError as error:
        line = str(error).split(". ", 1)[0]
        raise ConversionError(
            f"{type(model).__name__}: cannot be copied ({line}): call remove_weight_norm, remove_spectral_norm or "
            "prune.remove on its layers, and detach tensors that it keeps"
        ) from error
