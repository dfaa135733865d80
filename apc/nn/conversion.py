"""From a torch model to one whose layers are on simulated hardware: `convert`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from apc.nn.attention import PROJECTIONS, SimulatedMultiheadAttention
from apc.nn.calibration import calibrate
from apc.nn.copying import copy_of
from apc.nn.errors import ConversionError
from apc.nn.images import CountImages, Images
from apc.nn.modules import SimulatedConv1d, SimulatedConv2d, SimulatedLinear, adopt
from apc.nn.quantisation import Quantisation
from apc.nn.selection import Chosen, Exclusion, Selection
from apc.nn.simulated import Setting, SimulatedLayer

if TYPE_CHECKING:
    from apc.nn.engines import Hardware

SIMULATED: dict[type[nn.Module], type[SimulatedLayer]] = {
    nn.Conv2d: SimulatedConv2d,
    nn.Conv1d: SimulatedConv1d,
    nn.Linear: SimulatedLinear,
}
NOT_SIMULATED = (nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.Bilinear)
"""Kinds that hold weights and would silently stay in floats."""


def convert(
    model: nn.Module,
    hardware: Chosen[Hardware | str],
    *,
    quantisation: Chosen[Quantisation] | None = None,
    exclude: Exclusion | Iterable[Exclusion] = (),
    calibration: Iterable[Any] | None = None,
    seed: int = 0,
    example: Any = None,
) -> nn.Module:
    """A copy of ``model`` with its Conv2d, Conv1d, Linear and MultiheadAttention (the projections) on ``hardware``.

    ``hardware``: an AcimConfig, CrossbarConfig, RtmAp, Software or the name of a preset or target file; or a table
    {pattern: hardware} of which the first pattern that a layer's name matches decides (fnmatch; "*" for the others);
    or a function of name and module. Layers that get none stay in floats. ``quantisation``: likewise, else the bits
    that the hardware states. ``exclude``: patterns of names or classes of modules that stay as they are with all that
    is in them. ``calibration``: as for ``calibrate``, which can be called later; ``example``: one batch to calibrate
    on where there are no other data. ``seed``: decides every error and all noise, layer by layer: those of a layer
    depend on its place among all that could be simulated.

    Raises ConversionError, one line, for a layer that hardware cannot hold, for layers with weights that cannot be
    simulated and are not excluded, for a pattern that nothing matches, for a model that is converted already, and where
    no layer is simulated.
    """
    if any(isinstance(module, SimulatedLayer) for module in model.modules()):
        raise ConversionError(f"{type(model).__name__}: is converted already, convert the original")
    selection = Selection(hardware, quantisation, exclude)
    modules = dict(model.named_modules(remove_duplicate=False))
    selection.require_matches([name for name, module in modules.items() if _kind(module)], modules)
    conversion = _Conversion(selection, seed)
    converted = conversion.module("", copy_of(model))
    if not conversion.simulated:
        raise ConversionError(f"{type(model).__name__}: no layer gets hardware, check the patterns and exclusions")
    converted.register_forward_pre_hook(CountImages(conversion.images), with_kwargs=True)
    data = calibration if calibration is not None or example is None else [(example, None)]
    if data is not None:
        calibrate(converted, data)
    return converted


class _Conversion:
    """Replaces modules, from the root down."""

    def __init__(self, selection: Selection, seed: int) -> None:
        self._selection, self._seed, self._place = selection, seed, 0
        self._done: dict[int, nn.Module] = {}
        self.images = Images()
        self.simulated = 0

    def module(self, name: str, module: nn.Module, excluded: bool = False) -> nn.Module:
        """What takes the place of ``module``: itself, with its children replaced, or its simulated kind."""
        if id(module) not in self._done:
            excluded = excluded or self._selection.excludes(name, module)
            before = self.simulated
            made = self._layer(name, module, excluded)
            if made is module and not isinstance(module, nn.MultiheadAttention):
                for child_name, child in module._modules.items():  # named_children leaves out what comes again
                    path = f"{name}.{child_name}" if name else child_name
                    module._modules[child_name] = None if child is None else self.module(path, child, excluded)
            if self.simulated > before:
                _adapt(made)
            self._done[id(module)] = made
        return self._done[id(module)]

    def _layer(self, name: str, module: nn.Module, excluded: bool) -> nn.Module:
        kind = _kind(module)
        attention = kind is nn.MultiheadAttention
        first = self._place
        self._place += len(PROJECTIONS) if attention else kind in SIMULATED
        if excluded:
            return module
        if kind is None:
            if isinstance(module, NOT_SIMULATED) and self._selection.hardware(name, module) is not None:
                raise ConversionError(f"layer {name}: {type(module).__name__} cannot be simulated: exclude it")
            return module
        chosen = self._selection.hardware(name, module)
        if chosen is None:
            return module
        self.simulated += 1
        _check(name, module, kind)
        if attention:
            names = [f"{name}.{part}" if name else part for part in PROJECTIONS]
            settings = [self._setting(own, module, chosen, first + part) for part, own in enumerate(names)]
            return adopt(SimulatedMultiheadAttention, module).set_up(settings)
        return adopt(SIMULATED[kind], module).set_up(self._setting(name, module, chosen, first))

    def _setting(self, name: str, module: nn.Module, hardware: Hardware, place: int) -> Setting:
        quantisation = self._selection.quantisation(name, module, hardware)
        return Setting(name or type(module).__name__, hardware, quantisation, (self._seed, place), self.images)


def _kind(module: nn.Module) -> type[nn.Module] | None:
    """The class that can be simulated which ``module`` is of."""
    return next((kind for kind in (*SIMULATED, nn.MultiheadAttention) if isinstance(module, kind)), None)


def _check(name: str, module: nn.Module, kind: type[nn.Module]) -> None:
    """Raise ConversionError unless ``module`` computes what its ``kind`` does with parameters of its own."""
    if type(module).forward is not kind.forward:
        raise ConversionError(
            f"layer {name}: {type(module).__name__} has a forward of its own, which cannot be simulated: exclude it"
        )
    if nn.utils.parametrize.is_parametrized(module):
        raise ConversionError(f"layer {name}: its weight is parametrised: call remove_parametrizations or exclude it")
    if any(isinstance(parameter, UninitializedParameter) for parameter in module.parameters()):
        raise ConversionError(f"layer {name}: its weight has no shape yet: run the model once, then convert")


def _adapt(module: nn.Module) -> None:
    """What else changes in a module with simulated layers: torch's fused encoder, which reads weights and calls none of
    our modules, is made to think that it does not apply, and linear layers are told where images are."""
    if isinstance(module, nn.TransformerEncoder):
        module.enable_nested_tensor = module.use_nested_tensor = False
    if isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        for layer in (module.linear1, module.linear2):
            if isinstance(layer, SimulatedLinear):
                layer.image_axis = 0 if module.self_attn.batch_first else 1
