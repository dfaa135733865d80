"""What all simulated layers share: from floats to integers, through hardware, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from apc.nn.device import Device, Programmed
from apc.nn.engines import Engine
from apc.nn.errors import ConversionError
from apc.nn.images import Calls, Images
from apc.nn.operators import dequantise
from apc.nn.quantisation import Quantisation
from apc.nn.quantisers import ActivationQuantiser, Observer, Straight, WeightQuantiser, straight_through
from simulator.analog.unfold import Geometry

if TYPE_CHECKING:
    from apc.nn.engines import Hardware


ADDED = ("weight_quantiser", "input_quantiser", "_extra_state")
"""What the state of a layer holds beyond that of the original."""


@dataclass(frozen=True)
class Setting:
    """What conversion decides of one layer: its ``name`` in the model, ``seed`` (the user's, and its place)."""

    name: str
    hardware: Hardware
    quantisation: Quantisation
    seed: tuple[int, ...]
    images: Images


class SimulatedLayer(nn.Module):
    """A layer whose products of weights and inputs are computed by hardware.

    Attributes: ``hardware``; ``quantisation``; ``name``; ``weight_quantiser`` and ``input_quantiser`` (their state is
    in buffers). What is called is ``engine``, made again where weights' levels, inputs' range or hardware have changed.
    Subclasses have ``weight`` and ``bias``, say how the original computes, and what of it is an image.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    weight_levels: torch.Tensor
    weight_scale: torch.Tensor
    level_bias: torch.Tensor | None

    def set_up(self, setting: Setting) -> Self:
        """Become simulated, as ``setting`` says."""
        self.name, self.quantisation = setting.name, setting.quantisation
        self.device = Device(setting.name, setting.hardware, setting.seed)
        self.weight_quantiser = WeightQuantiser(setting.quantisation, self.weight).to(self.weight.device)
        self.input_quantiser = ActivationQuantiser(setting.quantisation).to(self.weight.device)
        self.calls = Calls(setting.images)
        self.settling = False
        self.frozen = False
        return self

    @property
    def hardware(self) -> Hardware:
        """What computes the layer; another programs it anew."""
        return self.device.hardware

    @hardware.setter
    def hardware(self, hardware: Hardware) -> None:
        self.device = Device(self.name, hardware, self.device.seed)

    @property
    def seed(self) -> tuple[int, ...]:
        """What decides errors and noise: the user's seed and the layer's place."""
        return self.device.seed

    @property
    def observer(self) -> Observer | None:
        """What sees the layer's inputs; while there is one, the layer computes what the original does."""
        return self.input_quantiser.observer

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self.input_quantiser.observer = observer

    @property
    def geometry(self) -> Geometry:
        """How the kernel moves over what ``as_images`` gives."""
        raise NotImplementedError

    def kernel(self, levels: torch.Tensor) -> torch.Tensor:
        """Levels of the weight's shape as (Cout, Cin / groups, kh, kw)."""
        raise NotImplementedError

    def as_images(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's input as (N, Cin, H, W), modes of padding other than zeros applied."""
        raise NotImplementedError

    def from_images(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(N, Cout, H', W') as the layer's output for the input ``x``."""
        raise NotImplementedError

    def float_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The original's arithmetic."""
        raise NotImplementedError

    @property
    def input_low(self) -> int:
        return self.input_quantiser.range[0]

    @property
    def input_high(self) -> int:
        return self.input_quantiser.range[1]

    @property
    def input_scale(self) -> float:
        return float(self.input_quantiser.current_scale().detach())

    @property
    def is_calibrated(self) -> bool:
        """Whether the range of inputs is known."""
        return bool(self.input_quantiser.ready)

    def levels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The weights' integers, int32 of their shape, and the outputs' scales, float32 (Cout,)."""
        return self.weight_quantiser.levels(self.weight.detach())

    def freeze(self) -> None:
        """Compute from now on with ONNX's operations on fixed integers and scales, as floats: for export. Raises
        ConversionError for more than 8 bits."""
        if not self.is_calibrated:
            raise self._uncalibrated()
        programmed, bias = self.programmed(), self.grid_bias()
        if int(programmed.levels.abs().max()) > 127:
            raise ConversionError(f"layer {self.name}: more than 8 bits of weights cannot be exported")
        self.register_buffer("weight_levels", programmed.levels.to(self.weight.device, torch.int8))
        self.register_buffer("weight_scale", programmed.scale)
        self.register_buffer("level_bias", None if bias is None else bias.detach())
        self.frozen = True

    def _uncalibrated(self) -> ConversionError:
        return ConversionError(f"layer {self.name}: inputs have no range yet, call apc.nn.calibrate(model, loader)")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frozen:
            weight = dequantise(self.weight_levels, self.weight_scale)
            return self.float_forward(self.input_quantiser(x), weight, self.level_bias)
        if self.observer is not None:
            return self.float_forward(self.input_quantiser(x), self.weight, self.bias)
        if not self.is_calibrated:
            raise self._uncalibrated()
        if not x.numel():
            return self.float_forward(x, self.weight, self.bias)
        if torch.is_grad_enabled() and (x.requires_grad or self._learning()):
            weight = self.weight_quantiser(self.weight)
            soft = self.float_forward(self.input_quantiser(x), weight, self.grid_bias())
            return Straight.apply(soft, self._simulated(x))
        return self._simulated(x)

    def grid_bias(self) -> torch.Tensor | None:
        """The bias that is added: with scales that are powers of two, on the products' grid."""
        return self._grid_bias(self.output_scale())

    def output_scale(self) -> torch.Tensor:
        """float32 (Cout,): what 1 of the hardware's results stands for."""
        return self._unit(self.programmed())

    @property
    def engine(self) -> Engine:
        """The hardware, programmed with the current weights. Raises ConversionError where they do not fit it."""
        return self.programmed().engine

    @property
    def is_ideal(self) -> bool:
        """Whether results are those of the quantised software model."""
        return self.engine.is_ideal

    def forget_engine(self) -> None:
        """Program anew when it is next needed, without what was calibrated."""
        self.device.forget()

    def programmed(self) -> Programmed:
        """The engine and the levels and scales that it was made of."""
        return self.device.programmed(self)

    def weight_tensors(self) -> tuple[torch.Tensor, ...]:
        """What levels and scales are made of."""
        scale = self.weight_quantiser.scale
        return (self.weight.detach(),) if scale is None else (self.weight.detach(), scale.detach())

    def _learning(self) -> bool:
        """Whether gradients of something of the layer are wanted."""
        tensors = (self.weight, *self.weight_quantiser.parameters(), *self.input_quantiser.parameters())
        return any(tensor.requires_grad for tensor in tensors) or (self.bias is not None and self.bias.requires_grad)

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """What the hardware reads where the layer, calibrated, reads ``x``: whole numbers, float32 (N, Cin, H, W)."""
        return self.as_images(self.input_quantiser.levels(x)).cpu().contiguous()

    @torch.no_grad()
    def _simulated(self, x: torch.Tensor) -> torch.Tensor:
        """The hardware's result for the float input ``x``, of its dtype."""
        images = self.integers(x)
        programmed = self.programmed()
        y = self.device.run(programmed, images, self.calls.first_image(len(images)), self.settling)
        unit = self._unit(programmed)
        y = y.float().to(x.device) * unit.reshape(-1, 1, 1)
        bias = self._grid_bias(unit)
        return self.from_images(y if bias is None else y + bias.float().reshape(-1, 1, 1), x).to(x.dtype)

    def _unit(self, programmed: Programmed) -> torch.Tensor:
        return programmed.scale * self.input_quantiser.current_scale().detach()

    def _grid_bias(self, unit: torch.Tensor) -> torch.Tensor | None:
        if self.bias is None or not self.quantisation.power_of_two:
            return self.bias
        on_grid = (torch.round(self.bias.detach() / unit) * unit).to(self.bias.dtype)
        return straight_through(self.bias, on_grid)

    def get_extra_state(self) -> dict[str, Any]:
        return self.device.state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.device.load(state)

    def _load_from_state_dict(
        self,
        state: dict[str, Any],
        prefix: str,
        metadata: dict[str, Any],
        strict: bool,
        missing: list[str],
        unexpected: list[str],
        errors: list[str],
    ) -> None:
        """Parameters of the original are enough: what is not there of the quantisers stays as it is."""
        for name, value in self.state_dict(prefix=prefix).items():
            if name.removeprefix(prefix).split(".")[0] in ADDED:
                state.setdefault(name, value)
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
