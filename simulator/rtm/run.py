"""Run a whole program: integers in, integers and counters out, on either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from ir.isa import Op
from ir.program import Program
from simulator.rtm.counters import CLASSES, LayerCounters, Rows, tile_counters
from simulator.rtm.engine import FastEngine, LayerResult, SimulationError, storage_type
from simulator.rtm.gather import broadcast_arrays
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine, active_rows

Progress = Callable[[int, int, str], None]
"""Called with (layers done, layers, name of the layer that starts; "" at the end)."""


@dataclass
class SimulationResult:
    """``tensors``: index into ``Program.tensors`` -> int64 (N, C, H, W); ``layers``: counters in program order."""

    images: int
    tensors: dict[int, np.ndarray] = field(default_factory=dict)
    layers: list[LayerCounters] = field(default_factory=list)


class Engine(Protocol):
    """What executes layers."""

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray]) -> LayerResult: ...


def run_program(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    *,
    engine: Literal["fast", "reference"] = "fast",
    threads: int = 1,
    keep: Literal["outputs", "all"] = "outputs",
    prepared: Prepared | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Simulate a verified program on a batch.

    ``inputs``: int64 (N, C, H, W) by the name of each of ``program.inputs``. ``keep``: which tensors the result holds;
    the others are freed after their last use. ``prepared``: of the program, for a caller who runs it more than once.
    Results do not depend on ``threads``.
    Raises SimulationError for inputs that do not fit the program and tensors that the engines cannot store.
    """
    batch = _batch(program, inputs)
    prepared = prepared or Prepared(program)
    rows = [active_rows(program, batch * tensor.positions) for tensor in program.tensors]
    tensors = {
        boundary.tensor: _store_input(program, boundary.tensor, boundary.name, inputs[boundary.name], rows)
        for boundary in program.inputs
    }
    results = {boundary.tensor for boundary in program.outputs}
    result = SimulationResult(batch)
    with ThreadPoolExecutor(threads) if threads > 1 and engine == "fast" else nullcontext() as pool:
        runner = _engine(engine, prepared, batch, threads, pool)
        for index, layer in enumerate(program.layers):
            if progress is not None:
                progress(index, len(program.layers), layer.name)
            done = runner.run_layer(index, tensors)
            tensors[layer.output] = done.output
            result.layers.append(_counters(prepared, index, batch, rows, done.written_bits))
            if keep == "outputs":
                gone = [tensor for tensor in tensors if prepared.last_uses[tensor] <= index and tensor not in results]
                for tensor in gone:
                    del tensors[tensor]
    if progress is not None:
        progress(len(program.layers), len(program.layers), "")
    for number, values in tensors.items():
        if keep == "all" or number in results:
            channels, height, width = program.tensors[number].shape
            used = values[:, : rows[number].used].astype(np.int64)
            images = used.reshape(channels, batch, height, width).transpose(1, 0, 2, 3)
            result.tensors[number] = np.ascontiguousarray(images)
    return result


def _engine(name: str, prepared: Prepared, batch: int, threads: int, pool: Executor | None) -> Engine:
    if name == "reference":
        return ReferenceEngine(prepared.program, batch)
    return FastEngine(prepared, batch, threads, pool)


def _batch(program: Program, inputs: Mapping[str, np.ndarray]) -> int:
    names = [boundary.name for boundary in program.inputs]
    if set(inputs) != set(names):
        raise SimulationError(f"the inputs are {', '.join(sorted(inputs))}; the network has {', '.join(sorted(names))}")
    for boundary in program.inputs:
        shape = inputs[boundary.name].shape
        if len(shape) != 4 or shape[1:] != program.tensors[boundary.tensor].shape or not shape[0]:
            expected = ", ".join(map(str, program.tensors[boundary.tensor].shape))
            raise SimulationError(f"input {boundary.name}: has shape {shape}, expected (N, {expected})")
    batches = {inputs[name].shape[0] for name in names}
    if len(batches) != 1:
        raise SimulationError(f"the inputs disagree on the number of images: {sorted(batches)}")
    return batches.pop()


def _store_input(program: Program, number: int, name: str, values: np.ndarray, rows: list[Rows]) -> np.ndarray:
    """An input tensor, [channels, active rows]."""
    tensor = program.tensors[number]
    dtype = storage_type(tensor)
    channels = np.swapaxes(values, 0, 1).reshape(tensor.channels, -1)
    magnitude = np.int64(1) << (tensor.fields["width"].astype(np.int64) - tensor.fields["signed"])
    low = np.where(tensor.fields["signed"] == 1, -magnitude, 0)
    bad = (channels.min(axis=1) < low) | (channels.max(axis=1) >= magnitude)
    if bad.any():
        channel = int(bad.argmax())
        raise SimulationError(
            f"input {name}: channel {channel} has values out of the range [{low[channel]}, {magnitude[channel] - 1}]"
        )
    stored = np.zeros((tensor.channels, rows[number].active), dtype)
    stored[:, : rows[number].used] = channels
    return stored


def _counters(prepared: Prepared, index: int, batch: int, rows: list[Rows], written_bits: np.ndarray) -> LayerCounters:
    """Of a layer that ran. ``written_bits``: int64[tiles, CLASSES]."""
    program = prepared.program
    output = program.layers[index].output
    copies = broadcast_arrays(program.tensors[output].positions, batch, int(program.target["array"]["rows"]))
    total = LayerCounters()
    for work, written in zip(prepared.work[index], written_bits, strict=True):
        moved = np.zeros(CLASSES, np.int64)
        moved[Op.GATHER] = work.gathered_bits * batch
        moved[Op.MAC] = work.broadcast_bits * copies
        source_rows = {tensor: rows[tensor] for tensor in work.events.sources}
        total.add(tile_counters(work.events, rows[output], source_rows, written, moved))
    return total
