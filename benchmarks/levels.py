"""What each optimisation level does: exactness, additions, energy, time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

LEVELS = ("O0", "O1", "O2")


def levels(workload: Workload) -> Iterator[Result]:
    """Each level on rtm-ap-published: elements that differ, additions, counted energy of one image, compile time."""
    from apc.driver import CompileOptions, compile_model, run_model

    published = 0.0
    for level in LEVELS:
        started = time.perf_counter()
        program = compile_model(str(workload.model), CompileOptions(level=level)).program
        compile_s = time.perf_counter() - started
        inputs = {"input": workload.images(1)}
        result = run_model(program, inputs, threads=workload.size.threads, check="reference")
        assert result.check is not None
        yield Result(f"-{level}: elements that differ from the reference", result.check.mismatches, "", Limit("==", 0))
        yield Result(f"-{level}: compile", compile_s, "s")
        ternary = [layer.statistics for layer in program.layers if layer.name.startswith("layer")]
        naive = sum(statistics["adds_naive"] for statistics in ternary)
        share = sum(statistics["adds"] for statistics in ternary) / naive
        yield Result(f"-{level}: additions to those without sharing, ternary convolutions", share, "x")
        energy_J = result.cost.energy_J()["total"]
        yield Result(f"-{level}: energy of an image", energy_J * 1e3, "mJ")
        yield Result(f"-{level}: latency of an image on the machine", result.cost.latency_s() * 1e3, "ms")
        if level == "O1":
            published = energy_J
        elif level == "O2":
            yield Result("-O2: energy to -O1's, the published recipe", energy_J / published, "x")
