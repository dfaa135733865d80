"""apc: compile quantised networks for racetrack-memory associative processors, and simulate them bit by bit.

```python
program = apc.compile("model.onnx")
apc.save(program, "model.apc")
result = apc.run(program, {"input": images})
result.outputs, result.cost.energy_J()
faults = apc.load_faults("position-4.6e-5")
apc.run_trials(program, {"input": images}, faults, trials=10, labels=labels).accuracy
comparison = apc.compare(program, against=["crossbar-rram-22nm"])
[(backend.name, backend.energy_J) for backend in comparison.backends]
apc.crossbar.CrossbarConfig(adc_bits=8)
apc.acim.AcimConfig(rows=255, adc_bits=8, noise_lsb=0.2)
simulated = apc.nn.convert(model, apc.acim.AcimConfig(), calibration=batches)
```
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from apc import acim, crossbar, nn
    from apc.comparison.driver import Comparison
    from apc.driver import RunResult
    from apc.fault_file import FaultFile
    from apc.trials import TrialsResult
    from ir.program import Program
    from simulator.rtm.faults.model import Faults

__all__ = ["acim", "compare", "compile", "crossbar", "load", "load_faults", "nn", "run", "run_trials", "save"]


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


def load_faults(name_or_path: str | Path) -> FaultFile:
    """A preset by name or a .toml file (docs/faults.md). Raises ``apc.errors.ApcError``, which names file and key."""
    from apc.fault_file import load_faults

    return load_faults(name_or_path)


def run(program: Program, inputs: Mapping[str, np.ndarray], **options: Any) -> RunResult:
    """Simulate images. ``options``: fields of ``apc.options.ModelOptions`` (engine, threads, batch; labels; check;
    faults, as ``load_faults`` gives or takes them, with seed and trial; wear)."""
    from apc.driver import run_model

    if isinstance(options.get("faults"), (str, Path)):
        options["faults"] = load_faults(options["faults"])
    return run_model(program, inputs, **options)


def run_trials(
    program: Program, inputs: Mapping[str, np.ndarray], faults: FaultFile | Faults | str | Path, **options: Any
) -> TrialsResult:
    """Run without faults, then many times with them, and say what they change: accuracy, outputs, layers, and what
    mitigation costs. ``options``: fields of ``apc.options.TrialsOptions`` (seed, trials, labels; engine ...)."""
    from apc.trials import run_trials

    loaded = load_faults(faults) if isinstance(faults, (str, Path)) else faults
    return run_trials(program, inputs, loaded, **options)


def compare(source: Any, example: Any = None, **options: Any) -> Comparison:
    """Cost and accuracy of a network on associative processors and crossbars, break-even points, and what decides.

    ``source``: a program or its path, or a model as ``compile`` takes it. ``options``: fields of
    ``apc.comparison.driver.CompareOptions`` (against, targets, overrides, inputs, labels ...). Raises
    ``apc.errors.ApcError`` for what the user can mend, in one line.
    """
    from apc.comparison.driver import CompareOptions, compare

    return compare(source, CompareOptions(**options), example=example)


if not TYPE_CHECKING:  # for a type checker, it would give the package any attribute

    def __getattr__(name: str) -> Any:
        """What loads torch: only when it is asked for."""
        if name in ("acim", "crossbar", "nn"):
            from importlib import import_module

            return import_module(f"apc.{name}")
        raise AttributeError(f"module 'apc' has no attribute '{name}'")
