"""A whole network whose convolutions run on analog arrays; all else is digital and exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Literal, Protocol

import numba
import numpy as np
import torch

from ir.errors import UserError
from ir.graph import Graph, GraphError
from ir.interpreter import feed
from ir.ops import Conv
from simulator.analog.digital import Step, digital_step

TOGETHER = 1 << 20
"""Elements of the largest tensor up to which images run together: small ones are mostly overhead otherwise."""
Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is being worked on)."""


@contextmanager
def one_thread_each(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads of which neither PyTorch nor our kernels start more; PyTorch's setting is as before at the end."""
    before = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=_use_no_other) as pool:
        try:
            yield pool
        finally:
            torch.set_num_threads(before)


def _use_no_other() -> None:
    torch.set_num_threads(1)
    numba.set_num_threads(1)  # which is what ``simulator.analog.threads`` goes by, and only of this thread


class AnalogLayer(Protocol):
    """The arrays of one convolution: x (N, Cin, H, W), integers less their zero point, to (N, Cout, H', W') in units of
    W * x. ``first_image``: the place of x[0] among all images, on which noise depends."""

    def __call__(self, x: torch.Tensor, *, first_image: int = 0) -> torch.Tensor: ...

    def calibrate(self, x: torch.Tensor) -> None:
        """Choose what depends on data, where something does."""


MakeLayer = Callable[[str, Conv, int, int, tuple[int, int]], AnalogLayer]
"""Called with a convolution's name and operation, the lowest and highest integer that it sees (less its zero point),
and a seed of its own."""


def layers_of(graph: Graph, make: MakeLayer, seed: int, error: type[UserError]) -> dict[str, AnalogLayer]:
    """A layer for every convolution of ``graph``, whose seed is ``seed`` and its place. What a user did wrong is
    raised as ``error``, with the layer's name."""
    layers: dict[str, AnalogLayer] = {}
    for name in graph.order():
        op = graph.op(name)
        if not isinstance(op, Conv):
            continue
        operand = graph.type(graph.inputs(name)[0])
        low, high = int(operand.lo.min()) - op.zero_point, int(operand.hi.max()) - op.zero_point
        try:
            layers[name] = make(name, op, low, high, (seed, len(layers)))
        except UserError as problem:
            raise error(f"layer {name}: {problem}") from problem
    return layers


class AnalogNetwork:
    """``graph`` with a layer for the convolution of each name in ``layers``."""

    def __init__(self, graph: Graph, layers: Mapping[str, AnalogLayer]) -> None:
        self.graph = graph
        self.layers = dict(layers)
        self._order = graph.order()
        self._together = TOGETHER // max(int(np.prod(graph.type(name).shape)) for name in self._order)
        self._steps: dict[str, Step] = {
            name: digital_step(graph, name)
            for name in self._order
            if graph.inputs(name) and not isinstance(graph.op(name), Conv)
        }

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        first_image: int = 0,
        keep: Literal["outputs", "all"] = "outputs",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> dict[str, np.ndarray]:
        """Values by node name, float64 (N, C, H, W): of the outputs' nodes, or of all.

        ``inputs``: as for ``ir.interpreter.run_graph``; ``first_image``: the place of the first one among all the
        images there are, where they come in several calls; ``threads``: PyTorch's number by default, each working on
        images of its own. Raises GraphError for inputs that do not fit.
        """
        values = feed(self.graph, inputs)
        images = len(next(iter(values.values())))
        if not images:
            raise GraphError(f"graph {self.graph.name}: there is no image to run")
        workers = threads or torch.get_num_threads()
        together = max(1, min(self._together, -(-images // workers)))
        wanted = {out.node for out in self.graph.outputs} if keep == "outputs" else set(self._order)
        done = count(1)
        starts = range(0, images, together)

        def some(start: int) -> dict[str, torch.Tensor]:
            part = {name: torch.from_numpy(x[start : start + together]).float() for name, x in values.items()}
            result = self._propagate(part, wanted, first_image + start)
            if progress is not None:
                progress(min(next(done) * together, images), images, "")
            return result

        with one_thread_each(workers) as pool:
            parts = list(pool.map(some, starts))
        return {name: np.concatenate([part[name].double().numpy() for part in parts]) for name in parts[0]}

    def calibrate(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Let each layer in turn see what the calibrated layers before it make of ``inputs`` (as for ``run``)."""
        values = {name: torch.from_numpy(x).float() for name, x in feed(self.graph, inputs).items()}
        self._propagate(values, set(), 0, calibrating=True)

    @torch.inference_mode()
    def _propagate(
        self, values: dict[str, torch.Tensor], wanted: set[str], first_image: int, calibrating: bool = False
    ) -> dict[str, torch.Tensor]:
        """The ``wanted`` nodes' values, from those of the inputs' nodes; others are dropped after their last use."""
        uses = Counter(source for name in self._order for source in set(self.graph.inputs(name)))
        for name in self._order:
            sources = self.graph.inputs(name)
            if sources:
                values[name] = self._value(name, [values[source] for source in sources], first_image, calibrating)
            for source in set(sources):
                uses[source] -= 1
                if not uses[source] and source not in wanted:
                    del values[source]
        return {name: value for name, value in values.items() if name in wanted}

    def _value(self, name: str, operands: list[torch.Tensor], first_image: int, calibrating: bool) -> torch.Tensor:
        op = self.graph.op(name)
        if not isinstance(op, Conv):
            return self._steps[name](operands)
        x = operands[0] - op.zero_point if op.zero_point else operands[0]
        layer = self.layers[name]
        if calibrating:
            layer.calibrate(x)
        return layer(x, first_image=first_image)
