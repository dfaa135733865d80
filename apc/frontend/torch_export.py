"""PyTorch modules, and `package.module:factory` names that make them, as ONNX models in memory."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ir.errors import UserError

if TYPE_CHECKING:
    import onnx
    import torch


def is_factory(source: str) -> bool:
    """Whether a MODEL argument names a factory rather than a file."""
    module, colon, factory = source.rpartition(":")
    named = bool(colon) and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))
    return named and not Path(source).exists()


def call_factory(source: str) -> tuple[torch.nn.Module, Any]:
    """Import `package.module:factory`, call it, and return its (module, example input)."""
    name, _, factory = source.rpartition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise UserError(f"{source}: the module cannot be imported: {error}; check the name and the folder") from error
    make = getattr(module, factory, None)
    if not callable(make):
        raise UserError(f"{source}: the module {name} has no callable {factory}")
    try:
        made = make()
    except Exception as error:
        raise UserError(f"{source}: the factory raised {type(error).__name__}: {error}") from error
    if not isinstance(made, tuple) or len(made) != 2:
        raise UserError(f"{source}: must return (nn.Module, example input), not {type(made).__name__}")
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about packages that are not installed and its own deprecations."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export(module: torch.nn.Module, example: Any) -> onnx.ModelProto:
    """The ONNX model of a module in evaluation mode, through torch.onnx's dynamo exporter.

    ``example``: a tensor, or a tuple of the module's arguments. Raises UserError with the first line of torch's
    reason where the export fails.
    """
    return without_traces(traced(module, example))


def traced(module: torch.nn.Module, example: Any, **options: Any) -> onnx.ModelProto:
    """As ``export``, with the exporter's metadata; ``options``: more of ``torch.onnx.export``."""
    import torch

    if not isinstance(module, torch.nn.Module):
        raise UserError(f"expected a torch.nn.Module, not {type(module).__name__}")
    if example is None:
        raise UserError("a torch.nn.Module needs an example input: pass example=tensor, or a tuple of arguments")
    arguments = example if isinstance(example, tuple) else (example,)
    training = module.training
    module.eval()
    try:
        # the exporter reports its progress on stdout, which belongs to the command's result
        with contextlib.redirect_stdout(io.StringIO()), _quiet(), torch.no_grad():
            program = torch.onnx.export(module, arguments, dynamo=True, verbose=False, **options)
    # torch wraps failures of its own and of the user's forward() in many classes
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{type(module).__name__}: torch.onnx.export failed: {reason}") from error
    finally:
        module.train(training)
    assert program is not None
    return program.model_proto


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the stack traces that the exporter attaches to every node: they name files of this machine."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    return model
