"""Every group of measures, by name, in the order in which they run; and those that run only when they are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.acim import acim
from benchmarks.arithmetic import arithmetic
from benchmarks.command_line import command_line, first_call
from benchmarks.compilation import compilation
from benchmarks.crossbar_cost import crossbar_cost
from benchmarks.crossbars import crossbars
from benchmarks.cse import cse
from benchmarks.exactness import exactness, float_scales
from benchmarks.inspector import inspector
from benchmarks.kernels import kernels
from benchmarks.levels import levels
from benchmarks.results import Result
from benchmarks.simulation import simulation
from benchmarks.workload import Workload

Group = Callable[[Workload], Iterator[Result]]

GROUPS: dict[str, Group] = {
    "exactness": exactness,
    "float_scales": float_scales,
    "compilation": compilation,
    "levels": levels,
    "arithmetic": arithmetic,
    "simulation": simulation,
    "command_line": command_line,
    "first_call": first_call,
    "kernels": kernels,
    "crossbars": crossbars,
    "crossbar_cost": crossbar_cost,
    "acim": acim,
    "inspector": inspector,
}

ON_REQUEST: dict[str, Group] = {"cse": cse}
"""Takes minutes, and a package that nothing else needs."""


def description(name: str) -> str:
    """The first line of a group's docstring."""
    return ((GROUPS | ON_REQUEST)[name].__doc__ or "").splitlines()[0]
