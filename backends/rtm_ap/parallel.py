"""The layers of a network, compiled one after the other or side by side in worker processes.

Of its sources a layer needs only the types they are stored with. Those of requantised and of moved values follow from
the graph, so such layers need not wait for one another; a sum that is stored as it is has the width that its layer's
compilation arrived at, and whatever reads it waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import numpy as np

from backends.rtm_ap.builder import Source, interval_types, variable_types
from backends.rtm_ap.layers import CompiledLayer
from backends.rtm_ap.workers import WorkerPool
from ir.errors import UserError
from ir.lower import Layer, Linear, Maximum
from ir.program import FIELD
from ir.types import TensorType

CompileOne = Callable[[Layer, list[Source], int], CompiledLayer]
"""Compiles a layer, given where its sources are stored and the index of the tensor that it stores. Pickles."""
Progress = Callable[[str, int, int], None]
"""Called with (name of the layer that is done, layers done, layers in all)."""

WORTH_A_WORKER = 200_000
"""Weights and inputs of the layers for which another process pays: it takes about a second to start."""
MOST_WORKERS = 8
"""Started unasked: the largest layer of a network takes a fifth of the time or more."""


def automatic_workers(layers: Sequence[Layer]) -> int:
    """How many processes are worth starting: 1 for small networks, which are compiled in this process."""
    worth = sum(map(_work, layers)) // WORTH_A_WORKER
    return max(1, min(worth, os.cpu_count() or 1, MOST_WORKERS, len(layers)))


def compile_layers(
    layers: Sequence[Layer],
    inputs: dict[str, TensorType],
    compile_one: CompileOne,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[CompiledLayer]:
    """Compile ``layers``, every one after its sources, into tensors numbered after those of the graph's ``inputs``.

    ``workers``: processes; 1: this one; None: as many as pay. Results do not depend on it. Raises UserError for no
    workers; what ``compile_one`` raises for the first layer, in the order of ``layers``, for which it raises.
    """
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: at least one worker is needed")
    workers = automatic_workers(layers) if workers is None else min(workers, len(layers))
    schedule = _Schedule(layers, inputs, progress)
    if workers > 1:
        with WorkerPool(workers) as pool:
            _compile_side_by_side(schedule, compile_one, pool)
    else:
        for index, layer in enumerate(layers):
            schedule.finish(index, compile_one(layer, *schedule.arguments(index)))
    return [schedule.done[index] for index in range(len(layers))]


def _compile_side_by_side(schedule: _Schedule, compile_one: CompileOne, pool: WorkerPool) -> None:
    running: dict[Future[CompiledLayer], int] = {}
    errors: dict[int, BaseException] = {}
    waiting = set(range(len(schedule.layers)))
    while True:
        for index in schedule.ready(waiting):
            waiting.remove(index)
            running[pool.submit(compile_one, schedule.layers[index], *schedule.arguments(index))] = index
        if not running:
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            index = running.pop(future)
            error = future.exception()
            if error is None:
                schedule.finish(index, future.result())
            else:
                errors[index] = error
        if errors:  # only what comes before the first layer that failed can still matter
            first = min(errors)
            waiting = {index for index in waiting if index < first}
            for future in [future for future, index in running.items() if index > first]:
                future.cancel()
                del running[future]
    if errors:
        raise errors[min(errors)]


class _Schedule:
    """What is compiled, and what is known of the tensors in between.

    ``types``: by node, FIELD records of which only width and signedness are set.
    """

    def __init__(self, layers: Sequence[Layer], inputs: dict[str, TensorType], progress: Progress | None) -> None:
        self.layers = layers
        self.progress = progress
        self.done: dict[int, CompiledLayer] = {}
        self.tensor = {node: index for index, node in enumerate([*inputs, *(layer.node for layer in layers)])}
        self.types = {
            node: _fields(np.full(kind.channels, kind.dtype.bits), np.full(kind.channels, kind.dtype.signed))
            for node, kind in inputs.items()
        }
        self._predict()

    def ready(self, waiting: set[int]) -> list[int]:
        """Those of the layers whose sources' types are known, the most work first."""
        known = [i for i in waiting if all(source in self.types for source in self.layers[i].sources)]
        return sorted(known, key=lambda i: (-_work(self.layers[i]), i))

    def arguments(self, index: int) -> tuple[list[Source], int]:
        """What ``compile_one`` is given beside the layer."""
        layer = self.layers[index]
        return [Source(self.tensor[node], self.types[node]) for node in layer.sources], self.tensor[layer.node]

    def finish(self, index: int, compiled: CompiledLayer) -> None:
        """Take a layer's result."""
        layer, fields = self.layers[index], _fields(compiled.fields["width"], compiled.fields["signed"])
        known = self.types.get(layer.node) if layer.read else None
        if known is not None and not np.array_equal(known, fields):
            raise AssertionError(f"layer {layer.name}: stored with other types than its readers were compiled for")
        self.types[layer.node] = fields
        self.done[index] = compiled
        self._predict()
        if self.progress is not None:
            self.progress(layer.name, len(self.done), len(self.layers))

    def _predict(self) -> None:
        """Fill in the types that follow from those that are known."""
        for layer in self.layers:
            if layer.node not in self.types and (fields := self._predicted(layer)) is not None:
                self.types[layer.node] = fields

    def _predicted(self, layer: Layer) -> np.ndarray | None:
        if isinstance(layer.body, Linear):
            return None if layer.body.requantise is None else _fields(*interval_types(layer.type.lo, layer.type.hi))
        if any(source not in self.types for source in layer.sources):
            return None
        taps = layer.body.taps if isinstance(layer.body, Maximum) else 1
        sources = [Source(self.tensor[node], self.types[node]) for node in layer.sources]
        return _fields(*variable_types(sources, layer.variables[::taps]))


def _work(layer: Layer) -> int:
    """What compiling a layer takes, roughly and relatively."""
    weights = len(layer.body.weights) if isinstance(layer.body, Linear) else 0
    return weights + len(layer.variables)


def _fields(widths: np.ndarray, signed: np.ndarray) -> np.ndarray:
    fields = np.zeros(len(widths), FIELD)
    fields["width"], fields["signed"] = widths, signed
    return fields
