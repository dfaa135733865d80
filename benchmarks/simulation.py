"""Speed and memory of the simulator, beside PyTorch on the float network of the same topology."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.results import Limit, Result
from benchmarks.workload import FULL, Workload


def simulation(workload: Workload) -> Iterator[Result]:
    """One image and a batch: time as a multiple of PyTorch's eager float32 on as many threads; memory; commands."""
    size = workload.size
    for batch, most in ((1, 40), (size.batch, 8)):
        ours, peer = _interleaved(*_contestants(workload, batch), size.repetitions)
        ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
        images = "one image" if batch == 1 else f"batch of {batch}, an image"
        limit = Limit("<=", most) if size == FULL else None
        times = f"PyTorch, same batch, {size.threads} threads: {1e3 * statistics.median(peer) / batch:.1f} ms an image"
        yield Result(f"simulation to PyTorch float32, {images}", ratio, "x", limit, times)
        yield Result(f"simulation, {images}", 1e3 * statistics.median(ours) / batch, "ms")
    one = workload.simulate(1)
    yield Result("apc run, one image, whole command", one.wall_s, "s", note="start, reading, counts and report too")
    many = workload.simulate(size.batch)
    yield Result(f"apc run, batch of {size.batch}, whole command", many.wall_s, "s")
    yield Result(f"apc run, batch of {size.batch}, peak memory", many.peak_bytes / 1e9, "GB", Limit("<=", 4))


def _contestants(workload: Workload, batch: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The simulator and PyTorch on the same images."""
    import torch

    from ir.boundary import quantise_input
    from simulator.rtm.prepared import Prepared
    from simulator.rtm.run import run_program

    images, program, threads = workload.images(batch), workload.program, workload.size.threads
    integers = {boundary.name: quantise_input(boundary, images) for boundary in program.inputs}
    network, pixels = workload.float_network[0], torch.from_numpy(images)
    torch.set_num_threads(threads)

    def peer() -> np.ndarray:
        with torch.inference_mode():
            return network(pixels).numpy()

    prepared = Prepared(program)  # static: part of loading a program, whatever is run on it

    def simulated() -> object:
        return run_program(program, integers, engine="fast", threads=threads, keep="outputs", prepared=prepared)

    return simulated, peer


def _interleaved(
    first: Callable[[], object], second: Callable[[], object], repetitions: int
) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, after a warm-up of each. A peer that is faster than 0.2 s is run several times."""
    first()
    second()
    inner = max(1, min(10, round(0.2 / _seconds(second, 1))))
    pairs = [(_seconds(first, 1), _seconds(second, inner)) for _ in range(repetitions)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _seconds(work: Callable[[], object], times: int) -> float:
    """Seconds of one call, as the mean over ``times`` calls."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times
