"""Every group of measures, by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.command_line import command_line, first_call
from benchmarks.compilation import compilation
from benchmarks.exactness import exactness, float_scales
from benchmarks.kernels import kernels
from benchmarks.results import Result
from benchmarks.simulation import simulation
from benchmarks.workload import Workload

Group = Callable[[Workload], Iterator[Result]]

GROUPS: dict[str, Group] = {
    "exactness": exactness,
    "float_scales": float_scales,
    "compilation": compilation,
    "simulation": simulation,
    "command_line": command_line,
    "first_call": first_call,
    "kernels": kernels,
}


def description(name: str) -> str:
    """The first line of a group's docstring."""
    return (GROUPS[name].__doc__ or "").splitlines()[0]
