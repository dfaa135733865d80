"""The hardware of one layer, programmed with its weights when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from apc.nn.engines import Engine, build_engine
from apc.nn.errors import ConversionError
from ir.errors import UserError
from simulator.analog.config import CrossbarConfig

if TYPE_CHECKING:
    from apc.nn.engines import Hardware
    from apc.nn.simulated import SimulatedLayer


@runtime_checkable
class Settling(Protocol):
    """An engine whose calibration can be kept when weights change: ``settled`` is hardware that needs none."""

    @property
    def settled(self) -> Hardware: ...


@dataclass(frozen=True)
class Programmed:
    """An engine and what it was made of: ``span`` of inputs, ``levels`` and ``scale`` of weights, which were made of
    the tensors ``seen``; levels are on the CPU. Copies of a model share it; it is not pickled."""

    engine: Engine
    span: tuple[int, int]
    levels: torch.Tensor
    scale: torch.Tensor
    seen: tuple[torch.Tensor, ...]

    def __deepcopy__(self, memo: dict[int, Any]) -> Programmed:
        return self

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


class Device:
    """``hardware`` for the layer ``name``; ``seed`` decides its errors and its noise."""

    def __init__(self, name: str, hardware: Hardware, seed: tuple[int, ...]) -> None:
        self.name, self.hardware, self.seed = name, hardware, seed
        self._settled: Hardware | None = None
        self._programmed: Programmed | None = None

    def forget(self) -> None:
        """Program anew when it is next needed, without what was calibrated."""
        self._programmed = self._settled = None

    def programmed(self, layer: SimulatedLayer) -> Programmed:
        """The last engine where neither the weights' levels nor the range of inputs have changed, else a new one.
        Raises ConversionError for weights that the hardware cannot hold."""
        last, seen, span = self._programmed, layer.weight_tensors(), layer.input_quantiser.range
        if last is not None and last.span == span and all(map(_same, last.seen, seen)):
            return last
        levels, scale = layer.levels()
        levels = levels.cpu()
        if last is not None and last.span == span and _same(last.levels, levels):
            engine = last.engine
        else:
            engine = self._build(layer, levels, span)
        self._programmed = Programmed(engine, span, levels, scale, tuple(tensor.clone() for tensor in seen))
        return self._programmed

    def run(self, programmed: Programmed, images: torch.Tensor, first_image: int, settle: bool) -> torch.Tensor:
        """The results for ``images``, whole numbers (N, Cin, H, W); ``settle``: choose what depends on data first."""
        try:
            if settle:
                programmed.engine.calibrate(images)
                self._settled = programmed.engine.settled if isinstance(programmed.engine, Settling) else None
            return programmed.engine(images, first_image=first_image)
        except UserError as error:
            raise ConversionError(f"layer {self.name}: {error}") from error

    def state(self) -> dict[str, Any]:
        """What calibration settled, of a crossbar: its configuration with the chosen ranges, as a table."""
        return {"settled": self._settled.as_table()} if isinstance(self._settled, CrossbarConfig) else {}

    def load(self, state: dict[str, Any]) -> None:
        """Take over another's ``state``, where there is something in it."""
        if "settled" in state:
            self.forget()
            self._settled = CrossbarConfig.from_table(state["settled"], f"layer {self.name}")

    def _build(self, layer: SimulatedLayer, levels: torch.Tensor, span: tuple[int, int]) -> Engine:
        kernel = layer.kernel(levels).cpu().numpy()
        try:
            return build_engine(self._settled or self.hardware, kernel, layer.geometry, *span, self.seed)
        except UserError as error:
            raise ConversionError(f"layer {self.name}: {error}") from error


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.device == other.device and torch.equal(one, other)
