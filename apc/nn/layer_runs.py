"""Layers of a torch model on the true simulator of the RTM associative processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from apc.nn.layer_program import INPUT, layer_graph, layer_program
from apc.options import BATCH, RunOptions
from apc.session import Batch, Session
from simulator.analog.unfold import Geometry

if TYPE_CHECKING:
    from apc.nn.associative import RtmAp

Size = tuple[int, int]
"""Height and width of what a layer reads."""


class LayerRuns:
    """The programs of one layer, by the size of what it reads, each compiled when it is first needed."""

    def __init__(
        self, hardware: RtmAp, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: Sequence[int]
    ) -> None:
        self._hardware, self._levels, self._geometry = hardware, levels, geometry
        self._low, self._high = low, high
        self._options = RunOptions(seed=int(seed_sequence(seed).generate_state(1, np.uint64)[0]))
        self._sessions: dict[Size, Session] = {}

    def __call__(self, x: torch.Tensor, first_image: int, trial: int = 0) -> torch.Tensor:
        """What the true simulator makes of ``x`` (N, Cin, H, W), N at least 1: float64 (N, Cout, Ho, Wo). Faults depend
        on the seed, the trial and an image's place. Raises UserError where the layer does not fit the arrays."""
        session = self._session((x.shape[2], x.shape[3]))
        parts = [
            self._batch(session, x[start : start + BATCH], first_image + start, trial)
            for start in range(0, len(x), BATCH)
        ]
        return torch.from_numpy(np.concatenate(parts)).double()

    def _session(self, size: Size) -> Session:
        if size not in self._sessions:
            graph = layer_graph(self._levels, self._geometry, size, self._low, self._high)
            program = layer_program(graph, self._hardware.cost_target, self._hardware.level)
            self._sessions[size] = Session(program, self._options)
        return self._sessions[size]

    def _batch(self, session: Session, x: torch.Tensor, first: int, trial: int) -> np.ndarray:
        batch = Batch(first, len(x), {INPUT: x.cpu().numpy().astype(np.int32)})
        done = session.run(batch, faults=session.plan(self._hardware.kinds, batch, trial))
        stored = done.simulation.tensors[session.program.outputs[0].tensor]
        size = self._geometry.output_size(x.shape[2:], self._levels.shape[2:])
        return stored.reshape(len(x), len(self._levels), *size)  # a layer of one position may store channels as rows


def seed_sequence(seed: Sequence[int]) -> np.random.SeedSequence:
    """Of numbers that may be 0, of which a SeedSequence takes no notice at the end."""
    return np.random.SeedSequence([len(seed), *seed])
