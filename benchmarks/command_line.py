"""How long commands take to answer, and what the first call after an installation costs."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator

from benchmarks.processes import APC, measure
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload


def command_line(workload: Workload) -> Iterator[Result]:
    """`apc --help`, with warm disk caches."""
    measure([APC, "--help"])
    times = [measure([APC, "--help"]).wall_s for _ in range(2 * workload.size.repetitions + 1)]
    yield Result("apc --help", statistics.median(times), "s", Limit("<=", 0.3), f"median of {len(times)}")


def first_call(workload: Workload) -> Iterator[Result]:
    """The first `apc run` and `apc compile` after an installation, while Numba compiles its kernels."""
    with tempfile.TemporaryDirectory() as empty:
        cold = {"NUMBA_CACHE_DIR": empty}
        output = str(workload.folder / "first_call.apc")
        model = str(workload.model)
        yield Result("first apc compile ever", measure([APC, "compile", model, "-o", output], cold).wall_s, "s")
        yield Result("first apc run after it, one image", workload.simulate(1, cold).wall_s, "s")
        yield Result("second apc run, one image", workload.simulate(1, cold).wall_s, "s")
