"""Run a whole program: integers in, integers and counters out, on either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from ir.counts import StaticCounts, program_counts
from ir.isa import Field, Op
from ir.program import LayerProgram, Program
from simulator.rtm import machine
from simulator.rtm.counters import CLASSES, LayerCounters, Rows, tile_counters
from simulator.rtm.engine import FastEngine, LayerResult, SimulationError, check_storable
from simulator.rtm.gather import broadcast_arrays, broadcast_bits, moved_bits

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
    counts: list[list[StaticCounts]] | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Simulate a verified program on a batch.

    ``inputs``: int64 (N, C, H, W) by the name of each of ``program.inputs``. ``keep``: which tensors the result holds;
    the others are freed after their last use. ``counts``: what ``program_counts`` gives, where the caller has it.
    Results do not depend on ``threads``.
    Raises SimulationError for inputs that do not fit the program and tensors that the engines cannot store.
    """
    batch = _batch(program, inputs)
    rows = [_rows(program, batch * tensor.positions) for tensor in program.tensors]
    tensors = {
        boundary.tensor: _store_input(program, boundary.tensor, boundary.name, inputs[boundary.name], rows)
        for boundary in program.inputs
    }
    static = [
        _layer_static(program, layer, batch, rows, of_tiles)
        for layer, of_tiles in zip(program.layers, counts or program_counts(program), strict=True)
    ]
    results = {boundary.tensor for boundary in program.outputs}
    last_use = _last_uses(program)
    result = SimulationResult(batch)
    with ThreadPoolExecutor(threads) if threads > 1 and engine == "fast" else nullcontext() as pool:
        runner = _engine(engine, program, batch, threads, pool)
        for index, layer in enumerate(program.layers):
            if progress is not None:
                progress(index, len(program.layers), layer.name)
            done = runner.run_layer(index, tensors)
            tensors[layer.output] = done.output
            result.layers.append(_with_data(static[index], done.written_bits.sum(axis=0)))
            if keep == "outputs":
                for tensor in [number for number in tensors if last_use[number] <= index and number not in results]:
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


def _engine(name: str, program: Program, batch: int, threads: int, pool: Executor | None) -> Engine:
    if name == "reference":
        return ReferenceEngine(program, batch)
    return FastEngine(program, batch, int(program.target["array"]["row_gate_rows"]), threads, pool)


@dataclass
class ReferenceEngine:
    """The reference machine behind the same interface as ``FastEngine``."""

    program: Program
    batch: int

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray], keep_contents: bool = False) -> LayerResult:
        """Compute the output tensor of layer ``index`` from ``tensors`` (by index into ``Program.tensors``)."""
        layer = self.program.layers[index]
        target = self.program.tensors[layer.output]
        check_storable(target)
        array = self.program.target["array"]
        rows = _rows(self.program, self.batch * target.positions)
        output = np.zeros((target.channels, rows.active), np.int32)
        written = np.zeros((len(layer.tiles), CLASSES), np.int64)
        contents = []
        for number, tile in enumerate(layer.tiles):
            run = machine.run_tile(
                tile,
                layer.row_maps,
                self.program.tensors,
                tensors,
                machine.Layout(self.batch, *target.shape[1:]),
                rows,
                columns=int(array["columns"]),
                domains=int(array["domains"]),
                search_or=bool(self.program.target["features"]["search_or"]),
                array_rows=int(array["rows"]),
                resident=_resident(layer, number, self.batch),
            )
            written[number] = run.written_bits
            for channel in np.flatnonzero(target.fields["tile"] == number).tolist():
                _, column, domain, width, signed, across = target.fields[channel].tolist()
                output[channel] = run.machine.read(Field(column, domain, width, bool(signed), bool(across)))
            if keep_contents:
                words = np.packbits(run.machine.cells.transpose(1, 2, 0), axis=-1, bitorder="little")
                contents.append(words.view(np.uint64))
        return LayerResult(output, written, contents)


def _resident(layer: LayerProgram, tile: int, batch: int) -> list[tuple[Field, np.ndarray]]:
    """The resident fields of a tile, and what their used rows hold."""
    loaded = []
    for index in np.flatnonzero(layer.resident_fields["tile"] == tile).tolist():
        _, column, domain, width, signed, across = layer.resident_fields[index].tolist()
        values = np.tile(layer.resident_values[index].astype(np.int64), batch)
        loaded.append((Field(column, domain, width, bool(signed), bool(across)), values))
    return loaded


def _rows(program: Program, used: int) -> Rows:
    array = program.target["array"]
    return Rows.of(used, array_rows=int(array["rows"]), row_gate_rows=int(array["row_gate_rows"]))


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
    """int32[channels, active rows] of an input tensor."""
    tensor = program.tensors[number]
    check_storable(tensor)
    channels = np.swapaxes(values, 0, 1).reshape(tensor.channels, -1)
    magnitude = np.int64(1) << (tensor.fields["width"].astype(np.int64) - tensor.fields["signed"])
    low = np.where(tensor.fields["signed"] == 1, -magnitude, 0)
    bad = (channels.min(axis=1) < low) | (channels.max(axis=1) >= magnitude)
    if bad.any():
        channel = int(bad.argmax())
        raise SimulationError(
            f"input {name}: channel {channel} has values out of the range [{low[channel]}, {magnitude[channel] - 1}]"
        )
    stored = np.zeros((tensor.channels, rows[number].active), np.int32)
    stored[:, : rows[number].used] = channels
    return stored


def _last_uses(program: Program) -> list[int]:
    """For each tensor the last layer that gathers it (or computes it, where none does); -1 for an unused input."""
    last = [tensor.producer for tensor in program.tensors]
    for index, layer in enumerate(program.layers):
        for tile in layer.tiles:
            for tensor in np.unique(tile.gathers["tensor"]).tolist():
                last[tensor] = index
    return last


def _with_data(static: LayerCounters, written_bits: np.ndarray) -> LayerCounters:
    counters = LayerCounters()
    counters.add(static)
    counters.written_bits[:] = written_bits
    return counters


def _layer_static(
    program: Program, layer: LayerProgram, batch: int, rows: list[Rows], of_tiles: list[StaticCounts]
) -> LayerCounters:
    """Everything but ``written_bits``."""
    rows_an_image, array_rows = program.tensors[layer.output].positions, int(program.target["array"]["rows"])
    copies = broadcast_arrays(rows_an_image, batch, array_rows)
    total = LayerCounters()
    for tile, counts in zip(layer.tiles, of_tiles, strict=True):
        moved = np.zeros(CLASSES, np.int64)
        moved[Op.GATHER] = moved_bits(program, layer, tile).sum() * batch
        moved[Op.MAC] = broadcast_bits(program, layer, tile) * copies
        source_rows = {tensor: rows[tensor] for tensor in counts.sources}
        total.add(tile_counters(tile, counts, rows[layer.output], source_rows, np.zeros(CLASSES, np.int64), moved))
    return total
