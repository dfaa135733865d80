"""Hardware by name: targets of the tool and files, with the arrays that each layer gets on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apc.array_configs import acim_config, crossbar_config, narrowest_bits
from apc.nn.associative import RtmAp
from apc.nn.engines import Engine, build_engine, stated_quantisation
from apc.nn.quantisation import Quantisation
from apc.target_files import TARGETS, ArrayTarget, load_one_of
from backends.crossbar.target import CrossbarTarget
from backends.target import Target
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.network import driven_bits
from simulator.analog.config import CrossbarConfig
from simulator.analog.unfold import Geometry


@dataclass(frozen=True, eq=False, repr=False)
class Preset:
    """The arrays of a cost target. A layer's weights and inputs have the bits that the target sets, else their own, and
    accuracy and cost come from one set of figures."""

    target: ArrayTarget

    def __repr__(self) -> str:
        return f"Preset({self.target.name})"

    def config(self, levels: np.ndarray, low: int, high: int) -> CrossbarConfig | AcimConfig:
        """Of a layer with weights ``levels``, integers, outputs first, and inputs from ``low`` to ``high``. Raises
        UserError where the target's arrays cannot hold it."""
        if isinstance(self.target, CrossbarTarget):
            return crossbar_config(levels, self.target, low < 0)
        return acim_config(self.target, narrowest_bits(levels), driven_bits(low, high))


def resolve(name: str | Path, overrides: Iterable[str] = ()) -> RtmAp | Preset:
    """The hardware that a preset's name or a target's .toml file stands for, with ``overrides`` ("KEY=VALUE").

    Raises UserError for an unknown name, and for a file or an override that is unusable.
    """
    changes = tuple(overrides)
    target = load_one_of(TARGETS, str(name), changes)
    return RtmAp(target=name, overrides=changes) if isinstance(target, Target) else Preset(target)


@build_engine.register
def _(hardware: Preset, levels: np.ndarray, geometry: Geometry, low: int, high: int, seed: tuple[int, ...]) -> Engine:
    return build_engine(hardware.config(levels, low, high), levels, geometry, low, high, seed)


@stated_quantisation.register
def _(hardware: Preset) -> Quantisation:
    settings = hardware.target.workload
    weights = "binary" if settings.weight_bits == 1 else "int"
    stated = Quantisation()
    return Quantisation(
        weights=weights,
        weight_bits=max(2, settings.weight_bits or stated.weight_bits),
        activation_bits=settings.activation_bits or stated.activation_bits,
    )
