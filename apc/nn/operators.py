"""Custom torch operations that become QuantizeLinear and DequantizeLinear in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


@torch.library.custom_op("apc::fake_quantise", mutates_args=())
def fake_quantise(x: torch.Tensor, scale: float, low: int, high: int) -> torch.Tensor:
    """round_half_even(x / scale) clamped to [low, high], times scale."""
    return torch.clamp(torch.round(x / scale), low, high) * scale


@torch.library.custom_op("apc::dequantise", mutates_args=())
def dequantise(levels: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """int8 levels (channels first) times the channel's scale."""
    return levels.float() * scale.reshape(-1, *[1] * (levels.ndim - 1))


@fake_quantise.register_fake
def _(x: torch.Tensor, scale: float, low: int, high: int) -> torch.Tensor:
    return torch.empty_like(x)


@dequantise.register_fake
def _(levels: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return torch.empty(levels.shape)


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What ``torch.onnx.export`` wants as ``custom_translation_table``: of opset 20, levels of at most 8 bits."""
    return {
        torch.ops.apc.fake_quantise.default: _onnx_fake_quantise,
        torch.ops.apc.dequantise.default: _onnx_dequantise,
    }


def _onnx_fake_quantise(x: Any, scale: float, low: int, high: int) -> Any:
    from onnxscript import opset20 as op

    kind = np.dtype(np.int8 if low < 0 else np.uint8)
    full = np.iinfo(kind)
    step, zero = _constant(np.float32(scale)), _constant(kind.type(0))
    levels: Any = op.QuantizeLinear(x, step, zero)
    if (low, high) != (full.min, full.max):
        levels = op.Clip(levels, _constant(kind.type(low)), _constant(kind.type(high)))
    return op.DequantizeLinear(levels, step, zero)


def _onnx_dequantise(levels: Any, scale: Any) -> Any:
    from onnxscript import opset20 as op

    return op.DequantizeLinear(levels, scale, axis=0)


def _constant(value: np.generic) -> Any:
    from onnx import numpy_helper
    from onnxscript import opset20 as op

    return op.Constant(value=numpy_helper.from_array(np.asarray(value)))
