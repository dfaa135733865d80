"""Run a whole program: integers in, integers and counters out, on either engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from ir.isa import Op
from ir.program import Program
from simulator.rtm.counters import CLASSES, LayerCounters, Rows, active_rows, tile_counters
from simulator.rtm.engine import FastEngine, LayerResult, SimulationError, storage_type
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.gather import broadcast_arrays
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from simulator.rtm.wear import LayerWear
from simulator.rtm.wires import Wires

Progress = Callable[[int, int, str], None]
"""Called with (layers done, layers, name of the layer that starts; "" at the end)."""
Observer = Callable[[int, np.ndarray], None]
"""Called with the index of a layer that has run and its output, integers [channels, images x positions], image after
image, in the narrow type they are stored in; nobody writes to it afterwards."""
EngineName = Literal["fast", "reference"]


@dataclass
class SimulationResult:
    """``tensors``: index into ``Program.tensors`` -> int64 (N, C, H, W). Of every layer in program order: ``layers``,
    its counters, and where asked for ``faults``, what went wrong (see ``FaultPlan.counts``), and ``wear``."""

    images: int
    tensors: dict[int, np.ndarray] = field(default_factory=dict)
    layers: list[LayerCounters] = field(default_factory=list)
    faults: list[Counter[str]] = field(default_factory=list)
    wear: list[LayerWear] = field(default_factory=list)


class Engine(Protocol):
    """What executes layers. ``wires``: with faults, those of the tensors computed so far."""

    wires: dict[int, Wires]

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray]) -> LayerResult: ...


def run_program(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    *,
    engine: EngineName = "fast",
    threads: int = 1,
    keep: Literal["outputs", "all"] = "outputs",
    prepared: Prepared | None = None,
    faults: FaultPlan | None = None,
    wear: bool = False,
    observe: Observer | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Simulate a verified program on a batch.

    ``inputs``: integers (N, C, H, W) by the name of each of ``program.inputs``. ``keep``: which tensors the result
    holds; the others are freed after their last use. ``prepared``: of the program, for a caller who runs it more than
    once. ``faults``: what goes wrong in these images. ``wear``: count the writes of every cell (slow).
    Results do not depend on ``threads``, and with faults on the engine no more than without.
    Raises SimulationError for inputs that do not fit the program, tensors that the engines cannot store, and wear on
    the reference machine, which does not count it.
    """
    batch = _batch(program, inputs)
    if faults is not None and faults.images != batch:
        raise ValueError(f"the faults are of {faults.images} images, the inputs of {batch}")
    prepared = prepared or Prepared(program)
    rows = [active_rows(program, batch * tensor.positions) for tensor in program.tensors]
    tensors = {
        boundary.tensor: _store_input(program, boundary.tensor, boundary.name, inputs[boundary.name], rows)
        for boundary in program.inputs
    }
    results = {boundary.tensor for boundary in program.outputs}
    result = SimulationResult(batch)
    with ThreadPoolExecutor(threads) if threads > 1 and engine == "fast" else nullcontext() as pool:
        runner = _engine(engine, prepared, batch, threads, pool, faults, wear)
        for index, layer in enumerate(program.layers):
            if progress is not None:
                progress(index, len(program.layers), layer.name)
            done = runner.run_layer(index, tensors)
            tensors[layer.output] = done.output
            result.layers.append(_counters(prepared, index, batch, rows, done.written_bits))
            if done.wear is not None:
                result.wear.append(done.wear)
            if observe is not None:
                observe(index, done.output[:, : rows[layer.output].used])
            for tensor in [tensor for tensor in tensors if prepared.last_uses[tensor] <= index]:
                runner.wires.pop(tensor, None)
                if keep == "outputs" and tensor not in results:
                    del tensors[tensor]
    if progress is not None:
        progress(len(program.layers), len(program.layers), "")
    for number, values in tensors.items():
        if keep == "all" or number in results:
            channels, height, width = program.tensors[number].shape
            used = values[:, : rows[number].used].astype(np.int64)
            images = used.reshape(channels, batch, height, width).transpose(1, 0, 2, 3)
            result.tensors[number] = np.ascontiguousarray(images)
    if faults is not None:
        result.faults = faults.counts()
    return result


def _engine(
    name: EngineName,
    prepared: Prepared,
    batch: int,
    threads: int,
    pool: Executor | None,
    faults: FaultPlan | None,
    wear: bool,
) -> Engine:
    if name == "reference":
        if wear:
            raise SimulationError("wear is counted by the fast engine only, not by the reference machine")
        return ReferenceEngine(prepared.program, batch, faults.injector if faults is not None else None)
    return FastEngine(prepared, batch, threads, pool, faults.faults_of if faults is not None else None, wear)


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
