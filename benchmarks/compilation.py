"""What compiling takes, and how large the result is."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import Limit, Result
from benchmarks.workload import Workload


def compilation(workload: Workload) -> Iterator[Result]:
    """`apc compile -O0` in a process of its own."""
    workload.simulate(1)  # fills Numba's cache; what that takes is in the group `first_call`
    usage = workload.compile(workload.model)
    yield Result("compile -O0, whole command", usage.wall_s, "s", Limit("<=", 60))
    yield Result("compile -O0, peak memory", usage.peak_bytes / 1e9, "GB", Limit("<=", 4))
    megabytes = workload.program_path.stat().st_size / 1e6
    yield Result("artifact", megabytes, "MB", Limit("<=", 60), "with the ONNX model inside")
