"""apc: compile quantised networks for racetrack-memory associative processors, and simulate them bit by bit.

>>> program = apc.compile("model.onnx")
>>> apc.save(program, "model.apc")
>>> result = apc.run(program, {"input": images})
>>> result.outputs, result.cost.energy_J()
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from apc.driver import RunResult
    from ir.program import Program

__all__ = ["compile", "load", "run", "save"]


def compile(model: Any, example: Any = None, **options: Any) -> Program:
    """Compile an ``.onnx`` path, a "package.module:factory", or an nn.Module with an ``example`` input.

    ``options``: fields of ``apc.driver.CompileOptions`` (target, overrides, level, calibration ...). Warnings go to
    the ``warnings`` module. Raises ``apc.errors.ApcError`` for what the user can mend, in one line.
    """
    import warnings

    from apc.driver import CompileOptions, compile_model

    compilation = compile_model(model, CompileOptions(**options), example=example)
    for message in compilation.warnings:
        warnings.warn(message, stacklevel=2)
    return compilation.program


def load(path: str | Path) -> Program:
    """Read an ``.apc`` file. Raises ``apc.errors.ApcError`` where it is damaged."""
    from apc import artifact

    return artifact.load(path)


def save(program: Program, path: str | Path) -> None:
    """Write an ``.apc`` file: the same program gives the same bytes."""
    from apc import artifact

    artifact.save(program, path)


def run(program: Program, inputs: Mapping[str, np.ndarray], **options: Any) -> RunResult:
    """Simulate a batch; see ``apc.driver.run_model`` for ``options`` (engine, threads, check)."""
    from apc.driver import run_model

    return run_model(program, inputs, **options)
