"""Speed and memory of the simulator, beside PyTorch on the float network of the same topology."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.results import Limit, Result
from benchmarks.timing import in_turn
from benchmarks.workload import FULL, Workload

if TYPE_CHECKING:
    from ir.program import Program


def simulation(workload: Workload) -> Iterator[Result]:
    """-O2, all counters on: time as a multiple of PyTorch's eager float32 on as many threads; threads; memory."""
    size = workload.size
    measured = size == FULL
    for level, batch, most in (("O2", size.batch, 1.0), ("O2", 1, 10.0), ("O0", size.batch, None), ("O0", 1, None)):
        run = _Runs(workload, level, batch)
        ours, peer = in_turn(run.simulated, run.peer, size.repetitions)
        ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
        images = "one image" if batch == 1 else f"batch of {batch}, an image"
        limit = Limit("<=", most) if measured and most is not None else None
        times = f"PyTorch, same batch, {size.threads} threads: {1e3 * statistics.median(peer) / batch:.1f} ms an image"
        yield Result(f"-{level}: simulation to PyTorch float32, {images}", ratio, "x", limit, times)
        yield Result(f"-{level}: simulation, {images}", 1e3 * statistics.median(ours) / batch, "ms")
    run = _Runs(workload, "O2", size.batch)
    alone, together = in_turn(run.on_one_thread, run.simulated, size.repetitions)
    faster = statistics.median(a / b for a, b in zip(alone, together, strict=True))
    yield Result(f"threads 1 to {size.threads}", faster, "x", Limit(">=", 1.8) if measured else None, "batch as above")
    yield Result("elements that differ between 1 thread and more", run.differing_elements(), "", Limit("==", 0))
    bare, whole = in_turn(run.arithmetic_alone, run.simulated, size.repetitions)
    outside = 100 * (1 - statistics.median(a / b for a, b in zip(bare, whole, strict=True)))
    note = "against the same instructions without gathers, packing and outputs"
    yield Result("share of time outside arithmetic", outside, "%", Limit("<=", 25) if measured else None, note)
    for rate, most in ((1e-8, 1.3), (1e-5, 3.0)):
        faulty, free = in_turn(partial(run.with_faults, rate), run.simulated, size.repetitions)
        slower = statistics.median(a / b for a, b in zip(faulty, free, strict=True))
        limit, note = Limit("<=", most) if measured else None, "over- and under-shifts alike, drawing included"
        yield Result(f"time with shift faults of {rate:g} a step to that without", slower, "x", limit, note)
    trace = workload.folder / "trace.json"
    one = workload.simulate(1, level="O2", options=("--trace", str(trace)))
    yield Result("apc run, one image, whole command", one.wall_s, "s", note="start, reading, counts and report too")
    many = workload.simulate(size.batch, level="O2")
    yield Result(f"apc run, batch of {size.batch}, whole command", many.wall_s, "s")
    yield Result("apc run --trace, one image, its file", trace.stat().st_size / 1e6, "MB", Limit("<=", 50))
    memory = Limit("<=", 3) if measured else None
    yield Result(f"apc run, batch of {size.batch}, peak memory", many.peak_bytes / 1e9, "GB", memory)


class _Runs:
    """One batch of images on the simulator, and on PyTorch."""

    def __init__(self, workload: Workload, level: str, batch: int) -> None:
        import torch

        from ir.boundary import quantise_input
        from simulator.rtm.faults.slots import ProgramSlots
        from simulator.rtm.prepared import Prepared

        images = workload.images(batch)
        self.threads = workload.size.threads
        self.program = workload.program_at(level)
        self.integers = {boundary.name: quantise_input(boundary, images) for boundary in self.program.inputs}
        self.prepared = Prepared(self.program)  # static: part of loading a program, whatever is run on it
        self.slots = ProgramSlots(self.program)
        self.bare = Prepared(_without_gathers(self.program))
        self.network, self.pixels = workload.float_network[0], torch.from_numpy(images)
        torch.set_num_threads(self.threads)

    def simulated(self) -> object:
        return self._run(self.prepared, self.threads)

    def on_one_thread(self) -> object:
        return self._run(self.prepared, 1)

    def arithmetic_alone(self) -> object:
        return self._run(self.bare, self.threads)

    def with_faults(self, rate: float) -> object:
        from simulator.rtm.faults.model import Faults, ShiftFaults
        from simulator.rtm.faults.plan import FaultPlan
        from simulator.rtm.run import run_program

        faults = Faults(shift=ShiftFaults(over=rate / 2, under=rate / 2))
        images = next(iter(self.integers.values())).shape[0]
        plan = FaultPlan(self.program, faults, 1, images, slots=self.slots)
        return run_program(self.program, self.integers, threads=self.threads, prepared=self.prepared, faults=plan)

    def peer(self) -> object:
        import torch

        with torch.inference_mode():
            return self.network(self.pixels).numpy()

    def differing_elements(self) -> int:
        first, second = self._run(self.prepared, 1), self._run(self.prepared, self.threads)
        return sum(int((first[number] != second[number]).sum()) for number in first)

    def _run(self, prepared: object, threads: int) -> dict[int, np.ndarray]:
        from simulator.rtm.prepared import Prepared
        from simulator.rtm.run import run_program

        assert isinstance(prepared, Prepared)
        return run_program(prepared.program, self.integers, threads=threads, prepared=prepared).tensors


def _without_gathers(program: Program) -> Program:
    """The same instructions but for those that gather, and nothing stored (MACs keep what they read)."""
    from ir.isa import Op

    layers, tensors = [], list(program.tensors)
    for layer in program.layers:
        tiles = []
        for tile in layer.tiles:
            kept = tile.instructions[tile.instructions["op"] != Op.GATHER]
            gathers = tile.gathers if (kept["op"] == Op.MAC).any() else tile.gathers[:0]
            tiles.append(replace(tile, instructions=kept, gathers=gathers))
        layers.append(replace(layer, tiles=tiles))
        fields = tensors[layer.output].fields.copy()
        fields["tile"] = len(tiles)
        tensors[layer.output] = replace(tensors[layer.output], fields=fields)
    return replace(program, layers=layers, tensors=tensors)
