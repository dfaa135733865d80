"""The quantised software model behind a converted one, as ONNX that ``apc compile`` reads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from apc.files import atomic_write
from apc.frontend.torch_export import traced, without_traces
from apc.nn.arguments import Arguments
from apc.nn.calibration import quantisers_of, simulated_layers
from apc.nn.errors import ConversionError
from apc.nn.images import CountImages
from apc.nn.operators import onnx_translations
from apc.quantize.onnx_graph import IR_VERSION, name_by_module

if TYPE_CHECKING:
    import onnx


def export(model: nn.Module, example: Any, path: str | Path | None = None) -> onnx.ModelProto:
    """QCDQ ONNX of what a converted and calibrated ``model`` computes on ideal hardware, in evaluation mode: weights
    are integers behind a DequantizeLinear, a layer's input passes QuantizeLinear, Clip and DequantizeLinear; all else
    is as torch exports it. Written to ``path`` where there is one.

    ``example``: a tensor of images or a tuple of the model's arguments; any number of images may be run. With scales
    that are powers of two (``Quantisation``), integer arithmetic, which ``apc compile`` makes of the layers, equals
    torch's bit for bit where sums stay below 2^24 steps of their grid. Batch norms behind layers are exported as they
    are, which no integers equal: fold them before conversion (`fold_batch_norm`). Inputs and weights have at most 8
    bits. Raises ConversionError for more and for a model that is not calibrated, and UserError where torch cannot
    export it or ``path`` cannot be written.
    """
    frozen = copy.deepcopy(model)
    for layer in simulated_layers(frozen):
        layer.freeze()
    for name, quantiser in quantisers_of(frozen).items():
        try:
            quantiser.freeze()
        except ConversionError as error:
            raise ConversionError(f"layer {name}: {error}") from None
    for key, hook in list(frozen._forward_pre_hooks.items()):
        if isinstance(hook, CountImages):
            del frozen._forward_pre_hooks[key], frozen._forward_pre_hooks_with_kwargs[key]
    device = next(model.parameters()).device
    given = Arguments.of(example)
    if given.named or len(given.tensors()) != len(given.positional):
        raise ConversionError(f"{type(model).__name__}: give the example's tensors by position, a tuple of them")
    arguments = tuple(_two_or_more(argument).to(device) for argument in given.tensors())
    proto = traced(
        frozen,
        arguments,
        external_data=False,
        dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in arguments),
        input_names=["input"] if len(arguments) == 1 else None,
        custom_translation_table=onnx_translations(),
    )
    if not all(value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.input):
        raise ConversionError(
            f"{type(model).__name__}: its forward fixes the number of images: take x.shape[0] instead of len(x)"
        )
    name_by_module(proto.graph.node)
    proto = without_traces(proto)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    if path is not None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(proto.SerializeToString(deterministic=True))
    return proto


def _two_or_more(images: torch.Tensor) -> torch.Tensor:
    """Images as the exporter wants them: of one, it would make a model for one."""
    return torch.cat([images, images]) if len(images) == 1 else images
